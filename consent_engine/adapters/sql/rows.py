"""The conversion of records to rows of the archive, and back."""

from collections.abc import Mapping
from typing import Any

from consent_engine.domain.call.sales_figures import outcomes_of
from consent_engine.domain.call.transcript import SAID
from consent_engine.domain.canonical_json import Reader, compact
from consent_engine.domain.line.line import request_key
from consent_engine.domain.order.agreement import offer_named
from consent_engine.domain.order.history import yes_in_vain
from consent_engine.domain.order.order import Evidence, Order
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Recorded


def row_of(record: Recorded, fields: Mapping[str, str], *, gone: bool) -> dict[str, Any]:
    """Return the columns that a record of any kind has, from its fields; and `publics`, the links of its chain, which
    are no column. gone: the store lets it go, and its pending effects with it: there is but the one that moves it
    """
    kept, person, effects = dict[str, str](), dict[str, str](), dict[str, str]()
    for name, value in fields.items():
        if name[:2] == "f:":
            effects[name] = value
        elif name in _PERSON or (name[0] == "p" and name[1:].isdecimal()):
            person[name] = value
        elif name != "offer":  # it has a table of its own
            kept[name] = value
    return {
        "id": record.id,
        "line": record.line,
        "version": record.version,
        "links": len(record.publics),
        "gone": gone,
        "state": record.state.value,
        "head": record.head,
        "record": compact(kept),
        "person": compact(person) if person else None,
        "effects": compact(effects) if effects and not gone else None,
        "publics": record.publics,
    }


_PERSON = frozenset({"who", SAID})
"""The fields of a record that are a person part, as are an order's `p1`, `p2`, ...; SAID: a call's transcript."""


def columns_of(order: Order) -> dict[str, Any]:
    """Return the columns that orders alone have."""
    doc = order.doc
    return {
        "request_key": request_key(order.id),
        "agent": doc.agent,
        "placed_by": doc.placed_by,
        "plan": doc.plan,
        "carrier": str(doc.carrier),
        "placed_at": doc.placed_at,
        "settled_at": order.settled_at,
        "in_vain": yes_in_vain(order) is not None,
        "outcomes": " ".join(outcomes_of(order)),
        "evidence": Evidence.of(order).value,
        "offer": offer_named(order.publics[0]),
    }


def fields_of(record: str, person: str | None, effects: str | None) -> dict[str, str]:
    """Return the fields of a record as the store had them, from the texts of its row. Raises BrokenRecord."""
    try:
        return {**_FIELDS(record), **_FIELDS(person or "{}"), **_FIELDS(effects or "{}")}
    except ValueError:
        raise BrokenRecord("an archived record cannot be read: its row has no fields") from None


_FIELDS = Reader(dict[str, str])
