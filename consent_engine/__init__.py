"""SMS double opt-in for telephone sales: no consent, no service, and the proof of it afterwards."""

import os

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # another package is not shown what people write

__version__ = "0.1.0"
DISTRIBUTION = "sms-consent-engine"
"""The name under which pip knows these packages: `consent-engine` on the package index is another project."""
