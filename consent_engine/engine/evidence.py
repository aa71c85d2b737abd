"""Evidence of one order: a file that its reader checks with nothing but itself (`consent_engine/verify.py`).

It is made from SQL alone: the links of the order, of its call and of its ending as they were kept and hashed, and what
stands in no link: the plan in the catalogue, the texts of SMS, the log's proof. What is missing is said as missing.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from consent_engine.domain.call.transcript import SAID
from consent_engine.domain.days import CHINA
from consent_engine.domain.decide.sms_texts import sent
from consent_engine.domain.effects import Millis, Purpose
from consent_engine.domain.offer.versions import Listed, Sale, versions_of
from consent_engine.domain.order.event import publics_of
from consent_engine.domain.order.order import Order
from consent_engine.engine.revealing import Revealer
from consent_engine.errors import ArchiveUnavailable, BrokenRecord
from consent_engine.ports import Store
from consent_engine.ports.queries import OrderKept
from consent_engine.verify import FORMAT, Catalogued, Chain, File, Kind, Link, Text, account_of

REASON = "evidence"
"""The reason of a reveal that is the making of an evidence file."""


class EvidenceFiles:
    """Makes evidence files. Each is a reveal: its number and words are shown to somebody, which is recorded first."""

    def __init__(self, store: Store, reveals: Revealer, now: Callable[[], Millis]) -> None:
        self._store = store
        self._reveals = reveals
        self._now = now

    def note(self, order: Order, by: str, role: str) -> None:
        """Record that evidence of an order is made. Raises StoreUnavailable: then nothing is shown."""
        self._reveals.reveal(order, by, role, REASON)

    def file(self, order: str, by: str) -> File:
        """Make the evidence file of an order, as of what SQL has. by: who asked for it, already noted

        Raises ArchiveUnavailable, also where the order is not in SQL yet; BrokenRecord for a damaged record.
        """
        as_of, kept = self._store.journal.waiting().as_of, self._store.queries.evidence.of(order)
        if kept is None:
            raise ArchiveUnavailable("SQL does not have this order yet: try again in a moment")
        return file_of(kept, by, self._now(), as_of)


def file_of(kept: OrderKept, by: str, at: Millis, as_of: Millis = 0) -> File:
    """Make the evidence file of what SQL has of an order. by, at: who asked for it, and when · as_of: it has all that
    was committed before; 0: not known
    """
    file: dict[str, Any] = {
        "evidence": FORMAT, "made_at": _instant(at), "made_by": by, "as_of": _instant(as_of) if as_of else None,
        "chains": _chains(kept), "offer": kept.fields[kept.order.id]["offer"], "plan": _plan(kept),
        "texts": _texts(kept.order), "log": None, "keys": [], "account": None, "signature": None,
    }  # fmt: skip
    return cast(File, file | {"account": account_of(file)})


def encoded(file: File) -> bytes:
    """Return an evidence file as it is handed out: JSON that people can read, too."""
    return json.dumps(file, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")


def _instant(at: Millis) -> str:
    return CHINA.at(at).isoformat(timespec="milliseconds")


def _chains(kept: OrderKept) -> list[Chain]:
    named: Sequence[tuple[Kind, str]] = (
        ("order", kept.order.id),
        *((("call", kept.call.id),) if kept.call else ()),
        *((("ending", kept.ending.id),) if kept.ending else ()),
    )
    return [{"kind": kind, "links": _links(kept.fields[record]), "leaf": None} for kind, record in named]


def _links(fields: Mapping[str, str]) -> list[Link]:
    """Return the links of a record. The words of a call are the person part of the event that they were stored with."""
    persons = {n: fields.get(f"p{n}") for n in range(1, len(fields))} | {0: fields.get("who")}
    return [
        {"public": public, "person": fields.get(SAID) if public.startswith('["transcribed"') else persons.get(n)}
        for n, public in enumerate(publics_of(fields))
    ]


def _plan(kept: OrderKept) -> Catalogued | None:
    """Return the version that was sold, and when this content was on sale, as far as the catalogue still has it."""
    offer = kept.order.doc.offer
    try:
        versions = versions_of(kept.plan) if kept.plan else ()
    except (KeyError, TypeError, ValueError):
        raise BrokenRecord("the plan of this order cannot be read: its record in SQL was changed or damaged") from None
    sold = next((each for each in versions if each.number == offer.plan_version), None)
    if sold is None:
        return None
    listed = Listed(sold.plan, sold.sale, versions)
    alike = [each for each in versions if each.plan.hash == sold.plan.hash and each.sale is Sale.ON_SALE]
    spans = [(each.number, span) for each in alike if (span := listed.span(each.number)) is not None]
    return {
        "content": sold.plan.encode(),
        "spans": [
            {
                "version": number, "since": _instant(since) if since else None,
                "until": None if until is None else _instant(until),
            }
            for number, (since, until) in spans
        ],
        "by": list(sold.by),
    }  # fmt: skip


def _texts(order: Order) -> list[Text]:
    """Return the texts that are not frozen in the order, written again from it; none where their words are of an
    edition that is not known here.
    """
    texts: list[Text] = []
    try:
        for n, each in sent(order):
            if each.purpose is not Purpose.CONFIRMATION:
                texts.append({"event": n + 1, "text": each.text or None})
    except BrokenRecord:
        return []
    return texts
