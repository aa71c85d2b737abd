"""The HTTP client for outside services: a POST goes out at most once; a failure says whether it may have been taken."""

import asyncio
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from weakref import WeakKeyDictionary

from cryptography.x509 import load_pem_x509_certificate
from yarl import URL

from consent_engine import DISTRIBUTION
from consent_engine.adapters.http_exchange import BrokenAnswer, call, request, target_of, tls_context
from consent_engine.domain import hashing
from consent_engine.domain.effects import Unavailable, Uncertain
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.msisdn import contains_number
from consent_engine.errors import SettingsError
from consent_engine.ports.outside import MAY_GO, NotSent
from consent_engine.ports.public_log import Answered, Post, PostEvent, Stamp

LONGEST_WORD = 200
LARGEST_ID = 10**40
MOST_IDS = 32
"""The largest number of part ids kept for one SMS: no question has as many parts."""
LONGEST_AFTER = 600_000
"""The longest Retry-After (ms) that is honoured."""
CONNECTIONS = 256
"""The largest number of a client's calls at once; each has a connection of its own."""
CERTIFICATE_S = 3.0
"""How long a server may take to show its certificate."""
_TROUBLE = (BrokenAnswer, OSError, ValueError)
"""All errors that the other side can cause in a call."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The other side's answer, read to its end. `after` (ms) is its Retry-After, bounded."""

    status: int
    body: bytes
    after: int = 0

    @property
    def refuses_us(self) -> bool:
        """Whether our account was refused, before anything of the request was looked at: no other would be taken."""
        return self.status in _REFUSES_US


_REFUSES_US = frozenset({401, 403})
_BELOW_NOTHING = re.compile(r"-[0-9]+")
"""An error code in an id's place, under a status of success: such an SMS or service is in doubt, and not taken."""


def as_word(value: object) -> str:
    """Return a text of 1 to 200 printable characters that are not blank; "" for anything else."""
    if not isinstance(value, str) or len(value) > LONGEST_WORD or value.isspace():
        return ""
    return value if value.isprintable() else ""


def as_id(value: object) -> str:
    """Return a word, or a whole number by its digits, as an id; "" for anything else."""
    found = str(value) if type(value) is int and abs(value) < LARGEST_ID else as_word(value)
    return "" if _BELOW_NOTHING.fullmatch(found) else found


def as_ids(value: object) -> tuple[str, ...]:
    """Return the ids in a list; empty if one is invalid or stands twice, or there are more than MOST_IDS."""
    listed = value if isinstance(value, list) and len(value) <= MOST_IDS else []
    ids = tuple(map(as_id, listed))
    return ids if all(ids) and len(set(ids)) == len(ids) else ()


@dataclass(slots=True)
class _Progress:
    # begun: set once a connection stands. From then until the first byte is written we can never prove that nothing
    # was sent, so every failure after it is doubt.
    may_go: Callable[[], bool] | None = None
    begun: bool = False

    def begin(self) -> None:
        if self.may_go is not None and not self.may_go():
            raise NotSent
        self.begun = True


class Client:
    """A client for HTTP, signed if it has a secret, without redirects, cookies or proxies of the environment.

    Every call has a connection of its own. HTTP/1.1 assigns answers to requests by their order alone: on a kept
    connection, an unrequested message of the other side or its proxy would count as the next call's answer, and an SMS
    as handed over that was not. It costs a TLS handshake where there is TLS. Nor is a POST ever repeated, as it is by
    clients that keep connections.
    """

    def __init__(
        self, timeout: timedelta, secret: str = "", now: Callable[[], float] = time.time,
        tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self._tls = tls
        self._seconds = timeout.total_seconds()
        self._secret = secret
        self._now = now
        self._places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def post(self, url: str, fields: Mapping[str, str | int], key: str = "") -> Answer | Unavailable | Uncertain:
        """POST one JSON object under an idempotency key; without a key only requests that change nothing."""
        body = json.dumps(fields, separators=(",", ":")).encode()
        keyed = {"Idempotency-Key": key} if key else {}
        return await self.send("POST", url, body, {"Content-Type": "application/json", **keyed}, changes=True)

    async def get(self, url: str) -> Answer | Unavailable | Uncertain:
        """Send a GET, for requests that change nothing."""
        return await self.send("GET", url, None, {}, changes=False)

    async def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], *, changes: bool
    ) -> Answer | Unavailable | Uncertain:
        """Send one request. changes: it may have an effect, so it asks whether it may go"""
        progress = _Progress(MAY_GO.get(None) if changes else None)
        try:
            # asyncio's timeout, not aiohttp's: that one rounds up, and a call must not outlive its lease by a rounding.
            async with asyncio.timeout(self._seconds):
                return await self._exchange(method, url, body, self._stamped(headers, body), progress)
        except TimeoutError:
            if progress.begun:
                return Uncertain(Hitch.NO_ANSWER.of())
            return Unavailable(Hitch.NO_CONNECTION_IN_TIME.of())
        except NotSent:
            return Unavailable(Hitch.NOT_WANTED.of())
        except _TROUBLE as trouble:
            # Only the kind is kept: the messages quote addresses, and garbage that may quote a person.
            kind = type(trouble).__name__
            begun, never = Hitch.BROKEN_ANSWER.of(kind), Hitch.NO_CONNECTION.of(kind)
            return Uncertain(begun) if progress.begun else Unavailable(never)

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], progress: _Progress
    ) -> Answer:
        target = target_of(url)
        written = request(method, target, headers, body)
        async with self._place():
            said = await call(target, written, progress.begin, self._tls)
        return Answer(said.status, said.body, retry_after(said.retry_after, self._now()))

    def _place(self) -> asyncio.Semaphore:
        # An engine may be driven by one loop after another; a semaphore belongs to the loop it is used in.
        loop = asyncio.get_running_loop()
        places = self._places.get(loop)
        if places is None:
            places = self._places[loop] = asyncio.Semaphore(CONNECTIONS)
        return places

    def _stamped(self, headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
        # Compressed answers are neither requested nor unpacked: 64 KiB must mean 64 KiB.
        stamped = {**headers, "Accept-Encoding": "identity", "User-Agent": "consent-engine"}
        if self._secret:
            stamped[hashing.HEADER] = hashing.sign(self._secret, body or b"", int(self._now()))
        return stamped


def poster(timeout: timedelta) -> Post:
    """Return what posts a body once, as it is, and reads the answer, whatever its status."""

    async def post(url: str, body: bytes, media: str) -> tuple[int, bytes]:
        headers = {"Content-Type": media, "Accept-Encoding": "identity", "User-Agent": "consent-engine"}
        try:
            target = target_of(url)
            async with asyncio.timeout(timeout.total_seconds()):
                said = await call(target, request("POST", target, headers, body), lambda: None)
        except TimeoutError:
            raise OSError("no answer in time") from None
        except _TROUBLE as trouble:
            raise OSError(f"no answer: {type(trouble).__name__}") from None
        return said.status, said.body

    return post


def event_poster(timeout: timedelta) -> PostEvent:
    """Return what posts an event once, and reads no more of the answer than its status."""
    client = Client(timeout)

    async def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        said = await client.send("POST", url, body, headers, changes=True)
        return Answered(said.status, said.after) if isinstance(said, Answer) else Answered(0, 0, said.reason)

    return post


def stamper(url: str, post: Post) -> Stamp:
    """Return what asks a time stamp authority (RFC 3161) when something was there. Raises SettingsError where the
    package for that is missing.
    """
    try:
        import rfc3161_client as tsp  # noqa: PLC0415 - where one is set alone
    except ModuleNotFoundError:
        raise SettingsError(f"CONSENT_TSA_URL needs rfc3161-client: pip install '{DISTRIBUTION}[tsa]'") from None

    async def stamp(data: bytes) -> bytes:
        wanted = tsp.TimestampRequestBuilder(data, tsp.HashAlgorithm.SHA256).build()
        status, answer = await post(url, wanted.as_bytes(), "application/timestamp-query")
        try:
            said = tsp.decode_timestamp_response(answer)
            fits = said.status <= tsp.PKIStatus.GRANTED_WITH_MODS and said.tst_info.nonce == wanted.nonce
            fits = fits and said.tst_info.message_imprint.message == sha256(data).digest()
        except ValueError:
            fits = False
        if not fits:
            raise OSError(f"it answered {status}, and nothing that stamps this")
        return answer

    return stamp


def retry_after(header: str, now: float) -> int:
    """Return a Retry-After header (seconds, or an HTTP date) in milliseconds from now, at most ten minutes; else 0."""
    try:
        if header.isdigit():
            seconds = float(header)
        else:
            seconds = datetime.strptime(header, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).timestamp() - now
    except ValueError:
        return 0
    return int(max(0.0, min(LONGEST_AFTER, seconds * 1000)))


# Answers of the other side, made fit to keep ----------------------------------------------------------------------


class Unreadable:
    """A JSON object that repeats a field, with all its pairs; or NaN or Infinity. Two readers may differ on them."""

    def __init__(self, pairs: Sequence[tuple[str, object]] = ()) -> None:
        self.pairs = tuple(pairs)


def document(body: bytes, *, lenient: bool = False) -> object:
    """Parse JSON from the other side. Raises ValueError for anything else, however deep or long.

    lenient: strings may have control characters
    """
    try:
        return (_LENIENT if lenient else _STRICT).decode(body.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def objects_in(body: bytes) -> Iterator[object]:
    """Yield the JSON objects that can be read in a body that is not JSON as a whole: cut short, or not UTF-8."""
    text, at, broken = body.decode("utf-8", "surrogateescape"), 0, 0
    while broken < MOST_BROKEN and (at := text.find("{", at)) >= 0:
        try:
            found, at = _LENIENT.raw_decode(text, at)
            yield found
        except (ValueError, RecursionError):
            at, broken = at + 1, broken + 1


def once(pairs: Sequence[tuple[str, object]]) -> object:
    """Return the fields of these pairs; Unreadable where one is repeated."""
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else Unreadable(pairs)


_STRICT, _LENIENT = (
    json.JSONDecoder(object_pairs_hook=once, parse_constant=lambda _: Unreadable(), strict=strict)
    for strict in (True, False)
)
MOST_BROKEN = 20
"""How many places of a body may be no object, before the rest of it is left unread: each is read to its end."""

# At most six digits: seven are a telephone number in some country, also with blanks between them.
_CODE = re.compile(r"(?!(?:[^0-9]*[0-9]){7})[A-Za-z0-9][A-Za-z0-9 _.:/-]{0,63}")


def code(value: str) -> str:
    """Return an error code fit for a log. Free text, and enough digits for a telephone number, become `unnamed`."""
    return value if _CODE.fullmatch(value) else "unnamed"


def opaque(ref: str) -> str:
    """Return an outside id as it is kept: one that contains a telephone number as its hash, the same every time."""
    return f"sha256:{sha256(ref.encode()).hexdigest()[:32]}" if contains_number(ref) else ref


# Settings common to all outside services --------------------------------------------------------------------------


def required(prefix: str, raw: Mapping[str, str], key: str) -> str:
    """Return a required setting. Raises SettingsError where it is missing."""
    value = raw.get(key, "").strip()
    if not value:
        raise SettingsError(f"{prefix}{key} is missing")
    return value


def endpoint(prefix: str, raw: Mapping[str, str]) -> str:
    """Return the setting URL: absolute, http or https. Raises SettingsError for anything else."""
    value = required(prefix, raw, "URL")
    try:
        url = URL(value)
        fit = url.scheme in {"http", "https"} and bool(url.host) and bool(url.port)
    except ValueError:
        fit = False
    if not fit:
        raise SettingsError(f"{prefix}URL is not an absolute http:// or https:// address")
    return value


def flag(prefix: str, raw: Mapping[str, str], key: str) -> bool:
    """Return a setting that is true or false; false where it is missing. Raises SettingsError for another word."""
    value = raw.get(key, "").strip().lower() or "false"
    if value not in {"true", "false"}:
        raise SettingsError(f"{prefix}{key} must be true or false")
    return value == "true"


def tls_of(prefix: str, raw: Mapping[str, str]) -> ssl.SSLContext | None:
    """Return TLS with the certificate that we show (CERTIFICATE, its KEY if that has a file of its own, PASSPHRASE) and
    the authorities that the other side's must be of (CA); None where neither is set. Raises SettingsError.
    """
    shown, authorities = raw.get("CERTIFICATE"), raw.get("CA")
    if shown is None and (other := {"KEY", "PASSPHRASE"} & raw.keys()):
        raise SettingsError(f"{prefix}CERTIFICATE is missing: {prefix}{min(other)} belongs to it")
    if shown is None and authorities is None:
        return None
    if not endpoint(prefix, raw).startswith("https:"):
        raise SettingsError(f"{prefix}URL must begin with https:// where a certificate or a CA is set")
    try:
        made = tls_context(authorities)
    except (OSError, ValueError):
        raise SettingsError(f"{prefix}CA names no file of certificates in PEM") from None
    try:
        if shown is not None:  # without a passphrase OpenSSL would ask at the terminal
            made.load_cert_chain(shown, raw.get("KEY"), lambda: raw.get("PASSPHRASE", ""))
    except (OSError, ValueError):
        wanted = "a certificate and its private key in PEM, or the passphrase is wrong"
        raise SettingsError(f"{prefix}CERTIFICATE, with {prefix}KEY, must name {wanted}") from None
    return made


def certificate_ends(host: str, port: int) -> float | None:
    """Return when the certificate ends that a server shows, in seconds since 1970; None where none is shown. It is not
    checked: one that has expired has an end, too.
    """
    try:
        shown = ssl.get_server_certificate((host, port), timeout=CERTIFICATE_S)
        return load_pem_x509_certificate(shown.encode()).not_valid_after_utc.timestamp()
    except (OSError, ValueError):
        return None
