"""A commit as the script `commit` takes it: its keys, and its arguments as they are written."""

from collections.abc import Mapping, Sequence

from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.call.counted import counted_of
from consent_engine.domain.decide.decision import PARKED, Drop
from consent_engine.domain.effects import READ, Lane, lane_of
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.domain.seal import Seal
from consent_engine.ports import CallChange, Change, Commit, LineChange, Look, OrderChange, Owner, RecordChange

LANES = {lane: number for number, lane in enumerate(Lane, 2)}
"""A lane's number among the keys of `commit`."""


def asked(
    commit: Commit, cell: Cell, offer: tuple[str, str], seal: Seal | None = None
) -> tuple[list[str], list[str | int]]:
    """The keys and the arguments of the script `commit`.

    offer: the name of the one a new order needs, and its content unless it is believed to be there
    """
    records, held = commit.records, commit.held
    holder = _number(records, held.record) if held else 0
    keys = ["", *cell.due.values(), cell.unmatched, cell.offers, *(_key(each, cell) for each in records)]
    args: list[str | int] = [
        commit.op, "" if commit.guard is None else commit.guard, 0, "", "0", *offer,
        "" if commit.at is None else commit.at, holder, "", held.token if held else "", len(records),
    ]  # fmt: skip
    counts: list[str | int] = []
    gone: _Groups = {}
    due: _Groups = {}
    inbox = ""
    for number, change in enumerate(records, 1):
        if isinstance(change, OrderChange):
            order, state = change.order, change.order.state
            inbox = inbox or order.line
            if state != change.state_before:
                keys.append(cell.funnel_of(order.doc.placed_at))
                counts += len(keys), f"{change.state_before or ''}>{state}"
            if change.state_before is None:
                keys.append(cell.placed)
                due[len(keys)] = [order.doc.placed_at, order.id]
        elif isinstance(change, CallChange):
            _of_call(change, cell, keys, counts, due)
        elif isinstance(change, LineChange) and (change.consume or not args[2]):
            inbox = change.id
            args[2:5] = number, change.consume, "1" if change.release else "0"
            args[9] = f"l:{inbox}:{READ}"
        _row(args, change, seal, held.effect if held and number == holder else "", (gone, due))
    keys[0] = cell.inbox(inbox or "-")
    for groups in (due, _without(gone, due)):
        _group(args, groups)
    args += len(counts) // 2, *counts, len(commit.unmatched), *commit.unmatched
    return keys, args


_Groups = dict[int, list[str | int]]
"""By the number of a sorted set's key: its members, with their scores before them where they are put."""


def _of_call(change: CallChange, cell: Cell, keys: list[str], counts: list[str | int], due: _Groups) -> None:
    """The lists that a call belongs in now, and what is counted of it."""
    lists, at = cell.calls_begun(change.call, change.before), change.call.began.started_at
    for name in lists:
        keys.append(name)
        due[len(keys)] = [at, change.id]
    keys.append(cell.dialled_of(at))
    for count in counted_of(change.call, change.before):
        counts += len(keys), count


def _without(gone: _Groups, due: _Groups) -> _Groups:
    """What is taken off its lane and not put there anew."""
    left = {lane: [each for each in members if each not in due.get(lane, ())[1::2]] for lane, members in gone.items()}
    return {lane: members for lane, members in left.items() if members}


def _group(args: list[str | int], groups: _Groups) -> None:
    """How many groups there are; then of each its key's number, how many members and scores, and these."""
    args.append(len(groups))
    for key, members in groups.items():
        args += key, len(members), *members


def _row(
    args: list[str | int], change: Change, seal: Seal | None, held: str, lanes: tuple[_Groups, _Groups]
) -> None:  # fmt: skip
    """A record as the script reads it: its version, how it is touched, what is asked of it, set and deleted; what is no
    longer due, and what is, by lane.
    """
    begins, read, how, fields = _touched(change, seal)
    put, drop = ((), ()) if isinstance(change, Look) else (change.put, change.drop)
    barring = change.barring if isinstance(change, LineChange | Look) else ()
    gone, due = lanes
    names = [f"f:{held}"] if held else []
    if how == "a":
        names.append("seen")
    kept: list[str] = []
    going: list[str] = []
    care = ""
    for name, value in fields.items():
        if value:
            kept += name, value
        else:
            going.append(name)
    for effect, kind in drop:
        going.append(f"f:{effect}")
        gone.setdefault(LANES[lane_of(effect)], []).append(begins + effect)
        if kind is not Drop.ANYWAY:
            names.append(f"f:{effect}")
            care += str(int(kind))
    for each in put:
        kept += f"f:{each.effect}", each.pending.kept()
        score = "+inf" if each.due == PARKED else each.due
        due.setdefault(LANES[lane_of(each.effect)], []).extend((score, begins + each.effect))
    names += [f"r:{name}" for name in barring]
    args += read, how, care, len(barring), len(names), *names, len(kept) // 2, *kept, len(going), *going


def _touched(change: Change, seal: Seal | None) -> tuple[str, str | int, str, Mapping[str, str]]:
    """How the members of a record's effects begin, the version that was read of it, how it is touched, and what is set
    of it, or '' for what goes; `seen`, which the script looks at, is the first.
    """
    if isinstance(change, OrderChange):
        order = change.order
        fields = {**change.fields, "state": order.state, "head": order.head}
        if change.fields and seal:
            fields[SEAL] = seal.of(order)
        return f"o:{order.id}:", change.read, "n" if change.state_before is None else "e", fields
    if isinstance(change, CallChange):
        call, before = change.call, change.before
        fields = {**change.fields, "state": call.state, "head": call.head}
        if change.fields and seal:
            fields[SEAL] = seal.of_call(call)
        return f"c:{call.id}:", before.version if before else 0, "e" if before else "n", fields
    read = "" if change.read is None else change.read
    if isinstance(change, LineChange):
        seen = {"seen": change.fields["seen"]} if "seen" in change.fields else {}
        return f"l:{change.id}:", read, "a", {**seen, **change.fields}
    begins = f"{change.owner}:{change.id}:"
    if isinstance(change, RecordChange):
        return begins, read, "n" if change.new else "e", change.fields
    return begins, read, "l", {}


def _key(change: Change, cell: Cell) -> str:
    if isinstance(change, OrderChange):
        return cell.order(change.order.id)
    if isinstance(change, CallChange):
        return cell.record(Owner.CALL, change.id)
    return cell.line(change.id) if isinstance(change, LineChange) else cell.record(change.owner, change.id)


def _number(records: Sequence[Change], record: str) -> int:
    """The number of the record that is named so among those of a commit. Raises ValueError when it is not there."""
    return [each.id for each in records].index(record) + 1
