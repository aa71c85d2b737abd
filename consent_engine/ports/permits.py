"""The port to dialling: restrictions and calls of many lines at once, and the answers to requests for permits."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from consent_engine.domain.call.permit import Given
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line


class Permits(Protocol):
    """The basis of dialling permits, and the record of the answers given."""

    def standing(self, lines: Mapping[str, str]) -> tuple[Millis, Mapping[str, Line | None]]:
        """Return the server's instant and, of these lines (line -> its number), those with a restriction or a call:
        these two alone are read.

        None for a line that cannot be read, or has another number. In one round trip, however many lines there are.
        """

    def keep(self, given: Sequence[tuple[str, Given]]) -> None:
        """Keep answers, each once, proven durable; each comes with a line of the part of the store that it is about."""

    def find(self, request: str, at: Millis) -> list[Given]:
        """Return the answers to a request made around an instant, one row for each part of the store."""
