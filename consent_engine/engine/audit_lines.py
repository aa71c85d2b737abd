"""The audit of lines: a line's history must be as the log has it, for as long as the line exists.

A line is deleted with its number when it has no entries left, and begins anew with the number's next event. So a
deleted line is not missed, and only the log's entries since a line last began are compared.
"""

from collections.abc import Iterable, Sequence

from consent_engine.domain.effects import Millis
from consent_engine.domain.leaf import Leaf
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.event import chain
from consent_engine.ports import Store

PIECE = 500


class Lines:
    """The leaves of lines found in the log, in the log's order."""

    def __init__(self) -> None:
        self.known: dict[str, list[Leaf]] = {}

    def note(self, leaves: Iterable[Leaf]) -> None:
        for leaf in leaves:
            if leaf.seq == 0:
                self.known[leaf.record] = []
            self.known.setdefault(leaf.record, []).append(leaf)

    def wrong(self, store: Store, until: Millis) -> list[tuple[str, str]]:
        """Return the lines that differ from the log, and how. Raises StoreUnavailable and ArchiveUnavailable."""
        found: list[tuple[str, str]] = []
        names = list(self.known)
        for some in (names[n : n + PIECE] for n in range(0, len(names), PIECE)):
            there = store.records.live(lines=some)[2]
            found += [(name, "cannot be read: the log has its events") for name in some if name not in there]
            lines = [line for line in there.values() if line.history]
            ahead = {Leaf.of_line(line).entry for line in lines if self._is_ahead(line, until)}
            waiting = store.journal.among(ahead) if ahead else set()
            for line in lines:
                last = Leaf.of_line(line).entry
                if last in waiting or (last in ahead and store.log is not None and store.log.has(last)):
                    continue  # the line began anew, or got more events, since the log was read
                if (what := _differs(line, self.known[line.id], unlogged=last in ahead)) is not None:
                    found.append((line.id, what))
        return found

    def _is_ahead(self, line: Line, until: Millis) -> bool:
        """Whether the last event of a line was not found in the log."""
        last = Leaf.of_line(line)
        return last.at < until and last not in self.known[line.id]


def _differs(line: Line, leaves: Sequence[Leaf], *, unlogged: bool) -> str | None:
    last, newest = len(line.publics) - 1, leaves[-1]
    if last < newest.seq:
        return f"dropped: the log has event {newest.seq}, the line says {last}"
    for leaf in leaves:
        if chain("", line.publics[: leaf.seq + 1]) != leaf.head:
            return f"written anew: up to event {leaf.seq} it is not what the log has"
    return f"not in the log: what came after event {newest.seq}" if unlogged and last > newest.seq else None
