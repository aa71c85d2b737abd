"""Request bodies: bounded in size, time and depth, and parsed so that one JSON text can be read in one way only."""

import asyncio
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from consent_engine.api.http.problems import NotOurMediaType, TooLarge, TooSlow
from consent_engine.errors import FieldError, Malformed


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds: in seconds, or a count where the name begins with `most_`."""

    most_under_way: int = 4_000
    """requests"""
    body_s: float = 20.0
    """for all of a request's body"""
    known_s: float = 1.0
    """how old a key look-up may be: a revoked key is rejected after this long at most"""
    lanes_s: float = 1.0
    """how old admission's knowledge of the lanes may be; orders admitted since are counted"""
    metrics_s: float = 1.0
    metrics_wait_s: float = 4.0
    """how long metrics wait for the store; after that they are answered without its figures"""
    tariffs_s: float = 1.0
    most_streams: int = 1_000
    look_s: float = 0.3
    """between two looks at the watched orders"""
    most_trouble_s: float = 5.0
    """the longest pause between two looks while the store cannot be reached"""
    heartbeat_s: float = 15.0
    linger_s: float = 5.0
    """how long after its last entry a settled order is still watched: delivery reports of the last SMS come after it"""
    key_check_s: float = 2.0
    """how long a stream may continue before its key is looked up again"""
    send_s: float = 30.0
    """how long a stream's client may take nothing at all"""
    look_up_s: float = 2.0
    """how long a new order waits for the BSS to name the holder of its number"""
    look_up_rest_s: float = 10.0
    """how long orders do not wait for this look-up after one was not answered in time"""


USUAL = Bounds()


def bounds_of(request: Request) -> Bounds:
    """Return the bounds of the application that serves this request."""
    return cast(Bounds, request.app.state.bounds)


KIB = 1024
MOST_FORM = 64 * KIB
MOST_LIST = 256 * KIB
MOST_WEBHOOK = 1024 * KIB
DEEPEST = 20
_LONGEST_LENGTH = 12
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF = re.compile(rb"\\u[dD]")
"""Without such an escape, a text in UTF-8 cannot hold half a character."""


class _Wrong(ValueError):
    """An error in a JSON text: a code, and a message that does not repeat the text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def read_body(request: Request, most: int) -> bytes:
    """Return the whole body. Raises TooLarge as soon as it is certain, whatever length was declared, and TooSlow."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and (len(declared) > _LONGEST_LENGTH or int(declared) > most):
        raise TooLarge(f"the body must have at most {most} bytes")
    chunks, size = [], 0
    try:
        async with asyncio.timeout(bounds_of(request).body_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise TooLarge(f"the body must have at most {most} bytes")
                chunks.append(chunk)
    except TimeoutError:
        raise TooSlow("the body did not come in time") from None
    return b"".join(chunks)


async def read_json(request: Request, most: int = MOST_FORM) -> object:
    """Return the JSON in the body. Raises NotOurMediaType before anything is read, then as `read_body` and `parse`."""
    return parse(await read_json_body(request, most))


async def read_json_body(request: Request, most: int = MOST_FORM) -> bytes:
    """Return a body that is said to be JSON. Raises NotOurMediaType before anything is read, then as `read_body`."""
    _check_kind(request)
    return await read_body(request, most)


async def read_json_if_any(request: Request) -> object:
    """Return the JSON in the body; None where there is no body. Raises as `read_json`, once a body was read."""
    body = await read_body(request, MOST_FORM)
    if not body:
        return None
    _check_kind(request)
    return parse(body)


def _check_kind(request: Request) -> None:
    kinds = request.headers.getlist("content-type")
    if len(kinds) != 1 or not is_json(kinds[0]) or is_packed(request):
        raise NotOurMediaType("send Content-Type: application/json, in UTF-8 and not compressed")


def is_json(content_type: str) -> bool:
    """Whether a media type is JSON, with no charset or UTF-8."""
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [p.partition("=")[2].strip('" ') for p in parameters if p.partition("=")[0].strip() == "charset"]
    return kind == "application/json" and all(charset in {"utf-8", "utf8"} for charset in charsets)


def is_packed(request: Request) -> bool:
    """Whether the body is compressed: then its size would say nothing."""
    codings = request.headers.getlist("content-encoding")
    return any(coding.strip().lower() != "identity" for coding in codings)


def parse(body: bytes) -> object:
    """Parse JSON strictly. Raises Malformed, which names the body and repeats nothing of it."""
    try:
        said: object = _JSON.decode(body.decode())
        if _ESCAPED_HALF.search(body) or body.count(b"{") + body.count(b"[") >= DEEPEST:
            _look_into(said)
    except _Wrong as wrong:
        raise Malformed([FieldError("body", wrong.code, str(wrong))]) from None
    except RecursionError:
        raise Malformed([FieldError("body", "too_deep", "is nested too deeply")]) from None
    except json.JSONDecodeError as error:
        where = f"is not JSON: line {error.lineno}, column {error.colno}"
        raise Malformed([FieldError("body", "not_json", where)]) from None
    except ValueError:
        raise Malformed([FieldError("body", "not_json", "is not JSON in UTF-8")]) from None
    return said


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _Wrong("duplicate_field", "has a field twice in one object")
    return fields


def _no_number(_text: str) -> float:
    raise _Wrong("not_a_number", "has NaN or Infinity")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


_JSON = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
"""Made once: `json.loads` with these arguments makes a decoder for each text."""


def _look_into(said: object) -> None:
    """Raise _Wrong for JSON that the code behind could not handle: nested too deeply, or with half characters."""
    level = [said]
    for _ in range(DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return
    raise _Wrong("too_deep", f"is nested deeper than {DEEPEST} levels")


def _inside(said: object) -> Iterator[object]:
    if isinstance(said, str) and _SURROGATE.search(said):
        raise _Wrong("half_character", "has half a character")
    if isinstance(said, dict):
        yield from said
        yield from said.values()
    elif isinstance(said, list):
        yield from said
