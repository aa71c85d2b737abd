"""The mark of a shadow: a header on every answer, and a line on every page, RQ's dashboard included."""

import re
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = (b"consent-shadow", b"true")
_BODY = re.compile(rb"<body[^>]*>")


class Marked:
    """An ASGI application around another one. said: what pages say, a paragraph each; without style or script, so that
    each page's own policy lets it through
    """

    def __init__(self, app: ASGIApp, said: Sequence[str]) -> None:
        self._app = app
        self._said = "".join(f"<p><mark><strong>{each}</strong></mark></p>" for each in said).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        page = _Page(send, self._said)
        await self._app(scope, receive, page.send if scope["type"] == "http" else send)


class _Page:
    """An answer on its way out; a page is held back until it is whole, all else goes on as it comes."""

    def __init__(self, send: Send, said: bytes) -> None:
        self._send = send
        self._said = said
        self._begun: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"] = [*message["headers"], HEADER]
            if any(name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in headers):
                self._begun = message
                return
        elif self._begun is not None:
            self._body += message.get("body", b"")
            if message.get("more_body"):
                return
            message = await self._marked(self._begun)
            self._begun = None
        await self._send(message)

    async def _marked(self, begun: Message) -> Message:
        """Send the beginning of a page; return its marked body. The answer to a HEAD has none."""
        body = _BODY.sub(lambda found: found[0] + self._said, self._body, count=1)
        if self._body:
            rest = [pair for pair in begun["headers"] if pair[0].lower() != b"content-length"]
            begun["headers"] = [*rest, (b"content-length", str(len(body)).encode())]
        await self._send(begun)
        return {"type": "http.response.body", "body": body}
