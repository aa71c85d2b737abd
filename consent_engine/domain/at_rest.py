"""Numbers, texts and raw messages as Redis and SQL keep them: encrypted. Both keep the same bytes, so what goes from
one to the other goes as it is; only the reading of a record opens them, and only the writing of one closes them.

AES-256-GCM under the installation's keys, bound to the line. The nonce is a keyed hash of line and text: a value that
comes twice on a line is kept as the same bytes, so that a repeat is known by them, and no two others share a nonce.
(AES-GCM-SIV does as much by itself, and cost an order 40 us more.)
Hashes, seals and evidence are of the texts themselves. No script looks into a closed value.
"""

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consent_engine.domain.call.transcript import SAID
from consent_engine.domain.canonical_json import compact, parsed
from consent_engine.domain.effects import WAKE_ASIDE
from consent_engine.domain.hashing import mac
from consent_engine.errors import BrokenRecord

MARK = "~"
"""What a closed value begins with; the name of its key follows, then the bytes in base64."""
_NAME, _NONCE = 8, 12
_MESSAGE, _ENDS = f'{{"{MARK}":"', '"}'


@lru_cache(4096)
def is_person(name: str) -> bool:
    """Whether a field of a record, but a line's, is a person part: `who`, `p1`, `p2`, ... or a call's transcript."""
    return name in {"who", SAID} or (name[0] == "p" and name[1:].isdecimal())


_WHOLE: tuple[int, ...] = ()
_OF_LINES = {"r:suspected:": (5, 7), "p:": (4,), f"f:{WAKE_ASIDE}": (8,)}
"""Rows of a line that scripts read, and the places in them of texts and lists that no script looks into: the words of a
suspicion, the parts of a reply, messages that were set aside.
"""


@lru_cache(4096)
def _places(name: str) -> tuple[int, ...] | None:
    """Return the places in a field's row that are closed, `_WHOLE` where all of it is, None where nothing is."""
    if name == "msisdn" or is_person(name):
        return _WHOLE
    return next((places for begins, places in _OF_LINES.items() if name.startswith(begins)), None)


OWN = "secret"
"""What stands for CONSENT_SECRET among the keys that are set."""


class Cipher:
    """Closes values with the first of its keys, and opens them with any. Without keys they stay as they are.
    named: the keys, as they are set, with blanks between; own: the one that OWN stands for
    """

    def __init__(self, own: str = "", named: str = "") -> None:
        keys = [mac((own if each == OWN else each).encode(), b"persons at rest") for each in named.split()]
        self.names = tuple(sha256(b"name of a key\n" + key).hexdigest()[:_NAME] for key in keys)
        """of its keys: they tell nothing of them"""
        self._keys = dict(zip(self.names, map(AESGCM, keys), strict=True))
        self._first = next(iter(self._keys.values()), None)
        self._nonces = mac(keys[0], b"nonces") if keys else b""
        self._begins = f"{MARK}{self.names[0]}" if keys else ""
        self.former = tuple(f"{MARK}{name}" for name in self.names[1:])
        """what values begin with that are closed with another key than the first"""

    def close(self, line: str, text: str) -> str:
        """Return a text as it is kept on a line; what was closed there, under any key, as it is."""
        if self._first is None or (text[:1] == MARK and self._is_closed(line, text)):
            return text
        about, content = line.encode(), text.encode("utf-8", "surrogatepass")
        nonce = mac(self._nonces, about + content)[:_NONCE]
        return self._begins + b2a_base64(nonce + self._first.encrypt(nonce, content, about), newline=False).decode()

    def _is_closed(self, line: str, text: str) -> bool:
        """Whether a text was closed on this line: a subscriber's own words may begin as if they were."""
        try:
            return self.open(line, text) != text
        except BrokenRecord:
            return False

    def open(self, line: str, kept: str) -> str:
        """Return the text that is kept. Raises BrokenRecord where it was changed or cut off, is another line's, or its
        key is not here.
        """
        if kept[:1] != MARK:
            return kept
        key = self._keys.get(kept[1 : _NAME + 1])
        if key is None:
            raise BrokenRecord(f"a value under the key {kept[1 : _NAME + 1]!a}, which CONSENT_PERSON_KEYS lacks")
        try:
            closed = a2b_base64(kept[_NAME + 1 :])
            text = key.decrypt(closed[:_NONCE], closed[_NONCE:], line.encode())
        except (InvalidTag, ValueError):
            raise BrokenRecord("an encrypted value cannot be opened: it was cut off, or somebody changed it") from None
        return text.decode("utf-8", "surrogatepass")

    # -- records ---------------------------------------------------------------------------------------------------

    def closed(self, line: str, fields: Mapping[str, str]) -> dict[str, str]:
        """Return fields of a record as they are kept."""
        return {
            name: value if (places := _places(name)) is None or not value else self._closed(line, value, places)
            for name, value in fields.items()
        }

    def _closed(self, line: str, value: str, places: tuple[int, ...]) -> str:
        if not places:
            return self.close(line, value)

        def made(part: Any) -> Any:  # noqa: ANN401 - a text, or a list
            if isinstance(part, str):
                return self.close(line, part)
            is_closed = len(part) == 1 and isinstance(part[0], str) and self._is_closed(line, part[0])
            return part if is_closed else [self.close(line, compact(part))]

        return _changed(value, places, made) if self._first is not None else value

    def opened(self, line: str, fields: Mapping[str, str]) -> Mapping[str, str]:
        """Return fields as they were before `closed`. Raises BrokenRecord as `open` does."""
        found = {
            name: self._opened(line, kept, places) for name, kept in fields.items()
            if MARK in kept and (places := _places(name)) is not None
        }  # fmt: skip
        return {**fields, **found} if found else fields

    def _opened(self, line: str, kept: str, places: tuple[int, ...]) -> str:
        if not places:
            return self.open(line, kept)

        def made(part: Any) -> Any:  # noqa: ANN401 - a text, or a list
            if isinstance(part, str):  # a script put later words behind the first
                return "\n".join(self.open(line, each) for each in part.split("\n"))
            if len(part) == 1 and isinstance(part[0], str) and part[0][:1] == MARK:
                return parsed(self.open(line, part[0]))
            return part

        return _changed(kept, places, made)

    def outdated(self, line: str, fields: Mapping[str, str]) -> Mapping[str, str]:
        """Return those fields in which something is closed with a former key, opened. Raises BrokenRecord as `open`
        does.
        """
        return self.opened(line, {n: kept for n, kept in fields.items() if any(mark in kept for mark in self.former)})

    # -- messages --------------------------------------------------------------------------------------------------

    def closed_message(self, line: str, body: str) -> str:
        """Return a message as an inbox keeps it: in an object, to which a script can add when it came."""
        return f"{_MESSAGE}{self.close(line, body)}{_ENDS}" if self._first is not None else body

    def opened_message(self, line: str, kept: str) -> str:
        """Return a message as it was, with what a script added. Raises BrokenRecord as `open` does."""
        if not kept.startswith(_MESSAGE):
            return kept
        closed, _, added = kept[len(_MESSAGE) :].partition('"')
        return f"{self.open(line, closed)[:-1]}{added}"

    def closed_entry(self, entry: str) -> str:
        """Return a message that belongs to no order as its stream keeps it: its reason, line and key stay legible."""
        before, name, message = entry.partition(_NAMED)
        return f"{before}{name}{self.closed_message(_line_in(before), message[:-1])}}}" if name else entry

    def opened_entry(self, entry: str) -> str:
        """Return a message that belongs to no order as it was. Raises BrokenRecord as `open` does."""
        before, name, message = entry.partition(_NAMED)
        return f"{before}{name}{self.opened_message(_line_in(before), message[:-1])}}}" if name else entry


_NAMED = ',"message":'
_LINE = re.compile(r'"line":"(\w+)"')


def _line_in(entry: str) -> str:
    found = _LINE.search(entry)
    return found[1] if found else ""


def _changed(kept: str, places: tuple[int, ...], made: Callable[[Any], Any]) -> str:
    """Return a row with some of its places changed; one that cannot be read as it is: it bars all the same."""
    try:
        row: Any = parsed(kept)
    except ValueError:
        return kept
    if not isinstance(row, list):
        return kept
    for n in places:
        if n < len(row) and isinstance(row[n], str | list) and row[n]:
            row[n] = made(row[n])
    return compact(row)
