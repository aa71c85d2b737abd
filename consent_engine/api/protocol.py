"""HTTP/1.1 as uvicorn and llhttp speak it, with the bound that llhttp leaves out: how long a request's head may be."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD = 16 * 1024
"""Bytes of a request's line and headers, of a trailer, or of a chunk's extension."""


class HeadTooLong(Exception):
    """To llhttp a request that is no HTTP: answered 400, and the connection is closed."""


class BoundedHttp(HttpToolsProtocol):
    """One connection. Bytes are counted as they come, until they are of use: what never ends is never kept."""

    _unused = 0
    _head = 0

    def data_received(self, data: bytes) -> None:
        """Bytes from the other side."""
        self._unused += len(data)
        super().data_received(data)
        if self._unused > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response("A request's head must be shorter.")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request's line."""
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header, or one of a trailer."""
        self._count(name + value)
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._unused = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The next head may begin."""
        self._unused = 0
        super().on_message_complete()

    def _count(self, part: bytes) -> None:
        self._head += len(part)
        if self._head > MOST_HEAD:
            raise HeadTooLong
