"""Admission of calls: a call that was made known is always recorded; its violations are found here."""

from collections.abc import Callable

from msgspec import Struct

from consent_engine.domain.admission.admit import Terms, named_recording
from consent_engine.domain.admission.call_request import CallEnd, CallStart
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.call.call import (
    AlreadyEnded,
    Began,
    Call,
    CallAbandoned,
    CallOutcome,
    CallPerson,
    CallState,
    Ended,
    begun,
)
from consent_engine.domain.call.permit import read, verify
from consent_engine.domain.call.violation import Known, Violation, found, shown_by
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.days import millis
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import CallEntry, Line
from consent_engine.domain.line.restriction import Kind, Restriction, name_of
from consent_engine.errors import Malformed, PlanUnknown

_BY_THE_PLAN = (Violation.COOL_OFF, Violation.WRONG_PERMIT)
"""Violations that show only once the call's plan is known."""


class CallFacts(Struct, frozen=True):
    """The facts of a call: its id, its carrier, the calling number, the instant, the permit ('' for none), the plan,
    and whether a desk reported it.
    """

    call: str
    carrier: str
    caller: str
    at: Millis
    permit: str = ""
    plan: str | None = None
    reported: bool = True


def violations_of(facts: CallFacts, line: Line, terms: Terms, secret: str) -> tuple[tuple[Violation, ...], str]:
    """The violations of a call to a line's number when it began; and its permit, '' unless the engine gave it."""
    carrier, at, plan = facts.carrier, facts.at, facts.plan
    checked = verify(secret, facts.permit, line.id, carrier, plan, at) if facts.permit else None
    entry = CallEntry(facts.call, at, carrier, permitted=checked.permit.since if checked and checked.permit else 0)
    known = Known(
        at=at,
        carrier=carrier,
        official=facts.caller == CARRIERS[carrier].outbound,
        plan=plan or "",
        required=terms.permits_required,
        permit=checked.word if checked else None,
        standing=(*line.restrictions, *line.ended),
        quiet=bool(terms.policy.quiet_until(at)),
        line_shows=shown_by(line, entry, terms.calls_a_day, terms.reporting.days),
        reported=facts.reported,
    )
    return found(known), facts.permit if checked and checked.permit else ""


def entry_of(call: Call, secret: str, *, refused: bool = False) -> CallEntry:
    """The call in short, as its line names it. refused: it is kept only because an order was refused"""
    began = call.began
    permit = read(secret, began.permit) if began.permit else None
    refusal = 2 - began.official if refused else 0
    return CallEntry(call.id, began.started_at, began.carrier, refusal, permit.since if permit else 0)


def begin(
    start: CallStart, call_id: str, line: Line, terms: Terms, secret: str, now: Millis, salt: str
) -> tuple[Call, dict[str, str]]:
    """The new call with its violations, and the fields written once."""
    asked = start.request
    at, carrier = millis(asked.started_at), asked.carrier.value
    facts = CallFacts(call_id, carrier, asked.from_, at, asked.permit or "", reported=start.reported)
    violations, permit = violations_of(facts, line, terms, secret)
    began = Began(
        id=call_id,
        registered_at=now,
        placed_by=start.api_key,
        agent=asked.agent,
        request=asked.fingerprint(secret),
        person="",
        carrier=carrier,
        official=int(asked.from_ == CARRIERS[carrier].outbound),
        script=asked.script or "",
        permit=permit,
        started_at=at,
        violations=violations,
    )
    return begun(began, CallPerson(start.msisdn, asked.from_), line.id, salt)


class OrderWithCall(Struct, frozen=True):
    """An order whose body describes its call: the request, the call's id, its carrier, a salt."""

    placing: Placing
    call: str
    carrier: str
    salt: str


def begin_from_order(
    of: OrderWithCall, line: Line, terms: Terms, secret: str, now: Millis
) -> tuple[Call, dict[str, str]]:
    """The call that the body of an order describes, with its violations, and the fields written once. It ended when the
    subscriber agreed: the body says nothing of what came later. It has no fingerprint of its request: the order that
    names the call has it.

    Raises ValueError for a body that names a call by its id.
    """
    placing, carrier = of.placing, of.carrier
    request, stated, recording = placing.request, placing.request.call, named_recording(placing.request)
    if stated is None or recording is None:
        raise ValueError("this body tells of no call")
    at = stated.started
    facts = CallFacts(of.call, carrier, stated.caller_number, at, stated.permit or "", request.plan)
    violations, permit = violations_of(facts, line, terms, secret)
    began = Began(
        id=of.call, registered_at=now, placed_by=placing.api_key, agent=request.agent, request="",
        person="", carrier=carrier, official=int(stated.caller_number == CARRIERS[carrier].outbound), script="",
        permit=permit, started_at=at, violations=violations, ordered=1,
    )  # fmt: skip
    over = Ended(
        at=now, op="", by=placing.api_key, ended_at=request.agreed, outcome=CallOutcome.AGREED,
        plan=request.plan, recording=recording,
    )  # fmt: skip
    return begun(began, CallPerson(request.msisdn, stated.caller_number), line.id, of.salt, over)


def end(call: Call, wanted: CallEnd, line: Line, secret: str, now: Millis, sells: Callable[[str, str], bool]) -> Ended:
    """The event that ends the call, with the violations its end shows. sells: whether a carrier has a plan of this code

    Raises Malformed for impossible instants, AlreadyEnded for a call that ended otherwise, CallAbandoned, PlanUnknown.
    """
    asked = wanted.request
    if call.state is CallState.ABANDONED:
        raise CallAbandoned("the end of this call was not reported in time: nothing of it is kept but a refusal")
    if call.end is not None:
        raise AlreadyEnded("this call was ended before, with other details")
    if wrong := asked.late_errors(call, now):
        raise Malformed(wrong)
    if asked.plan is not None and not sells(call.carrier, asked.plan):
        raise PlanUnknown("no such plan of this carrier in the catalogue")
    recording = asked.recorded()
    return Ended(
        at=now,
        op=asked.fingerprint(),
        by=wanted.api_key,
        ended_at=millis(asked.ended_at),
        outcome=asked.outcome,
        plan=asked.plan or "",
        recording=recording,
        disclosures=asked.disclosed(),
        violations=_shown_by_the_end(call, asked.outcome, asked.plan, line, secret, recorded=recording is not None),
    )


def _shown_by_the_end(
    call: Call, outcome: CallOutcome, plan: str | None, line: Line, secret: str, *, recorded: bool
) -> tuple[Violation, ...]:
    began = call.began
    checked = verify(secret, began.permit, line.id, began.carrier, plan, began.started_at) if began.permit else None
    # A call without an answer has nothing to record, unless an order names it.
    sold = any(each.kind is Kind.CALL and each.ref == call.id for each in line.restrictions)
    known = Known(
        at=began.started_at,
        carrier=began.carrier,
        official=bool(began.official),
        plan=plan or "",
        permit=checked.word if checked else None,
        standing=(*line.restrictions, *line.ended),
        recorded=recorded or (outcome is CallOutcome.NO_ANSWER and not sold),
    )
    more = (Violation.NO_RECORDING, *(_BY_THE_PLAN if plan else ()))
    return tuple(each for each in found(known) if each in more and each not in call.violations)


def cooled(call: Call, ended: Ended, line: Line, lasts: Millis) -> Restriction | None:
    """The restriction that keeps a plan declined in the call from being offered again; None where none was declined, or
    where the restriction that stands already ends no sooner. lasts: how long; 0: for ever
    """
    if ended.outcome is not CallOutcome.DECLINED:
        return None
    until = ended.at + lasts if lasts else 0
    stands = line.named(name_of(Kind.COOL_OFF, call.carrier, ended.plan))
    if stands is not None and (stands.until == 0 or (until and stands.until >= until)):
        return None
    return Restriction(Kind.COOL_OFF, call.carrier, ended.plan, ended.at, "voice", call.id, until=until)
