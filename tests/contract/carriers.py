"""Two BSS as carriers may have them, on real sockets: orders in XML behind mutual TLS, and JSON with tasks."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import new as hmac
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from xml.etree import ElementTree as ET

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

SECRET = "between-us-and-the-carrier"
PASSPHRASE = "opens-the-key"
NAMESPACE = "{urn:carrier:orders}"
Answered = tuple[int, str]


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 and its key, which PASSPHRASE opens."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    called = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(called, called, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    shown, private = folder / f"{name}.pem", folder / f"{name}.key"
    shown.write_bytes(made.public_bytes(Encoding.PEM))
    locked = BestAvailableEncryption(PASSPHRASE.encode())
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    return shown, private


@dataclass
class Services:
    """The services that are on, and those that were, by the key of the request. twice: it knows no key"""

    twice: bool = False
    on: dict[str, str] = field(default_factory=dict)
    off: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def switched(self, services: dict[str, str], key: str) -> str:
        """Return the id under a key, made where there is none."""
        if key not in services or self.twice:
            services[key] = f"S-{next(self.numbers)}"
        return services[key]


class XmlOrders(Services):
    """A BSS whose answers are all 200, with a code."""

    def answer(self, method: str, target: str, _headers: dict[str, str], body: bytes) -> Answered:
        """Answer one request."""
        if method == "GET":
            key = target.partition("TransId=")[2]
            known = self.on.get(key) or self.off.get(key)
            return 200, self._said("0000", known) if known else self._said("1004")
        order = ET.fromstring(body.decode())  # noqa: S314 - our own request
        said = {each.tag.removeprefix(NAMESPACE): each.text or "" for each in order}
        if said["Product"] == "P-0":
            return 200, self._said("2001")
        if "Service" in said:
            if said["Service"] not in self.on.values():
                return 200, self._said("2002")
            return 200, self._said("0000", self.switched(self.off, said["TransId"]))
        if len(said["Time"]) != 14 or not said["Number"].startswith("1") or len(said["Number"]) != 11:
            self.wrong.append("the request")
        return 200, self._said("0000", self.switched(self.on, said["TransId"]))

    def _said(self, code: str, service: str | None = None) -> str:
        at = f'<r:Service id="{service}"><r:From>2025-08-02</r:From></r:Service><r:Fee>0.00</r:Fee>' if service else ""
        return f'<r:Result xmlns:r="urn:carrier"><r:Code>{code}</r:Code>{at}</r:Result>'


@dataclass
class JsonTasks(Services):
    """A BSS that accepts everything, and says by a task what came of it. The first runs until it was asked for once."""

    tasks: dict[str, dict[str, str]] = field(default_factory=dict)
    was_asked: bool = False

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answered:
        """Answer one request."""
        if headers["x-sign"] != hmac(SECRET.encode(), body, sha256).hexdigest().upper():
            self.wrong.append("the signature")
        *_, kind, key = target.removesuffix("/end").split("/")
        if kind == "tasks":
            state = self.tasks[key] if self.was_asked else {"state": "RUNNING"}
            self.was_asked = True
            return 200, json.dumps(state)
        if method == "GET":
            known = self.on.get(key)
            return (200, json.dumps({"state": "DONE", "service": known})) if known else (404, '{"error": "E-404"}')
        return 202, json.dumps({"task": {"id": self._task(key, headers, json.loads(body))}})

    def _task(self, key: str, headers: dict[str, str], said: dict[str, object]) -> str:
        task = f"t{next(self.numbers)}"
        if "offer" in said:
            refused = said["offer"] == {"code": "nothing", "version": 1}
            service = "" if refused else self.switched(self.on, key)
            failed = {"state": "FAILED", "error": "NO_SUCH_OFFER"}
            self.tasks[task] = failed if refused else {"state": "DONE", "service": service, "from": "2025-08-02"}
            return task
        if said["free"] is not True or said["service"] not in self.on.values():
            self.wrong.append("the end")
        self.tasks[task] = {"state": "DONE", "service": self.switched(self.off, headers["x-idempotency"])}
        return task


@contextmanager
def serving(
    answer: Callable[[str, str, dict[str, str], bytes], Answered], tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve in a thread until the block ends; yield the port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            status, said = answer(self.command, self.path, headers, body)
            written = said.encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(written)))
                self.end_headers()
                self.wfile.write(written)
            except OSError:
                self.close_connection = True  # cut off, as one step wants it

        do_GET = do_POST = do_PUT = _any  # noqa: N815 - http.server's names

        def log_message(self, *_said: object) -> None:
            pass

        def finish(self) -> None:
            try:
                super().finish()
            except OSError:
                self.close_connection = True

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_of: object) -> None:
            pass  # a handshake that fails is what a test looks at from the other side

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
