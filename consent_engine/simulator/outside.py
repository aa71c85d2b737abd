"""The simulated outside: gateway, BSS and ledger on one port, and SMS that a person writes from any handset."""

import itertools
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp
from aiohttp import web

from consent_engine.simulator.answers import Answers
from consent_engine.simulator.bss import BssDesk, BssOffDesk
from consent_engine.simulator.case import Case
from consent_engine.simulator.gateway import GatewayDesk
from consent_engine.simulator.handsets import Handsets
from consent_engine.simulator.ledger import Ledger
from consent_engine.simulator.scripts import Dlr, Hop
from consent_engine.simulator.tasks import Tasks
from consent_engine.simulator.wire import MANY_TRIES, Unreachable, Wire

SHUTDOWN_S = 0.5
BACKLOG = 512
Announce = Callable[[str, str, str], None]
"""Called with every SMS and activation that arrives: its kind, its number, its text or plan."""


def _silent(kind: str, msisdn: str, text: str) -> None:
    """Announce nothing."""


@dataclass(slots=True)
class Outside:
    """Gateway and BSS on one port. It is bound at once, so that the engine can be given it, and served later."""

    secret: str
    bss_secret: str
    host: str = "127.0.0.1"
    port: int = 0
    announce: Announce = _silent
    part_ids: bool = False
    """whether the gateway gives every part of an SMS an id of its own, where no script says so"""
    ledger: Ledger = field(default_factory=Ledger)
    handsets: Handsets = field(init=False)
    _socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self.host, self.port))
        except OSError:
            self._socket.close()
            raise
        self.port = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def gateway_url(self) -> str:
        """For `CONSENT_HTTP_JSON__URL`."""
        return self.url + "/sms"

    @property
    def bss_url(self) -> str:
        """For `CONSENT_BSS_HTTP__URL`."""
        return self.url + "/bss"

    def close(self) -> None:
        """Release the port, if it was never served."""
        self._socket.close()

    @asynccontextmanager
    async def serving(self, engine: str) -> AsyncIterator["Outside"]:
        """Serve for the engine at `engine` until the block ends; nothing is left open after it."""
        tasks = Tasks(self.ledger.errors)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
            wire = Wire(engine.rstrip("/"), session, self.secret, MANY_TRIES)
            self.handsets = Handsets(self.ledger, tasks, wire)
            # A request that the engine gives up is cancelled: that is the event which an unanswered one waits for.
            app = self._app(tasks, wire)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S, handler_cancellation=True)
            await runner.setup()
            try:
                await web.SockSite(runner, self._socket, backlog=BACKLOG).start()
                yield self
            finally:
                await tasks.close()
                await runner.cleanup()
                self.close()

    def _app(self, tasks: Tasks, wire: Wire) -> web.Application:
        answers, ids = Answers(tasks), itertools.count(1)
        # No script judges this one: its reports take a moment, as in life.
        usual = Hop(part_ids=self.part_ids, reports=(Dlr(after=0.15),))
        gateway = GatewayDesk(self.secret, self.ledger, self.handsets, tasks, wire, answers, self.announce, ids, usual)
        bss = BssDesk(self.bss_secret, self.ledger, self.handsets, tasks, answers, self.announce)
        app = web.Application()
        app.router.add_post("/sms", gateway.receive)
        app.router.add_post("/bss/activations", bss.activate)
        app.router.add_get("/bss/activations/{id}", bss.show)
        off = BssOffDesk(self.bss_secret, self.ledger)
        app.router.add_post("/bss/deactivations", off.deactivate)
        app.router.add_get("/bss/deactivations/{id}", off.show)
        app.router.add_post("/bss/subscribers/lookup", bss.look_up)
        app.router.add_get("/ledger", self._show)
        app.router.add_post("/say", self._say)
        return app

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response(self.ledger.view())

    async def _say(self, request: web.Request) -> web.Response:
        try:
            wanted = await request.json()
            msisdn, to, text = str(wanted["from"]), str(wanted["to"]), str(wanted["text"])
        except (ValueError, KeyError, TypeError):
            return web.json_response({"error": "say needs to, from and text"}, status=HTTPStatus.BAD_REQUEST)
        try:
            reply = await self.handsets.write(msisdn, to, text)
        except Unreachable as error:
            return web.json_response({"error": str(error)}, status=HTTPStatus.BAD_GATEWAY)
        return web.json_response({"engine_answered": reply.status, "body": reply.body})

    def play(self, cases: list[Case]) -> None:
        """Assign scripts to numbers."""
        self.handsets.cases.update({case.msisdn: case for case in cases})
