"""Calls over HTTP: ask for permits to dial; start, end, show and list them; add their words, for the reviewer."""

import re
from functools import lru_cache

from msgspec.json import encode
from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.http.bodies import KIB, MOST_LIST, parse, read_json, read_json_body
from consent_engine.api.http.problems import IdempotencyKeyMissing
from consent_engine.api.http.queries import ListCalls, Paged
from consent_engine.api.routes.orders import idempotency_key
from consent_engine.api.schemas.calls import CallList, CallView, PermitsView, Transcribe
from consent_engine.api.schemas.forms import AskPermits, read
from consent_engine.api.schemas.views import AsOf, instant
from consent_engine.api.service.callers import AGENT, AGENT_OR_OPS, CALL_LISTER, CALL_READER, FULL_NUMBERS
from consent_engine.api.service.service import front_of
from consent_engine.domain.admission import call_request
from consent_engine.domain.call.call import (
    AlreadyEnded,
    Call,
    CallAbandoned,
    CallMismatch,
    CallNotFound,
    RecordingReused,
)
from consent_engine.domain.call.permit import Dial
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.roles import Role
from consent_engine.engine.engine import Engine
from consent_engine.engine.permits import PermitsAsked
from consent_engine.engine.review import AlreadyTranscribed, Transcript
from consent_engine.errors import IdempotencyConflict, Malformed, PlanUnknown
from consent_engine.ports import ApiKey, CallFilter

operations = Operations("calls", "/v1/calls")
_REFUSED = re.compile(rb'"outcome"\s*:\s*"refused"', re.IGNORECASE)
"""A subscriber's refusal in the body of a call's end, also in one that is no JSON, or no form."""


@operations.add(
    "POST", "", AGENT, "Report that a call began", {201: CallView, 200: CallView},
    problems=(IdempotencyKeyMissing, IdempotencyConflict, call_request.AgentMismatch), body=call_request.StartCall,
    headers=(openapi.IDEMPOTENCY_KEY,),
)  # fmt: skip
async def start(request: Request, caller: ApiKey) -> Response:
    """Report a call as it begins. It is recorded (201) even if it breaks a rule: `violations` names each breach. Calls
    count by `started_at`, in whatever order they are reported: an earlier one may make a known one `too_often`. The
    same key and body again returns the same call (200). Role: agent."""
    key = idempotency_key(request)
    wanted = call_request.CallStart(caller.name, key, read(call_request.StartCall, await read_json(request)))
    call_request.check_agent(caller.agent, wanted.request.agent)
    recorded = await front_of(request).call(wanted)
    to = {"Location": f"/v1/calls/{recorded.call.id}"}
    return answered(view_of(recorded.call, caller), 201 if recorded.is_new else 200, to)


@operations.add(
    "POST", "/{call_id}/end", AGENT, "Report that a call ended", body=call_request.EndCall,
    problems=(PlanUnknown, AlreadyEnded, CallAbandoned, RecordingReused),
)  # fmt: skip
async def end(request: Request, caller: ApiKey, call_id: str) -> CallView:
    """Report how a call ended. `declined` keeps that plan from being offered again, `refused` ends all calls to the
    number, and is kept whatever else is wrong: the answer says both (`refusals_kept`). Repeating the same end changes
    nothing; a different one is 409 `already_ended`; a recording that, by its reference or its SHA-256, belongs to
    another call is 409 `recording_reused`. Role: agent (own)."""
    body = await read_json_body(request)
    form: call_request.EndCall | Malformed
    try:
        form = read(call_request.EndCall, parse(body))
    except Malformed as wrong:
        form = wrong
    anyone, says_refused = caller.role != Role.AGENT, _REFUSED.search(body) is not None
    wanted = call_request.CallEnd(caller.name, call_id, form, caller.created_at, anyone, says_refused)
    return view_of((await front_of(request).call(wanted)).call, caller)


@operations.add("GET", "", CALL_LISTER, "List calls")
def list_(engine: Engine, caller: ApiKey, form: ListCalls, as_of: AsOf) -> CallList:
    """Newest first, a page at a time. Roles: reviewer, ops and auditor (masked)."""
    days = engine.terms.reporting.days
    since, until = (days.begins(form.day), days.ends(form.day) + 1) if form.day else (None, None)
    carrier, verdict = form.carrier.value if form.carrier else None, Verdict(form.verdict) if form.verdict else None
    wanted = CallFilter(form.agent, carrier, since, until, form.violation, verdict)
    return page_of_calls(engine, caller, wanted, form, as_of)


def page_of_calls(engine: Engine, caller: ApiKey, wanted: CallFilter, of: Paged, as_of: AsOf) -> CallList:
    """Return one page of the matching calls, with numbers masked unless the caller may see them."""
    return CallList.of(engine.calls.page(wanted, of.cursor, of.limit), as_of, whole=caller.role in FULL_NUMBERS)


@operations.add("GET", "/{call_id}", CALL_READER, "Show a call")
def show(engine: Engine, caller: ApiKey, call_id: str) -> CallView:
    """The call with all its violations; CallNotFound, 404, if there is none. Roles: agent (own), reviewer, ops and
    auditor (masked)."""
    call = engine.calls.show(call_id)
    if caller.role == Role.AGENT and not call.is_of(caller.name, caller.created_at):
        raise CallNotFound("no such call")
    return view_of(call, caller)


def view_of(call: Call, caller: ApiKey) -> CallView:
    return CallView.of(call, whole=caller.role in FULL_NUMBERS)


transcripts = Operations("transcripts", "/v1/calls")


@transcripts.add(
    "POST", "/{call_id}/transcript", AGENT_OR_OPS, "Add the transcript of a call",
    problems=(CallMismatch, AlreadyTranscribed), body=Transcribe,
)  # fmt: skip
async def transcribe(request: Request, caller: ApiKey, call_id: str) -> CallView:
    """Add the words of a call, with times: a hint for the reviewer, never a verdict. From the call's own recording (409
    `call_mismatch`), only once (409 `already_transcribed`; repeating it changes nothing), 256 KiB at most. Roles: agent
    (own), ops."""
    form = read(Transcribe, await read_json(request, MOST_LIST))
    anyone = caller.role != Role.AGENT
    wanted = Transcript(call_id, caller.name, form.recording, form.spoken(), caller.created_at, anyone)
    call = await front_of(request).ask(lambda engine: engine.calls.transcribe(wanted))
    return view_of(call, caller)


permitting = Operations("permits", "/v1/permits")
MOST_PERMITS = 512 * KIB
"""Enough for ten thousand numbers, however they are written, and some whitespace."""


@permitting.add("POST", "", AGENT_OR_OPS, "Ask for permits to dial", PermitsView, body=AskPermits)
async def permits(request: Request, caller: ApiKey) -> bytes:
    """For each of up to 10000 numbers, in order: a permit to dial it and its expiry, or why it is denied and since
    when. Decided as by /v1/callable; each request is kept as one record. Roles: agent, ops."""
    body = await read_json(request, MOST_PERMITS)
    return await front_of(request).ask(lambda engine: _answered(engine, read(AskPermits, body), caller.name))


def _answered(engine: Engine, form: AskPermits, by: str) -> bytes:
    carrier = form.carrier.value
    if form.plan:
        engine.catalogue.carrier_of(form.plan, carrier)
    given = engine.dialler.permits(PermitsAsked([Msisdn(each) for each in form.msisdns], carrier, form.plan, by))
    until = instant(given.until)
    rows = [{"permit": token, "until": until} if token else _denied(dial) for dial, token in given.answers]
    return encode({"id": given.request, "permits": rows})


@lru_cache(1024)
def _denied(dial: Dial) -> dict[str, str]:
    said = {"denied": dial.reason.value} if dial.reason else {}
    return said | ({"since": instant(dial.since)} if dial.since else {})
