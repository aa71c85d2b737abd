"""An answer is sent at once: no part of it waits for an acknowledgement of the part before."""

import socket
from contextlib import closing

from consent_engine.api import app


def test_what_we_accept_does_not_wait_for_acknowledgements():
    """asyncio sets NODELAY only on sockets it made itself. Without it, a keep-alive client waits 40 ms per answer."""
    with (
        closing(app._bound("127.0.0.1", 0)) as listening,  # noqa: SLF001 - the socket that is served
        socket.create_connection(listening.getsockname()),
        closing(listening.accept()[0]) as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
