"""The API as a process of its own: `python -m tests.acceptance.kannel_api PORT`."""

import sys

from consent_engine import logs
from consent_engine.api.app import run
from consent_engine.settings import Settings
from consent_engine.wiring import installation

if __name__ == "__main__":
    logs.set_up("api")
    with installation(Settings.load()) as found:
        run(found, "127.0.0.1", int(sys.argv[1]))
