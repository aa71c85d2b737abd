"""An order's stream: one server-sent event per timeline entry, from the first, then live until the order settles."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from time import monotonic

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import Operations, caller_of
from consent_engine.api.http.bodies import bounds_of
from consent_engine.api.schemas.views import timeline
from consent_engine.api.service.callers import AGENT_OR_OPS, is_own, visible
from consent_engine.api.service.service import front_of
from consent_engine.api.service.watches import RETRY, EventStream, Streams, TooManyStreams
from consent_engine.domain.order.order import Order
from consent_engine.errors import Forbidden, StoreUnavailable, Unauthenticated
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
    return EventStream(Telling(request, caller, order, seen).events(streams), bounds_of(request).send_s)


def _length(order: Order) -> int:
    return 1 + len(order.events)


def _seen(request: Request, order: Order) -> int:
    """How many entries the client has, by its Last-Event-ID. An id that no stream handed out counts as 0: entries are
    sent again, which does no harm."""
    last_id = request.headers.get("last-event-id", "")
    return int(last_id) if _ENTRY.fullmatch(last_id) and int(last_id) <= _length(order) else 0


class Telling:
    """The events sent to one client."""

    def __init__(self, request: Request, caller: ApiKey, order: Order, seen: int) -> None:
        self._request = request
        self._caller = caller
        self._order = order
        self._seen = seen
        self._bounds = bounds_of(request)
        self._checked_at = self._sent_at = monotonic()

    async def events(self, streams: Streams) -> AsyncIterator[bytes]:
        """Yield events until the order is over, the key is revoked, or the server stops."""
        yield RETRY
        with streams.watch(self._caller.name, self._order) as watch:
            while watch.order is not None and not streams.ending():
                try:
                    if not await self._may_go_on():
                        return
                    if news := self._news(watch.order):
                        yield news
                    if await self._is_over(watch.order):
                        yield f'event: end\ndata: {{"state":"{watch.order.state}"}}\n\n'.encode()
                        return
                except StoreUnavailable:
                    pass  # nothing new can be read; the client stays connected until the store can be reached again
                if monotonic() - self._sent_at >= self._bounds.heartbeat_s:
                    self._sent_at = monotonic()
                    yield b": alive\n\n"
                await watch.wait(min(self._bounds.key_check_s, self._bounds.heartbeat_s))

    async def _may_go_on(self) -> bool:
        """Whether the key is still valid; it is looked up again every `key_check_s` seconds, before further entries."""
        if monotonic() - self._checked_at < self._bounds.key_check_s:
            return True
        try:
            caller = await caller_of(self._request, AGENT_OR_OPS)
        except (Unauthenticated, Forbidden):
            return False
        self._checked_at = monotonic()
        return caller == self._caller

    def _news(self, order: Order) -> bytes:
        """Return the entries not sent yet, as server-sent events."""
        entries = timeline(order, whole=is_own(order, self._caller), after=self._seen)
        events = [f"id: {n}\ndata: ".encode() + e.json_bytes() + b"\n\n" for n, e in enumerate(entries, self._seen + 1)]
        self._seen += len(entries)
        self._sent_at = monotonic() if entries else self._sent_at
        return b"".join(events)

    async def _is_over(self, order: Order) -> bool:
        """Whether the order has settled and `linger_s` seconds have passed since its last entry."""
        if not order.state.settled:
            return False
        return await front_of(self._request).now() >= order.events[-1].at + self._bounds.linger_s * 1000
