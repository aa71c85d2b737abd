"""The instant, by the server's own clock."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from consent_engine.domain.effects import Millis


@dataclass(frozen=True, slots=True)
class Clock:
    """The server's clock; hand: another one instead, in tests."""

    hand: Callable[[], Millis] | None = None

    def argument(self) -> str:
        """The instant as an argument of a script; without a hand-driven clock nothing: it asks the server."""
        return "" if self.hand is None else str(self.hand())

    def instant(self, time: Sequence[Any]) -> Millis:
        """The instant that TIME answered."""
        return int(time[0]) * 1000 + int(time[1]) // 1000 if self.hand is None else self.hand()
