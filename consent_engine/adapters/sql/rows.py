"""The conversion of an order to a row of the archive, and back; the fields of any record in its row."""

from collections.abc import Mapping
from typing import Any

from consent_engine.domain.canonical_json import Reader, compact
from consent_engine.domain.hashing import digest
from consent_engine.domain.line.line import request_key
from consent_engine.domain.order.agreement import offer_named
from consent_engine.domain.order.history import yes_in_vain
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.pressure import outcomes_of
from consent_engine.domain.order.retention import Evidence
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.domain.seal import Seal
from consent_engine.errors import BrokenRecord


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
        "in_vain": yes_in_vain(order) is not None,
        "outcomes": " ".join(outcomes_of(order)),
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


def fields_of(record: str, person: str | None) -> dict[str, str]:
    """Return the fields of a record as the store had them, from the two texts of its row. Raises BrokenRecord."""
    try:
        return {**_FIELDS(record), **_FIELDS(person or "{}")}
    except ValueError:
        raise BrokenRecord("an archived record cannot be read: its row has no fields") from None


_FIELDS = Reader(dict[str, str])


def order_of(
    record: str, person: str | None, offer: str | None, seal: Seal | None = None, effects: str | None = None
) -> Order:
    """Return the order of a row. Raises BrokenRecord."""
    fields = {**fields_of(record, person), **fields_of("{}", effects), "offer": offer or ""}
    order = Order.decode(fields)
    return seal.check(order, fields.get(SEAL)) if seal else order
