"""News: what an open page hears by itself. What stands still, fails or is slow stands on top of every page, in words:
since when, and what it means; the page of an order hears of the order as well.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from time import monotonic

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import Operations, visitor_of
from consent_engine.api.http.bodies import bounds_of
from consent_engine.api.service.callers import ANY_ROLE
from consent_engine.api.service.service import HEARD_WITHIN_MS, front_of
from consent_engine.api.service.watches import EventStream, Teller
from consent_engine.api.web.rendering import Line, instant_shown
from consent_engine.api.web.words import language_of, words
from consent_engine.domain.days import Days
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.msisdn import hidden
from consent_engine.domain.order.order import Order
from consent_engine.domain.roles import Role
from consent_engine.engine.engine import Engine
from consent_engine.engine.metrics import FEW_CALLS, Health, Series, health_of, lately, targets_of
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import ApiKey, Endpoint
from consent_engine.ports.registry import BSS, GATEWAY, LANE

operations = Operations(whose=visitor_of)
LOOKED_S = 1.0
"""What stands on top of all pages is looked up at most once in this many seconds."""
LIFE_S = 5.0
"""An order is read again whenever it changes, and after this many seconds: its call, its line and its ending change by
themselves."""
LATE_MS = 10_000
SLOW_MS = 3_000
OFTEN = 0.2
STEPS = 2
"""What is worth a line to everybody: a queue so late; a target that takes so long for half of its calls, or fails in
this share of them, in the minute that has just begun or the one before."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A line on top of every page. code: the name of its words · target: what it is about · since: 0 where that is not
    known · facts: what else the words name · ends: of a pause, when all work begun before ends; 0 once it has · parked:
    activations that wait for a person, of a BSS that is ill
    """

    code: str
    target: Endpoint
    since: Millis = 0
    facts: tuple[tuple[str, str], ...] = ()
    ends: Millis | None = None
    parked: int = 0

    @property
    def hampers(self) -> Lane:
        """The queue whose work comes late by this."""
        to, name = self.target
        return Lane(name) if to == LANE else Lane.ACTIVATION if to == BSS else Lane.SMS


def notices_of(engine: Engine) -> list[Notice]:
    """Return what stands still, fails or is slow now. Raises StoreUnavailable."""
    now = engine.registry.now()
    paused = {
        each.target: Notice(
            f"paused.{each.target.to}", each.target, each.pause.at,
            (("by", each.pause.by), ("reason", hidden(each.pause.reason))), each.drained if each.drained > now else 0,
        )
        for each in engine.pauses.standing()
    }  # fmt: skip
    targets = targets_of(engine.outside)
    health = health_of(engine.registry, targets, now)
    try:
        depths = engine.depths()
    except StoreUnavailable:  # a part of the store is away: the notices of the rest are shown all the same
        depths = {}
    ill = [each for each in map(_illness, health, lately(engine.registry, targets, engine.call_ms)) if each]
    if depths:
        parked = depths[Lane.ACTIVATION].parked
        ill = [replace(each, parked=parked) if each.target.to == BSS else each for each in ill]
    late = (
        Notice("notice.late", Endpoint(LANE, lane.value), now - depth.late)
        for lane, depth in depths.items()
        if depth.late > LATE_MS and Endpoint(LANE, lane.value) not in paused
    )
    silent = [] if engine.registry.workers(HEARD_WITHIN_MS) else [Notice("ops.no_workers", Endpoint(GATEWAY, ""))]
    return [*silent, *paused.values(), *(each for each in ill if each.target not in paused), *late]


def _illness(each: Health, of: Series) -> Notice | None:
    if each.failing:
        return Notice("notice.refusing" if each.refusing else "notice.silent", each.target, each.troubled)
    calls, failed = sum(of.calls[-STEPS:]), sum(of.failed[-STEPS:])
    if calls >= FEW_CALLS and failed > OFTEN * calls:
        return Notice("notice.failing", each.target)
    return Notice("notice.slow", each.target) if any((ms or 0) >= SLOW_MS for ms in of.p50[-STEPS:]) else None


def _line(each: Notice, said: Mapping[str, str], days: Days) -> Line:
    to, name = each.target
    shown = said[f"lane.{name}"] if to == LANE else name if each.ends is not None else said[f"notice.{to}"]
    facts = {"name": shown.format(name=name), "at": instant_shown(days, each.since)[:16], **dict(each.facts)}
    begun = ""
    if each.ends is not None:
        ends = instant_shown(days, each.ends)[11:]
        begun = said["paused.draining"].format(at=ends) if each.ends else said["paused.drained"]
    means = said["means.parked" if each.parked else f"means.{each.hampers.value}"]
    text = f"{said[each.code].format_map(facts)}{begun}{means.format(n=each.parked)}"
    return Line(f"{each.code} {to} {name}", text, each.hampers.value, None if each.ends is None else f"{to} {name}")


async def banner(request: Request) -> list[Line]:
    """Return the lines on top of a page in the visitor's language: what they say is at most a second old."""
    front = front_of(request)
    said = words(language_of(request))
    known = front.recent.of("notices", LOOKED_S, lambda: front.ask(notices_of))
    return [_line(each, said, front.days) for each in await known]


@operations.add("GET", "/news", ANY_ROLE)
async def news(request: Request, caller: ApiKey) -> Response:
    """Server-sent events: `banner`, the lines on top of a page, whenever they change. Any role."""
    return stream(request, caller, ANY_ROLE)


def stream(
    request: Request, caller: ApiKey, roles: frozenset[Role], order: Order | None = None,
    life: Callable[[], Awaitable[bytes]] | None = None,
) -> EventStream:  # fmt: skip
    """Return a page's stream: `banner`; `life`, if that is given, whenever `order` changes or its answer does; `over`
    once the visitor may see neither any more. Raises TooManyStreams.
    """
    streams = front_of(request).streams
    streams.check_room(caller.name)
    return EventStream(_Told(request, caller, roles, life).events(streams, order), bounds_of(request).send_s)


class _Told(Teller):
    """The events sent to one page."""

    def __init__(
        self, request: Request, caller: ApiKey, roles: frozenset[Role], life: Callable[[], Awaitable[bytes]] | None
    ) -> None:
        over = b"event: over\ndata: {}\n\n"
        super().__init__(bounds_of(request), caller, lambda: visitor_of(request, roles), LOOKED_S, over)
        self._request, self._life = request, life
        self._sent: dict[str, bytes] = {}
        self._read_at, self._version = -inf, -1

    async def news(self, order: Order | None) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield what changed since it was sent."""
        news = {"banner": json.dumps([each._asdict() for each in await banner(self._request)]).encode()}
        version = order.version if order else 0
        if self._life and (version != self._version or monotonic() - self._read_at >= LIFE_S):
            self._read_at = monotonic()
            news["life"] = await self._life()
            self._version = version
        changed = {name: data for name, data in news.items() if self._sent.get(name) != data}
        self._sent |= changed
        events = (b"event: " + name.encode() + b"\ndata: " + data + b"\n\n" for name, data in changed.items())
        if changed:
            yield b"".join(events), False
