"""Tariff pages over HTTP: only from allowed hosts at public addresses, in bounded time and length.

A name is looked up once, and the connection goes to the addresses that were checked: a name that resolves to another
address a moment later gains nothing.
"""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import HttpProcessingError

from consent_engine.domain.hitch import Hitch
from consent_engine.domain.offer.address import Addresses
from consent_engine.ports.outside import Missed, TariffPage, TariffPages

MOST_BYTES = 1 << 20
MOST_REDIRECTS = 3
CONNECT_S, WHOLE_S = 3.0, 10.0
_OK, _MOVED, _NOT_FOUND, _LATER = 200, range(300, 400), range(400, 500), frozenset({408, 425, 429})
_NAT64 = IPv6Network("64:ff9b::/96")
_TROUBLE = (aiohttp.ClientError, HttpProcessingError, OSError, EOFError, ValueError)


class PrivateAddress(Exception):
    """The host is, or resolves to, a private address."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; of an address embedded in an IPv6 one, that is checked.

    >>> [is_public(each) for each in ("8.8.8.8", "10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1")]
    [True, False, False, False, False, False]
    """
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            inner = IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


class HttpTariffPages(TariffPages):
    """The fetcher of pages. reachable: which IP addresses may be connected to · whole_s: how long one fetch may take"""

    def __init__(
        self, addresses: Addresses, reachable: Callable[[str], bool] = is_public, whole_s: float = WHOLE_S
    ) -> None:
        self._addresses = addresses
        self._reachable = reachable
        self._whole_s = whole_s

    async def fetch(self, url: str) -> TariffPage | Missed:
        """Fetch as the port says. A few redirects are followed, within one host."""
        try:
            async with asyncio.timeout(self._whole_s), self._session() as session:
                for _ in range(MOST_REDIRECTS + 1):
                    found = await self._step(session, url)
                    if not isinstance(found, str):
                        return found
                    if _host(found) != _host(url):
                        return Missed(Hitch.REDIRECTS_ELSEWHERE.of())
                    url = found
                return Missed(Hitch.REDIRECTS_TOO_OFTEN.of())
        except PrivateAddress:
            return Missed(Hitch.PRIVATE_ADDRESS.of())
        except TimeoutError:
            return Missed(Hitch.NO_ANSWER.of(), surely=False)
        except _TROUBLE as trouble:
            return Missed(Hitch.NO_CONNECTION.of(type(trouble).__name__), surely=False)

    async def _step(self, session: aiohttp.ClientSession, url: str) -> TariffPage | Missed | str:
        """Fetch one address; return its page, the reason why there is none, or the address it redirects to."""
        if not self._addresses.may_be_asked(url):
            return Missed(Hitch.HOST_NOT_ALLOWED.of())
        self._look_at(urlsplit(url).hostname or "")
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status in _MOVED and "Location" in answer.headers:
                return urljoin(url, answer.headers["Location"])
            if answer.status != _OK:
                surely = answer.status in _NOT_FOUND and answer.status not in _LATER
                return Missed(Hitch.ANSWERED.of(answer.status), surely=surely)
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                return Missed(Hitch.PACKED.of())
            try:
                await answer.content.readexactly(MOST_BYTES + 1)
            except asyncio.IncompleteReadError as end:
                return TariffPage(answer.headers.get("Content-Type", ""), end.partial)
            return Missed(Hitch.PAGE_TOO_LONG.of())

    def _look_at(self, host: str) -> None:
        """Check a host that is an IP address, which is never looked up. Raises PrivateAddress."""
        try:
            ip_address(host)
        except ValueError:
            return
        if not self._reachable(host):
            raise PrivateAddress

    def _session(self) -> aiohttp.ClientSession:
        resolver = _Checked(self._reachable)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, use_dns_cache=False, resolver=resolver),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            headers={"Accept-Encoding": "identity", "User-Agent": "consent-engine"},
            auto_decompress=False,
            trust_env=False,
        )


def _host(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


class _Checked(AbstractResolver):
    """A resolver that returns only addresses that may be connected to."""

    def __init__(self, reachable: Callable[[str], bool]) -> None:
        self._reachable = reachable

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return all addresses of a name. Raises PrivateAddress where any of them may not be connected to."""
        loop = asyncio.get_running_loop()
        rows = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        if not all(self._reachable(str(address[0])) for *_, address in rows):
            raise PrivateAddress
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, address in rows
        ]  # fmt: skip

    async def close(self) -> None:
        """Do nothing: the resolver keeps nothing open."""
