"""A request and its answer, led by uvicorn, except that an answer of known length goes out in one write."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_LENGTH, _CONNECTION = b"content-length", b"connection"
_CONTROLS = bytes([*range(9), *range(10, 32), 127])
_ENDS = 2
"""Control characters in a header line: the two that end it."""


class Exchange(RequestResponseCycle):
    """One request and its answer. A head that names its body's length waits for that body, which follows at once.

    Two writes would be two system calls, at each of which the threads that place and receive take the interpreter from
    the loop.
    """

    _begun: Any = None

    async def send(self, message: Any) -> None:  # noqa: ANN401 - ASGI's
        """Send a piece of the answer."""
        begun, self._begun = self._begun, None  # a second start is another answer: an error's
        begins = message["type"] == "http.response.start" and not self.response_started
        named = {name for name, _ in message["headers"]} if begins else ()
        if _LENGTH in named and _CONNECTION not in named:  # uvicorn reads a Connection header, and acts on it
            self._begun = message
        elif begins or begun is None:
            await super().send(message)
        elif message.get("more_body") or self.flow.write_paused:
            await super().send(begun)
            await super().send(message)
        elif not self.disconnected:
            self._answer(begun, message.get("body", b""))

    def _answer(self, begun: Any, body: bytes) -> None:  # noqa: ANN401 - ASGI's
        headers = [*self.default_headers, *begun["headers"]]
        if not self.keep_alive:
            headers.append((b"connection", b"close"))
        head = b"".join([b"%b: %b\r\n" % each for each in headers])
        if len(head) - len(head.translate(None, _CONTROLS)) != _ENDS * len(headers):
            raise RuntimeError("a header that would be two")
        if self.scope["method"] == "HEAD":
            body = b""
        elif int(dict(begun["headers"])[_LENGTH]) != len(body):
            raise RuntimeError("a body of another length than was said")
        self.response_started = self.response_complete = True
        self.transport.write(b"".join([STATUS_LINE[begun["status"]], head, b"\r\n", body]))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
