"""Brakes: how often an address may ask for what costs us an SMS. In this process; a proxy counts for all of them."""

from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from time import monotonic

from consent_engine.domain.line.proof_code import CodesUsedUp

MOST_CODES, CODES_S = 10, 600.0
"""So many codes an address in so many seconds."""
MOST_ADDRESSES = 10_000
_NETWORK_BITS = 64


class Brake:
    """Counts what addresses ask for. What is forgotten first is the address that was quiet longest."""

    def __init__(self, most: int = MOST_CODES, span_s: float = CODES_S, clock: Callable[[], float] = monotonic) -> None:
        self._most = most
        self._span_s = span_s
        self._clock = clock
        self._seen: dict[str, deque[float]] = {}

    def take(self, address: str) -> None:
        """Count one more; raises CodesUsedUp where that is too many. All of an IPv6 network are one address."""
        address = _whose(address)
        seen, now = self._seen.pop(address, deque(maxlen=self._most)), self._clock()
        while seen and now - seen[0] >= self._span_s:
            seen.popleft()
        full = len(seen) >= self._most
        if not full:
            seen.append(now)
        if len(self._seen) >= MOST_ADDRESSES:
            self._seen.pop(next(iter(self._seen)))
        self._seen[address] = seen
        if full:
            raise CodesUsedUp("too many codes were asked for from this address: wait ten minutes")


def _whose(address: str) -> str:
    """What one household or machine has: an IPv4 address, or the /64 network that it is given to choose from."""
    try:
        told = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(told, IPv6Address):
        return str(told)
    if told.ipv4_mapped is not None:
        return str(told.ipv4_mapped)
    return f"{int(told) >> 128 - _NETWORK_BITS:x}/{_NETWORK_BITS}"
