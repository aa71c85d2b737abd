"""Does a call fit the order that names it?"""

from consent_engine.domain.call.call import Call, CallState
from consent_engine.domain.effects import Millis
from consent_engine.errors import CallMismatch, CallNotPermitted, CallTooOld

NO_SUCH_CALL = "there is no such call, or none of these days"


def fits(call: Call | None, line: str, carrier: str, agreed: Millis, oldest: Millis) -> None:
    """Raise what an order is refused for because of its call: CallNotPermitted, CallTooOld, CallMismatch.

    oldest: the subscriber may not have agreed before then
    """
    if call is None:
        raise CallMismatch(NO_SUCH_CALL)
    if call.violations:
        wrong = " ".join(call.violations)
        raise CallNotPermitted("something was wrong with the call: no order comes of it", violations=wrong)
    if call.state is CallState.ABANDONED:
        raise CallNotPermitted("nobody said how the call ended: no order comes of it", violations="")
    if agreed < oldest:
        raise CallTooOld("the subscriber agreed too long ago: call again")
    if call.line != line or call.carrier != carrier:
        raise CallMismatch("the call was to another number, or of another carrier")
    if not call.holds(agreed):
        raise CallMismatch("agreed_at lies outside the call")
