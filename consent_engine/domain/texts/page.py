"""A page that shows a plan: its hash, and every field in the words in which `reads` says it, or as JSON.

Of HTML only what a reader can see counts; the hash may also stand in `<meta name="consent-plan-hash">`. A page in words
of its own names its JSON: `<link rel="alternate" type="application/json" href="...">`.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import Any

from msgspec import Struct

from consent_engine.domain.canonical_json import parsed
from consent_engine.domain.offer.address import PLAIN, Template
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.texts.confirmation_fields import disclosures
from consent_engine.domain.texts.words import CHINESE

HASH = "hash"
META = "consent-plan-hash"
MOST_ITEMS = 1_000
_EMPTY = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
"""Elements that have no content."""
_UNSEEN = frozenset({"script", "style", "template", "noscript", "head", "title"})
_BREAKS = re.compile("[、，,；;。]")
_CHARSET = re.compile(rb"charset=[\"']?([A-Za-z0-9_-]+)", re.IGNORECASE)
_NOT_COMPARED = frozenset({"published", "version"})


class Page(Struct, frozen=True):
    """A page as read. text: visible to a reader · hashes: in its head · items: JSON objects · beside: its JSON's
    address
    """

    text: str = ""
    hashes: frozenset[str] = frozenset()
    items: tuple[dict[str, Any], ...] = ()
    beside: str = ""


def read(content_type: str, body: bytes, how: Template = PLAIN) -> Page:
    """Read a page of any kind; an unreadable one shows nothing. how: as its host's template says"""
    if "json" in content_type.lower():
        return Page(items=tuple(_renamed(each, how) for each in _objects(body, how)))
    named = _CHARSET.search(content_type.encode()) or _CHARSET.search(body[:2_048])
    text = _text(body, named[1].decode() if named else how.charset or "utf-8")
    if "html" not in content_type.lower():
        return Page(_folded(text))
    reader = _Reader(how.within)
    try:
        reader.feed(text)
        reader.close()
    except (AssertionError, ValueError):  # raised by older versions of the library for a malformed declaration
        return Page()
    return Page(_folded(" ".join(reader.words)), frozenset(reader.hashes), beside=reader.beside)


def lacking(plan: Plan, page: Page) -> tuple[str, ...]:
    """Return the names of the fields of a plan that a page does not show: its hash, and each of its fields."""
    if page.items:
        item = next((each for each in page.items if each.get(HASH) == plan.hash), None)
        if item is None:
            return (HASH,)
        fields = {name: value for name, value in parsed(plan.encode()).items() if name not in _NOT_COMPARED}
        return tuple(name for name, value in fields.items() if item.get(name) != value)
    lacks = [] if plan.hash in page.hashes or _shows(page.text, plan.hash) else [HASH]
    texts = {"name": plan.name, **disclosures(plan)[CHINESE]}
    # Each part of a sentence may stand in any place: a page lays out as it likes.
    parts = {name: [part for part in _BREAKS.split(words) if part.strip()] for name, words in texts.items()}
    every = {part for each in parts.values() for part in each}
    return (*lacks, *(name for name, each in parts.items() if not all(_tells(page.text, p, every) for p in each)))


def _tells(text: str, part: str, every: Iterable[str]) -> bool:
    """Whether a part stands in the text by itself: a price within the words on renewal is not the price."""
    for longer in every:
        if part != longer and part in longer:
            text = re.sub(_pattern(longer), " ", text)
    return _shows(text, part)


def _shows(text: str, words: str) -> bool:
    """Whether words stand in the text, with any blanks between them; 99 does not stand in 199, nor in 99.50."""
    return re.search(_pattern(words), text) is not None


def _pattern(words: str) -> str:
    letters = [re.escape(letter) for letter in _folded(words) if letter != " "]
    return rf"(?<![0-9.])(?:{' ?'.join(letters)})(?![0-9]|\.[0-9])"


def _folded(text: str) -> str:
    """Fold a text: at most one blank between letters, and no difference that readers do not see."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _text(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _objects(body: bytes, how: Template) -> Iterator[dict[str, Any]]:
    try:
        said = parsed(body.decode())
    except ValueError:
        said = None
    for name in how.items.split(".") if how.items else ():
        said = said.get(name) if isinstance(said, dict) else None
    listed = said.get("items", [said]) if isinstance(said, dict) else said
    found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    yield from found[:MOST_ITEMS] or [{}]


def _renamed(item: dict[str, Any], how: Template) -> dict[str, Any]:
    """Return a plan under the names of its fields; a page's name that the template translates counts only as such."""
    others = {name: value for name, value in item.items() if name not in how.fields}
    return others | {name: item[theirs] for theirs, name in how.fields.items() if theirs in item}


class _Reader(HTMLParser):
    """The visible words of a page, and the marks for programs in its head. within: the id of the element that counts"""

    def __init__(self, within: str = "") -> None:
        super().__init__()
        self._within = within
        self._tag = ""  # the tag of that element, while it is open
        self._depth = 0
        self.words: list[str] = []
        self.hashes: list[str] = []
        self.beside = ""
        self._unseen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if self._tag:
            self._depth += tag == self._tag
        elif self._within and attributes.get("id") == self._within and tag not in _EMPTY:
            self._tag, self._depth = tag, 1
        if tag in _UNSEEN:
            self._unseen.append(tag)
        elif tag == "body":  # a head need not be closed
            self._unseen.clear()
        elif tag == "meta" and attributes.get("name") == META:
            self.hashes.append(attributes.get("content", "").strip())
        elif tag == "link" and attributes.get("rel") == "alternate" and "json" in attributes.get("type", ""):
            self.beside = self.beside or attributes.get("href", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._tag:  # only tags of the same name: others need not be closed
            self._depth -= 1
            self._tag = tag if self._depth else ""
        if tag in self._unseen:
            while self._unseen.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._unseen and (self._tag or not self._within):
            self.words.append(data)
