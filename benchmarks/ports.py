"""Ports for servers that tests and benchmarks start."""

import atexit
import random
import socket
from collections import deque

PORTS = range(20_000, 32_000)
"""Below those that the system gives to connections: a port that was free when it was looked for may belong to a client
by the time its server starts, for as long as that connection lasts.
"""
MOST_HELD = 200
_ANY = random.SystemRandom()
_held: deque[socket.socket] = deque()
"""Datagram sockets at the ports that were given last. They are in no server's way, and another process that looks for a
port sees that one was given though its server does not listen yet.
"""


@atexit.register
def _let_go() -> None:
    """Close them at the end of the process, so that no warning of open sockets stands under the result of the tests."""
    for each in _held:
        each.close()


def free_ports(count: int) -> list[int]:
    """Return different ports of loopback at which nothing listens, and which were not given lately."""
    found: list[int] = []
    for port in _ANY.sample(PORTS, len(PORTS)):
        if _is_free(port):
            found.append(port)
        if len(found) == count:
            break
    return found


def _is_free(port: int) -> bool:
    holds = socket.socket(type=socket.SOCK_DGRAM)
    with socket.socket() as probe:
        try:
            holds.bind(("127.0.0.1", port))
            probe.bind(("127.0.0.1", port))
        except OSError:
            holds.close()
            return False
    _held.append(holds)
    if len(_held) > MOST_HELD:
        _held.popleft().close()
    return True


def free_port() -> int:
    """Return one such port."""
    return free_ports(1)[0]
