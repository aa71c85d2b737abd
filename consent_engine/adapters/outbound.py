"""The one HTTP seam to the outside: a POST goes out at most once, and trouble says whether it may have been taken."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from weakref import WeakKeyDictionary

from yarl import URL

from consent_engine.adapters.one_call import MOST_BODY, BrokenAnswer, call, request, target_of
from consent_engine.domain import signature
from consent_engine.domain.effects import Unavailable, Uncertain
from consent_engine.domain.msisdn import contains_number
from consent_engine.errors import SettingsError
from consent_engine.ports.outside import MAY_GO, NotSent

LONGEST_ANSWER = MOST_BODY
LONGEST_WORD = 200
LARGEST_ID = 10**40
MOST_IDS = 32
"""So many ids of parts are kept of one SMS: no question has as many parts."""
LONGEST_AFTER = 600_000
"""Milliseconds: no far side may put us off for longer, however it words its Retry-After."""
CONNECTIONS = 256
"""Calls at once; each has a connection of its own."""
_TROUBLE = (BrokenAnswer, OSError, ValueError)
"""Everything that a far side can make a call raise."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the far side said, read to its end. `after` (ms) is its Retry-After, bounded."""

    status: int
    body: bytes
    after: int = 0

    def id(self, field: str) -> str:
        """As `word`; a whole number is an id as its digits are."""
        return _id(self._value(field))

    def ids(self, field: str) -> tuple[str, ...]:
        """A field that lists different ids, each as `id` reads one; nothing where one of them is none, or two are the
        same, or there are more than a text has parts.
        """
        value = self._value(field)
        listed = value if isinstance(value, list) and len(value) <= MOST_IDS else []
        ids = tuple(map(_id, listed))
        return ids if all(ids) and len(set(ids)) == len(ids) else ()

    def _value(self, field: str) -> object:
        try:
            said = document(self.body)
        except ValueError:
            return None
        return said.get(field) if isinstance(said, dict) else None

    def word(self, field: str) -> str:
        """A field of the answer's JSON object, if it is a string of 1 to 200 printable characters; else nothing."""
        return _word(self._value(field))


def _word(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= LONGEST_WORD and value.isprintable() else ""


def _id(value: object) -> str:
    return str(value) if type(value) is int and abs(value) < LARGEST_ID else _word(value)


@dataclass(slots=True)
class _Progress:
    # Set once a connection is in hand. From there to the first byte written there is no point where we could prove
    # that nothing went out, so everything after it is doubt.
    may_go: Callable[[], bool] | None = None
    begun: bool = False

    def begin(self) -> None:
        if self.may_go is not None and not self.may_go():
            raise NotSent
        self.begun = True


class NothingKept:
    """What keeps no connection: each ended with its call."""

    async def close(self) -> None:
        """There is nothing to give back."""


class Client(NothingKept):
    """Speaks JSON over HTTP, signed if it has a secret. Redirects, cookies and proxies of the environment: none.

    Every call has a connection of its own. HTTP/1.1 tells an answer from another by its place alone: on a connection
    that is kept, what a far side or its proxy says unasked would be the next call's answer, a hand-over that was none.
    It costs a TLS handshake where there is TLS. So a POST is never repeated either, as those do that keep them.
    """

    def __init__(self, timeout: timedelta, secret: str = "", now: Callable[[], float] = time.time) -> None:
        self._seconds = timeout.total_seconds()
        self._secret = secret
        self._now = now
        self._places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def post(self, url: str, fields: Mapping[str, str | int], key: str = "") -> Answer | Unavailable | Uncertain:
        """POST one JSON object under an idempotency key; without one what changes nothing."""
        body = json.dumps(fields, separators=(",", ":")).encode()
        keyed = {"Idempotency-Key": key} if key else {}
        return await self._request("POST", url, body, {"Content-Type": "application/json", **keyed})

    async def get(self, url: str) -> Answer | Unavailable | Uncertain:
        """GET: for questions that change nothing."""
        return await self._request("GET", url, None, {})

    async def _request(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer | Unavailable | Uncertain:
        progress = _Progress(MAY_GO.get(None) if method == "POST" else None)  # a question changes nothing
        try:
            # Ours, not aiohttp's: that one rounds up, and a call must not outlive its lease by a rounding.
            async with asyncio.timeout(self._seconds):
                return await self._exchange(method, url, body, self._stamped(headers, body), progress)
        except TimeoutError:
            return Uncertain("no answer in time") if progress.begun else Unavailable("no connection in time")
        except NotSent:
            return Unavailable("not wanted any more once its connection stood")
        except _TROUBLE as trouble:
            # Only the kind is told: their messages quote addresses, and garbage that may quote a person.
            kind = type(trouble).__name__
            return Uncertain(f"broken answer: {kind}") if progress.begun else Unavailable(f"no connection: {kind}")

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], progress: _Progress
    ) -> Answer:
        target = target_of(url)
        written = request(method, target, headers, body)
        async with self._place():
            said = await call(target, written, progress.begin)
        return Answer(said.status, said.body, retry_after(said.retry_after, self._now()))

    def _place(self) -> asyncio.Semaphore:
        # An engine may be driven by one loop after another; places are of the loop they were taken in.
        loop = asyncio.get_running_loop()
        places = self._places.get(loop)
        if places is None:
            places = self._places[loop] = asyncio.Semaphore(CONNECTIONS)
        return places

    def _stamped(self, headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
        # Compressed answers are not asked for and not unpacked: 64 KiB must mean 64 KiB.
        stamped = {**headers, "Accept-Encoding": "identity", "User-Agent": "consent-engine"}
        if self._secret:
            stamped[signature.HEADER] = signature.sign(self._secret, body or b"", int(self._now()))
        return stamped


def retry_after(header: str, now: float) -> int:
    """A Retry-After header (seconds, or an HTTP date) in milliseconds from now, at most ten minutes; else 0."""
    try:
        if header.isdigit():
            seconds = float(header)
        else:
            seconds = datetime.strptime(header, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).timestamp() - now
    except ValueError:
        return 0
    return int(max(0.0, min(LONGEST_AFTER, seconds * 1000)))


# What the far side says, made fit to keep -------------------------------------------------------------------------


class Unreadable:
    """Stands where a JSON object repeats a field or a number is none: two readers could read two things."""


def document(body: bytes) -> object:
    """The JSON a far side wrote. Raises ValueError for anything that is none, however deep or long."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_once, parse_constant=lambda _: Unreadable())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _once(pairs: list[tuple[str, object]]) -> object:
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else Unreadable()


# At most six digits: seven are a telephone number somewhere, also with blanks between them.
_CODE = re.compile(r"(?!(?:[^0-9]*[0-9]){7})[A-Za-z0-9][A-Za-z0-9 _.:/-]{0,63}")


def code(value: str, otherwise: str) -> str:
    """An error code fit for a log. Free text, and digits enough for a telephone number, become `otherwise`."""
    return value if _CODE.fullmatch(value) else otherwise


def opaque(ref: str) -> str:
    """An id made outside. Some are built from the number; such a one is kept as its hash, the same every time."""
    return f"sha256:{sha256(ref.encode()).hexdigest()[:32]}" if contains_number(ref) else ref


# The settings every outside has -----------------------------------------------------------------------------------


def required(prefix: str, raw: Mapping[str, str], key: str) -> str:
    """A setting that must be there. Raises SettingsError where it is not."""
    value = raw.get(key, "").strip()
    if not value:
        raise SettingsError(f"{prefix}{key} is missing")
    return value


def endpoint(prefix: str, raw: Mapping[str, str]) -> str:
    """The setting URL: absolute, http or https. Raises SettingsError for anything else."""
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
    """A setting that is true or false; false when it is not there. Raises SettingsError for another word."""
    value = raw.get(key, "").strip().lower() or "false"
    if value not in {"true", "false"}:
        raise SettingsError(f"{prefix}{key} must be true or false")
    return value == "true"
