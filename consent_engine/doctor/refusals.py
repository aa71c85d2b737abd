"""Checks that each refusal stands on its line, by SQL's lists of refusals and suspicions, by orders' histories, and by
the log, which knows also those that data from a backup, or a file without its end, never had.

The door, dialling and the gate read fields of a line that no seal covers, because scripts change them.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain

from msgspec import UNSET

from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.doctor.compared import Plans
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Millis
from consent_engine.domain.inbox import UnreadRefusal, UnreadRegistration, encode_message
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import CONSENT, EVERY_CARRIER, LASTING, Kind, Restriction, name_of
from consent_engine.domain.order.order import Retention
from consent_engine.domain.seal import head_of
from consent_engine.engine.audit import Replay
from consent_engine.engine.audit_refusals import Lifting, Refusals, lasting, lifted_on, sealed
from consent_engine.engine.recall import pieces
from consent_engine.ports import Posted, Store
from consent_engine.ports.queries import NOTHING, Position, StandingRestriction

PIECE = 200
DOOR = "doctor"
"""The door recorded with a refusal that was put back."""
Whom = tuple[str, str]
"""A line, and the name of the restriction that is gone: a refusal's is the carrier that its subscriber refused."""


def off_their_lines(store: Store) -> Iterator[Whom]:
    """Yield refusals that SQL has and their lines have not, where the line is no newer than SQL: a lift makes it newer.
    A lost suspicion is yielded as the refusal that it may be. A doubtful reply bars one order, whose history knows that
    no yes counts.
    """
    if store.queries is NOTHING:
        return
    now = store.records.look({}).now
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


def not_lifted(
    store: Store, survey: RedisSurvey, refused: Mapping[Whom, Millis], known: Refusals
) -> list[Whom]:  # fmt: skip
    """Return refusals of the histories that stand no more and were not lifted since, as far back as that is kept: by
    the record of the act, or by the log, which has it also where Redis was rebuilt and lost those records.

    refused: the latest by line and carrier
    """
    oldest = store.records.look({}).now - Retention().records
    missing = dict(_missing(store, {whom: at for whom, at in refused.items() if at >= oldest}))
    acts = lifted_on(chain.from_iterable(survey.lifted()), {line for line, _ in missing}) if missing else []
    newest = {whom: at for at, whom in sorted((leaf.at, (leaf.record, name)) for name, leaf in acts)}
    return [
        (line, carrier) for (line, carrier), at in missing.items()
        if all(max(newest.get((line, of), -1), known.lifted_at(line, of)) < at for of in (carrier, EVERY_CARRIER))
    ]  # fmt: skip


def _missing(store: Store, refused: Mapping[Whom, Millis]) -> Iterator[tuple[Whom, Millis]]:
    for piece in pieces(list(refused), PIECE):
        lines = store.records.look({Line: list({line for line, _ in piece})}).of(Line)
        for line, carrier in piece:
            if line in lines and lines[line].refusal(carrier) is None:
                yield (line, carrier), refused[line, carrier]


def unlogged(store: Store, standing: Iterable[Whom], log: Replay) -> list[Whom]:
    """Return what stands on lines, without an end, and not by the log, and has no entry on its way there. log: as it
    was read before; it is read on.
    """
    lacking = sorted(each for each in standing if not log.refusals.has(*each))
    found = [(line.id, name) for some in pieces(lacking, PIECE) for line, name in lasting(store, some)[1]]
    if not found or store.log is None:
        return []
    named = {(line, head_of(name)) for line, name in found}
    # Read before the log: an entry that leaves it meanwhile is found there. A backup's may have been there before.
    waiting = [leaf for leaf in store.journal.refusals() if (leaf.record, leaf.head) in named]
    there = store.log.among({leaf.entry for leaf in waiting})
    coming = {(leaf.record, leaf.head) for leaf in waiting if leaf.entry not in there}
    log.read_on(store)
    return [each for each in found if (each[0], head_of(each[1])) not in coming and not log.refusals.has(*each)]


def named(lost: Sequence[Whom], plans: Plans) -> Iterator[Whom]:
    """Yield what stands by the log alone, given by line and head. The name is '' for a plan that is unknown here: that
    is not put back.
    """
    if not lost:
        return
    carriers = (*CARRIERS, EVERY_CARRIER)
    names = [name_of(kind, carrier) for kind in LASTING for carrier in carriers]
    names += [name_of(Kind.REFUSED, carrier, plan) for plan in plans() for carrier in carriers]
    of_head = {head_of(name): name for name in names}
    yield from ((line, of_head.get(head, "")) for line, head in lost)


def unlifted(store: Store, some: Sequence[Lifting]) -> list[Lifting]:
    """Return those of these liftings that the log lacks: once their records are too old, nothing else would tell of
    them.
    """
    there = sealed(store, {leaf.entry for _, leaf in some})
    return [each for each in some if store.log and each.leaf.entry not in there]


def put_back(line: str, name: str) -> Posted:
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
