"""The handset of `consent serve`: an SMS of the simulated gateway appears on a page, where a person answers it.

A process of `consent serve`. It keeps the latest messages of the latest numbers, in memory.
"""

import argparse
import asyncio
import io
import os
import re
import socket
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from operator import attrgetter
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from consent_engine.process import Stop, tie
from consent_engine.simulator.wire import Tasks, Unreachable, Wire, instant, signed_object

LANGUAGES = {"zh": "zh-CN", "en": "en"}
KINDS = {"handset.html": "text/html", "handset.css": "text/css", "handset.js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
ON_A_PHONE = """<details class="phone"><summary>[[用真手机打开|On a real phone]]</summary>
<img src="qr.svg" width="232" height="232" alt="">
<p><a href="{address}">{address}</a></p></details>"""
"""Shown only if `consent serve --phone` allows it."""
_BOTH = re.compile(r"\[\[([^|\]]*)\|([^|\]]*)\]\]")


def language_of(asked: str, accepted: str) -> str:
    """Return the language asked for, else the browser's preferred one, else Chinese.

    >>> language_of("en", "zh-CN"), language_of("", "en-GB,zh;q=0.8"), language_of("<b>", "de")
    ('en', 'en', 'zh')
    """
    named = (asked, *(part.split(";")[0].strip().lower()[:2] for part in accepted.split(",")))
    return next((name for name in named if name in LANGUAGES), "zh")


def text_of(name: str, language: str, phone: str = "") -> str:
    """Return a file of the page in one language. phone: the URL for a real phone, if that is allowed

    Raises KeyError if the page has no such file.
    """
    if name not in KINDS:
        raise KeyError(name)
    text = (files("consent_engine.simulator") / "pages" / name).read_text("utf-8")
    text = text.replace("<!-- phone -->", ON_A_PHONE.format(address=phone) if phone else "")
    text = text.replace("{{language}}", LANGUAGES[language]).replace("{{other}}", "en" if language == "zh" else "zh")
    return _BOTH.sub(lambda both: both[1 if language == "zh" else 2], text)


def qr_of(address: str) -> bytes | None:
    """Draw an SVG, black on white whatever the page's colours; None if segno is not installed."""
    try:
        import segno  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    drawn = io.BytesIO()
    segno.make_qr(address).save(drawn, kind="svg", scale=6, border=4, light="#fff", dark="#000")
    return drawn.getvalue()


SIGNED_WITH = "CONSENT_SIMULATED__SECRET"
"""The setting whose value signs the handset's requests."""
TAKES_AT = "CONSENT_SIMULATED__URL"
"""The setting with the URL at which the handset takes SMS; its path without `sms` is that of all it serves."""
WEBHOOKS = "/v1/gateways/simulated"
MOST_NUMBERS, MOST_MESSAGES, MOST_TEXT = 50, 200, 1_000
MOST_ERRORS = 100
GRACE_S = 5.0
LOOK_S = 0.2
LIFE, ORDERS = "/handset/life", "/orders/"
"""Where the engine shows the life of a number's orders, and where the page of an order is."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Message:
    """An SMS on a handset. own: written there; other: the number at the other end; ref: the engine's, else ''."""

    at: float
    own: bool
    other: str
    text: str
    ref: str = ""


@dataclass(slots=True)
class Phones:
    """The messages of each number, the number with the newest message last."""

    _kept: OrderedDict[str, deque[Message]] = field(default_factory=OrderedDict)

    def add(self, number: str, message: Message) -> bool:
        """Put a message on a handset; False if the same ref is there already: a repeat is not a second SMS."""
        kept = self._kept.setdefault(number, deque(maxlen=MOST_MESSAGES))
        if message.ref and any(each.ref == message.ref for each in kept):
            return False
        kept.append(message)
        self._kept.move_to_end(number)
        if len(self._kept) > MOST_NUMBERS:
            self._kept.popitem(last=False)
        return True

    def __contains__(self, number: object) -> bool:
        return number in self._kept

    def view(self) -> list[dict[str, object]]:
        """Return the handsets, the one with the newest message first; messages in the order of their time. (A reply is
        kept once the engine has acknowledged it, and its answer may land before.)
        """
        return [
            {"number": number, "messages": [asdict(each) for each in sorted(kept, key=attrgetter("at"))]}
            for number, kept in reversed(self._kept.items())
        ]


@dataclass(frozen=True, slots=True)
class Handset:
    """The page, and the gateway behind it. hosts: the Host values that browsers may use for it.

    at: the path of all its addresses, beginning and ending with / · phone: its URL for a real phone, if that is allowed
    · pages: the URL prefix of orders' pages for this browser; '' if it cannot reach them
    """

    secret: str
    at: str
    wire: Wire
    tasks: Tasks
    errors: deque[str]
    hosts: frozenset[str]
    phones: Phones = field(default_factory=Phones)
    phone: str = ""
    pages: str = ""

    def app(self) -> web.Application:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            # Another name for this address may be another site's (DNS rebinding): the texts are for this machine only.
            try:
                if request.host not in self.hosts:
                    raise web.HTTPForbidden(text="ask for this page by the address that `consent serve` printed")
                answer = await handler(request)
            except web.HTTPException as refused:
                refused.headers.update(HEADERS)
                raise
            answer.headers.update(HEADERS)
            if self.phone:  # the QR code is the page's only picture; without it, browsers ask for no icon
                answer.headers["Content-Security-Policy"] += "; img-src 'self'"
            return answer

        app = web.Application(middlewares=[guard], client_max_size=64 * 1024)
        app.router.add_post(self.at + "sms", self.receive)
        app.router.add_get(self.at + "phones.json", self.show)
        app.router.add_post(self.at + "write", self.write)
        app.router.add_post(self.at + "life", self.life)
        app.router.add_get(self.at, self.page)
        if self.phone:
            app.router.add_get(self.at + "qr.svg", self.code)
        app.router.add_get(self.at + "{name}", self.page)
        return app

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """Take an SMS from the engine; it appears on the page and is reported as delivered."""
        body = await signed_object(request, self.secret, self.errors, time.time())
        if isinstance(body, web.Response):
            return body
        ref, sender, to, text = (str(body.get(name, "")) for name in ("ref", "from", "to", "text"))
        message_id = f"handset-{sha256(ref.encode()).hexdigest()[:20]}"
        if self.phones.add(to, Message(time.time(), own=False, other=sender, text=text, ref=ref)):
            self.tasks.spawn(self._report(ref, message_id))
        return web.json_response({"message_id": message_id}, status=HTTPStatus.CREATED)

    async def _report(self, ref: str, message_id: str) -> None:
        report = {"ref": ref, "message_id": message_id, "status": "delivered", "at": instant(time.time())}
        await self.wire.post_signed(f"{WEBHOOKS}/receipts", report)

    async def show(self, _request: web.Request) -> web.Response:
        return web.json_response(self.phones.view())

    async def write(self, request: web.Request) -> web.Response:
        """Send `{"from", "to", "text"}` as the subscriber; 502 if the engine does not take it."""
        number, to, text = await _said(request, "from", "to", "text")
        if number not in self.phones or not 0 < len(text) <= MOST_TEXT:
            raise web.HTTPBadRequest(text=f"a number that got an SMS, and 1 to {MOST_TEXT} characters")
        at = time.time()
        reply = {
            "message_id": f"mo-{time.time_ns()}",
            "from": number,
            "to": to,
            "text": text,
            "received_at": instant(at),
        }
        try:
            answer = await self.wire.post_signed(f"{WEBHOOKS}/inbound", reply)
        except Unreachable as error:
            raise web.HTTPBadGateway(text=str(error)) from None
        if answer.status != HTTPStatus.OK or answer.body.get("rejected"):
            raise web.HTTPBadGateway(text=f"the engine did not take it: {answer.status}")
        self.phones.add(number, Message(at, own=True, other=to, text=text))
        return web.json_response({})

    async def life(self, request: web.Request) -> web.Response:
        """Return the orders of `{"number", "language"}` as the engine shows them now; 502 if it does not."""
        number, language = await _said(request, "number", "language")
        if number not in self.phones:
            raise web.HTTPBadRequest(text="a number that got an SMS")
        try:
            asked = {"msisdn": number, "language": language}
            answer = await replace(self.wire, tries=1).post_signed(LIFE, asked)
        except Unreachable as error:
            raise web.HTTPBadGateway(text=str(error)) from None
        if answer.status != HTTPStatus.OK:
            raise web.HTTPBadGateway(text=f"the engine does not tell: {answer.status}")
        return web.json_response({"orders": answer.body["orders"], "pages": self.pages})

    async def page(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name", "handset.html")
        if name not in KINDS:
            raise web.HTTPNotFound
        language = language_of(request.query.get("lang", ""), request.headers.get("Accept-Language", ""))
        return web.Response(text=text_of(name, language, self.phone), content_type=KINDS[name])

    async def code(self, _request: web.Request) -> web.Response:
        """Return the page's URL as a QR code; 404 without the extra `phone`."""
        drawn = qr_of(self.phone)
        if drawn is None:
            raise web.HTTPNotFound
        return web.Response(body=drawn, content_type="image/svg+xml")


async def _said(request: web.Request, *names: str) -> list[str]:
    """Read these fields from a form of our page. Raises HTTPUnsupportedMediaType for a type that another site's form
    could send, and HTTPBadRequest.
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send application/json")
    try:
        said = await request.json()
        return [str(said[name]) for name in names]
    except (ValueError, KeyError, TypeError):
        raise web.HTTPBadRequest(text=f"send {', '.join(names)}") from None


def pages_of(engine: str, phone: str) -> str:
    """Return the URL prefix of orders' pages for the browser; '' for a real phone that cannot reach the engine.

    >>> pages_of("http://127.0.0.1:8080", ""), pages_of("http://0.0.0.0:8080", "")
    ('http://127.0.0.1:8080/orders/', 'http://127.0.0.1:8080/orders/')
    >>> pages_of("http://127.0.0.1:8080", "10.0.0.7"), pages_of("http://0.0.0.0:8080", "10.0.0.7")
    ('', 'http://10.0.0.7:8080/orders/')
    """
    everywhere, here = "//0.0.0.0:", f"//{phone or '127.0.0.1'}:"
    seen = engine.rstrip("/").replace(everywhere, here)
    return "" if phone and here not in seen else seen + ORDERS


async def serve(listening: socket.socket, at: str, engine: str, secret: str, stop: Stop, phone: str = "") -> None:
    """Serve at this socket, under the path `at`, for the engine at `engine`, until stopped. phone: the socket's
    address, if real phones are allowed.
    """
    port = listening.getsockname()[1]
    errors: deque[str] = deque(maxlen=MOST_ERRORS)
    tasks = Tasks(errors)
    async with aiohttp.ClientSession() as session:
        hosts = frozenset({f"{phone}:{port}"} if phone else {f"127.0.0.1:{port}", f"localhost:{port}"})
        wire, address = Wire(engine.rstrip("/"), session, secret), f"http://{phone}:{port}{at}" if phone else ""
        handset = Handset(secret, at, wire, tasks, errors, hosts, phone=address, pages=pages_of(engine, phone))
        runner = web.AppRunner(handset.app(), access_log=None, shutdown_timeout=GRACE_S)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            while not stop.is_set:
                await asyncio.sleep(LOOK_S)
        finally:
            await tasks.close()
            await runner.cleanup()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until stopped. Secret and path come from the environment: other users can list arguments."""
    parser = argparse.ArgumentParser(prog="python -m consent_engine.simulator.handset", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="a listening socket, inherited")
    parser.add_argument("--engine", required=True, help="where the engine's API listens")
    parser.add_argument("--phone", default="", help="the address of that socket, where real phones may come")
    parser.add_argument("--leash", type=int, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    stop = Stop()
    stop.on_signals()
    tie(options.leash, stop.set, GRACE_S)
    with socket.socket(fileno=options.fd) as listening:
        at = urlsplit(os.environ[TAKES_AT]).path.removesuffix("sms")
        asyncio.run(serve(listening, at, options.engine, os.environ[SIGNED_WITH], stop, options.phone))
    return 0


if __name__ == "__main__":
    sys.exit(main())
