"""Ports for servers that tests and benchmarks start."""

import random
import socket

PORTS = range(20_000, 32_000)
"""Below those that the system gives to connections: a port that was free when it was looked for may be some client's by
the time its server starts, for as long as that connection lasts.
"""
_ANY = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens at: different ones."""
    found: list[int] = []
    for port in _ANY.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            break
    return found


def free_port() -> int:
    """One such port."""
    return free_ports(1)[0]
