"""How far a command is that takes long: said every two seconds."""

import sys
from time import monotonic

EVERY_S = 2.0


class Slowly:
    """Says how far it is, every two seconds."""

    def __init__(self) -> None:
        self._said_at = monotonic()

    def tell(self, what: str) -> None:
        """Say it, if nothing was said for so long."""
        if monotonic() - self._said_at >= EVERY_S:
            self._said_at = monotonic()
            sys.stderr.write(f"{what}\n")
