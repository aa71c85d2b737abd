"""The application over a real server, called as agents' desktops and gateways call it."""

import asyncio
import json
import logging
import shutil
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import monotonic

import httpx
import pytest
import uvicorn
from redis import Redis

from consent_engine.adapters.redis.embedded.server import connect_or_start
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.rq_queue import RqQueue
from consent_engine.adapters.sql.tables import META, TABLES
from consent_engine.api.app import create_app
from consent_engine.api.document.openapi import ORDER
from consent_engine.api.http.bodies import USUAL, Bounds
from consent_engine.api.http.protocol import BoundedHttp
from consent_engine.config.data_folder import ARCHIVE_FILE, NAME_FILE
from consent_engine.config.settings import Settings
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.effects import Lane
from consent_engine.domain.hashing import HEADER, sign
from consent_engine.engine.api_keys import Role
from consent_engine.engine.engine import Engine
from consent_engine.wiring import Installation, archive_of
from tests.conftest import ANY_AGE, recording_of
from tests.integration.told import untold
from tests.plans import sample
from tests.waiting import HANGS_S
from tests.written_out import listed

SECRET = "gateway-secret-gateway-secret"
NUMBER, OTHER = "+8613800138000", "+8613900139000"
FULL_SECRET = "installation-secret-installation"


def order(**changes):
    """Return the contract's own example of an order, with changes."""
    other = changes.get("msisdn", NUMBER)[-11:] != NUMBER[-11:]
    told = {"recording_id": recording_of(changes["msisdn"])} if other else {}
    call = {**ORDER["call"], **told, **changes.pop("call", {})}
    return {**ORDER, "call": call, **changes}


@contextmanager
def server() -> Iterator[tuple[str, Path]]:
    """Start a real server in a folder of its own; yield its address, and the folder of its data."""
    folder = Path(tempfile.mkdtemp(prefix="api-"))
    try:
        with connect_or_start(folder / "data", "strict") as running:
            yield running.url, folder / "data"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[str, Path]]:
    """Start one server for each test module."""
    with server() as found:
        yield found


def emptied(archive: Path) -> None:
    """Empty an archive left by an earlier test; its tables stay, since creating them takes a tenth of a second."""
    if not archive.exists():
        return
    with closing(sqlite3.connect(archive, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for table in TABLES.sorted_tables:
            stays = "WHERE name NOT IN ('id', 'schema', 'log', 'log_tiled')" if table is META else ""
            connection.execute(f"DELETE FROM {table.name} {stays}")  # noqa: S608 - our own tables' names
        connection.execute("UPDATE archive_meta SET value = '0' WHERE name IN ('log', 'log_tiled')")
        connection.execute("COMMIT")


def settings_of(environ) -> Settings:
    """Return settings that accept the contract's example: an order of 2025, too old for any CONSENT_CALL_AGE."""
    quick = {"CONSENT_READING_SPEED": "1000000"}  # tests reply at once
    return Settings.load(quick | dict(environ), None).model_copy(update={"call_age": timedelta(milliseconds=ANY_AGE)})


PATIENT = replace(USUAL, metrics_wait_s=60)
"""The usual bounds, but that a scrape waits for the figures: on a busy machine it would be answered without them."""


class Door:
    """The application, with a key for every role. Its store is emptied of earlier tests' data."""

    def __init__(self, url: str, folder: Path, engines=None, bounds: Bounds = PATIENT, **more: str) -> None:
        self.bounds = bounds
        environ = {"CONSENT_DATA_DIR": str(folder), "CONSENT_SECRET": FULL_SECRET, "CONSENT_SIMULATED__SECRET": SECRET}
        self.settings = settings_of(environ | more)
        self.archive = archive_of(self.settings)
        self.ahead = 0.0
        self.installation = Installation(
            self.settings, url, url, FULL_SECRET, archive=self.archive, watch=self.watch, rest=self.rest
        )
        self.redis = Redis.from_url(url, decode_responses=True)
        self.redis.flushall()
        (folder / NAME_FILE).unlink(missing_ok=True)
        emptied(folder / ARCHIVE_FILE)
        self.engines = [self.installation.engine()]
        self.engine = self.engines[0]
        listed(self.engine.store, self.redis)
        self.engine.catalogue.stock(sample())
        self.keys = {role: self.engine.keys.add(f"the-{role}", role) for role in Role}
        self.keys["other"] = self.engine.keys.add("another-desk", Role.AGENT)
        self.runner = asyncio.Runner()
        self.app = None
        self.serve(engines or self.installation.engine)

    def serve(self, engines) -> None:
        """(Re)build the application over other engines."""
        if self.app is not None:
            self.app.state.front.close()
        self.app = create_app(lambda: self.noted(engines()), self.settings, bounds=self.bounds)

    def watch(self) -> float:
        return monotonic() + self.ahead

    def rest(self, seconds: float) -> None:
        """Let the time that an engine would wait have passed for all of them."""
        self.ahead += seconds

    def noted(self, engine: Engine) -> Engine:
        """Remember an engine, to close its connections with the test: garbage keeps them for hundreds of tests."""
        listed(engine.store, self.redis)
        self.engines.append(engine)
        return engine

    def bounded(self, **bounds) -> None:
        """(Re)build the application with other bounds."""
        self.bounds = replace(self.bounds, **bounds)
        self.serve(self.installation.engine)

    def close(self) -> None:
        self.app.state.front.close()
        self.runner.close()
        self.redis.close()
        self.archive.close()
        for engine in self.engines:
            if isinstance(engine.registry, RedisRegistry) and isinstance(engine.queue, RqQueue):
                engine.registry._wire.client.close()  # noqa: SLF001 - in production the process ends instead
                engine.queue._connection.close()  # noqa: SLF001

    async def request(self, method, path, role=None, body=None, **more) -> httpx.Response:
        headers = {**({"Authorization": f"Bearer {self.keys[role]}"} if role else {}), **more.pop("headers", {})}
        if body is not None:
            more["content"] = json.dumps(body).encode()
        if "content" in more:
            headers = {"Content-Type": "application/json"} | headers
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            response = await client.request(method, path, headers=headers, **more)
        assert not (lacks := untold(self.app, response)), lacks
        return response

    def call(self, method, path, role=None, body=None, **more) -> httpx.Response:
        return self.runner.run(self.request(method, path, role, body, **more))

    def place(self, body=None, key="key-1", role=Role.AGENT, **more) -> httpx.Response:
        return self.call("POST", "/v1/orders", role, body or order(), headers={"Idempotency-Key": key}, **more)

    def place_past_the_check(self, recording: str) -> str:
        """Place an order whose recording is named by a number, which the door would not take; return its id."""
        wanted = PlaceOrder.read(order())
        named = wanted.model_copy(update={"call": wanted.call.model_copy(update={"recording_id": recording})})
        return self.engine.place(Placing("the-agent", "key-1", named)).order.id

    def post(self, path, said, *, at=0, secret=SECRET, gateway="simulated", headers=None) -> httpx.Response:
        """Post a webhook, signed. at: seconds from the store's own clock"""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        signed = sign(secret, body, self.engine.registry.now() // 1000 + at)
        sent = {HEADER: signed, **(headers or {})}
        return self.call("POST", f"/v1/gateways/{gateway}/{path}", content=body, headers=sent)

    def send(self, method, path, headers, content=b"") -> httpx.Response:
        """Send a request with exactly these headers, in this order; a name may stand twice. content: bytes or chunks"""

        async def sent():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://door") as client:
                return await client.request(method, path, headers=headers, content=content)

        return self.runner.run(sent())

    def work(self, *lanes: Lane) -> None:
        """Perform what is due in these lanes, as workers do."""

        async def slices() -> None:
            for lane in lanes:
                await self.engine.performer.perform(lane, 2)
                await self.engine.performer.land(2)  # the next lane has what came of its calls, however slow they were

        self.runner.run(slices())

    def nowhere(self):
        """Return a maker of engines whose store cannot be reached."""
        with socket.create_server(("127.0.0.1", 0)) as closed:
            url = f"redis://127.0.0.1:{closed.getsockname()[1]}/0"
        return Installation(self.settings, url, url, FULL_SECRET).engine

    def orders(self) -> int:
        """Return the number of orders."""
        return len(self.redis.keys("ce:*:order:*"))

    def kept(self) -> dict:
        """Return everything in the store."""
        with Redis.from_url(self.installation.redis_url) as raw:
            return {key: raw.dump(key) for key in raw.keys("*")}


@contextmanager
def live(app, **more) -> Iterator[str]:
    """Serve an application on a socket, in a thread; yield its address. Without NODELAY every answer would take 40 ms.
    more: settings of uvicorn
    """
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(
            app, lifespan="off", log_config=None, access_log=False, http=BoundedHttp, ws="none", **more
        )
        serving = uvicorn.Server(config)
        if hasattr(app, "state"):
            app.state.front.streams.ending = lambda: serving.should_exit
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            serving.should_exit = True
            thread.join(HANGS_S)
            assert not thread.is_alive()


def reply(text="是", **changes):
    return {"message_id": "m-1", "from": NUMBER, "to": "10085", "text": text, **changes}


def is_problem(answer: httpx.Response, status: int, code: str) -> dict:
    """Check that an answer is this problem, complete; return its document."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    said = answer.json()
    assert said["code"] == code, said
    assert said["status"] == status
    assert said["type"] == f"urn:consent-engine:problem:{code}"
    assert said["title"]
    assert said["detail"]
    assert (status in {429, 503}) == ("retry-after" in answer.headers)
    return said


def logged(caplog) -> str:
    """Return all that our code logged, with arguments and extras."""
    ours = [r for r in caplog.records if not r.name.startswith(("httpx", "httpcore", "asyncio"))]
    told = logging.Formatter()
    return "\n".join(f"{told.format(record)} {vars(record)!r}" for record in ours)
