"""A gateway and a BSS that quote every request: their answers repeat number and text."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.waiting import HANGS_S


class Rude(BaseHTTPRequestHandler):
    """A server that answers by the last digit of the number, and repeats number and text wherever an answer can."""

    protocol_version = "HTTP/1.1"
    seen: list[dict[str, Any]]
    last: threading.Event

    def do_POST(self) -> None:  # noqa: C901 - one branch per way of being rude
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(body)
        who, text = str(body.get("to") or body.get("msisdn")), str(body.get("text", ""))
        said = {"message_id": f"m-{who}-{body.get('ref')}", "activation_id": f"a-{who}", "active_from": text or who}
        quoting = {**said, "code": f"E {who}", "reason": f"{who} {text}", "error": f"{who} {text}"}
        kind = who[-1] if "text" in body or who[-1] in "789" else "0"
        match kind:
            case "1":
                self.answer(422, quoting)
            case "2":
                self.answer(500, quoting)
            case "3":
                self.wfile.write(f"{who} {text}\r\n\r\n".encode())
                self.close_connection = True
            case "4":
                self.last.wait(3)
                self.close_connection = True
            case "5":
                self.answer(302, quoting, Location=f"http://127.0.0.1:1/{who}", **{"Set-Cookie": f"n={who}"})
            case "6":
                self.answer(200, {"message_id": {"of": who}})
            case "7" if "text" not in body:
                self.answer(422, quoting)
            case "8" if "text" not in body:
                self.answer(500, quoting, **{"Retry-After": who})
            case _:
                self.answer(200, said, **{"X-Number": who})

    def answer(self, status: int, said: object, **headers: str) -> None:
        content = json.dumps(said, ensure_ascii=False).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@contextmanager
def rude(port: int) -> Iterator[list[dict[str, Any]]]:
    """Serve on `port` inside the block, and yield the requests received."""
    kind = type("OneRude", (Rude,), {"seen": [], "last": threading.Event()})
    served = ThreadingHTTPServer(("127.0.0.1", port), kind)
    served.daemon_threads = True
    thread = threading.Thread(target=served.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield kind.seen
    finally:
        kind.last.set()
        served.shutdown()
        thread.join(HANGS_S)
        served.server_close()
