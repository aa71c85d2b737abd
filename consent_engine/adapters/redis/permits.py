"""Dialling on Redis: one look at thousands of lines, and the stream of answers to requests for permits."""

from collections.abc import Mapping, Sequence

from consent_engine.adapters.redis.client import Calls
from consent_engine.adapters.redis.codec import pairs
from consent_engine.adapters.redis.of_cell import OfCell, log_unreadable
from consent_engine.adapters.redis.records import LOOK_BACK
from consent_engine.domain.call.permit import Given
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.seal import cipher_of
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Permits

CHUNK = 500
"""Lines that one script looks at: few enough that no other client waits long."""
ABOUT_MS = 60_000
"""The largest distance (ms) between a request and the instant under which its answers are kept."""
MOST_AT_ONCE = 10_000


class RedisPermits(OfCell, Permits):
    """The Permits of one cell."""

    def standing(self, lines: Mapping[str, str]) -> tuple[Millis, Mapping[str, Line | None]]:
        keys = list(lines)
        chunks = [keys[n : n + CHUNK] for n in range(0, len(keys), CHUNK)] or [[]]
        calls, now_asked, cipher = Calls(), self._clock.argument(), cipher_of(self._seal)
        for chunk in chunks:
            numbers = [cipher.close(line, lines[line]) for line in chunk]
            calls.script("standing", [*map(self._cell.line, chunk)], [now_asked, *numbers])
        answers = self._wire.send(calls, repeat=True)
        now = int(answers[0][0])
        found: dict[str, Line | None] = {}
        for chunk, (_, *rows) in zip(chunks, answers, strict=True):
            for number, *flat in rows:
                line = chunk[number - 1]
                found[line] = None
                try:
                    read = Line.decode(line, cipher.opened(line, pairs(flat)), now)
                    found[line] = self._seal.check(read, read.seal) if self._seal else read
                except BrokenRecord as error:
                    log_unreadable(line, error)
        return now, found

    def keep(self, given: Sequence[tuple[str, Given]]) -> None:
        calls = Calls()
        for _, each in given:
            calls.script("keep_entry", [self._cell.permits], [each.encode(), LOOK_BACK])
        self._wire.send(calls, prove=True, repeat=True)

    def find(self, request: str, at: Millis) -> list[Given]:
        span = (max(0, at - ABOUT_MS), at + ABOUT_MS, "COUNT", MOST_AT_ONCE)
        [rows] = self._wire.ask(("XRANGE", self._cell.permits, *span))
        found = (Given.decode(fields["m"] if isinstance(fields, Mapping) else fields[1]) for _, fields in rows)
        return [each for each in found if each.request == request]
