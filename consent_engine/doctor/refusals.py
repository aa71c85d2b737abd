"""Checks that each refusal stands on its line, by SQL's lists of refusals and suspicions, by orders' histories, and by
the log, which knows also those that data from a backup, or a file without its end, never had.

The door, dialling and the gate read fields of a line that no seal covers, because scripts change them.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import UNSET

from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.domain.canonical_json import parsed
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Millis
from consent_engine.domain.inbox import UnreadRefusal, UnreadRegistration, encode_message
from consent_engine.domain.line.restriction import CONSENT, EVERY_CARRIER, LASTING, Kind, Restriction, name_of
from consent_engine.domain.order.retention import Retention
from consent_engine.domain.seal import head_of
from consent_engine.engine.audit import PIECE as LOG_PIECE
from consent_engine.engine.audit import Audited, refusals_of
from consent_engine.engine.audit_refusals import Lifting, Refusals, note_lifted, note_standing
from consent_engine.engine.recall import pieces
from consent_engine.ports import Log, Posted, Store
from consent_engine.ports.queries import NOTHING, Position, StandingRestriction

if TYPE_CHECKING:
    from consent_engine.doctor.records import Walk

PIECE = 200
TELL_EVERY = 100_000
"""The number of the log's entries after which progress is reported."""
DOOR = "doctor"
"""The door recorded with a refusal that was put back."""
Whom = tuple[str, str]
"""A line, and the name of the restriction that is gone: a refusal's is the carrier that its subscriber refused."""


def look(walk: "Walk") -> None:
    """Note lines whose refusal is gone and was not lifted; put it back if the walk mends. Note those whose refusal
    the log lacks; have it noted there.
    """
    store = walk.store
    known = _by_log(store, store.log, walk.tell) if store.log is not None else None
    lost = {*_off_their_lines(store), *_not_lifted(walk, known and known[1])}
    if known is not None:
        lost |= {*_not_as_the_log(walk, known[1])}
        _note_liftings(walk, known[1].lifted)
    for some in pieces(sorted(lost), PIECE):
        walk.found["unrefused"] += [line for line, _ in some]
        if walk.wanted.mend and (back := [each for each in some if each[1]]):
            store.inbox.receive([_put_back(*each) for each in back])
            walk.mended += [f"{line} refusal" for line, _ in back]
    for some in pieces(_unlogged(walk, *known) if known else [], PIECE):
        walk.found["unlogged"] += [line for line, _ in some]
        if walk.wanted.mend and note_standing(store, some):
            walk.mended += [f"{line} log entry" for line, _ in some]


def _off_their_lines(store: Store) -> Iterator[Whom]:
    """Yield refusals that SQL has and their lines have not, where the line is no newer than SQL: a lift makes it newer.
    A lost suspicion is yielded as the refusal that it may be. A doubtful reply bars one order, whose history knows that
    no yes counts.
    """
    if store.queries is NOTHING:
        return
    now = store.records.live()[0]
    for kind in CONSENT:
        before: Position | None = None
        while True:
            page = store.queries.restrictions.page(kind, before, PIECE)
            rows = [row for row in page.rows if not (row.restriction.is_doubtful or row.restriction.is_over(now))]
            kept = store.journal.lines(list({row.line for row in rows}))
            off = (row for row in rows if _is_off(row, kept[row.line].fields))
            yield from ((row.line, name_of(Kind.REFUSED, row.restriction.carrier, row.restriction.plan)) for row in off)
            if (before := page.last) is None:
                break


def _is_off(row: StandingRestriction, line: Mapping[str, str]) -> bool:
    """Whether a restriction is not on its line, or cannot be read there, though nothing came since SQL had it."""
    name, version = row.restriction.name, line.get("v", "0")
    with suppress(ValueError):
        Restriction.decode(name, line.get(f"r:{name}", ""))
        return False
    return not version.isdecimal() or int(version) <= row.version


def _not_lifted(walk: "Walk", known_by_log: Refusals | None) -> list[Whom]:
    """Return refusals of the histories that stand no more and were not lifted since, as far back as that is kept: by
    the record of the act, or by the log, which has it also where Redis was rebuilt and lost those records.
    """
    known = walk.store.records.live()[0] - Retention().records
    refused = {whom: at for whom, at in walk.refused.items() if at >= known}
    missing = dict(_missing(walk.store, refused))
    lifted = _lifted(walk.survey) if missing else {}

    def lifted_at(line: str, name: str) -> Millis:
        return max(lifted.get((line, name), -1), known_by_log.lifted_at(line, name) if known_by_log else -1)

    return [
        (line, carrier) for (line, carrier), at in missing.items()
        if all(lifted_at(line, of) < at for of in (carrier, EVERY_CARRIER))
    ]  # fmt: skip


def _missing(store: Store, refused: Mapping[Whom, Millis]) -> Iterator[tuple[Whom, Millis]]:
    for piece in pieces(list(refused), PIECE):
        lines = store.records.live(lines=list({line for line, _ in piece}))[2]
        for line, carrier in piece:
            if line in lines and lines[line].refusal(carrier) is None:
                yield (line, carrier), refused[line, carrier]


def _by_log(store: Store, log: Log, tell: Callable[[str], None]) -> tuple[int, Refusals]:
    """Return what stands by the log, and how many entries it had before it was read."""

    def far(read: Audited) -> None:
        if read.entries % TELL_EVERY < LOG_PIECE:
            tell(f"looked at {read.entries:,} entries of the log")

    return log.size(), refusals_of(store, far)


def _unlogged(walk: "Walk", size: int, known: Refusals) -> list[Whom]:
    """Return what stands on lines, without an end, and not by the log, and has no entry on its way there."""
    store = walk.store
    lacking = sorted(each for each in walk.lasting if not known.has(*each))
    found = [each for some in pieces(lacking, PIECE) for each in _standing(store, some)]
    if not found or (log := store.log) is None:
        return []
    named = {(line, head_of(name)) for line, name in found}
    # Read before the log: an entry that leaves it meanwhile is found there. A backup's may have been there before.
    waiting = [leaf for leaf in store.journal.refusals() if (leaf.record, leaf.head) in named]
    coming = {(leaf.record, leaf.head) for leaf in waiting if not log.has(leaf.entry)}
    since = refusals_of(store, first=size)
    return [each for each in found if (each[0], head_of(each[1])) not in coming and not since.has(*each)]


def _standing(store: Store, some: Sequence[Whom]) -> Iterator[Whom]:
    """Yield those of these restrictions that still stand, without an end."""
    lines = store.records.live(lines=list({line for line, _ in some}))[2]
    for line, name in some:
        standing = lines[line].named(name) if line in lines else None
        if standing is not None and not standing.until:
            yield line, name


def _not_as_the_log(walk: "Walk", known: Refusals) -> Iterator[Whom]:
    """Yield what stands by the log alone. The name is '' for a plan that is unknown here: that is not put back."""
    lost = known.missing(walk.store, chain.from_iterable(walk.survey.lifted()))
    if not lost:
        return
    carriers = (*CARRIERS, EVERY_CARRIER)
    names = [name_of(kind, carrier) for kind in LASTING for carrier in carriers]
    names += [name_of(Kind.REFUSED, carrier, plan) for plan in walk.plans() for carrier in carriers]
    named = {head_of(name): name for name in names}
    yield from ((line, named.get(head, "")) for line, head in lost)


def _lifted(survey: RedisSurvey) -> dict[Whom, Millis]:
    """Return the instant of the newest lifting by line and carrier."""
    found: dict[Whom, Millis] = {}
    for piece in survey.lifted():
        for each in map(parsed, piece):
            whom = str(each["line"]), str(each["carrier"])
            found[whom] = max(found.get(whom, 0), int(each["at"]))
    return found


def _note_liftings(walk: "Walk", lifted: Sequence[Lifting]) -> None:
    """Note liftings that the log lacks: once their records are too old, nothing else would tell of them."""
    store, log = walk.store, walk.store.log
    for some in pieces(lifted, PIECE):
        waiting = store.journal.among(
            {leaf.entry for _, leaf in some}
        )  # before the log: where an entry goes from there
        lacking = [each for each in some if log and not (each.leaf.entry in waiting or log.has(each.leaf.entry))]
        walk.found["unlifted"] += [leaf.record for _, leaf in lacking]
        if walk.wanted.mend and lacking and note_lifted(store, lacking):
            walk.mended += [f"{leaf.record} log entry" for _, leaf in lacking]


def _put_back(line: str, name: str) -> Posted:
    """Return the message that writes the restriction anew. A refusal ends what is open, for a lost suspicion too:
    words that are gone cannot be judged.
    """
    kind, _, scope = name.rpartition(":")
    carrier, _, plan = scope.partition("/")
    carriers = " ".join(CARRIERS) if carrier == EVERY_CARRIER else carrier
    body: UnreadRefusal | UnreadRegistration = UnreadRefusal(carriers, DOOR, DOOR, plan=plan or UNSET)
    if kind == Kind.MARKETING_FREE:
        body = UnreadRegistration(carriers, DOOR, DOOR)
    key = f"{DOOR}-{uuid.uuid4().hex}"
    return Posted(line, "", key, encode_message(body), (name,), DOOR, once=True)
