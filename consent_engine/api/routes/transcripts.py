"""Transcripts over HTTP: the words of a call, for its reviewer."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import Operations
from consent_engine.api.http.bodies import MOST_LIST, read_json
from consent_engine.api.routes.orders import ID
from consent_engine.api.schemas.calls import CallView
from consent_engine.api.schemas.forms import read
from consent_engine.api.schemas.transcripts import Transcribe
from consent_engine.api.service.callers import AGENT_OR_OPS, FULL_NUMBERS
from consent_engine.api.service.service import front_of
from consent_engine.domain.call.errors import CallNotFound
from consent_engine.domain.roles import Role
from consent_engine.engine.transcribe import Transcript
from consent_engine.ports import ApiKey

operations = Operations("transcripts", "/v1/calls")


@operations.add(
    "POST",
    "/{call_id}/transcript",
    AGENT_OR_OPS,
    "The words of a call",
    answers={200: CallView},
    problems=(401, 403, 404, 409, 413, 415, 422, 503),
    takes=openapi.body("Transcribe"),
)
async def transcribe(request: Request, caller: ApiKey, call_id: str) -> Response:
    """What was said, with instants: a hint for the reviewer, never a verdict. Of the call's own recording (409
    `call_mismatch`), once (409 `already_transcribed`; the same again changes nothing), 256 KiB at most. Roles: agent
    (own), ops."""
    if not ID.fullmatch(call_id):
        raise CallNotFound("no such call")
    form = read(Transcribe, await read_json(request, MOST_LIST))
    anyone = caller.role != Role.AGENT
    wanted = Transcript(call_id, caller.name, form.recording, form.spoken(), caller.created_at, anyone)
    call = await front_of(request).ask(lambda engine: engine.calls.transcribe(wanted))
    view = CallView.of(call, whole=caller.role in FULL_NUMBERS)
    return Response(view.json_bytes(), media_type="application/json")
