"""Evidence of one order: a file that its reader checks with nothing but itself (`consent_engine/verify.py`); and the
receipt that its subscriber has.

It is made from SQL alone: the links of the order, of its call and of its ending as they were kept and hashed, and what
stands in no link: the plan in the catalogue, the texts of SMS, the log's proof. What is missing is said as missing.
"""

import json
import logging
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar, cast

from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report, ReportTerms
from consent_engine.domain.call.transcript import SAID
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.days import CHINA
from consent_engine.domain.decide.sms_texts import sent
from consent_engine.domain.effects import Millis, Purpose
from consent_engine.domain.hashing import digest
from consent_engine.domain.line.holder import has_changed
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.proof_code import CodeAsked
from consent_engine.domain.line.restriction import LASTING
from consent_engine.domain.log.checkpoint import Note, Signer, Witness, quorum
from consent_engine.domain.msisdn import DIGITS, Msisdn
from consent_engine.domain.offer.versions import Listed, Sale, versions_of
from consent_engine.domain.order.event import publics_of
from consent_engine.domain.order.order import Order
from consent_engine.domain.receipt import LASTS_MS, Receipt, ReceiptNotFound, Writer
from consent_engine.domain.seal import Seal
from consent_engine.engine.inspector import Revealer
from consent_engine.engine.publishing import proof
from consent_engine.errors import ArchiveUnavailable, BrokenRecord
from consent_engine.ports import By, R, Store
from consent_engine.ports.public_log import PublicLog
from consent_engine.ports.queries import OrderKept, Receipted, StandingRestriction
from consent_engine.verify import (
    FORMAT,
    Broken,
    Catalogued,
    Chain,
    File,
    Inspection,
    Kind,
    Leaf,
    Link,
    Logged,
    Text,
    account_of,
    content_of,
    missing_of,
)

F = TypeVar("F", File, Inspection)
log = logging.getLogger(__name__)

REASON = "evidence"
"""The reason of a reveal that is the making of an evidence file."""


class Hands(NamedTuple):
    """What signs. signers: the keys of the log, where this process has them · witnesses: that cosign checkpoints"""

    signers: Sequence[Signer] = ()
    witnesses: Sequence[Witness] = ()

    @property
    def keys(self) -> list[str]:
        return [*(str(each.key) for each in self.signers), *(str(each.key) for each in self.witnesses)]


class InLog(NamedTuple):
    """What the log proves of an order. leaves: by id of a record · rotations: of the log's keys"""

    logged: Logged | None = None
    leaves: Mapping[str, Leaf] = {}
    rotations: Sequence[str] = ()


NOT_YET = InLog()


class EvidenceFiles:
    """Makes evidence files. Each is a reveal of a number and its texts, and is recorded as one first.

    hands: returns what signs, looked up when it is needed
    """

    def __init__(
        self, store: Store, reveals: Revealer, now: Callable[[], Millis], hands: Callable[[], Hands] = Hands
    ) -> None:
        self._store = store
        self._reveals = reveals
        self._now = now
        self._hands = hands

    def note(self, order: Order, by: str, role: str) -> None:
        """Record that evidence of an order is made. Raises StoreUnavailable: then nothing is shown."""
        self._reveals.reveal(order, by, role, REASON)

    def file(self, order: str, by: str) -> File:
        """Make the evidence file of an order, as of what SQL has. by: who asked for it, already noted

        Raises ArchiveUnavailable, also where the order is not in SQL yet; BrokenRecord for a damaged record.
        """
        as_of, some = self._store.journal.waiting().as_of, self._store.queries.evidence.of([order])
        if order not in some:
            raise ArchiveUnavailable("SQL does not have this order yet: try again in a moment")
        if (kept := some[order]) is None:
            raise BrokenRecord("a record of this order is damaged, or somebody changed it")
        hands = self._hands()
        found = proven(kept.leaves, self._store.log.public, quorum(hands.witnesses)) if self._store.log else NOT_YET
        return signed(file_of(kept, by, self._now(), as_of, found, hands.keys), hands.signers)


class Receipts:
    """Finds receipts. seal: that of the records · terms: for how long data are kept, and the days"""

    def __init__(self, store: Store, seal: Seal, terms: ReportTerms, now: Callable[[], Millis]) -> None:
        self._store = store
        self._seal = seal
        self._terms = terms
        self._now = now

    def find(self, number: str, digits: str) -> Receipt:
        """Return the receipt with this number, of a subscriber whose number ends with these digits. Raises
        ReceiptNotFound, which does not say what was wrong, and ArchiveUnavailable.
        """
        return self._written(self._found(number, digits), self._writer(digits))

    def code_for(self, number: str, digits: str) -> CodeAsked:
        """Return the code by which the subscriber with this receipt is known to have the number still. Raises
        ReceiptNotFound, also where the number was erased, or has another holder; and as `find` does.
        """
        match found := self._found(number, digits):
            case OrderKept(order=order):
                msisdn, carrier, since = order.person.msisdn, order.doc.carrier, order.doc.placed_at
            case Report():
                msisdn, carrier, since = found.person.msisdn, found.received.carrier, found.received.received_at
            case StandingRestriction():
                msisdn, carrier, since = found.msisdn, found.restriction.carrier, found.restriction.since
        if not msisdn or has_changed(self._line(msisdn).history, since):
            raise ReceiptNotFound(NO_RECEIPT)
        return CodeAsked(Msisdn(msisdn), carrier if carrier in CARRIERS else next(iter(CARRIERS)))

    def of_number(self, msisdn: Msisdn) -> list[Receipt]:
        """Return the receipts of a number's present holder, of the last 24 months, newest first; restrictions that
        stand come last. Raises ArchiveUnavailable, and BrokenRecord for a line that cannot be read.
        """
        write, line = self._writer(msisdn[-DIGITS:]), self._line(msisdn)
        endings = {each.doc.order: each for each in self._all(Ending, line.id)}
        began: list[tuple[Millis, Receipt]] = [
            (each.doc.placed_at, write.of_order(each, endings.get(each.id))) for each in self._all(Order, line.id)
        ]
        began += [(each.received.received_at, write.of_report(each)) for each in self._all(Report, line.id)]
        began.sort(key=lambda each: each[0], reverse=True)
        theirs = [
            receipt for at, receipt in began
            if at >= write.now - LASTS_MS and not has_changed(line.history, at)
        ]  # fmt: skip
        return theirs + [write.of_refusal(line.id, each) for each in line.restrictions if each.kind in LASTING]

    def _all(self, kind: type[R], line: str) -> list[R]:
        archive = self._store.bound_archive()
        kept = archive.recall(kind, [line], By.LINE).get(line, []) if archive else []
        return [each.record for each in kept if each.record is not None]

    def _line(self, msisdn: str) -> Line:
        line = self._seal.line_of(Msisdn(msisdn))
        return self._store.records.look({Line: [line]}).line(line)

    def _writer(self, digits: str) -> Writer:
        return Writer(self._now(), digits, self._terms.days, self._terms.keep)

    def _found(self, number: str, digits: str) -> Receipted:
        name = self._seal.receipt(number, digits)
        found = self._store.queries.evidence.receipted(name, self._now() - LASTS_MS)
        if found is None:
            raise ReceiptNotFound(NO_RECEIPT)
        return found

    def _written(self, found: Receipted, write: Writer) -> Receipt:
        match found:
            case OrderKept():
                return write.of_order(found.order, found.ending)
            case Report():
                return write.of_report(found)
            case StandingRestriction():
                return write.of_refusal(found.line, found.restriction)


NO_RECEIPT = "no receipt with this number and these digits, of the last 24 months"


def file_of(
    kept: OrderKept, by: str, at: Millis, as_of: Millis = 0, found: InLog = NOT_YET, keys: Sequence[str] = ()
) -> File:
    """Make the evidence file of what SQL has of an order. by, at: who asked for it, and when · as_of: it has all that
    was committed before; 0: not known · keys: that verify its signatures
    """
    file = _untold(kept, found) | {
        "made_at": _instant(at),
        "made_by": by,
        "as_of": _instant(as_of) if as_of else None,
        "keys": list(keys),
    }
    return cast(File, file | {"account": account_of(file)})


def _untold(kept: OrderKept, found: InLog) -> dict[str, Any]:
    """Return an evidence file without its account, and without word of its making."""
    return {
        "evidence": FORMAT, "chains": _chains(kept, found.leaves), "offer": kept.fields[kept.order.id]["offer"],
        "plan": _plan(kept), "texts": _texts(kept.order), "log": found.logged, "rotations": list(found.rotations),
        "account": None, "signature": None,
    }  # fmt: skip


def lacking(kept: OrderKept, covers: int) -> list[str]:
    """Return what evidence of an order would lack, by the words of `verify.MISSING`; `record` where its records do not
    fit each other. covers: how many entries of the log have a checkpoint
    """
    newest = {record: [each for each in some if each[0] < covers] for record, some in kept.leaves.items()}
    leaves: dict[str, Leaf] = {
        record: {"number": some[-1][0], "entry": some[-1][1], "path": []} for record, some in newest.items() if some
    }
    try:
        return missing_of(_untold(kept, InLog({"checkpoint": "", "token": None} if covers else None, leaves)))
    except (BrokenRecord, Broken):
        return ["record"]


def signed(file: F, signers: Sequence[Signer]) -> F:
    """Return a file with its signature; without one where nothing signs now, which the file then says."""
    try:
        note = Note(content_of(file)).signed_by(*signers)
    except OSError as error:  # a service that keeps the key is away: evidence is given all the same
        log.warning("an evidence file is not signed: %s", error)
        return file
    return cast(F, {**file, "signature": str(note)}) if signers else file


def proven(entries_of: Mapping[str, Sequence[tuple[int, str]]], public: PublicLog, witnesses: int = 0) -> InLog:
    """Return what the log proves of records: for each chain the newest entry that a checkpoint covers; all of them by
    the earliest that so many witnesses signed, as that says best when it was. Raises ArchiveUnavailable.
    """
    newest = public.newest()
    within = {
        record: covered[-1]
        for record, entries in entries_of.items()
        if newest and (covered := [each for each in entries if each[0] < newest.checkpoint.size])
    }
    if not newest or not within:
        return NOT_YET
    last = max(number for number, _ in within.values())
    by = public.covering(last, witnesses) or public.covering(last) or newest
    leaves: dict[str, Leaf] = {}
    for record, (number, entry) in within.items():
        with suppress(LookupError):  # a tile is gone, which the audit names: the file then says that it has no proof
            path = [b64encode(each).decode() for each in proof(public, number, by).hashes]
            leaves[record] = {"number": number, "entry": entry, "path": path}
    token = b64encode(by.token).decode() if by.token else None
    logged: Logged = {"checkpoint": str(by.note), "token": token}
    return InLog(logged, leaves, [str(each) for each in public.rotations()])


def encoded(file: File | Inspection) -> bytes:
    """Return a file as it is handed out: JSON that people can read, too."""
    return json.dumps(file, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")


def _instant(at: Millis) -> str:
    return CHINA.at(at).isoformat(timespec="milliseconds")


def _chains(kept: OrderKept, leaves: Mapping[str, Leaf]) -> list[Chain]:
    named: Sequence[tuple[Kind, str]] = (
        ("order", kept.order.id),
        *((("call", kept.call.id),) if kept.call else ()),
        *((("ending", kept.ending.id),) if kept.ending else ()),
    )
    return [{"kind": kind, "links": _links(kept.fields[record]), "leaf": leaves.get(record)} for kind, record in named]


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
    """Return the texts that are not frozen in the order, written again from it; without those that are not written now
    as they were sent, and none where their words are of an edition that is not known here.
    """
    texts: list[Text] = []
    try:
        for n, each in sent(order):
            if each.purpose is not Purpose.CONFIRMATION:
                hashed = getattr(order.events[n].detail, "text", "")
                same = each.text and hashed in {"", digest(each.text)}
                texts.append({"event": n + 1, "text": each.text if same else None})
    except BrokenRecord:
        return []
    return texts
