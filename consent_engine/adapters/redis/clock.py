"""The source of instants: the server's own clock, or one driven by hand in tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from consent_engine.domain.effects import Millis


@dataclass(frozen=True, slots=True)
class Clock:
    """The server's clock. hand: another clock instead, in tests"""

    hand: Callable[[], Millis] | None = None

    def now(self) -> Millis | None:
        """Return the instant for a script's packed argument; None without a hand-driven clock: it asks the server."""
        return None if self.hand is None else self.hand()

    def argument(self) -> str:
        """Return the instant as a script's argument; '' without a hand-driven clock: the script asks the server."""
        return "" if self.hand is None else str(self.hand())

    def instant(self, time: Sequence[Any]) -> Millis:
        """Return the instant in an answer to TIME, or that of the hand-driven clock."""
        return int(time[0]) * 1000 + int(time[1]) // 1000 if self.hand is None else self.hand()
