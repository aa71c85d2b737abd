"""An order's stream: one server-sent event per timeline entry, from the first, then live until the order settles."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import Operations, caller_of
from consent_engine.api.http.bodies import bounds_of
from consent_engine.api.schemas.views import timeline
from consent_engine.api.service.callers import AGENT_OR_OPS, is_own, visible
from consent_engine.api.service.service import front_of
from consent_engine.api.service.watches import EventStream, Teller, TooManyStreams
from consent_engine.domain.order.order import Order
from consent_engine.ports import ApiKey

operations = Operations("orders", "/v1/orders")
_ENTRY = re.compile("[0-9]{1,6}")


@operations.add(
    "GET", "/{order_id}/stream", AGENT_OR_OPS, "Watch an order", openapi.STREAM, problems=(TooManyStreams,),
    headers=(openapi.LAST_EVENT_ID,),
)  # fmt: skip
async def stream(request: Request, caller: ApiKey, order_id: str) -> Response:
    """Server-sent events: one per timeline entry, from the first, then live. `id` is the entry's number; send it as
    `Last-Event-ID` to continue after that entry. Some seconds after the order settled, an event `end` closes the
    stream; later requests get 204, which says that no more will come. Roles: agent (own), ops (masked)."""
    order = await front_of(request).ask(lambda engine: visible(engine, order_id, caller))
    seen = _seen(request, order)
    if order.state.settled and seen == _length(order):
        return Response(status_code=HTTPStatus.NO_CONTENT)
    streams = front_of(request).streams
    streams.check_room(caller.name)
    return EventStream(_Timeline(request, caller, seen).events(streams, order), bounds_of(request).send_s)


def _length(order: Order) -> int:
    return 1 + len(order.events)


def _seen(request: Request, order: Order) -> int:
    """How many entries the client has, by its Last-Event-ID. An id that no stream handed out counts as 0: entries are
    sent again, which does no harm."""
    last_id = request.headers.get("last-event-id", "")
    return int(last_id) if _ENTRY.fullmatch(last_id) and int(last_id) <= _length(order) else 0


class _Timeline(Teller):
    """The entries of an order's timeline. seen: how many the client has"""

    def __init__(self, request: Request, caller: ApiKey, seen: int) -> None:
        bounds = bounds_of(request)
        every_s = min(bounds.key_check_s, bounds.heartbeat_s)
        super().__init__(bounds, caller, lambda: caller_of(request, AGENT_OR_OPS), every_s)
        self._now, self._seen = front_of(request).now, seen

    async def news(self, order: Order | None) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield the entries not sent yet, before the store is asked anything; and the end once the order settled and
        `linger_s` seconds have passed since its last entry, or it is no longer there.
        """
        if order is None:
            yield b"", True
            return
        entries = timeline(order, whole=is_own(order, self._caller), after=self._seen)
        events = [f"id: {n}\ndata: ".encode() + e.json_bytes() + b"\n\n" for n, e in enumerate(entries, self._seen + 1)]
        self._seen += len(entries)
        if events:
            yield b"".join(events), False
        if order.state.settled and await self._now() >= order.events[-1].at + self._bounds.linger_s * 1000:
            yield f'event: end\ndata: {{"state":"{order.state}"}}\n\n'.encode(), True
