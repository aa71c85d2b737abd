"""The API as a process of its own, beside the test's engine."""

import sys

from tests.integration.api_door import FULL_SECRET

SERVE = """
import logging, sys
from pathlib import Path
from consent_engine.api.app import run
from consent_engine.wiring import Installation
from tests.integration.api_door import settings_of
logging.basicConfig(level=logging.DEBUG)
settings = settings_of({"CONSENT_DATA_DIR": sys.argv[2], "CONSENT_SECRET": sys.argv[3]})
installation = Installation(settings, sys.argv[1], sys.argv[1], sys.argv[3])
run(installation, "127.0.0.1", int(sys.argv[4]), lambda address: print(address, flush=True))
logging.info("and back")
"""


def api_command(url, folder, port="0"):
    """Return the command that starts the API on a server and its data folder; it prints its address."""
    return [sys.executable, "-c", SERVE, url, str(folder), FULL_SECRET, port]
