"""An application of ours on a socket, in a thread."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from consent_engine.api.http.protocol import BoundedHttp

WAIT = 30


@contextmanager
def live(app: Any) -> Iterator[str]:
    """Its address. The socket is as ours are: without NODELAY every answer would take 40 ms."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, http=BoundedHttp, ws="none")
        serving = uvicorn.Server(config)
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            serving.should_exit = True
            thread.join(WAIT)
            assert not thread.is_alive()
