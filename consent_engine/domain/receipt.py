"""Receipts: a subscriber's own record of an order, a refusal or a complaint, as they get it by its number.

Its fields are those of a consent receipt of ISO/IEC TS 27560:2023, its states and kinds are terms of W3C's Data Privacy
Vocabulary (DPV). It is about one matter alone, has the number only as its last digits, and none of the subscriber's own
words: agents, gateways and the BSS know the number of the receipt, too. All of a number's take a code sent to it.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from consent_engine.domain.call.ending import Cause, Ending, SwitchedOff
from consent_engine.domain.call.ending import GivenUp as EndingGivenUp
from consent_engine.domain.call.report import Decided, Report
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.days import DAY_MS, Days
from consent_engine.domain.decide.sms_texts import Sent, sent
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import NOTES, Trigger
from consent_engine.domain.line.restriction import EVERY_CARRIER, Restriction, receipt_of
from consent_engine.domain.msisdn import DIGITS
from consent_engine.domain.order.order import Evidence, Order, Retention
from consent_engine.domain.texts.confirmation_fields import elements
from consent_engine.domain.texts.words import CHINESE, instant_from
from consent_engine.errors import BrokenRecord, OrderNotFound, Refused

LASTS_MS: Millis = 731 * DAY_MS
"""For how long a receipt can be had: 24 months after its matter began."""
SCHEMA = "ISO/IEC TS 27560:2023"
_NAMED = frozenset({
    Trigger.DELIVERED, Trigger.UNCLEAR, Trigger.REPLIED_EARLY, Trigger.REPLIED_LATE, Trigger.REPLIED_BEFORE,
    Trigger.REPLIED_BARRED, Trigger.REPLIED_SUSPECT, Trigger.SUSPECTED, Trigger.RESUMED, Trigger.ASKED_HELP,
    Trigger.REMINDED, Trigger.INFORMED,
})  # fmt: skip
"""The notes of an order that are its subscriber's matter, too."""
_STATES: Mapping[Trigger, str] = {
    Trigger.CONFIRMATION_ACCEPTED: "dpv:ConsentRequested", Trigger.SAID_YES: "dpv:ConsentGiven",
    Trigger.SAID_NO: "dpv:ConsentRefused", Trigger.OPTED_OUT: "dpv:ConsentRefused",
    Trigger.CANCELLED: "dpv:ConsentTerminated", Trigger.WINDOW_CLOSED: "dpv:ConsentRequestDeferred",
    Trigger.TOO_LATE_TO_ASK: "dpv:ConsentUnknown", Trigger.CONFIRMATION_FAILED: "dpv:ConsentUnknown",
    Trigger.ACTIVATION_REFUSED: "dpv:ConsentTerminated",
}  # fmt: skip
_ENDED: Mapping[Cause, str] = {
    Cause.WITHDRAWN: "dpv:ConsentWithdrawn", Cause.REVIEW_FAILED: "dpv:ConsentInvalidated",
    Cause.NUMBER_CHANGED: "dpv:ConsentTerminated",
}  # fmt: skip


class ReceiptNotFound(OrderNotFound, code="receipt_not_found"):
    """No receipt has this number and these digits; or it is older than 24 months, or its person was erased."""


class TooManyLooks(Refused, code="too_many_looks"):
    """Receipts were looked for too often from this address, or under this number."""


class Header(Struct, frozen=True):
    """The header of a record. record_id: the head of the matter's chain, '' where it has none: with it the subscriber
    can hold us to this very history · pii_principal_id: the number, of which the last digits alone are shown
    """

    schema_version: str
    record_id: str
    pii_principal_id: str


class Purposes(Struct, frozen=True):
    """The purpose of a processing, with all that belongs to it. retention_period: in days, ISO 8601"""

    purpose: str
    purpose_type: str
    lawful_basis: str
    pii_information: tuple[str, ...]
    pii_controllers: tuple[str, ...]
    collection_method: str
    withdrawal_method: str
    retention_period: str
    jurisdiction: str = "CN"
    storage_locations: tuple[str, ...] = ("CN",)
    recipient_third_parties: tuple[str, ...] = ()


class Processing(Struct, frozen=True):
    """The processing. privacy_notice: the address of the tariff, in the version of the offer"""

    privacy_notice: str
    language: str
    purposes: tuple[Purposes, ...]


class Party(Struct, frozen=True):
    """A party: the carrier. party_phone: its hotline · party_contact: the only number that its sales calls come from"""

    party_id: str
    party_name: str
    party_role: str
    party_phone: str
    party_contact: str


class Step(Struct, frozen=True):
    """Something that happened. event_type: in our words, as `order.said_yes` · event_state: a state of consent or of a
    request, '' where it stays as it was · sms: the SMS that was handed over, word for word; '' where there was none, or
    its words are erased · facts: what else was said to the subscriber, by name
    """

    event_time: str
    event_type: str
    event_state: str
    sms: str = ""
    facts: Mapping[str, str] = {}


class Receipt(Struct, frozen=True):
    """A receipt. kind: `order`, `refusal` or `complaint` · state: the matter's, in our words · carrier: '*' is all"""

    schema_version: str
    receipt_id: str
    receipt_time: str
    kind: str
    state: str
    carrier: str
    record: Header
    pii_processing: Processing
    party_identification: tuple[Party, ...]
    events: tuple[Step, ...]


class Writer(Struct, frozen=True):
    """Writes receipts as of an instant. keep: how long data are kept"""

    now: Millis
    digits: str
    days: Days
    keep: Retention

    def of_order(self, order: Order, ending: Ending | None) -> Receipt:
        """Write the receipt of an order, with the taking back of its service."""
        doc = order.doc
        tariff, language = doc.offer.tariff, doc.offer.language
        said = elements(doc.carrier, tariff, language)
        kept = self.keep.service if Evidence.of(order) is Evidence.SERVICE else self.keep.no_service
        purpose = Purposes(
            said.name, "dpv:ServiceProvision", "dpv:Consent", ("dpv-pd:TelephoneNumber", "dpv-pd:Communication"),
            (doc.carrier,), "telephone call, then a reply by SMS", said.unsubscribe, _period(kept),
        )  # fmt: skip
        steps = (*self._of_order(order), *(self._of_ending(ending) if ending is not None else ()))
        state = f"ending.{ending.state}" if ending is not None else f"order.{order.state}"
        notice = f"/tariffs/{doc.plan}/{doc.offer.plan_version}"
        return self._receipt(
            order.receipt, "order", state, doc.carrier, order.head, Processing(notice, language, (purpose,)), steps
        )

    def _of_order(self, order: Order) -> Iterator[Step]:
        call = order.doc.call
        facts = {"caller_number": call.caller_number, "agreed_at": self._at(call.agreed_at)}
        yield Step(self._at(order.doc.placed_at), "order.placed", "dpv:ConsentUnknown", facts=facts)
        texts = _sent(order)
        for n, event in enumerate(order.events):
            if event.trigger in _NAMED or event.trigger not in NOTES:
                text = texts[n].text if n in texts else ""
                yield Step(self._at(event.at), f"order.{event.trigger}", _STATES.get(event.trigger, ""), text)

    def _of_ending(self, ending: Ending) -> Iterator[Step]:
        doc = ending.doc
        yield Step(self._at(doc.asked_at), "ending.asked_to_end", _ENDED[doc.cause], facts={"cause": doc.cause.value})
        for each in ending.events:
            match each:
                case SwitchedOff(settled=settled):
                    stops = instant_from(each.stops)
                    said = {"stops": self._at(stops) if stops else "", "fee": settled.fee, "refund": settled.refund}
                    facts = {name: value for name, value in said.items() if value}
                    yield Step(self._at(each.at), "ending.switched_off", "", facts=facts)
                case EndingGivenUp():
                    yield Step(self._at(each.at), "ending.given_up", "")

    def of_report(self, report: Report) -> Receipt:
        """Write the receipt of a complaint: how far it is, and by when it is answered."""
        case = report.received
        purpose = Purposes(
            "举报处理 / handling of a complaint", "dpv:CustomerCare", "dpv:LegalObligation",
            ("dpv-pd:TelephoneNumber", "dpv-pd:Communication"), (case.carrier,), case.door.value,
            CARRIERS[case.carrier].hotline, _period(self.keep.no_service),
        )  # fmt: skip
        return self._receipt(
            report.number, "complaint", f"report.{report.state}", case.carrier, report.head,
            Processing("/report", case.language, (purpose,)), self._of_report(report),
        )  # fmt: skip

    def _of_report(self, report: Report) -> Iterator[Step]:
        case = report.received
        facts = {"called_at": self._at(case.called_at), "answer_by": self._at(case.answer_by)}
        yield Step(self._at(case.received_at), "report.received", "dpv:RequestAcknowledged", facts=facts)
        for each in report.events:
            said = {"reward": each.reward.value, "amount": each.amount}
            state = ""
            if isinstance(each, Decided):
                said |= {"class": each.found.value, "forwarded": each.forwarded}
                state = "dpv:RequestFulfilled"
            facts = {name: value for name, value in said.items() if value}
            yield Step(self._at(each.at), "report.decided" if state else "report.rewarded", state, facts=facts)

    def of_refusal(self, line: str, found: Restriction) -> Receipt:
        """Write the receipt of a refusal, or of a registration as marketing-free, that stands."""
        parties = tuple(CARRIERS) if found.carrier == EVERY_CARRIER else (found.carrier,)
        purpose = Purposes(
            "不再接到营销来电 / no more sales calls", "dpv:DirectMarketing", "dpv:LegalObligation",
            ("dpv-pd:TelephoneNumber",), parties, found.door, "", "P0D" if not found.until else "",
        )  # fmt: skip
        said = {"plan": found.plan, "until": self._at(found.until) if found.until else ""}
        facts = {name: value for name, value in said.items() if value}
        step = Step(self._at(found.since), f"refusal.{found.kind}", "dpv:ConsentRefused", facts=facts)
        return self._receipt(
            receipt_of(line, found.name), "refusal", f"refusal.{found.kind}", found.carrier, "",
            Processing("/tariffs", CHINESE, (purpose,)), (step,),
        )  # fmt: skip

    def _receipt(
        self, number: str, kind: str, state: str, carrier: str, head: str, processing: Processing,
        steps: "Iterator[Step] | tuple[Step, ...]",
    ) -> Receipt:  # fmt: skip
        parties = [CARRIERS[each] for each in processing.purposes[0].pii_controllers]
        english = processing.language != CHINESE
        return Receipt(
            SCHEMA, number, self._at(self.now), kind, state, carrier,
            Header(SCHEMA, head, f"{'*' * (11 - DIGITS)}{self.digits}"), processing,
            tuple(
                Party(p.carrier, p.english if english else p.name, "dpv:DataController", p.hotline, p.outbound)
                for p in parties
            ),
            tuple(steps),
        )  # fmt: skip

    def _at(self, at: Millis) -> str:
        return self.days.instant(at, "seconds")


def _period(kept: Millis) -> str:
    return f"P{kept // DAY_MS}D"


def _sent(order: Order) -> dict[int, Sent]:
    """Return the SMS that were handed over, by the number of their event; none where their words are not known here."""
    try:
        return dict(sent(order))
    except BrokenRecord:
        return {}
