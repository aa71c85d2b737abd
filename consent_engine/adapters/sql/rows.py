"""The conversion of an order to a row of the archive, and back."""

import json
from collections.abc import Mapping
from typing import Any

from consent_engine.domain.canonical_json import compact
from consent_engine.domain.hashing import digest
from consent_engine.domain.line.line import request_key
from consent_engine.domain.order.agreement import offer_named
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.retention import Evidence
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.domain.seal import Seal


def row_of(fields: Mapping[str, str], seal: Seal | None = None) -> tuple[dict[str, Any], tuple[str, str]]:
    """Return an order's row, and its offer's hash ('' where the order holds it) and content. Raises BrokenRecord."""
    order = Order.decode(fields)
    if seal:
        seal.check(order, fields.get(SEAL))
    doc = order.doc
    kept = {name: value for name, value in fields.items() if name != "offer" and not name.startswith("f:")}
    person = {name: kept.pop(name) for name in list(kept) if _is_person(name)}
    offer = offer_named(fields["doc"])
    row = {
        "id": order.id,
        "request_key": request_key(order.id),
        "line": order.line,
        "version": order.version,
        "state": order.state.value,
        "agent": doc.agent,
        "placed_by": doc.placed_by,
        "plan": doc.plan,
        "carrier": str(doc.carrier),
        "placed_at": doc.placed_at,
        "settled_at": order.settled_at,
        "evidence": Evidence.of(order).value,
        "head": order.head,
        "doc_hash": digest(fields["doc"]),
        "offer": offer,
        "record": compact(kept),
        "person": compact(person),
    }
    return row, (offer, fields.get("offer", ""))


def _is_person(name: str) -> bool:
    """Whether a field of an order's record is a person part: `who`, `p1`, `p2`, ..."""
    return name == "who" or (name[0] == "p" and name[1:].isdecimal())


def order_of(record: str, person: str | None, offer: str | None, seal: Seal | None = None) -> Order:
    fields = {**json.loads(record), **json.loads(person or "{}"), "offer": offer or ""}
    order = Order.decode(fields)
    return seal.check(order, fields.get(SEAL)) if seal else order
