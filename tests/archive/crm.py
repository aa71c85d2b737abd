"""A customer's system that events are posted to, over HTTP; and what posts to it, in one process of several."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from consent_engine.adapters.outbound import event_poster
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.queries import SqlQueries
from consent_engine.domain.feed import Feed
from consent_engine.engine.feeding import Feeding, Sender
from consent_engine.engine.scribe import write_out
from tests.waiting import HANGS_S

SOURCE = "urn:uuid:7c9e6679-7425-40de-944b-e07fc1f90ae7"
SECRET = "test-secret"
NAME = "crm"


class Got(NamedTuple):
    """A request, as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self):
        return self.headers["webhook-id"]

    @property
    def event(self):
        return json.loads(self.body)


class Crm(ThreadingHTTPServer):
    """The system. behave: answers a request; None: 204 · got: all that came · taken: what was answered with success"""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave, self.got, self.taken, self.ended = None, [], [], threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/events"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.ended.set()
        self.shutdown()
        self.server_close()

    def says(self, status, **headers):
        def behave(handler, _got):
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        self.behave = behave

    def hangs(self):
        self.behave = lambda _handler, _got: self.ended.wait(HANGS_S)

    def talks(self, size):
        def behave(handler, _got):
            handler.send_response(200)
            handler.send_header("Content-Length", str(size))
            handler.end_headers()
            for _ in range(size // 65_536):
                handler.wfile.write(b"x" * 65_536)

        self.behave = behave


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        got = Got(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.server.got.append(got)
        try:
            if self.server.behave is not None:
                self.server.behave(self, got)
            else:
                self.take(got)
        except ConnectionError:  # it hung up first
            pass

    def take(self, got):
        self.server.taken.append(got)
        self.send_response(204)
        self.end_headers()

    do_GET = do_POST  # noqa: N815 - as the library calls it

    def log_message(self, *_):
        pass


class Fed:
    """A town whose orders go to a system."""

    def __init__(self, town, crm, **more):
        self.town, self.crm = town, crm
        self.log = SqlLog(town.archive)
        more = {"name": NAME, "url": crm.url, "made_at": town.clock(), "cursor": 0, **more}
        assert self.log.feeds.swap(None, Feed(**more))
        self.one = self.process("one")

    def process(self, holder, post=None, log=None, timeout_s=HANGS_S):
        sender = Sender(post or event_poster(timedelta(seconds=timeout_s)), SECRET, SOURCE, holder)
        evidence = SqlQueries(self.town.archive).evidence
        return Feeding(log or self.log, evidence, self.town.engine.registry, sender)

    @property
    def feed(self):
        return next(each for each in self.log.feeds.all() if each.name == NAME)

    def change(self, change):
        assert self.log.feeds.swap(self.feed, change(self.feed))

    def bring(self):
        write_out(self.town.engine.store, "scribe")

    def post(self, process=None):
        """Bring what happened to SQL, and post until there is no more."""
        self.bring()
        process = process or self.one
        while self.town.runner.run(process.look()) or process._under_way:  # noqa: SLF001 - posts of another feed
            pass

    def expected(self, orders):
        """The ids of all events of orders, in their order."""
        found = [self.town.engine.show(order.id) for order in orders]
        return {order.id: [f"{order.id}.{n}" for n in range(len(order.events) + 1)] for order in found}

    def came(self, got=None):
        """The ids of the events that came, by order, each where it came first."""
        found = {}
        for each in self.crm.taken if got is None else got:
            ids = found.setdefault(each.event["subject"], [])
            if each.id not in ids:
                ids.append(each.id)
        return found
