"""Servers of others that the pages' tests need: a BSS that fails where it is asked to, and one of recordings."""

import io
import json
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.waiting import HANGS_S


class Outsider(BaseHTTPRequestHandler):
    """A server that logs nothing."""

    def answer(self, status: HTTPStatus, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def running(kind: type[Outsider]) -> Iterator[str]:
    """Serve inside the block, and yield the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(HANGS_S)


def bss(stuck: set[int]) -> type[Outsider]:
    """A BSS that activates, except for numbers whose last four digits are in `stuck`: these it answers with 500."""

    class Bss(Outsider):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if int(asked["msisdn"][-4:]) in stuck:
                self.answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"{}")
            else:
                self.answer(HTTPStatus.OK, b'{"activation_id": "a-1"}')

    return Bss


class Away(Outsider):
    """A gateway that is unavailable."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(HTTPStatus.SERVICE_UNAVAILABLE, b"")


class Sounds(Outsider):
    """Ten seconds of silence at every address."""

    def do_GET(self) -> None:
        sound = io.BytesIO()
        with wave.open(sound, "wb") as made:
            made.setparams((1, 1, 8000, 0, "NONE", ""))
            made.writeframes(b"\x80" * 80_000)
        self.answer(HTTPStatus.OK, sound.getvalue(), "audio/wav")
