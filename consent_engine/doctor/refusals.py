"""Checks that each refusal stands on its line, by the lists of refusals and suspicions and by orders' histories.

The door, dialling and the gate read fields of a line that no seal covers, because scripts change them.
"""

import uuid
from collections.abc import Iterator, Mapping

from consent_engine.doctor.orders import PIECE, Looker, pieces
from consent_engine.domain.canonical_json import compact, parsed
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import CONSENT, EVERY_CARRIER, Kind
from consent_engine.domain.order.retention import Retention
from consent_engine.ports import Posted, Standing, Store
from consent_engine.ports.survey import Survey

DOOR = "doctor"
"""The door recorded with a refusal that was put back."""
Whom = tuple[str, str]
"""A line, and the carrier that its subscriber refused."""


def look(looker: Looker) -> None:
    """Note lines whose refusal is gone though nobody lifted it; put it back if the looker mends."""
    lost = {*_off_their_lines(looker.store), *_not_lifted(looker)}
    for line, carrier in sorted(lost):
        looker.found["unrefused"].append(line)
        if looker.mend:
            _put_back(looker.store, line, carrier)
            looker.mended.append(f"{line} refusal")


def _off_their_lines(store: Store) -> Iterator[Whom]:
    """Yield listed refusals that are not on their lines. A lift removes both in one step, so a second look decides."""
    for kind in CONSENT:
        before: tuple[Millis, str] | None = None
        while rows := store.lists.restrictions(kind, before, PIECE):
            yield from ((row.line, row.name.split(" ")[1]) for row in rows if _is_off(row) and _still(store, kind, row))
            before = (rows[-1].at, rows[-1].name)


def _is_off(row: Standing) -> bool:
    return row.restriction is None


def _still(store: Store, kind: Kind, row: Standing) -> bool:
    again = store.lists.restrictions(kind, (row.at, f"{row.name}\0"), 1)
    return any(each.name == row.name and _is_off(each) for each in again)


def _not_lifted(looker: Looker) -> list[Whom]:
    """Return refusals of the histories that stand no more and were not lifted since, as far back as that is kept."""
    known = looker.store.records.live()[0] - Retention().records
    refused = {whom: at for whom, at in looker.refused.items() if at >= known}
    missing = dict(_missing(looker.store, refused))
    lifted = _lifted(looker.survey) if missing else {}
    return [
        (line, carrier) for (line, carrier), at in missing.items()
        if all(lifted.get((line, of), -1) < at for of in (carrier, EVERY_CARRIER))
    ]  # fmt: skip


def _missing(store: Store, refused: Mapping[Whom, Millis]) -> Iterator[tuple[Whom, Millis]]:
    for piece in pieces(list(refused), PIECE):
        lines = store.records.live(lines=list({line for line, _ in piece}))[2]
        for line, carrier in piece:
            if line in lines and lines[line].refusal(carrier) is None:
                yield (line, carrier), refused[line, carrier]


def _lifted(survey: Survey) -> dict[Whom, Millis]:
    """Return the instant of the newest lifting by line and carrier."""
    found: dict[Whom, Millis] = {}
    for piece in survey.lifted():
        for each in map(parsed, piece):
            whom = str(each["line"]), str(each["carrier"])
            found[whom] = max(found.get(whom, 0), int(each["at"]))
    return found


def _put_back(store: Store, line: str, carrier: str) -> None:
    """Write a new refusal, which ends what is open, for a lost suspicion too: nobody can judge words that are gone."""
    carriers = " ".join(CARRIERS) if carrier == EVERY_CARRIER else carrier
    body = {"kind": "refusal", "carriers": carriers, "door": DOOR, "by": DOOR}
    key = f"{DOOR}-{uuid.uuid4().hex}"
    store.inbox.receive([Posted(line, "", key, compact(body), (carrier,), DOOR, once=True)])
