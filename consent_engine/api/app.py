"""The assembly of the application, and the server that runs it."""

import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from consent_engine.api.http import problems
from consent_engine.api.http.bodies import USUAL, Bounds
from consent_engine.api.http.middleware import Edge
from consent_engine.api.http.problems import Handlers
from consent_engine.api.http.protocol import BoundedHttp
from consent_engine.api.http.shadow import Marked
from consent_engine.api.http.way_in import Application
from consent_engine.api.routes import (
    calls,
    docs,
    health,
    order_stream,
    orders,
    persons,
    plans,
    public_log,
    refusals,
    reports,
    reviews,
    tariffs,
    trouble,
    webhooks,
)
from consent_engine.api.service.brakes import Brake, LooksForReceipts
from consent_engine.api.service.prometheus import Metrics
from consent_engine.api.service.service import Front
from consent_engine.api.web.install import install as install_pages
from consent_engine.api.web.words import LANGUAGES, words
from consent_engine.config.settings import Settings
from consent_engine.domain.log.checkpoint import quorum
from consent_engine.engine.engine import Engine
from consent_engine.errors import SettingsError
from consent_engine.process import freeze_objects
from consent_engine.wiring import Installation, certificates, spool_of

log = logging.getLogger(__name__)
PARTS = (
    orders.operations, order_stream.operations, calls.permitting, calls.operations, reviews.operations,
    refusals.operations, refusals.registrations, plans.operations, refusals.lines, trouble.stuck,
    trouble.pauses, tariffs.operations, calls.transcripts, trouble.undeliverable, tariffs.versions,
    webhooks.operations, health.operations, reports.operations, persons.operations,
    orders.revealing, docs.operations, orders.endings, public_log.operations,
)  # fmt: skip
"""The parts of the API, the most requested first: addresses are compared in this order."""
BACKLOG = 2048
KEEP_ALIVE_S = 15
PATIENCE_S = 2.5
"""How long an answer of Redis may take: a request is answered 503 within 3 s while Redis does not answer. Longer than
the proof that a write is on disk."""
FINISH_S = 20
"""How long requests under way may take to end after SIGTERM or SIGINT."""


def create_app(
    engines: Callable[[], Engine],
    settings: Settings,
    rq_url: str | None = None,
    metrics_socket: socket.socket | None = None,
    bounds: Bounds = USUAL,
) -> Starlette:
    """Build the application. engines: makes an engine; each of our threads makes its own · rq_url: RQ's Redis, for /rq

    metrics_socket: where metrics are served without a key
    """
    front = Front(engines, settings, bounds, spool_of(settings))
    metrics = Metrics(front, quorum(settings.witnesses or ()), partial(certificates, settings))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        spooling = front.spool.running() if front.spool is not None else nullcontext()
        async with health.own_address(metrics_socket, metrics), spooling:
            yield
        front.close()

    def edge(inside: ASGIApp, handlers: Handlers) -> ASGIApp:
        made = Edge(inside, handlers, front.defects, metrics.answered, bounds.most_under_way)
        return Marked(made, [words(each)["shadow"] for each in LANGUAGES]) if settings.shadow else made

    routes = [route for part in PARTS for route in part.routes]
    app = Application(routes, problems.handlers(front.defects), lifespan, edge)
    # A redirect would repeat the requested address in its Location header.
    app.router.redirect_slashes = False
    app.state.bounds, app.state.front, app.state.metrics = bounds, front, metrics
    app.state.codes, app.state.receipts = Brake(), LooksForReceipts()
    install_pages(app, front, settings, rq_url)
    return app


def run(installation: Installation, host: str, port: int, listening: Callable[[str], None] = lambda _: None) -> None:
    """Serve until SIGTERM or SIGINT, then finish requests under way. listening: called with the address once bound

    Raises SettingsError when the address cannot be bound. Port 0 takes any free port.
    """
    settings, installation = installation.settings, replace(installation, patience_s=PATIENCE_S)
    with _bound(host, port) as listener, _bound_metrics(settings.metrics_addr) as theirs:
        app = create_app(installation.engine, settings, installation.rq_url, theirs)
        config = uvicorn.Config(
            app,
            access_log=False,  # it would log query strings; our own log has the routes' templates only
            log_config=None,
            server_header=False,
            proxy_headers=False,
            http=BoundedHttp,
            ws="none",
            lifespan="on",
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=FINISH_S,
        )
        address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        log.info("listening at %s", address)
        listening(address)
        freeze_objects()
        server = uvicorn.Server(config)
        app.state.front.streams.ending = lambda: server.should_exit
        _serve(server, listener)


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, and return, so that the caller can close its own resources."""

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    # uvicorn finishes requests under way, then raises the signal again for the handler that was set before: that must
    # not be the system's default, which would end the process at once.
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bound(host: str, port: int) -> socket.socket:
    try:
        [(family, *_, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        listening = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(f"cannot listen at {host} port {port}: {error.strerror or 'not possible'}") from None
    # Accepted sockets inherit this option: asyncio sets it only on sockets it made itself. Without it, an answer's body
    # waits up to 40 ms for the other side to acknowledge its head.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


@contextmanager
def _bound_metrics(address: str | None) -> Iterator[socket.socket | None]:
    if address is None:
        yield None
        return
    host, _, port = address.rpartition(":")
    try:
        bound = _bound(host.strip("[]"), int(port))
    except SettingsError as error:
        raise SettingsError(f"CONSENT_METRICS_ADDR: {error}") from None
    with bound:
        yield bound
