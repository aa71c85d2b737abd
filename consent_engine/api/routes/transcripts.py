"""Transcripts over HTTP: the words of a call, for its reviewer."""

from starlette.requests import Request

from consent_engine.api.document.operations import Operations
from consent_engine.api.http.bodies import MOST_LIST, read_json
from consent_engine.api.routes.calls import view_of
from consent_engine.api.schemas.calls import CallView, Transcribe
from consent_engine.api.schemas.forms import read
from consent_engine.api.service.callers import AGENT_OR_OPS
from consent_engine.api.service.service import front_of
from consent_engine.domain.call.errors import CallMismatch
from consent_engine.domain.roles import Role
from consent_engine.engine.review import AlreadyTranscribed, Transcript
from consent_engine.ports import ApiKey

operations = Operations("transcripts", "/v1/calls")


@operations.add(
    "POST",
    "/{call_id}/transcript",
    AGENT_OR_OPS,
    "Add the transcript of a call",
    CallView,
    problems=(CallMismatch, AlreadyTranscribed),
    body=Transcribe,
)
async def transcribe(request: Request, caller: ApiKey, call_id: str) -> CallView:
    """Add the words of a call, with times: a hint for the reviewer, never a verdict. From the call's own recording (409
    `call_mismatch`), only once (409 `already_transcribed`; repeating it changes nothing), 256 KiB at most. Roles: agent
    (own), ops."""
    form = read(Transcribe, await read_json(request, MOST_LIST))
    anyone = caller.role != Role.AGENT
    wanted = Transcript(call_id, caller.name, form.recording, form.spoken(), caller.created_at, anyone)
    call = await front_of(request).ask(lambda engine: engine.calls.transcribe(wanted))
    return view_of(call, caller)
