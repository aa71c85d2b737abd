"""Checks of each ending that is not over: it can be read, and has the effect that takes the service back."""

from collections.abc import Sequence

from consent_engine.doctor.orders import PIECE, Looker
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.decide.endings import missing_of_ending
from consent_engine.domain.effects import DEACTIVATE, FRESH, Lane, Millis
from consent_engine.ports import EndingChange, Owner
from consent_engine.ports.queries import NOTHING


def look(looker: Looker, limit: int) -> None:
    """Check the newest endings that SQL has as not over."""
    if looker.store.queries is NOTHING:
        return
    before, left = None, limit
    while left > 0 and (page := looker.store.queries.endings.open(before, min(PIECE, left))):
        _endings(looker, [ending for _, ending in page])
        before, left = page[-1], left - len(page)


def _endings(looker: Looker, ids: Sequence[str]) -> None:
    found = looker.store.records.look(endings=ids)
    looker.looked["endings"] += len(found.endings)
    looker.found["unreadable"] += [ending for ending in ids if ending not in found.endings]
    wanted = [ending for ending in found.endings.values() if not missing_of_ending(ending)]
    dues = looker.survey.dues([(Lane.ACTIVATION, f"{Owner.ENDING}:{ending.id}:{DEACTIVATE}") for ending in wanted])
    idle = [ending for ending in found.endings.values() if missing_of_ending(ending)]
    for ending in [*idle, *(ending for ending, due in zip(wanted, dues, strict=True) if due is None)]:
        looker.found["untaken"].append(ending.doc.order)
        if looker.mend:
            _put_back(looker, ending, found.now)


def _put_back(looker: Looker, ending: Ending, now: Millis) -> None:
    """Make the deactivation due again. It has its own key, so a service that is off is not switched off twice."""
    put = Put(DEACTIVATE, now, ending.effects.get(DEACTIVATE, FRESH))
    looker.save(EndingChange(ending, ending, {}, (put,)), f"{ending.doc.order} {DEACTIVATE}")
