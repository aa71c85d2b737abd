"""The gateway and the BSS of real processes, over HTTP: they accept everything, and note what they were asked."""

import json
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from benchmarks.promises.rules import Notes
from consent_engine.domain.msisdn import Msisdn

LOOK_UP_S = 1.0
"""How long the BSS takes to look up a number's holder before an activation: meanwhile a worker holds the order."""


@dataclass
class FarSide:
    """Gateway and BSS at one port. held: numbers whose activation began with a look-up · thinks: it takes a while."""

    notes: Notes
    questions: "queue.SimpleQueue[Msisdn]"
    port: int = 0
    held: set[Msisdn] = field(default_factory=set)
    thinks: bool = True

    @property
    def url(self) -> str:
        """The address at which it listens."""
        return f"http://127.0.0.1:{self.port}"

    def in_hand(self) -> dict[str, Msisdn]:
        """Return orders whose activation is leased, and for which the BSS was not called yet."""
        orders = list(self.notes.orders.items())
        return {order: number for order, number in orders if number in self.held and order not in self.notes.called}

    def answer(self, path: str, body: dict[str, str], began: float) -> tuple[int, object]:
        """Return the answer to a request: status and JSON. began: when it was connected."""
        proof = {"activation_id": f"act-{path.rpartition('/')[2]}", "active_from": "2025-11-25"}
        if path == "/sms":
            if body["purpose"] == "confirmation":
                self.questions.put(Msisdn(body["to"]))
            return 200, {"message_id": body["ref"]}
        if path == "/bss/subscribers/lookup":
            return self._looked_up(Msisdn(body["msisdn"]))
        if path == "/bss/activations":
            self.notes.called.setdefault(body["order_id"], began)
            return 200, proof | {"activation_id": f"act-{body['order_id']}"}
        known = path.rpartition("/")[2] in self.notes.called
        return (200, proof) if known else (404, {"code": "unknown", "reason": "nothing was switched on"})

    def _looked_up(self, number: Msisdn) -> tuple[int, object]:
        if self.thinks and number in set(self.notes.orders.values()):  # else it is looked up at the door
            self.held.add(number)
            time.sleep(LOOK_UP_S)
        return 200, {"network": None, "holder_since": None, "adult": True}


@contextmanager
def served(notes: Notes, questions: "queue.SimpleQueue[Msisdn]") -> Iterator[FarSide]:
    """Serve it on a thread of its own within the block."""
    side = FarSide(notes, questions)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            """Note the start: a call whose connection is made is under way, even if its caller is then frozen."""
            self.began = time.monotonic()
            super().setup()

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_GET(self) -> None:
            self._answer({})

        def _answer(self, body: dict[str, str]) -> None:
            status, said = side.answer(self.path, body, self.began)
            self.close_connection = True  # the next call has a connection of its own
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    class Listener(ThreadingHTTPServer):
        request_queue_size = 512
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Ignore the error: the caller is gone, killed or cut off."""

    with Listener(("127.0.0.1", 0), Handler) as listener:
        side.port = listener.server_port
        thread = Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        try:
            yield side
        finally:
            listener.shutdown()
            thread.join(10)
