"""Checks of what is reserved, and of what was taken from sale: one recording is one call's, one key is one order's, and
no order of a revoked plan is open.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from consent_engine.doctor.orders import Looker
from consent_engine.domain.call.call import Call
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import request_key
from consent_engine.domain.offer.versions import Listed, Version
from consent_engine.domain.order.order import Order
from consent_engine.engine.revoking import is_taken_back

REVOKING_MS = 60_000
"""How long a revocation may be at work, before an order that it has not reached is one that it never will."""
Plans = Callable[[], Mapping[str, Sequence[Version]]]
"""Returns every plan that was published, in all its versions."""


def keys_of_orders(looker: Looker, orders: Mapping[str, Order]) -> None:
    """Note orders whose Idempotency-Key made another order, too: of another number."""
    others = _others(looker, [(request_key(order), order) for order in orders])
    there = looker.store.records.live(list(others.values()))[1]
    archive = looker.store.archive
    archived = archive.recall([request_key(order) for order in others]) if archive is not None and others else []
    for order, other in others.items():
        known = [each.id for each in archived if request_key(each.id) == request_key(order)]
        if other in there or any(each != order for each in known):
            looker.found["doubled"].append(order)


def recordings_of_calls(looker: Looker, calls: Mapping[str, Call]) -> None:
    """Note calls whose recording, by its reference or its audio, is another call's, too."""
    held = [(key, call.id) for call in calls.values() for key in call.recording_keys]
    others = _others(looker, held)
    there = looker.store.records.look(calls=list(others.values())).calls.values()
    archive, keys = looker.store.archive, [key for key, call in held if call in others]
    archived = archive.calls.recall(keys) if archive is not None and keys else []
    for call in others:
        own = set(calls[call].recording_keys)
        if any(each.id != call and own & set(each.recording_keys) for each in (*there, *archived)):
            looker.found["shared"].append(call)


def _others(looker: Looker, held: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return those records whose key is not reserved for them, each with the record that it is reserved for ('': none).
    A record that is alone has its keys: only another one that took them stands in a reservation instead.
    """
    rows = list(held)
    reserved = looker.survey.reservations([key for key, _ in rows])
    return {record: stands for (_, record), (stands, _) in zip(rows, reserved, strict=True) if stands != record}


def of_revoked_plans(looker: Looker, orders: Mapping[str, Order], plans: Plans) -> None:
    """Note open orders of plans that were revoked since: a yes to them would activate nothing, but they wait for it."""
    now = looker.store.records.live()[0]
    listed = {code: Listed.of(_known_by(versions, now - REVOKING_MS), now) for code, versions in plans().items()}
    looker.found["revoked"] += [order.id for order in orders.values() if is_taken_back(order, listed)]


def _known_by(versions: Sequence[Version], instant: Millis) -> tuple[Version, ...]:
    return tuple(each for each in versions if each.known_at <= instant) or tuple(versions[:1])
