"""The records of a commit as scripts take them: their arguments as they are written, and the lists they belong in."""

from collections.abc import Mapping, Sequence
from hashlib import sha1
from itertools import chain

from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.decide.decision import PARKED, Drop, Put
from consent_engine.domain.effects import Lane, lane_of
from consent_engine.domain.line.restriction import Restriction, is_lasting
from consent_engine.domain.order.unlikely_yes import Laid
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.domain.seal import Leaf, Seal
from consent_engine.ports import (
    CallChange,
    Change,
    EndingChange,
    Leave,
    LineChange,
    Look,
    OrderChange,
    Owner,
    RecordChange,
    ReportChange,
)

LANES = {lane: number for number, lane in enumerate(Lane, 2)}
"""A lane's number among the keys of `commit`."""


def laid_of(laid: Laid, cell: Cell, lists: "Lists") -> str:
    """A yes that is laid beside others; the name of these comes last, for the agent's may hold blanks."""
    key = lists.numbers[cell.rhythm(cell.days.of(laid.beat.at))]
    read = sha1(laid.read.encode(), usedforsecurity=False).hexdigest() if laid.read else "-"
    return f"{key} {read} {laid.kept} {laid.beat.among}"


def written(change: Change, cell: Cell, seal: Seal | None, held: str, lists: "Lists") -> str:
    """Have a record among the arguments, and what goes with it; the name of its key. held: its effect that is held."""
    if isinstance(change, OrderChange):
        return _order(change, cell, seal, held, lists)
    if isinstance(change, LineChange):
        return _line(change, cell, seal, held, lists)
    return _other(change, cell, seal, held, lists)


class Numbers(dict[str, int]):
    """The number of each key of a script; a key that is looked up for the first time gets the next number."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self._first = first

    def __missing__(self, key: str) -> int:
        number = self[key] = len(self) + self._first
        return number


class Lists:
    """The arguments so far, and the lists that a commit touches beside its records. `due`: of each that is put, the
    number of a sorted set's key, the score, the member; `gone`: the number, the member; `sealed`: entries of the
    journal.
    """

    __slots__ = ("args", "due", "gone", "numbers", "sealed")

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers
        self.args: list[str | int] = []
        self.due: list[str | int] = []
        self.gone: list[str | int] = []
        self.sealed: list[str] = []

    def listed(self) -> None:
        """Have among the arguments what the commit at hand puts into lists, and what it takes off them."""
        self.args += len(self.due) // 3, *self.due, len(self.gone) // 2, *self.gone

    def seal(self, leaf: Leaf | None) -> None:
        """Have the journal keep the seal of a record, if it has one."""
        if leaf is not None:
            self.sealed.append(leaf.entry)

    def row(
        self, begins: str, fields: Mapping[str, str], names: list[str], put: Sequence[Put] = (),
        drop: Sequence[tuple[str, Drop]] = (), barring: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """A record as the script reads it behind its version and how it is touched: what is asked of it, set and
        deleted. What is no longer due, and what is, goes to the lists of its lane; its member there begins as said.
        """
        going = [] if all(fields.values()) else [name for name, value in fields.items() if not value]
        kept = list(chain.from_iterable([field for field in fields.items() if field[1]] if going else fields.items()))
        care, again = "", [each.effect for each in put]
        for effect, kind in drop:
            name = f"f:{effect}"
            going.append(name)
            if kind is not Drop.ANYWAY:
                names.append(name)
                care += str(int(kind))
            if effect not in again:
                self.gone += LANES[lane_of(effect)], begins + effect
        for each in put:
            effect, due = each.effect, each.due
            kept += f"f:{effect}", each.pending.encode()
            self.due += LANES[lane_of(effect)], "+inf" if due == PARKED else due, begins + effect
        if barring:
            names += [f"r:{name}" for name in barring]
        self.args += care, len(barring), len(names), *names, len(kept) // 2, *kept, len(going), *going


def _order(change: OrderChange, cell: Cell, seal: Seal | None, held: str, lists: Lists) -> str:
    order, before = change.order, change.state_before
    doc, state = order.doc, order.state
    fields = {**change.fields, "state": state, "head": order.head}
    if change.fields and seal:
        fields[SEAL] = seal.of(order)
    lists.args += change.read, "n" if before is None else "e"
    lists.seal(change.leaf)
    lists.row(f"o:{doc.id}:", fields, [f"f:{held}"] if held else [], change.put, change.drop)
    return cell.order(doc.id)


def _line(change: LineChange, cell: Cell, seal: Seal | None, held: str, lists: Lists) -> str:
    """`seen`, which the script looks at, is the first that is asked of it, and the first that is set."""
    fields = change.fields
    if "seen" in fields:
        fields = {"seen": fields["seen"], **fields}
    if (after := change.sealed) is not None:
        fields = {**fields, f"e{len(after.publics) - 1}": after.publics[-1]}
        fields |= {SEAL: seal.of_line(after)} if seal else {}
        lists.seal(change.leaf)
    lists.args += "" if change.read is None else change.read, "a"
    names = [f"f:{held}", "seen"] if held else ["seen"]
    lists.row(f"l:{change.id}:", fields, names, change.put, change.drop, change.barring)
    for name in [each for each in fields if each[:2] == "r:"]:
        _restricted(change.id, name[2:], fields[name], lists)
    return cell.line(change.id)


def _restricted(line: str, name: str, kept: str, lists: Lists) -> None:
    """The leaf of a restriction that begins to stand: of a message from before the door read."""
    if kept and is_lasting(name):
        lists.seal(Leaf.of_refusal(line, name, Restriction.decode(name, kept).since))


def _other(
    change: CallChange | EndingChange | ReportChange | RecordChange | Look | Leave,
    cell: Cell,
    seal: Seal | None,
    held: str,
    lists: Lists,
) -> str:  # fmt: skip
    names = [f"f:{held}"] if held else []
    if isinstance(change, CallChange):
        return _sealed(Owner.CALL, change.call, change, cell, seal, names, lists)
    if isinstance(change, Look):
        lists.args += "" if change.read is None else change.read, "l"
        lists.row("", {}, names, barring=change.barring)
        return cell.record(change.owner, change.id)
    if isinstance(change, Leave):
        lists.args += change.read, "d"
        lists.row(f"{change.owner}:{change.id}:", {}, names, drop=[(each, Drop.ANYWAY) for each in change.effects])
        return cell.record(change.owner, change.id)
    if isinstance(change, RecordChange):
        lists.args += change.read, "n" if change.new else "e"
        lists.seal(change.leaf)
        lists.row(f"{change.owner}:{change.id}:", change.fields, names, change.put, change.drop)
        return cell.record(change.owner, change.id)
    if isinstance(change, EndingChange):
        return _sealed(Owner.ENDING, change.ending, change, cell, seal, names, lists)
    return _sealed(Owner.REPORT, change.report, change, cell, seal, names, lists)


def _sealed(
    owner: Owner,
    record: Call | Ending | Report,
    change: CallChange | EndingChange | ReportChange,
    cell: Cell,
    seal: Seal | None,
    names: list[str],
    lists: Lists,
) -> str:
    """A record with a chain and a seal of its own, and its leaf."""
    fields = {**change.fields, "state": record.state, "head": record.head}
    if change.fields and seal:
        fields[SEAL] = seal.of_record(record)
    lists.args += change.before.version if change.before else 0, "e" if change.before else "n"
    lists.seal(change.leaf)
    lists.row(f"{owner}:{record.id}:", fields, names, change.put, change.drop)
    return cell.record(owner, record.id)
