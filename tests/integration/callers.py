"""A server that only counts its callers: whatever must call nobody is given its address."""

import socket
import threading
from contextlib import contextmanager

from tests.waiting import HANGS_S


@contextmanager
def heard():
    """Yield the address of a server that answers nobody, and the list of those who called it."""
    callers = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def listen():
            while True:
                try:
                    caller, at = listening.accept()
                except OSError:
                    return
                callers.append(at)
                caller.close()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", callers
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(HANGS_S)
