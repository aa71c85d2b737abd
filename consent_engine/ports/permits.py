"""The port to dialling: what stands on many lines at once, and what requests for permits were answered."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from consent_engine.domain.call.given import Given
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line


class Permits(Protocol):
    """What dialling goes by, and what is kept of it."""

    def standing(self, lines: Mapping[str, str]) -> tuple[Millis, Mapping[str, Line | None]]:
        """The server's instant, and of these lines (-> their numbers) those on which anything stands: their
        restrictions and calls, no more.

        None for a line that cannot be read, or has another number. In one round trip, however many are asked for.
        """

    def keep(self, given: Sequence[tuple[str, Given]]) -> None:
        """Keep answers, each with a line of the part of the store that it is about, proven; each once."""

    def find(self, request: str, at: Millis) -> list[Given]:
        """What a request that was made about then was answered, a row a part of the store."""
