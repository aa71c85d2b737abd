"""A web hall on this machine: a real HTTP server whose pages are right, wrong, redirected, or never end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.waiting import HANGS_S

HTML = "text/html; charset=utf-8"


@dataclass
class WebHall:
    """Pages by path: a status, headers and a body, or a function that writes an answer itself."""

    host: str = ""
    pages: dict[str, tuple[int, dict[str, str], bytes] | Callable[[BaseHTTPRequestHandler], None]] = field(
        default_factory=dict
    )
    asked: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def says(self, path: str, body: str | bytes, content_type: str = HTML, status: int = 200, **headers: str) -> None:
        """Serve a page from now on."""
        told = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        self.pages[path] = status, told, body.encode() if isinstance(body, str) else body

    def drips(self, path: str) -> None:
        """Serve a page that never ends: a letter at a time, until the server ends."""

        def drip(asked: BaseHTTPRequestHandler) -> None:
            asked.send_response(200)
            asked.send_header("Content-Type", HTML)
            asked.end_headers()
            while not self.ended.wait(0.02):
                asked.wfile.write(b"<")
                asked.wfile.flush()

        self.pages[path] = drip


@contextmanager
def web_hall() -> Iterator[WebHall]:
    """Run a web hall."""
    hall = WebHall()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hall.asked.append(self.path)
            page = hall.pages.get(self.path, (404, {}, b"no such page"))
            if callable(page):
                try:
                    page(self)
                except OSError:
                    return
                return
            status, headers, body = page
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        hall.host = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hall
        finally:
            hall.ended.set()
            server.shutdown()
            thread.join(HANGS_S)
