"""Brakes: limits on how often an address may request an SMS, look for a receipt, or fail to sign in. Counted per
process; a proxy can count for all of them.
"""

from collections import deque
from collections.abc import Callable
from ipaddress import ip_address
from time import monotonic

from msgspec.structs import replace
from starlette.requests import Request

from consent_engine.api.service.service import front_of
from consent_engine.domain.line.proof_code import CodeAsked, CodesUsedUp
from consent_engine.domain.receipt import Receipt, TooManyLooks
from consent_engine.engine.engine import Engine
from consent_engine.errors import ConsentError

MOST_CODES, CODES_S = 10, 600.0
"""Most codes for one address, in this many seconds."""
MOST_LOOKS, LOOKS_S = 8, 3_600.0
"""Most looks for one receipt: who knows its number alone would try its four digits for weeks, hour by hour."""
MOST_ADDRESSES = 10_000
_NETWORK_BITS, _SITE_BITS, SITE = {4: 32, 6: 64}, {4: 24, 6: 48}, 4
"""An IPv4 address or an IPv6 /64 counts as one address; a /24 or /48, all of which one customer may hold, may request
SITE times as many codes."""


def _codes_used_up() -> ConsentError:
    return CodesUsedUp("too many codes were asked for from this address: wait ten minutes")


def _looked() -> ConsentError:
    return TooManyLooks("receipts were looked for too often: wait an hour, or call the hotline")


class Brake:
    """Counts requests by address, or by another name. When full, it first forgets the one that was quiet longest.

    refused: the error for too many
    """

    def __init__(
        self, most: int = MOST_CODES, span_s: float = CODES_S, clock: Callable[[], float] = monotonic,
        refused: Callable[[], ConsentError] = _codes_used_up,
    ) -> None:  # fmt: skip
        self._refused = refused
        self._most = most
        self._span_s = span_s
        self._clock = clock
        self._seen: dict[str, deque[float]] = {}

    def count(self, address: str) -> None:
        """Count one more request. Raises `refused` when that is too many. An IPv6 /64 counts as one address, and all
        addresses of a /48 or an IPv4 /24 share a limit: its holder would otherwise have 65,536 addresses, or 256.
        """
        self.check(address)
        self.add(address)

    def check(self, address: str) -> None:
        """Raise `refused` when one more request is too many."""
        if self.must_wait(address):
            raise self._refused()

    def must_wait(self, address: str) -> bool:
        """Whether one more request is too many."""
        return any(len(self._lately(name)) >= self._most * times for name, times in _whose(address))

    def add(self, address: str) -> None:
        """Count one more request, however many there were."""
        for name, _ in _whose(address):
            self._lately(name).append(self._clock())

    def _lately(self, name: str) -> deque[float]:
        """Return the recent requests of a name, which are the newest entry from then on."""
        seen = self._seen[name] = self._seen.pop(name, deque())
        if len(self._seen) > MOST_ADDRESSES:
            self._seen.pop(next(iter(self._seen)))
        while seen and self._clock() - seen[0] >= self._span_s:
            seen.popleft()
        return seen


def network_of(address: str) -> str:
    """Return the network of an address, all of which one customer may hold. An unreadable address is its own network.

    >>> network_of("192.0.2.1") == network_of("::ffff:192.0.2.200") != network_of("2001:db8::1")
    True
    """
    return _whose(address)[-1][0]


def _whose(address: str) -> tuple[tuple[str, int], ...]:
    """Return the networks that an address counts for: that of one household or machine (an IPv4 address, or the /64 it
    may choose addresses from), and that of one customer. Each with the number of addresses whose codes it may request.
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return ((address, 1),)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    kinds = ((_NETWORK_BITS[ip.version], 1), (_SITE_BITS[ip.version], SITE))
    return tuple((f"{int(ip) >> ip.max_prefixlen - bits:x}/{bits}/{ip.version}", times) for bits, times in kinds)


class LooksForReceipts:
    """Brakes on looking for receipts: nobody finds one by trying. By address; and by number, whatever addresses ask."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._by_address = Brake(MOST_CODES, CODES_S, clock, _looked)
        self._by_number = Brake(MOST_LOOKS, LOOKS_S, clock, _looked)

    async def find(self, request: Request, number: str, digits: str) -> Receipt:
        """Return a receipt. Raises TooManyLooks, ReceiptNotFound and ArchiveUnavailable."""
        self._count(request, number)
        return await front_of(request).ask(lambda engine: engine.receipts.find(number, digits))

    async def send_code(self, request: Request, number: str, digits: str, language: str = "zh") -> str:
        """Send a code to the number of a receipt's subscriber; return the ticket of the person who asked. Raises as
        `find` and `send_code` do.
        """
        self._count(request, number)
        asked = await front_of(request).ask(lambda engine: engine.receipts.code_for(number, digits))
        return await send_code(request, replace(asked, language=language))

    async def whole(self, request: Request, number: str, digits: str, code: str, ticket: str) -> list[Receipt]:
        """Return all receipts of the number, which its holder proved by the code. Raises as `find` does, and
        CodeWrong.
        """
        self._count(request, number)

        def proven(engine: Engine) -> list[Receipt]:
            msisdn = engine.receipts.code_for(number, digits).msisdn
            engine.reports.prove(msisdn, code, ticket)
            return engine.receipts.of_number(msisdn)

        return await front_of(request).ask(proven)

    def _count(self, request: Request, number: str) -> None:
        self._by_address.count(request.client.host if request.client else "")
        self._by_number.count(number)


async def send_code(request: Request, asked: CodeAsked) -> str:
    """Send a code, and return the ticket of the person who asked. Raises TooManyCodes, StoreUnavailable."""
    brake: Brake = request.app.state.codes
    address = request.client.host if request.client else ""
    brake.count(address)
    from_network = replace(asked, network=network_of(address))
    return await front_of(request).ask(lambda engine: engine.reports.send_code(from_network))
