"""A health check for containers and supervisors: exit status 0 if a worker of this host was heard lately, else 1.

A process may exist and do nothing. A worker announces itself at every tick of its clock, so that the store knows.
"""

import socket
import sys

from consent_engine.config.settings import Settings
from consent_engine.errors import ConsentError
from consent_engine.wiring import Installation

HEARD_WITHIN_MS = 20_000


def alive(settings: Settings, host: str) -> bool:
    """Whether a worker on `host` announced itself lately. With CONSENT_REDIS_URL only."""
    if settings.redis_url is None:
        sys.stderr.write("CONSENT_REDIS_URL is not set: `consent serve` looks after its workers itself\n")
        return False
    secret = settings.secret_for(settings.data_dir)
    engine = Installation(settings, settings.redis_url, settings.rq_url or settings.redis_url, secret).engine()
    return any(name.rsplit("-", 2)[0] == host for name in engine.registry.workers(HEARD_WITHIN_MS))


def main() -> int:
    try:
        return 0 if alive(Settings.load(), socket.gethostname()) else 1
    except ConsentError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
