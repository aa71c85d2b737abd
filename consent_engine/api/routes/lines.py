"""Line events over HTTP: operations report what a network says about a number."""

from starlette.responses import Response

from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.schemas.forms import TellLine
from consent_engine.api.schemas.lists import LineEventView
from consent_engine.api.schemas.views import instant
from consent_engine.api.service.callers import OPS
from consent_engine.domain.days import millis
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.engine import Engine
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.errors import EventNotTaken
from consent_engine.ports import ApiKey

operations = Operations("lines", "/v1/lines")


@operations.add(
    "POST", "/events", OPS, "Report an event of a number", {201: LineEventView, 200: LineEventView},
    problems=(EventNotTaken,),
)  # fmt: skip
def tell(engine: Engine, caller: ApiKey, form: TellLine) -> Response:
    """`assigned`, `released`: open orders end without an SMS, and an earlier yes no longer counts; `ported_out`: the
    same for that carrier's orders; `suspended`: nothing is activated until `resumed`; `ported_in`: only recorded.
    Events count by `at`, in whatever order they are reported; the same event again: 200. 409 `event_not_taken`: as many
    events of this number are kept as may be, and this one ends no orders. Role: ops."""
    carrier = form.carrier.value if form.carrier else ""
    asked = LineEventAsked(Msisdn(form.msisdn), LineEvent(form.event), millis(form.at), caller.name, carrier)
    recorded = engine.line_event(asked)
    event = recorded.happened
    view = LineEventView(event=event.event, at=instant(event.on), recorded_at=instant(event.at), ended=event.ended)
    return answered(view, 201 if recorded.is_new else 200)
