"""How far a command is that takes long: said every two seconds."""

from time import monotonic

from consent_engine.cli.tables import manner, tell


class Slowly:
    """Says how far it is, every two seconds."""

    def __init__(self) -> None:
        self._said_at = monotonic()

    def tell(self, what: str) -> None:
        """Say it, if nothing was said for so long."""
        if monotonic() - self._said_at >= manner().every_s:
            self._said_at = monotonic()
            tell(what)
