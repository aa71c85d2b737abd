"""Traces by OpenTelemetry: one for each order, from its placing to its notification. Off unless CONSENT_TRACES is set.

Nothing is stored for it: the trace's id is a hash of the order's id, so that every process and every later release
finds the same. Its spans are made from the log records of events and requests, and from calls to gateways and the BSS.
A span has the order's id and fixed words: no person, no text, no number.
"""

# ruff: noqa: PLC0415 - OpenTelemetry is an extra: an installation without it never imports it

import logging
import os
import threading
import time
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from consent_engine import DISTRIBUTION
from consent_engine.domain.effects import Outcome, Purpose
from consent_engine.errors import SettingsError
from consent_engine.ports import Activation, Bss, Deactivation, Gateway, Outside, Sms

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import SpanKind, Tracer

log = logging.getLogger(__name__)
EVENTS, REQUESTS = "consent_engine.engine.round_trips", "consent_engine.api.http.middleware"
"""The loggers that log each event and each request."""
PLACING = ("POST", "/v1/orders", 201)
"""The request that an order's trace begins with."""
OF_ORDERS = frozenset(
    {Purpose.CONFIRMATION, Purpose.REMINDER, Purpose.RESUMED, Purpose.NOTIFICATION, Purpose.FAILURE, Purpose.CANCELLED}
)
"""The purposes of SMS that always belong to an order. Others may belong to a line, whose hash begins their ref."""
MOST_WAITING, END_S = 2048, 2.0
"""How many spans may wait for the collector (of more, the oldest are dropped), and how long the process's end waits."""
_NS_PER_MS, _NS_PER_S = 1_000_000, 1_000_000_000
T = TypeVar("T", bound=Outcome | None)
_beginning: ContextVar[str | None] = ContextVar("beginning", default=None)


def ids_of(order: str) -> tuple[int, int]:
    """Return the ids of an order's trace and of its root span."""
    digest = sha256(b"trace:" + order.encode()).digest()
    return int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big")


@contextmanager
def tracing(collector: str | None) -> Iterator[None]:
    """Send spans of this process to a collector until the block ends; without a collector do nothing.

    Raises SettingsError where OpenTelemetry is not installed. An unreachable collector costs spans, never an order.
    """
    if collector is None:
        yield
        return
    provider = _provider(collector)
    try:
        with listening(Spans(provider.get_tracer("consent_engine"))):
            yield
    finally:
        _ended(provider)


def _ended(provider: "TracerProvider") -> None:
    """Send waiting spans for END_S at most; the rest is lost with the process. The SDK itself would try batch after
    batch, each until its timeout.
    """
    ending = threading.Thread(target=provider.shutdown, name="last-spans", daemon=True)
    ending.start()
    ending.join(END_S)


def _provider(collector: str) -> "TracerProvider":
    """Make the provider, which makes spans and sends them. Raises SettingsError where OpenTelemetry is missing."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    except ImportError:
        raise SettingsError(f"CONSENT_TRACES wants OpenTelemetry: pip install '{DISTRIBUTION}[traces]'") from None

    class Ids(RandomIdGenerator):
        """The generator of ids: an order's own ids for the root span of its trace, random ones for others."""

        def generate_trace_id(self) -> int:
            order = _beginning.get()
            return ids_of(order)[0] if order else super().generate_trace_id()

        def generate_span_id(self) -> int:
            order = _beginning.get()
            return ids_of(order)[1] if order else super().generate_span_id()

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it would quote spans, once for each batch
    resource = Resource({"service.name": "consent-engine", "process.pid": os.getpid()})
    provider = TracerProvider(id_generator=Ids(), resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=collector, timeout=END_S)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=MOST_WAITING, schedule_delay_millis=1000))
    return provider


_tracers: list["Spans"] = []
"""The tracers of this process: none or one."""


@contextmanager
def listening(spans: "Spans") -> Iterator[None]:
    """Pass every event, request and call to the outside to `spans` until the block ends, whatever the log level; the
    log's own output does not change.
    """
    loggers = [logging.getLogger(name) for name in (EVENTS, REQUESTS)]
    before = [(each, each.level) for each in loggers]
    root = logging.getLogger()
    for handler in root.handlers:
        handler.setLevel(max(handler.level, root.level))
    for each in loggers:
        each.setLevel(logging.INFO)
        each.addHandler(spans)
    _tracers.append(spans)
    try:
        yield
    finally:
        _tracers.remove(spans)
        for each, level in before:
            each.removeHandler(spans)
            each.setLevel(level)


class Spans(logging.Handler):
    """A log handler that makes spans from records, under the order that they name; from other records none.

    A defect here only costs a span: the handler runs during a call to a gateway or the BSS, whose outcome must not be
    lost because of it.
    """

    def __init__(self, tracer: "Tracer") -> None:
        super().__init__(logging.INFO)
        self._tracer = tracer
        self._logged: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Make a record's spans: of an event an instant, of a request the milliseconds that it lasted until now."""
        for about in getattr(record, "each", None) or [getattr(record, "about", {})]:
            with self._at_most_a_span():
                self._made_of(record, about)

    @contextmanager
    def _at_most_a_span(self) -> Iterator[None]:
        """Log each kind of defect once, by its type alone, for a message may quote a person."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the edge: a defect of traces costs no order
            if (kind := type(error).__name__) not in self._logged:
                self._logged.add(kind)
                log.warning("a span was not made: %s; orders go on, no other one of this kind is told", kind)

    def _made_of(self, record: logging.LogRecord, about: Mapping[str, Any]) -> None:
        order, at = about.get("order"), int(record.created * _NS_PER_S)
        if not order:
            return
        if trigger := about.get("trigger"):
            self.span(order, str(trigger), at, at, {"consent.state": about["state"]})
        elif "ms" in about:
            from opentelemetry.trace import SpanKind

            method, route, status = str(about["method"]), str(about["route"]), int(about["status"])
            said: dict[str, str | int] = {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
            }
            begun = at - int(float(about["ms"]) * _NS_PER_MS)
            begins = (method, route, status) == PLACING
            self.span(order, f"{method} {route}", begun, at, said, kind=SpanKind.SERVER, begins=begins)

    def span(
        self, order: str, name: str, begun: int, ended: int, said: Mapping[str, str | int], *,
        kind: "SpanKind | None" = None, begins: bool = False,
    ) -> None:  # fmt: skip
        """Make one span of an order's trace. begins: it is the root span"""
        from opentelemetry.trace import SpanKind

        asked = _beginning.set(order if begins else None)
        with self._at_most_a_span():
            context = _nothing() if begins else _under(order)
            span = self._tracer.start_span(
                name, context, kind or SpanKind.INTERNAL, {"consent.order": order, **said}, start_time=begun
            )
            span.end(ended)
        _beginning.reset(asked)


def _nothing() -> "Context":
    from opentelemetry.context import Context

    return Context()


def _under(order: str) -> "Context":
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    trace, root = ids_of(order)
    sampled = TraceFlags(TraceFlags.SAMPLED)
    return set_span_in_context(NonRecordingSpan(SpanContext(trace, root, is_remote=True, trace_flags=sampled)))


def traced(outside: Outside) -> Outside:
    """Return the same outside services; while this process is traced, calls about an order become spans."""
    gateways: dict[str, Gateway] = {name: TracedGateway(each) for name, each in outside.gateways.items()}
    bss: Bss | None = TracedBss(outside.bss) if outside.bss else None  # typed here: `replace` accepts anything
    return replace(outside, gateways=gateways, bss=bss)


async def _called(order: str, name: str, to: str, call: Awaitable[T]) -> T:
    """Await a call and return its outcome; the call becomes a span."""
    from opentelemetry.trace import SpanKind

    begun, outcome = time.time_ns(), await call
    said = {
        "consent.to": to,
        "consent.outcome": "cannot be asked" if outcome is None else type(outcome).__name__.lower(),
    }
    for spans in _tracers:
        spans.span(order, name, begun, time.time_ns(), said, kind=SpanKind.CLIENT)
    return outcome


class TracedGateway:
    """A gateway whose hand-overs of an order's SMS become spans."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.name, self.segments = gateway.name, gateway.segments
        self.sub_numbers, self.reports, self.webhooks = gateway.sub_numbers, gateway.reports, gateway.webhooks

    async def send(self, sms: Sms) -> Outcome:
        if sms.purpose not in OF_ORDERS:
            return await self._gateway.send(sms)
        return await _called(sms.ref.partition(".")[0], f"sms {sms.purpose}", self.name, self._gateway.send(sms))


class TracedBss:
    """A BSS whose activations, deactivations and questions about an order become spans."""

    def __init__(self, bss: Bss) -> None:
        self._bss = bss
        self.name = bss.name

    async def activate(self, activation: Activation) -> Outcome:
        return await _called(activation.order_id, "activate", self.name, self._bss.activate(activation))

    async def ask(self, order_id: str) -> Outcome | None:
        return await _called(order_id, "ask", self.name, self._bss.ask(order_id))

    async def deactivate(self, deactivation: Deactivation) -> Outcome:
        return await _called(deactivation.order_id, "deactivate", self.name, self._bss.deactivate(deactivation))

    async def ask_ending(self, ending_id: str) -> Outcome | None:
        """Ask as the BSS does, without a span: an ending's id names no order."""
        return await self._bss.ask_ending(ending_id)
