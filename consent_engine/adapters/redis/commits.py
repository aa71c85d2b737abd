"""Commits as the script `commit` takes them: its keys, and its arguments as they are written; many in one go."""

from collections.abc import Sequence

from consent_engine.adapters.redis.codec import Offers
from consent_engine.adapters.redis.commit_arguments import Lists, Numbers, laid_of, written
from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.effects import READ
from consent_engine.domain.seal import Chained, Seal, mark_of
from consent_engine.ports import (
    CallChange,
    Change,
    Commit,
    EndingChange,
    Leave,
    LineChange,
    Look,
    OrderChange,
    Owner,
    RecordChange,
    ReportChange,
)

UNMATCHED = 1
"""The number of the stream of unmatched messages among the script's keys."""
MOST = 128
"""How many commits a script saves: some milliseconds in which no one else is answered."""


class Commits(Lists):
    """The keys and the arguments of one script, commit by commit. offers: those that are believed to be in the store"""

    __slots__ = ("_absent", "_cell", "_needed", "_offers", "_seal", "count")

    def __init__(self, cell: Cell, seal: Seal | None, offers: Offers) -> None:
        super().__init__(Numbers(len(cell.of_commits) + 1))
        self._cell = cell
        self._seal = seal
        self._offers = offers
        self._needed: dict[tuple[str, str], int] = {}
        self._absent: list[int] = []
        self.count = 0

    @property
    def offers(self) -> list[tuple[str, str]]:
        """The offers that the commits need, each with its content, '' where that is believed to be stored."""
        return list(self._needed)

    def add(self, commit: Commit) -> None:
        """Add one. Raises ValueError for a commit without the record whose effect is held."""
        args, records, held = self.args, commit.records, commit.held
        self.due, self.gone, self.sealed = [], [], []
        self.count += 1
        start = len(args)
        args += (
            0, commit.op, "" if commit.guard is None else commit.guard, 0, "", "0",
            "" if commit.at is None else commit.at, 0, "", held.lease if held else "",
            "" if commit.laid is None else laid_of(commit.laid, self._cell, self), 0,
            "" if commit.until is None else commit.until, 0, len(records),
        )  # fmt: skip
        inbox = ""
        for place, change in enumerate(records, 1):
            effect = ""
            if held and change.id == held.record:
                args[start + 7], effect = place, held.effect
            if isinstance(change, OrderChange):
                inbox = inbox or change.order.line
                args[start + 13] = self._offer(change)
            elif isinstance(change, LineChange) and (change.consume or not args[start + 3]):
                inbox = change.id
                args[start + 3 : start + 6] = place, change.consume, "1" if change.release else "0"
                args[start + 8] = f"l:{inbox}:{READ}"
            elif isinstance(change, Leave) and change.owner is Owner.LINE:
                inbox = change.id
            self._record(change, effect)
        if held and not args[start + 7]:
            raise ValueError("a commit without the record whose effect is held")
        if inbox and (commit.guard is not None or args[start + 4]):
            args[start + 11] = self.numbers[self._cell.inbox(inbox)]
        self.sealed += commit.entries
        self.sealed += _marks(records, sealed=bool(self.sealed))
        self.listed()
        streams = self._streams(commit)
        args += len(streams) // 2, *streams, len(self.sealed), *self.sealed
        args[start] = len(args) - start - 1

    def _streams(self, commit: Commit) -> list[str | int]:
        """Return what is added to streams: of each the number of its key, and the message."""
        streams: list[str | int] = [each for message in commit.unmatched for each in (UNMATCHED, message)]
        if commit.lifted:
            streams += self.numbers[self._cell.lifted], commit.lifted
        return streams

    def _record(self, change: Change, effect: str) -> None:
        """Have a record among the arguments. effect: the one that is held"""
        args, mine = self.args, len(self.args)
        number = self.numbers[written(change, self._cell, self._seal, effect, self)]
        if args[mine] == 0:  # the version that was read
            self._absent.append(number)
        args.insert(mine, number)

    def _offer(self, change: OrderChange) -> int:
        """Return the number of the offer that a new order needs; 0 for any other order."""
        if change.state_before is not None:
            return 0
        return self._needed.setdefault(self._offers.needed(change.order), len(self._needed) + 1)

    def asked(self, now: str) -> tuple[list[str], list[str | int]]:
        """The keys and the arguments of the script, for all of them. now: '' for the server's own"""
        first: list[str | int] = [now, len(self._needed)]
        for offer in self._needed:
            first += offer
        args = [*first, len(self._absent), *self._absent, self.count, *self.args]
        return [*self._cell.of_commits, *self.numbers], args


def _marks(records: Sequence[Change], *, sealed: bool) -> list[str]:
    """Return the journal's marks for the records that a commit changes without a leaf. sealed: the commit has a leaf,
    which stands for the line, too.
    """
    return [
        mark_of(Chained(each.owner.value) if isinstance(each, RecordChange | Leave) else _KINDS[type(each)], each.id)
        for each in records
        if not isinstance(each, Look) and each.leaf is None and not (sealed and isinstance(each, LineChange))
        and not (isinstance(each, Leave) and each.owner is not Owner.LINE)  # SQL has it
    ]  # fmt: skip


_KINDS: dict[type[Change], Chained] = {
    OrderChange: Chained.ORDER, LineChange: Chained.LINE, CallChange: Chained.CALL, EndingChange: Chained.ENDING,
    ReportChange: Chained.REPORT,
}  # fmt: skip
