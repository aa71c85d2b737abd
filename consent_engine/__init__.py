"""SMS double opt-in for telephone sales: no consent, no service, and the proof of it afterwards."""

__version__ = "0.1.0"
DISTRIBUTION = "sms-consent-engine"
"""The name under which pip knows these packages: `consent-engine` on the package index is another project."""
