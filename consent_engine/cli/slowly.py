"""Progress of commands that take long, printed every two seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from time import monotonic

from consent_engine.cli.tables import manner, tell


class Slowly:
    """Progress output of one command: at most one line every two seconds."""

    def __init__(self) -> None:
        self._said_at = monotonic()

    def tell(self, text: str) -> None:
        """Print the text, unless a line was printed within the interval."""
        if monotonic() - self._said_at >= manner().every_s:
            self._said_at = monotonic()
            tell(text)


@contextmanager
def announced(text: str, after_s: float = 2.0) -> Iterator[None]:
    """Print the text if the block lasts longer than that: a server that does not answer reports no progress."""
    late = Timer(after_s, tell, [text])
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()
