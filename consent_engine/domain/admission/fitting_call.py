"""The check that a call fits the order that names it."""

from consent_engine.domain.call.call import Call, CallState
from consent_engine.domain.call.call_events import CallOutcome, Recording
from consent_engine.domain.call.errors import CallMismatch, CallNotPermitted, CallTooOld, RecordingReused
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.effects import Millis

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
