"""A line's entries for the calls to its number."""

from consent_engine.domain.call.call import Call
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import WAKE_LINE, Millis
from consent_engine.domain.line.entries import CallEntry
from consent_engine.domain.line.line import CALLS_KNOWN_MS, STRANGER_MS, Line
from consent_engine.domain.msisdn import Msisdn
from consent_engine.ports import LineChange


def named_on(line: Line, call: Call, now: Millis, msisdn: Msisdn, *, refusal: int = 0) -> LineChange:
    """Return the line's change that names a call of the last days; a new line is deleted when it has no entries.

    refusal: 1 where the call is kept only because an order was refused
    """
    began = call.began
    fields = {**dict.fromkeys(line.aged, ""), "msisdn": str(msisdn), "seen": str(max(line.seen, now))}
    if began.started_at > now - CALLS_KNOWN_MS:
        fields[f"c:{call.id}"] = CallEntry(call.id, began.started_at, began.carrier, refusal).encode()
    put = () if line.version else (Put(WAKE_LINE, now + STRANGER_MS),)
    return LineChange(line.id, line.version, fields, put)
