"""Admission: the rules that decide whether an order may be accepted, each with its error code."""

from binascii import a2b_base64
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.call.call import (
    Call,
    CallMismatch,
    CallNotPermitted,
    CallOutcome,
    CallState,
    CallTooOld,
    Recording,
    RecordingReused,
)
from consent_engine.domain.call.report import ReportTerms
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.holder import Subscriber
from consent_engine.domain.line.line import Line, free_code
from consent_engine.domain.line.restriction import Kind, Restriction
from consent_engine.domain.offer.address import Addresses
from consent_engine.domain.offer.offer import Offer, Policy
from consent_engine.domain.offer.plan import Plan, Tariff
from consent_engine.domain.offer.versions import Listed, Sale
from consent_engine.domain.order.agreement import AgreedIn, Doc, Person
from consent_engine.domain.order.order import Order, opened
from consent_engine.domain.sms import MOST_SEGMENTS, segments
from consent_engine.domain.texts.render import confirmation, dated, tariff_in
from consent_engine.domain.texts.sheet import MOST, languages, longest
from consent_engine.domain.texts.words import EDITION
from consent_engine.errors import (
    ConfirmationTooLong,
    CoolingOff,
    DoNotCall,
    DuplicateOrder,
    FieldError,
    LanguageUnavailable,
    OtherNetwork,
    PlanNotPublic,
    PlanUnknown,
    Refused,
    UnofficialNumber,
)

NO_SUCH_CALL = "no such call, or it was archived"


def must_fit(
    call: Call | None, line: str, carrier: str, agreed: Millis, oldest: Millis, *, recording: Recording | None = None
) -> Call:
    """Return the call of an order, or raise its refusal because of it: CallNotPermitted, CallTooOld, CallMismatch,
    RecordingReused.

    oldest: the earliest instant at which the subscriber may have agreed · recording: the one that the order's body
    names, where the body describes the call
    """
    if call is None:
        raise CallMismatch(NO_SUCH_CALL)
    if call.violations:
        wrong = " ".join(call.violations)
        raise CallNotPermitted("the call broke a rule: no order may be placed for it", violations=wrong)
    if call.state is CallState.ABANDONED:
        raise CallNotPermitted("the end of the call was not reported: no order may be placed for it", violations="")
    if (end := call.end) is not None and (end.recording is None or end.outcome is CallOutcome.NO_ANSWER):
        raise CallNotPermitted("nobody answered the call: no order may be placed for it", violations="")
    if call.verdict in {Verdict.CONTESTED, Verdict.FAILED}:
        raise CallNotPermitted("the call failed its review: no order may be placed for it", violations="")
    if agreed < oldest:
        raise CallTooOld("the subscriber agreed too long ago: call again")
    _is_the_one(call, line, carrier, recording)
    if not call.holds(agreed):
        raise CallMismatch("agreed_at lies outside the call, or more than 4 hours after it began")
    return call


def _is_the_one(call: Call, line: str, carrier: str, recording: Recording | None) -> None:
    """Check that the call is of this number and carrier, and its recording the one that was made known before."""
    if call.line != line or call.carrier != carrier:
        if recording is not None:
            raise RecordingReused("this recording is of a call of another carrier")
        raise CallMismatch("the call is of another number or another carrier")


class Terms(Struct, frozen=True):
    """The engine's settings at this moment; frozen into every order it admits."""

    policy: Policy
    senders: Mapping[str, str]
    sub_numbers: frozenset[str]
    """carriers whose gateway lets us append digits to our number"""
    segments: Mapping[str, int] = field(default_factory=dict)
    """carrier -> the most segments of one text that its gateway carries"""
    permit_lasts: Millis = 15 * 60_000
    """how long after it was given a permit to dial is valid"""
    permits_required: bool = False
    """whether a call without a permit is a violation"""
    calls_a_day: int = 3
    """the most calls to one number in a day"""
    call_age: Millis = 2 * 3_600_000
    """how old an agreement may be when its order is placed"""
    plan_approval: bool = False
    """whether a second admin must approve that a plan goes on sale"""
    addresses: Addresses = Addresses()
    """where a plan may be published"""
    reports: frozenset[str] = frozenset()
    """carriers whose gateway reports deliveries"""
    reporting: ReportTerms = ReportTerms()
    """how reports of calls are answered, and the time zone of days"""
    review_first: bool = False
    """whether nothing is activated before its call was reviewed"""

    def carried(self, carrier: str) -> int:
        """The most segments of one text that reach the subscribers of a carrier."""
        return self.segments.get(carrier, MOST_SEGMENTS)

    def policy_for(self, carrier: str) -> Policy:
        """The policy of an order sold by a carrier."""
        return replace(self.policy, reports=1) if carrier in self.reports else self.policy


def admit(
    placing: Placing,
    order_id: str,
    line: Line,
    listed: Listed | None,
    terms: Terms,
    now: Millis,
    salt: str,
    *,
    open_texts: Sequence[str] = (),
    call: Call | None = None,
) -> tuple[Order, dict[str, str]]:
    """Return the new order, and the fields written once; raises the error of the first rule that refuses it.

    open_texts: the questions of the line's open orders: their figures may not be this order's code · call: the call
    that the order names, where it is known, or that the order's body describes

    Raises, in the order of the rules: the refusals of a plan, DoNotCall or CoolingOff, OtherNetwork, the refusals of a
    call, DuplicateOrder, LanguageUnavailable, ConfirmationTooLong.
    """
    request = placing.request
    plan = _plan(request, listed, now, official=_official(request, call, listed))
    call = _free(placing, line, plan, call, terms, now)
    others = [entry for entry in line.entries if entry.remembered(now)]
    offer = _offer(plan, _spoken(plan, request.language), terms, request.language)
    asked = dated(offer.text, offer.language, call.began.started_at)
    figures = listed.figures if listed is not None else frozenset[str]()
    code = free_code(others, now, a2b_base64(salt[:8]).hex(), (asked, *open_texts), figures)
    # With another order remembered on the line, a bare yes may not tell which one it means.
    text, doc = _doc(
        placing, order_id, plan, offer, code, now, subs=terms.sub_numbers, asks_code=bool(others), call=call
    )  # fmt: skip
    if doc.segments > (carried := terms.carried(plan.carrier)):
        message = f"the confirmation SMS takes {doc.segments} segments, and its gateway carries {carried} at most"
        raise ConfirmationTooLong(message, segments=doc.segments, carried=carried)
    return opened(doc, Person(request.msisdn, text, request.metadata), line.id, salt)


def _is_customer(subscriber: Subscriber, carrier: str, call: Call | None) -> None:
    """Check, as far as the BSS said so, that the number is the carrier's, and had its present holder at the call."""
    if subscriber.is_elsewhere(carrier):
        message = f"the BSS says that the number is not a customer of {carrier}"
        raise OtherNetwork(message, network=subscriber.network, carrier=str(carrier))
    if call is not None and subscriber.came_after(call.began.started_at):
        since = subscriber.holder_since
        raise DoNotCall("the number went to another holder after that call", since=since, reason="number_changed")


def _free(placing: Placing, line: Line, plan: Plan, call: Call | None, terms: Terms, now: Millis) -> Call:
    """Check that nothing on the line bars the plan, that the call fits the order, and that no order for it is open;
    return the call.
    """
    request = placing.request
    if restriction := line.restriction(plan.carrier, plan.code):
        raise _barred(restriction)
    if call is not None and call.began.started_at < (since := line.holder_since(plan.carrier)):
        raise DoNotCall("the number went to another holder after that call", since=since, reason="number_changed")
    _is_customer(placing.subscriber, plan.carrier, call)
    oldest, recording = now - terms.call_age, named_recording(request)
    known = must_fit(call, line.id, plan.carrier, request.agreed, oldest, recording=recording)
    if open_orders := [each.order for each in line.entries if each.is_open and each.plan == plan.code]:
        raise DuplicateOrder("an order for this number and plan is open", order=open_orders[0])
    return known


def _official(request: PlaceOrder, call: Call | None, listed: Listed | None) -> bool:
    """Whether the call came from the carrier's own number; a call that is not known is refused by another rule."""
    stated = request.call
    if stated is not None and listed is not None and stated.caller_number != CARRIERS[listed.plan.carrier].outbound:
        return False
    return call is None or bool(call.began.official)


def _plan(request: PlaceOrder, listed: Listed | None, now: Millis, *, official: bool) -> Plan:
    if listed is None:
        raise PlanUnknown("no such plan in the catalogue")
    plan = listed.plan
    if not official:
        number = CARRIERS[plan.carrier].outbound
        raise UnofficialNumber(f"{plan.carrier} calls from {number} and from no other number", official=number)
    then, sold = listed.on_sale_at(request.agreed), listed.on_sale_at(now)
    if then is None or sold is None or then.hash != sold.hash:
        raise _not_public(listed)
    return sold


def _not_public(listed: Listed) -> PlanNotPublic:
    """The refusal, with the channel that does not show the plan, where that is the reason."""
    version = listed.version(listed.plan.version)
    unshown = version.unshown() if version is not None and listed.sale is Sale.ON_SALE else None
    message = "the plan must be known, public in web hall and app, and on sale, at the call and now"
    return PlanNotPublic(message, **(dict(zip(("channel", "why"), unshown, strict=True)) if unshown else {}))


def named_recording(request: PlaceOrder) -> Recording | None:
    """The recording that the body of an order names; None where the body names a call by its id."""
    stated = request.call
    return stated.recording if stated else None


def _spoken(plan: Plan, language: str) -> Tariff:
    try:
        return tariff_in(plan, language)
    except ValueError:
        raise LanguageUnavailable("the plan has no texts in this language: place the order in Chinese") from None


def _doc(
    placing: Placing,
    order_id: str,
    plan: Plan,
    offer: Offer,
    code: str,
    now: Millis,
    *,
    subs: frozenset[str],
    asks_code: bool,
    call: Call,
) -> tuple[str, Doc]:
    """The text of the question, '' where it is the offer's own; and the doc of the order."""
    request = placing.request
    begun, window = call.began.started_at, offer.policy.reply_window
    text = confirmation(plan, code, window, offer.language, begun) if asks_code else ""
    doc = Doc(
        id=order_id,
        placed_at=now,
        placed_by=placing.api_key,
        agent=request.agent,
        call=_agreed_in(request, plan, call),
        offer=offer,
        sub=code if plan.carrier in subs else "",
        code=code,
        asks_code=int(asks_code),
        segments=segments(text or dated(offer.text, offer.language, begun)),
        request=placing.fingerprint,
        person="",
        call_id=call.id,
    )
    return text, doc


def _agreed_in(request: PlaceOrder, plan: Plan, call: Call) -> AgreedIn:
    """The call as the order describes it: from the call's record, but the recording as the order's body names it."""
    named = named_recording(request) or call.recording
    recording = named.ref if named else ""
    return AgreedIn(CARRIERS[plan.carrier].outbound, recording, call.began.started_at, request.agreed)


def _offer(plan: Plan, tariff: Tariff, terms: Terms, language: str) -> Offer:
    """The offer, the same for every order that asks about this version of the plan."""
    policy = terms.policy_for(plan.carrier)
    name = (plan.hash, plan.version, policy, terms.senders[plan.carrier], language)
    known = _OFFERS.get(name)
    if known is None:
        text = confirmation(plan, None, policy.reply_window, language)
        offer = Offer(
            plan.carrier.value, plan.code, plan.version, plan.hash, plan.name, terms.senders[plan.carrier], language,
            EDITION, text, segments(text), policy, tariff,
        )  # fmt: skip
        known = Offer.decode(offer.encode())
        if len(_OFFERS) < _MOST_OFFERS:
            _OFFERS[name] = known
    return known


_OFFERS: dict[tuple[str, int, Policy, str, str], Offer] = {}
_MOST_OFFERS = 4096


_WHY_NOT = {
    Kind.REFUSED: "the subscriber refused further calls",
    Kind.SUSPECTED: "a reply of the subscriber may be a refusal: a person decides within a day",
    Kind.MARKETING_FREE: "the subscriber is registered as marketing-free",
    Kind.NUMBER_CHANGED: "the number has another holder or network, or none",
    Kind.MINOR: "the BSS says that the number's holder is a minor",
}


def _barred(by: Restriction) -> Refused:
    """Return the refusal of an order that a restriction bars."""
    if by.kind is Kind.COOL_OFF:
        return CoolingOff("the subscriber declined this plan: it is not offered again", since=by.since)
    return DoNotCall(_WHY_NOT[by.kind], since=by.since, reason=by.kind.value)


def limits(terms: Terms) -> Callable[[Plan], list[FieldError]]:
    """Return the check of which texts about a plan are too long under these terms."""
    policy = terms.policy
    return lambda plan: too_long(plan, policy.reply_window, terms.carried(plan.carrier), policy.free_exit)


def too_long(plan: Plan, window: Millis, carried: int, free_exit: Millis = 0) -> list[FieldError]:
    """Errors for the texts about a plan that are too long. carried: the most segments that its gateway carries"""
    wrong = []
    for language in languages(plan):
        for purpose, text in longest(plan, language, window, free_exit).items():
            needed, most = segments(text), min(MOST[purpose], carried)
            if needed > most:
                where = "" if language == "zh" else f" in {language}"
                message = f"takes {needed} segments{where}, and {most} are the most"
                wrong.append(FieldError(purpose.value, "too_long", message))
    return wrong
