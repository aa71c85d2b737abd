"""The verifier of evidence and inspection files: published, sent, answered and activated agree, by the file alone.

It stands alone: a copy of this file, Python from 3.11 on and `cryptography` are all it takes, without a network:

    python verify.py FILE [--trust KEYS]

An evidence file has the chains of one order, of its call and of its ending, as they were kept: each link is the text
that was hashed. A head is SHA-256 of the head before, a line break and the link. A link names the salted hash of its
person part, so that a person can be erased and the chain still holds. `account` says in names and in instants what is
in the links; it is made by this file (`account_of`), and compared. An inspection file has the figures of a period, and
calls that were drawn by a seed, each as its chain.
"""

import hashlib
import json
import re
import sys
import unicodedata
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from math import inf
from pathlib import Path
from struct import error as StructError  # noqa: N812 - an exception is named as one
from struct import unpack
from types import UnionType
from typing import Any, Literal, NamedTuple, Self, TypedDict, get_args, get_origin, get_type_hints, is_typeddict

FORMAT, INSPECTION = "consent-evidence/1", "consent-inspection/1"
SOUND, BROKEN, NO_EVIDENCE = 0, 1, 2
"""Exit statuses."""
SHADOW = "shadow-"
"""How the refs begin that an engine gives itself where it only writes down what another system does."""
Kind = Literal["order", "call", "ending"]
CHINA = timezone(timedelta(hours=8))
SKEW_MS = 60_000
"""How far two clocks may differ: those of a desk and of the store, or of two servers of the store."""


# -- the file ----------------------------------------------------------------------------------------------------------


class Link(TypedDict):
    """A link of a chain. public: the text that is hashed · person: its person part; null: it has none, or is erased"""

    public: str
    person: str | None


class Leaf(TypedDict):
    """A chain in the log. number: of the entry, from 0 · path: the hashes from it to the root, in base64 (RFC 9162)"""

    number: int
    entry: str
    path: list[str]


class Chain(TypedDict):
    """A chain, from its first link. leaf: its newest entry that the log has; null: none is in a checkpoint yet"""

    kind: Kind
    links: list[Link]
    leaf: Leaf | None


class Span(TypedDict):
    """A version of the plan with this content was on sale, and known, from an instant until another; null: none"""

    version: int
    since: str | None
    until: str | None


class Catalogued(TypedDict):
    """The plan in the catalogue. content: as it was stored, JSON · by: who proposed it, and who approved it"""

    content: str
    spans: list[Span]
    by: list[str]


class Text(TypedDict):
    """The text of an SMS. event: its hand-over in the order's chain · text: null where it cannot be written again"""

    event: int
    text: str | None


class Logged(TypedDict):
    """The log. checkpoint: a signed note with its cosignatures · token: an RFC 3161 time-stamp of it, in base64"""

    checkpoint: str
    token: str | None


class Sold(TypedDict):
    """Who sold. key: of the program that placed the order · recording: of the call · sha256: empty where not given"""

    carrier: str
    seller: str
    agent: str
    key: str
    caller: str
    recording: str
    sha256: str
    agreed_at: str


class Publication(TypedDict):
    """A channel that shows the plan. since: null where the catalogue says none"""

    channel: str
    url: str
    since: str | None
    until: str | None


class Published(TypedDict):
    """The plan as it was sold. hash: SHA-256 of its content · then: whether hall and app both showed it when the
    subscriber agreed and when the order was placed; null where the catalogue has it no more
    """

    code: str
    version: int
    name: str
    filing: str
    hash: str
    then: bool | None
    channels: list[Publication]


class Told(TypedDict):
    """The question. text: null where it had a code and is erased · delivered_at: null where nobody reported it"""

    at: str
    text: str | None
    segments: int
    delivered_at: str | None


class Answered(TypedDict):
    """The yes. text: as it came; null where it is erased · folded: in plain forms, without blanks and marks · rule: by
    which it was found to mean this order among the candidates · edition: of the words that read it
    """

    received_at: str
    text: str | None
    folded: str | None
    edition: int | None
    rule: str
    candidates: list[str]


class Activated(TypedDict):
    """The activation. ref: the BSS's · head: of the chain after the yes, which the BSS was given"""

    at: str
    ref: str
    head: str


class TakenBack(TypedDict):
    """The termination. off_at: when the BSS had switched the service off; null: not yet"""

    cause: str
    asked_at: str
    off_at: str | None


class Happened(TypedDict):
    """A link in names, its instants by the clock in China. person: its person part without the salt; null: it has none,
    or it is erased · sms: the text that it says was handed over
    """

    chain: Kind
    event: int
    at: str
    what: str
    by: str
    ref: str
    detail: dict[str, Any]
    person: dict[str, Any] | None
    sms: str | None


class Account(TypedDict):
    """What the links say. heads: of the chains · missing: what an evidence file can have, and this one lacks"""

    order: str
    number: str | None
    sold: Sold
    published: Published
    told: Told | None
    answered: Answered | None
    activated: Activated | None
    taken_back: TakenBack | None
    heads: dict[str, str]
    events: list[Happened]
    missing: list[str]


class File(TypedDict):
    """An evidence file. as_of: it has all that was committed before · offer: the plan, the question and the policy that
    were frozen in the order, as hashed · texts: of SMS that are not frozen · keys: of the log and of its witnesses ·
    rotations: the notes by which one key of the log follows another · signature: a signed note over the hash of all the
    rest
    """

    evidence: str
    made_at: str
    made_by: str
    as_of: str | None
    chains: list[Chain]
    offer: str
    plan: Catalogued | None
    texts: list[Text]
    log: Logged | None
    keys: list[str]
    rotations: list[str]
    account: Account
    signature: str | None


class Figure(TypedDict):
    """Calls of the period, by carrier. figure: how they ended, or a violation, those that were taken back included"""

    carrier: str
    figure: str
    calls: int


class Coverage(TypedDict):
    """Recorded calls of a day, a carrier or an agent (by), those a reviewer heard, and those that failed for good"""

    by: str
    key: str
    recorded: int
    reviewed: int
    failed: int


class Forbidden(TypedDict):
    """A call with violations"""

    call: str
    at: str
    carrier: str
    agent: str
    violations: list[str]


class Complaints(TypedDict):
    """Reports of calls that came in the period. overdue: open, their answer late when the file was made"""

    carrier: str
    what: str
    state: str
    reports: int
    overdue: int


class Exposed(TypedDict):
    """An order of the period whose service was activated, and what its evidence lacks, by the words of MISSING"""

    order: str
    missing: list[str]


class Compared(TypedDict):
    """A CDR file of the exchange that was compared with the calls reported. file: its SHA-256"""

    at: str
    file: str
    carrier: str
    since: str
    until: str
    calls: int
    unreported: int
    doubted: int
    refused: int


class Inspection(TypedDict):
    """An inspection file: calls that began, orders that were placed and complaints that came in a period. drawn: of so
    many `calls`, by the seed, as chains without person parts · activated: orders whose service was · rest: how many
    calls with violations, and how many orders with incomplete evidence, are not listed
    """

    inspection: str
    made_at: str
    made_by: str
    as_of: str | None
    since: str
    until: str
    seed: str
    sample: int
    calls: int
    drawn: list[Chain]
    figures: list[Figure]
    coverage: list[Coverage]
    violations: list[Forbidden]
    complaints: list[Complaints]
    activated: int
    exposure: list[Exposed]
    rest: list[int]
    reconciliations: list[Compared]
    log: Logged | None
    keys: list[str]
    rotations: list[str]
    signature: str | None


class NotEvidence(ValueError):
    """It is no evidence file and no inspection file, of another format, or its yes by words that are not known here."""


class Broken(ValueError):
    """A link of the proof is broken. link: its name"""

    def __init__(self, link: str, why: str) -> None:
        super().__init__(f"{link}: {why}")
        self.link = link


def _is(kind: object, value: Any, at: str) -> None:  # noqa: ANN401 - JSON
    """Compare a value with a type. Raises Broken, naming the place."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        if value is not None:
            _is(inner[0], value, at)
        return
    plain = dict if is_typeddict(kind) else origin or kind
    if not (kind is Any or (value in inner if origin is Literal else type(value) is plain)):
        raise Broken(at, f"must be {getattr(plain, '__name__', kind)}")
    if is_typeddict(kind):
        _has(kind, value, at)
    elif plain in {list, dict}:
        rows: Iterable[tuple[object, Any]] = enumerate(value) if plain is list else value.items()
        for name, each in rows:
            _is(inner[-1], each, f"{at}.{name}")


def _has(kind: object, value: Mapping[str, Any], at: str) -> None:
    hints = _hints(kind)
    if value.keys() != hints.keys():
        raise Broken(at or "file", f"must have {', '.join(hints)}, and nothing else")
    for name, each in hints.items():
        _is(each, value[name], f"{at}.{name}" if at else name)


@lru_cache
def _hints(kind: Any) -> Mapping[str, object]:  # noqa: ANN401 - a type
    return get_type_hints(kind)


# -- the links, in names -----------------------------------------------------------------------------------------------

CALL_DOC = (
    *("id", "registered_at", "placed_by", "agent", "request", "person", "carrier", "official", "script", "permit"),
    *("started_at", "violations", "ordered"),
)
ENDING_DOC = (
    *("id", "order", "asked_at", "cause", "channel", "by", "reason", "carrier", "plan", "plan_version", "plan_hash"),
    *("activation", "activated_at", "holder_since", "called_at", "language", "name", "receipt", "person", "free"),
    "agent",
)
ORDER_DOC = (
    *("offer", "id", "placed_at", "placed_by", "agent", "request", "person", "caller_number", "recording_id"),
    *("started_at", "agreed_at", "sub", "code", "asks_code", "segments", "call_id"),
)
ORDER_EVENT = ("at", "op", "ref", "by", "detail", "person")
CALL_EVENTS = {
    "ended": ("at", "op", "by", "ended_at", "outcome", "plan", "recording", "disclosures", "violations"),
    "abandoned": ("at", "op"),
    "judged_again": ("at", "op", "shown", "taken_back"),
    "order_refused": ("at", "op", "by", "code"),
    "reviewed": ("at", "op", "by", "passed", "reasons", "note", "heard", "unplayed"),
    "second_look": ("at", "op", "by", "upheld", "note", "heard", "unplayed"),
    "command_heard": ("at", "op", "by", "passed", "reasons", "seed", "share"),
    "transcribed": ("at", "op", "by", "lines", "person"),
    "not_awaited": ("at", "op", "by", "note"),
}
ENDING_EVENTS = {
    "switched_off": ("at", "op", "by", "ref", "stops", "attempts", "doubts", "settled"),
    "failed": ("at", "op", "by", "reason"),
    "retried": ("at", "op", "by"),
    "switched_off_again": ("at", "op", "by", "ref"),
    "told": ("at", "op", "by", "effect", "why"),
    "given_up": ("at", "op", "by", "reason"),
}
"""The names of what is kept by position; a test holds them to the types."""
_EVENTS: Mapping[str, Mapping[str, Sequence[str]]] = {"order": {}, "call": CALL_EVENTS, "ending": ENDING_EVENTS}
_LETTER = {"order": "o", "call": "c", "ending": "e"}


class Event(NamedTuple):
    """A link in names. n: its place in the chain, 0 for the first link"""

    n: int
    what: str
    row: Mapping[str, Any]
    person: Mapping[str, Any] | None

    @property
    def at(self) -> int:
        """Its instant, in milliseconds."""
        return int(
            next(self.row[name] for name in ("at", "placed_at", "registered_at", "asked_at") if name in self.row)
        )

    @property
    def detail(self) -> Mapping[str, Any]:
        """The facts of an order's event."""
        found: Mapping[str, Any] = self.row.get("detail", {})
        return found


class Read(NamedTuple):
    """A chain that was read. heads: after each link"""

    kind: Kind
    events: Sequence[Event]
    heads: Sequence[str]

    @property
    def doc(self) -> Mapping[str, Any]:
        """The first link."""
        return self.events[0].row

    def all(self, *what: str) -> list[Event]:
        """Every event of these kinds, oldest first."""
        return [event for event in self.events if event.what in what]

    def last(self, *what: str) -> Event | None:
        """The newest event of these kinds."""
        return next(iter(self.all(*what)[::-1]), None)


def digest(text: str) -> str:
    """SHA-256 of a text, base64url without padding."""
    return urlsafe_b64encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()).decode().rstrip("=")


def _json(text: str) -> Any:  # noqa: ANN401 - JSON
    """Read JSON. Raises Broken where an object has a name twice: of two readers each may take another value."""
    return json.loads(text, object_pairs_hook=_each_once)


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Broken("file", f"has {name} twice in one object")
        found[name] = value
    return found


_UNREADABLE = (
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    StopIteration,
    ArithmeticError,
    RecursionError,
    OSError,
    StructError,
)
"""What reading JSON of another shape raises."""


def read_chain(chain: Chain) -> Read:
    """Read a chain: its heads are computed, its person parts compared with the hashes. Raises Broken."""
    kind, head, events, heads = chain["kind"], "", list[Event](), list[str]()
    for n, link in enumerate(chain["links"]):
        at = f"{kind}, {f'event {n}' if n else 'first link'}"
        head = digest(f"{head}\n{link['public']}")
        heads.append(head)
        try:
            event = Event(n, *_named(kind, _json(link["public"]), first=not n), _person(link))
            events.append(event)
            _ = event.at, _when(event.at)
        except _UNREADABLE:
            raise Broken(at, "cannot be read") from None
        named = event.row.get("person")
        if link["person"] is not None and digest(link["person"]) != named:
            raise Broken(at, "its person part is not the one that it names by its hash")
    if not events:
        raise Broken(kind, "has no link")
    return Read(kind, events, heads)


def _named(kind: str, row: Any, *, first: bool) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - JSON
    names: Sequence[str]
    if first and kind == "order":
        offer, head, call, question, call_id = row
        return "placed", dict(zip(ORDER_DOC, (offer, *head, *call, *question, call_id), strict=True))
    if first:
        what, names = ("called", CALL_DOC) if kind == "call" else ("asked_to_end", ENDING_DOC)
        return what, dict(zip(names, row, strict=False))
    what, *values = row
    names = ORDER_EVENT if kind == "order" else _EVENTS[kind][what]
    return str(what), dict(zip(names, values, strict=False))


def _person(link: Link) -> Mapping[str, Any] | None:
    if link["person"] is None:
        return None
    person = _json(link["person"])
    return {name: value for name, value in person.items() if name != "salt"}


# -- the account -------------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """A file that was read. offer: in names · tariff: frozen with it · plan: the catalogue's, as JSON"""

    file: Mapping[str, Any]
    order: Read
    call: Read | None
    ending: Read | None
    offer: Mapping[str, Any]
    plan: Mapping[str, Any] | None
    question: str | None

    @property
    def chains(self) -> list[Read]:
        """All of its chains."""
        return [each for each in (self.order, self.call, self.ending) if each is not None]

    @property
    def apart(self) -> float:
        """How far the instants of two chains may differ: as far as two clocks may, and without a limit where a chain
        shows that the store's clock was set back, for then instants do not say which event was first.
        """
        pairs = [pair for each in self.chains for pair in zip(each.events, each.events[1:], strict=False)]
        return inf if any(event.at < before.at - SKEW_MS for before, event in pairs) else SKEW_MS


_OFFER = ("carrier", "plan", "version", "hash", "name", "sender", "language", "words", "text", "segments")


def _case(file: Mapping[str, Any]) -> Case:
    """Read the links of a file. Raises Broken."""
    kinds = [chain["kind"] for chain in file["chains"]]
    if kinds not in (["order", *rest] for rest in ([], ["call"], ["ending"], ["call", "ending"])):
        raise Broken("chains", "must be the order's, then its call's and its ending's, each once")
    chains = {chain["kind"]: read_chain(chain) for chain in file["chains"]}
    order, link = chains["order"], "offer"
    if digest(file["offer"]) != order.doc["offer"]:
        raise Broken("offer", "is not the one that the order names by its hash")
    try:
        carrier, plan, question, policy, tariff = _json(file["offer"])
        offer = dict(zip(_OFFER, (carrier, *plan, *question), strict=True)) | {"window": policy[0], "tariff": tariff}
        asked, link = _question(order, offer), "plan"
        catalogued = _json(file["plan"]["content"]) if file["plan"] else None
    except _UNREADABLE:
        raise Broken(link, "cannot be read") from None
    return Case(file, order, chains.get("call"), chains.get("ending"), offer, catalogued, asked)


_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def _question(order: Read, offer: Mapping[str, Any]) -> str | None:
    """The question as frozen: with a code it is a person part, else the offer's with the call's instant filled in."""
    person = order.events[0].person
    if order.doc["asks_code"]:
        return None if person is None else str(person.get("text"))
    at = datetime.fromtimestamp(order.doc["started_at"] // 60_000 * 60, CHINA)
    clock = f"{at.month}月{at.day}日" + (f"{at:%H:%M}" if at.hour or at.minute else "0时")
    if offer["language"] == "en":
        clock = f"{at.day} {_MONTHS[at.month * 3 - 3 : at.month * 3]} {at:%H:%M}"
    return str(offer["text"]).replace("{call_at}", clock, 1)


def account_of(file: Mapping[str, Any]) -> Account:
    """Return the account of a file, which may lack it and its signature. Raises Broken."""
    case = _case(file)
    order = case.order
    asked, yes, on = (order.last(what) for what in ("confirmation_accepted", "said_yes", "service_activated"))
    off = case.ending.last("switched_off") if case.ending else None
    return {
        "order": order.doc["id"], "number": (order.events[0].person or {}).get("msisdn"), "sold": _sold(case),
        "published": _published_of(case), "told": _told_of(case, asked) if asked else None,
        "answered": _answered_of(yes) if yes else None,
        "activated": {"at": _when(on.at), "ref": on.row["ref"], "head": order.heads[yes.n]} if on and yes else None,
        "taken_back": {
            "cause": case.ending.doc["cause"], "asked_at": _when(case.ending.doc["asked_at"]),
            "off_at": _when(off.at) if off else None,
        } if case.ending else None,
        "heads": {each.kind: each.heads[-1] for each in case.chains},
        "events": [_happened(case, each.kind, event) for each in case.chains for event in each.events],
        "missing": list(_missing(case)),
    }  # fmt: skip


def _when(at: int) -> str:
    """An instant as people read it, by the clock in China."""
    return f"{datetime.fromtimestamp(at / 1000, CHINA):%Y-%m-%dT%H:%M:%S}.{at % 1000:03}+08:00"


def _sold(case: Case) -> Sold:
    doc, end = case.order.doc, case.call.last("ended") if case.call else None
    ref, sha256, _ = (end.row["recording"] if end else None) or ("", "", 0)
    return {
        "carrier": case.offer["carrier"], "seller": case.offer["tariff"].get("seller", ""), "agent": doc["agent"],
        "key": doc["placed_by"], "caller": doc["caller_number"], "recording": doc["recording_id"] or ref,
        "sha256": sha256, "agreed_at": _when(doc["agreed_at"]),
    }  # fmt: skip


def _told_of(case: Case, asked: Event) -> Told:
    here = [e for e in case.order.all("delivered") if e.detail["effect"].startswith(_ASKING)]
    return {
        "at": _when(asked.at), "text": case.question, "segments": case.order.doc["segments"],
        "delivered_at": _when(here[0].detail.get("stamped") or here[0].at) if here else None,
    }  # fmt: skip


def _answered_of(yes: Event) -> Answered:
    detail, text = yes.detail, (yes.person or {}).get("text")
    return {
        "received_at": _when(detail["received_at"]), "text": text, "folded": None if text is None else letters(text),
        "edition": detail.get("edition"), "rule": detail["rule"], "candidates": detail["candidates"],
    }  # fmt: skip


def _published_of(case: Case) -> Published:
    doc, offer, kept = case.order.doc, case.offer, case.file["plan"]
    rows: list[Publication] = [
        {"channel": each["channel"], "url": each["url"], "since": each.get("since"), "until": each.get("until")}
        for each in (case.plan or {}).get("published", ())
    ]
    then = None if kept is None else all(_public(kept, rows, at) for at in (doc["agreed_at"], doc["placed_at"]))
    return {
        "code": offer["plan"], "version": offer["version"], "name": offer["name"], "hash": offer["hash"],
        "filing": offer["tariff"].get("filing", ""), "then": then, "channels": rows,
    }  # fmt: skip


def _public(kept: Mapping[str, Any], rows: Sequence[Publication], at: int) -> bool:
    """Whether the content was on sale at an instant, and hall and app both showed it."""
    shown = {row["channel"] for row in rows if row["since"] and _covers(row, at)}
    return any(_covers(span, at) for span in kept["spans"]) and shown >= {"web_hall", "app"}


def _covers(span: Mapping[str, Any], at: int) -> bool:
    since, until = span["since"], span["until"]
    # The desk's clock may be ahead, and an order is saved moments after the catalogue was read.
    return (since is None or _millis(since) <= at) and (until is None or at < _millis(until) + SKEW_MS)


def _millis(text: str) -> int:
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=CHINA)).timestamp() * 1000)


def _happened(case: Case, kind: Kind, event: Event) -> Happened:
    told = {each["event"]: each["text"] for each in case.file["texts"]} if kind == "order" else {}
    detail = {**{name: value for name, value in event.row.items() if name not in _APART}, **event.detail}
    if permit := detail.get("permit"):
        detail["permit"] = _permit(permit)
    return {
        "chain": kind, "event": event.n, "at": _when(event.at), "what": event.what, "by": event.row.get("by", ""),
        "ref": event.row.get("ref", ""), "detail": {name: _readable(value) for name, value in detail.items()},
        "person": {name: _readable(value) for name, value in event.person.items()} if event.person else None,
        "sms": case.question if kind == "order" and _purpose(event) == "confirmation" else told.get(event.n),
    }  # fmt: skip


_APART = frozenset({"at", "by", "ref", "person", "detail"})


def _readable(value: Any) -> Any:  # noqa: ANN401 - JSON
    """A value with its instants as people read them: no other number is as large as one in milliseconds."""
    if isinstance(value, list):
        return [_readable(each) for each in value]
    return _when(value) if type(value) is int and value >= _INSTANT else value


_INSTANT = 10**11


def _permit(token: str) -> dict[str, Any]:
    """The permit in a token. Only its maker can tell that it is genuine: the call has a violation where it was not."""
    _, _, request, _, _, since, lasts = unpack(">BB8s12s8sQI", urlsafe_b64decode(token)[:42])
    return {"token": token, "request": request.hex(), "since": _when(since), "until": _when(since + lasts)}


def _purpose(event: Event) -> str:
    """The purpose of the SMS whose hand-over an order's event records; "" for any other."""
    if event.what in {"confirmation_accepted", "informed", "notification_accepted"}:
        return str(event.detail.get("purpose", "confirmation"))
    effect = str(event.detail.get("effect", ""))
    accepted = event.what == "ended_late" and event.detail.get("outcome") == "accepted"
    return effect.split(".")[1] if accepted and effect.startswith("sms.") else ""


_ASKING = "sms.confirmation."


def missing_of(file: Mapping[str, Any]) -> list[str]:
    """The words of MISSING for what a file lacks, which may lack its account, too. Raises Broken."""
    return list(_missing(_case(file)))


MISSING = {
    "person": "a person part, which is erased",
    "entry": "its entry in a checkpoint of the log",
    "entries": "its last events in a checkpoint of the log",
    "text": "the text of the SMS",
    "call": "the record of the call",
    "review": "a review of the call",
    "permit": "a permit to dial",
    "post": "the gateway's post of the reply",
    "plan": "the plan in the catalogue",
    "checkpoint": "a checkpoint of the log",
    "token": "a time-stamp of the checkpoint",
    "bytes": "the bytes of the gateway's reports, which are not kept",
}
"""What an evidence file can have, by the word for it in `missing`; a chain, or its event, may follow that."""


def _missing(case: Case) -> Iterator[str]:
    for chain, kept in zip(case.chains, case.file["chains"], strict=True):
        if any(event.row.get("person") and event.person is None for event in chain.events):
            yield f"person {chain.kind}"
        if kept["leaf"] is None:
            yield f"entry {chain.kind}"
        elif int(kept["leaf"]["entry"].split(" ")[2]) < len(chain.events) - 1:
            yield f"entries {chain.kind}"
    yes = case.order.last("said_yes")
    if yes and yes.person and "posted" not in yes.person:
        yield f"post order {yes.n}"
    told = {each["event"] for each in case.file["texts"] if each["text"] is not None}
    sms = [e for e in case.order.events if _purpose(e) not in {"", "confirmation"} and e.n not in told]
    notices = [e for e in case.ending.all("told") if e.row["effect"]] if case.ending else []
    yield from (f"text order {event.n}" for event in sms)
    yield from (f"text ending {event.n}" for event in notices)
    log, call = case.file["log"], case.call
    there = {
        "call": call, "review": call and call.all("reviewed"), "permit": call and call.doc["permit"],
        "plan": case.plan, "checkpoint": log, "token": log and log["token"], "bytes": None,
    }  # fmt: skip
    yield from (name for name, found in there.items() if not found)


# -- the reply ---------------------------------------------------------------------------------------------------------

YES = dict.fromkeys(
    (3, 4, 5),
    (
        *("是", "是的", "同意", "我同意", "本人同意", "确认", "我确认", "本人确认", "同意办理", "确认办理"),
        *("同意开通", "确认开通", "我同意办理", "我确认办理", "我同意开通"),
        *("y", "yes", "iagree", "yesiagree", "confirm", "yplease", "yesplease"),
    ),
)
"""By edition, the closed list of what is consent, without blanks and marks. Nothing else is."""
_SIMPLE = str.maketrans("確認認眞辦開當産産", "确认认真办开当产产")
_COURTESY = re.compile("^(?:谢谢[你您]?|[你您]好|thankyou|thanks|thx)+|(?:谢谢[你您]?|thankyou|thanks|thx)+$")


_AROUND = re.compile(
    "(?:[^\\W_]|[\\s.。!,、;~()\\[\\]{}<>《》〈〉「」『』【】〔〕“”\"'‘’+:#\ufe0e\ufe0f👍👌🙏😊✅🌹\U0001f3fb-\U0001f3ff-]){0,10000}"
)
"""What a yes consists of: letters, digits, blanks, and the signs that may stand around it."""
_HESITATES = re.compile("[.。][ .。!,、;~]*[.。]")
_TURNED = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
_PLAIN = _SIMPLE | {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


def _plain(text: str) -> str:
    folded = text.casefold().translate(_PLAIN)
    return folded if folded.isascii() else "".join(c for c in folded if unicodedata.category(c) != "Cf")


def letters(text: str) -> str:
    """Fold a reply: plain forms, lower case, simplified characters, without blanks, marks and courtesies."""
    return _COURTESY.sub("", "".join(each for each in _plain(text[:10_000]) if each.isalnum()))


def is_sound(text: str) -> bool:
    """Whether nothing in a reply forbids a yes: it asks nothing, does not trail off, and has no sign or accent but
    those that may stand around one.
    """
    plain = _plain(text)
    return not (_TURNED.search(text) or _HESITATES.search(plain)) and _AROUND.fullmatch(plain) is not None


def is_yes(text: str, edition: int) -> bool:
    """Whether a reply is in the closed list of an edition, with a code or without."""
    said = letters(text)
    words = {said, re.sub("[2-9][0-9]{2}$", "", said), re.sub("^[2-9][0-9]{2}", "", said)}
    return not words.isdisjoint(YES[edition]) and is_sound(text)


# -- the checks --------------------------------------------------------------------------------------------------------


def _real(case: Case) -> Iterator[str]:
    """What was handed over and switched on or off left the engine: a shadow's chain says of itself that nothing did."""
    for chain in case.chains:
        for event in chain.all("confirmation_accepted", "service_activated", "switched_off"):
            if str(event.row["ref"]).startswith(SHADOW):
                said = "is a shadow's: nothing was sent, and no service was switched on or off"
                raise Broken(f"{chain.kind}, event {event.n}", said)
    yield from ()


def _chains_fit(case: Case) -> Iterator[str]:
    """The chains belong together, and are of one number."""
    doc, call, ending = case.order.doc, case.call, case.ending
    named = doc["call_id"], case.offer["carrier"], doc["started_at"], 1
    if call and tuple(call.doc[name] for name in ("id", "carrier", "started_at", "official")) != named:
        raise Broken("call", "is not the call that the order names")
    numbers = {each.kind: each.events[0].person["msisdn"] for each in case.chains if each.events[0].person}
    for kind, number in numbers.items():
        if number != numbers.get("order", number):
            raise Broken(kind, "is of another number than the order")
    if ending and (ending.doc["order"], ending.doc["plan_hash"]) != (doc["id"], case.offer["hash"]):
        raise Broken("ending", "is not of this order and plan")
    yield from ()


def _in_succession(case: Case) -> Iterator[str]:
    """The call began, was agreed to and became an order. Events stand in the order of their chain; where a clock went
    back between two of them, that is said.
    """
    doc = case.order.doc
    if not doc["started_at"] <= doc["agreed_at"] <= doc["placed_at"] + SKEW_MS:
        raise Broken("order, first link", "the call began, was agreed to and became an order in another succession")
    for chain in case.chains:
        for before, event in zip(chain.events, chain.events[1:], strict=False):
            if event.at < before.at:
                yield f"{chain.kind}, event {event.n}: a clock went back by {before.at - event.at} ms"


def _happens(case: Case) -> Iterator[str]:
    """Each event happens to a record in a state in which it can: no yes without a question or after the end, no service
    without a yes or twice, none switched off twice or by an ending that was not asked for anew.
    """
    for chain in case.chains:
        moves = MOVES[chain.kind]
        state = next(iter(moves.values()))[0].split()[0]
        for event in chain.events[1:]:
            before, after = moves.get(event.what, (state, state))
            if state not in before.split():
                said = f"{event.what} does not happen to {_NOUN[chain.kind]} that is {state}"
                raise Broken(f"{chain.kind}, event {event.n}", said)
            state = after or state
    yield from ()


MOVES: Mapping[Kind, Mapping[str, tuple[str, str]]] = {
    "order": {
        "confirmation_accepted": ("agreed", "awaiting_reply"),
        "confirmation_failed": ("agreed awaiting_reply", "undeliverable"),
        "said_yes": ("awaiting_reply", "confirmed"),
        "said_no": ("agreed awaiting_reply confirmed", "declined"),
        "opted_out": ("agreed awaiting_reply confirmed", "declined"),
        "cancelled": ("agreed awaiting_reply confirmed", "cancelled"),
        "window_closed": ("awaiting_reply", "expired"),
        "too_late_to_ask": ("agreed", "expired"),
        "service_activated": ("confirmed", "activated"),
        "activation_refused": ("confirmed", "activation_failed"),
        "notification_accepted": ("activated", "notified"),
        "notification_failed": ("activated", "activated"),
        "given_up": ("activated", "unnotified"),
    },
    "call": {
        "ended": ("up", "ended"),
        "abandoned": ("up", "abandoned"),
        "reviewed": ("ended", "reviewed"),
        "second_look": ("reviewed", "reviewed_twice"),
    },
    "ending": {
        "failed": ("ending", "ending_failed"),
        "retried": ("ending_failed given_up", "ending"),
        "given_up": ("ending_failed", "given_up"),
        "switched_off": ("ending ending_failed given_up", "ended"),
        "switched_off_again": ("ended told", ""),
        "told": ("ended", "told"),
    },
}
"""By kind, events that move a record: from which states, the first of all being the one it begins in, to which one; ""
leaves it where it is. All others are notes, and happen in any.
"""
_NOUN: Mapping[Kind, str] = {"order": "an order", "call": "a call", "ending": "an ending"}


def _lawful(case: Case) -> Iterator[str]:
    """No service was switched on by a yes that came when the call had not ended, or was known to have broken a rule or
    to have failed its review. Whatever of that became known later is said, by name.
    """
    call, yes, on, apart = case.call, case.order.last("said_yes"), case.order.last("service_activated"), case.apart
    if call is None:
        return
    if yes and on:
        ended = next((each for each in call.all("ended") if each.at <= on.at + apart and each.row["recording"]), None)
        if ended is None:
            raise Broken("call", "had not ended, with a recording, when the service was switched on")
        if not call.doc.get("ordered") and case.order.doc["agreed_at"] > ended.row["ended_at"] + SKEW_MS:
            raise Broken("call", "had ended before the subscriber agreed")
        later = [n for n, each in enumerate(call.events) if yes.at - apart <= each.at <= on.at + apart]
        first = next((n for n, each in enumerate(call.events) if each.at >= yes.at - apart), len(call.events))
        stood = [_wrong(Read("call", call.events[:n], ())) for n in (first, *(n + 1 for n in later)) if n]
        if known := set.intersection(*stood):
            raise Broken("call", f"was not in order when the service was switched on: {', '.join(sorted(known))}")
    if wrong := _wrong(call):
        yield f"the call was not in order: {', '.join(sorted(wrong))}"


def _wrong(call: Read) -> set[str]:
    """The rules that a call broke, and the reasons for which a reviewer failed it, unless a second one let it pass."""
    found, review, again = _violations(call), call.last("reviewed"), call.last("second_look")
    if review and not review.row["passed"] and (again is None or again.row["upheld"]):
        found |= {f"failed review: {each}" for each in review.row["reasons"]}
    return found


def _published(case: Case) -> Iterator[str]:
    """The plan in the catalogue is the one that was frozen, by its hash, and was public."""
    if case.plan is None:
        return
    offer, content = case.offer, {name: value for name, value in case.plan.items() if name != "version"}
    content["published"] = [
        [each["channel"], each["url"], *([each["api"]] if each.get("api") else ())] for each in case.plan["published"]
    ]
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    hashed = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
    if (hashed, case.plan["code"], case.plan["version"]) != (offer["hash"], offer["plan"], offer["version"]):
        raise Broken("plan", "is not the one that was sold: its hash, code or version is another")
    if offer["tariff"] != {name: case.plan[name] for name in offer["tariff"] if name in case.plan}:
        raise Broken("plan", "its content is not the one that was frozen in the order")
    if not _published_of(case)["then"]:
        raise Broken("plan", "was not public in hall and app when the subscriber agreed and the order was placed")
    yield from ()


def _told(case: Case) -> Iterator[str]:
    """The question names the plan's figures; the other texts are those whose hash their hand-over has."""
    if case.question is None:
        yield "the question had a code and is erased: its words cannot be compared"
    elif unsaid := _unsaid(case, case.question):
        raise Broken("question", f"does not say {unsaid[0]}")
    handed = {event.n: event for event in case.order.events if _purpose(event) not in {"", "confirmation"}}
    for each in case.file["texts"]:
        event = handed.get(each["event"])
        if event is None:
            raise Broken("texts", f"event {each['event']} is no hand-over of an SMS that is not frozen")
        told = event.detail.get("text")
        if told and each["text"] is not None and digest(each["text"]) != told:
            raise Broken(f"order, event {event.n}", "its SMS had another text: its hash is another")


def _costs(tariff: Mapping[str, Any]) -> list[str]:
    """The amounts that a plan costs."""
    price, term = tariff["price"], tariff["term"]
    found = [price.get(name) for name in ("monthly", "once", "daily")]
    found += [(price.get("promotion") or {}).get("price"), (term.get("early_fee") or {}).get("at_most")]
    return [each for each in found if each is not None]


def _unsaid(case: Case, text: str) -> list[str]:
    """What the question has to say and does not: the plan's name and costs, who called, and the code it asks for."""
    doc, tariff = case.order.doc, case.offer["tariff"]
    name = str((tariff.get("english") or {}).get("name") if case.offer["language"] == "en" else case.offer["name"])
    # Figures in the plan's name are no price.
    said = {Decimal(each) for each in re.findall(r"[0-9]+(?:\.[0-9]+)?", text.replace(name, ""))}
    figures = [*_costs(tariff), doc["caller_number"], *([doc["code"]] if doc["asks_code"] else [])]
    return [*([] if name in text else [name]), *(each for each in figures if Decimal(each) not in said)]


OFFICIAL = {"mobile": ("10085", "10086"), "telecom": ("10001", "10000"), "unicom": ("10016", "10010")}
"""The numbers of each carrier: the one it sells from and its hotline. Its SMS come from one that begins with either."""
RULES = frozenset({"sub_number", "code", "only_order", "which_one"})
"""The rules by which a yes is found to mean one order."""


def _answered(case: Case) -> Iterator[str]:
    """The yes came from that number, answers this order, in time, after the question, and is in the closed list."""
    order, yes = case.order, case.order.last("said_yes")
    if yes is None:
        return
    link, detail = f"order, event {yes.n}", yes.detail
    before = Read("order", order.events[: yes.n], order.heads)
    _counts(before, detail, link)
    asked = before.last("confirmation_accepted")
    if asked is None:  # `_happens` lets no such file pass
        return
    if detail["received_at"] > _deadline(before, asked, case.offer["window"]):
        raise Broken(link, "a yes after its time was over")
    written = detail.get("written_by")
    if detail["received_at"] < asked.detail["last"] - case.apart or (
        written is not None and written < min(asked.detail["last"], asked.at) - case.apart
    ):
        raise Broken(link, "a yes before the question was sent")
    known = detail["keyword"] == "YES" and detail["rule"] in RULES
    if not known or order.doc["id"] not in detail["candidates"]:
        raise Broken(link, "is no yes to this order")
    if yes.person is None:
        yield "the yes is erased: its words cannot be compared"
        return
    asker = (order.events[0].person or {}).get("msisdn")
    if asker is not None and yes.person.get("msisdn") != asker:
        raise Broken(link, "came from another number than the one that was asked")
    _words(case, yes, link)
    check_post(yes.person, link)


def check_post(person: Mapping[str, Any], link: str) -> None:
    """A gateway's post, where it is kept, has the number and the words that were read of it. Raises Broken.

    person: `msisdn`, `text`, and `posted`: JSON, of a reply in parts the list of their posts, each with the number
    """
    if "posted" not in person:
        return
    try:
        post = json.loads(person["posted"])
    except (ValueError, RecursionError, TypeError):
        raise Broken(link, "the gateway's post cannot be read") from None
    begun, text = {""}, str(person["text"])
    for part in post if isinstance(post, list) else [post]:
        said = list(_strings(part))
        if not any(_digits(each).endswith(person["msisdn"].removeprefix("+86")) for each in said):
            raise Broken(link, "the gateway's post has another number")
        begun = {start + each for start in begun for each in said if text.startswith(start + each)}
    if text not in begun:
        raise Broken(link, "the gateway's post has other words")


def _digits(text: str) -> str:
    return re.sub("[^0-9]", "", unicodedata.normalize("NFKC", text))


def _strings(said: object) -> Iterator[str]:
    """The strings and whole numbers in a post, and the texts that hex digits among them can stand for."""
    left = [said]
    while left:
        match left.pop():
            case dict() as fields:
                left += fields.values()
            case list() as items:
                left += items
            case str() | int() as each:
                yield str(each)
                for charset in ("utf-8", "utf-16-be") if re.fullmatch("(?:[0-9a-fA-F]{2})+", str(each)) else ():
                    yield bytes.fromhex(str(each)).decode(charset, "replace")


def _counts(before: Read, detail: Mapping[str, Any], link: str) -> None:
    """When the yes came, words that may be a refusal waited for no person, and a bare yes was enough. Raises Broken."""
    waits, anew = {True: False, False: False}, False
    early = before.last("replied_early") if detail.get("early") else None
    for event in before.all("suspected", "resumed", "replied_suspect"):
        if early is not None and event.n > early.n:
            break
        if event.what == "suspected":
            waits[event.detail.get("reason") == "doubtful"] = True
        elif event.what == "resumed":
            waits[bool(event.detail.get("doubtful"))] = False
        anew = anew or bool(event.detail.get("needs_code") or event.detail.get("asked"))
    if any(waits.values()):
        raise Broken(link, "a yes while words that may be a refusal waited for a person")
    if anew and detail["rule"] == "only_order":
        raise Broken(link, "a yes without the code that was asked for")


def _words(case: Case, yes: Event, link: str) -> None:
    person, detail, doc = yes.person or {}, yes.detail, case.order.doc
    rule, edition, said = detail["rule"], detail.get("edition"), letters(str(person["text"]))
    to = re.sub("^(?:tel)?(?:(?:00)?86)?(?=1)", "", letters(str(person["to"])))
    if any(to.startswith(numbers) for carrier, numbers in OFFICIAL.items() if carrier != case.offer["carrier"]):
        raise Broken(link, "was sent to another carrier's number")
    ours = re.fullmatch(rf"{re.escape(case.offer['sender'])}(.+)", to)
    if (ours or rule == "sub_number") and not (doc["sub"] and ours and ours[1] == doc["sub"]):
        raise Broken(link, "was sent to another number than the order's own")
    if rule == "which_one":
        which = [e.detail["which"] for e in case.order.all("unclear") if e.n < yes.n and e.detail.get("which")]
        if said != doc["code"] or which[-1:] != ["YES"] or not is_sound(str(person["text"])):
            raise Broken(link, "is not the code of a yes that was asked for")
        return
    if edition not in YES:
        raise NotEvidence(
            f"the yes was read by words of edition {edition}, which this verifier does not know: take a newer one"
        )
    if not is_yes(str(person["text"]), edition):
        raise Broken(link, "its words are not in the closed list of what is consent")
    proves = any(e.detail.get("asked") for e in case.order.all("replied_suspect") if e.n < yes.n)
    if (proves or rule == "code" or said not in YES[edition]) and doc["code"] not in {said[-3:], said[:3]}:
        raise Broken(link, "has another code than the order's")


def _deadline(before: Read, asked: Event, otherwise: int) -> int:
    """Until when a yes counts: the window from the hand-over, or from the handset where the gateway reports that."""
    window, undelivered = asked.detail.get("window") or otherwise, asked.detail.get("undelivered")
    if undelivered is None:
        return int(asked.at + window)
    here = [each.at for each in before.all("delivered") if each.detail["effect"].startswith(_ASKING)]
    return int(max(asked.at, here[0]) + window if here else asked.at + undelivered)


def _taken_back(case: Case) -> Iterator[str]:
    """What was taken back is the order's activation, which the ending names: so it was asked for after that."""
    on, ending = case.order.last("service_activated"), case.ending
    if ending and (on is None or (ending.doc["activation"], ending.doc["activated_at"]) != (on.row["ref"], on.at)):
        raise Broken("ending", "takes back another activation than the order's")
    yield from ()


def _same(case: Case) -> None:
    """The account says what the links say."""
    made = account_of(case.file)
    if (place := _differs(made, case.file["account"], "account")) is not None:
        raise Broken(place, "is not what the links say")


def _differs(made: Any, said: Any, at: str) -> str | None:  # noqa: ANN401 - JSON
    """The first place where two values differ; None where they are the same."""
    if type(made) is not type(said):
        return at
    if isinstance(made, dict):
        names = [*made, *(name for name in said if name not in made)]
        return next(
            (d for name in names if (d := _differs(made.get(name, ...), said.get(name, ...), f"{at}.{name}"))), None
        )
    if isinstance(made, list) and len(made) == len(said):
        rows = enumerate(zip(made, said, strict=True))
        return next((d for n, (a, b) in rows if (d := _differs(a, b, f"{at}.{n}"))), None)
    return None if made == said else at


# -- the log, and who signed it (C2SP signed-note, tlog-checkpoint, tlog-cosignature; RFC 9162) ------------------------

SIGNS, COSIGNS = 0x01, 0x04
"""The kinds of keys: a log's, and a witness', whose signature has an instant."""
MOST_SIGNATURES = 64
MOST_CHARACTERS = 100_000
MOST_HASHES = 63
"""The most hashes of a proof that is read: a log of 2**63 entries needs no more."""
NAME = r"[^\s+]{1,200}"
FOLLOWS = "is followed by"
_HASH_BYTES, _ID_BYTES = 32, 4
_DASH = "\N{EM DASH} "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NotSigned(ValueError):
    """The text is no signed note, no checkpoint or no key; or a key that is known did not sign it as it says."""


class Key(NamedTuple):
    """A key that verifies. name: of the log or the witness · kind: SIGNS or COSIGNS · public: the Ed25519 key"""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature names the key."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """Return the text that `decode` reads: a vkey."""
        return f"{self.name}+{self.id.hex()}+{b64encode(bytes([self.kind]) + self.public).decode()}"

    @classmethod
    def decode(cls, text: str) -> "Key":
        """Read a vkey. Raises NotSigned.

        >>> Key.decode("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").id.hex()
        '530d903a'
        """
        found = re.fullmatch(rf"({NAME})\+([0-9a-f]{{8}})\+([A-Za-z0-9+/]{{44}})", text)
        kept = of_base64(found[3]) if found else b""
        if found is None or kept[0] not in {SIGNS, COSIGNS}:
            raise NotSigned("not an Ed25519 key as a verifier has it (NAME+ID+KEY)")
        key = cls(found[1], kept[0], kept[1:])
        if key.id.hex() != found[2]:
            raise NotSigned("the key has another id: its name or the key was changed")
        return key


class Signature(NamedTuple):
    """A line of a note. id: the key's"""

    name: str
    id: bytes
    value: bytes

    def __str__(self) -> str:
        """Return the line, with its end."""
        return f"{_DASH}{self.name} {b64encode(self.id + self.value).decode()}\n"


class Note(NamedTuple):
    """A signed note. text: what is signed, its last line with its end"""

    text: str
    signatures: tuple[Signature, ...] = ()

    def __str__(self) -> str:
        """Return the text that `decode` reads."""
        return "\n".join((self.text, "".join(map(str, self.signatures))))

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read a note, and check no signature. Raises NotSigned."""
        body, blank, signed = text.rpartition("\n\n")
        lines = signed.splitlines(keepends=True) if len(text) <= MOST_CHARACTERS else []
        if not blank or not lines or len(lines) > MOST_SIGNATURES or _CONTROL.search(text):
            raise NotSigned("not a signed note")
        return cls(f"{body}\n", tuple(map(_signature, lines)))

    def signers(self, known: Iterable[Key]) -> Mapping[Key, int]:
        """Return which of the known keys signed the note, each with the instant of its signature in seconds; 0 for a
        log's, which has none. Signatures of other keys are passed over. Raises NotSigned where one of these is false.
        """
        keys, found = {(key.name, key.id): key for key in known}, dict[Key, int]()
        for signature in self.signatures:
            if (key := keys.get((signature.name, signature.id))) is not None:
                found[key] = _checked(self.text, key, signature)
        return found


def _signature(line: str) -> Signature:
    found = re.fullmatch(rf"{_DASH}({NAME}) ([A-Za-z0-9+/]+={{0,2}})\n", line)
    kept = of_base64(found[2]) if found else b""
    if found is None or len(kept) <= _ID_BYTES:
        raise NotSigned("a line of signatures cannot be read")
    return Signature(found[1], kept[:_ID_BYTES], kept[_ID_BYTES:])


def _checked(text: str, key: Key, signature: Signature) -> int:
    """Return the instant of a signature; 0 for none. Raises NotSigned for a false one."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - a file that nobody signed needs none
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    at_s, value, message = 0, signature.value, text.encode()
    if key.kind == COSIGNS:
        at_s, value = int.from_bytes(value[:8], "big"), value[8:]
        message = cosigned(text, at_s)
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(value, message)
    except (InvalidSignature, ValueError):
        raise NotSigned(f"the signature of {key.name} is false") from None
    return at_s


def cosigned(text: str, at_s: int) -> bytes:
    """Return what a witness signs of a note."""
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


def of_base64(text: str) -> bytes:
    """Read base64. Raises NotSigned."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise NotSigned("a key, a hash or a signature is not in base64") from None


class Checkpoint(NamedTuple):
    """How many entries a log had, and the hash that covers them. origin: the log's name"""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        """Return the text that is signed, which `decode` reads."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def decode(cls, text: str) -> "Checkpoint":
        """Read the text of a note. Raises NotSigned."""
        found = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)\n(?:[^\n]+\n)*", text, re.ASCII)
        hashed = of_base64(found[3]) if found else b""
        if found is None or len(hashed) != _HASH_BYTES:
            raise NotSigned("not a checkpoint of a log")
        return cls(found[1], int(found[2]), hashed)


def followed(trusted: Iterable[Key], rotations: Iterable[Note]) -> set[Key]:
    """Return the keys that are trusted, and those that follow one of them by a note which both signed; notes are in the
    order of their making. Raises NotSigned for one that is no such note, or whose signature is false.
    """
    found = set(trusted)
    for note in rotations:
        named = re.fullmatch(rf"[^\n]+\n([^\n]+)\n{FOLLOWS}\n([^\n]+)\n", note.text)
        if named is None:
            raise NotSigned("not a note of one key that follows another")
        old, new = Key.decode(named[1]), Key.decode(named[2])
        if old in found and note.signers((old, new)).keys() == {old, new}:
            found.add(new)
    return found


def leaf_hash(entry: str) -> bytes:
    """The hash of an entry as a leaf. What is published of it is its hash alone, and that is the leaf's content."""
    return hashlib.sha256(b"\x00" + hashlib.sha256(entry.encode("utf-8", "surrogatepass")).digest()).digest()


def included(leaf: bytes, number: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof shows that this leaf (its hash) has this number in the tree with this size and root: RFC 9162,
    2.1.3.2.
    """
    if not 0 <= number < size or len(proof) > MOST_HASHES:
        return False
    at, last, found = number, size - 1, leaf
    for hashed in proof:
        if not last:
            return False
        if at & 1 or at == last:
            found = hashlib.sha256(b"\x01" + hashed + found).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\x01" + found + hashed).digest()
        at, last = at >> 1, last >> 1
    return not last and found == root


def _signed(note: Note, file: Mapping[str, Any], trust: Set[Key], link: str) -> Iterator[str]:
    """Yield the signers of a note. Raises Broken where no trusted key signed it, and NotSigned."""
    trusted = followed(trust, map(Note.decode, file["rotations"]))
    known = {*map(Key.decode, file["keys"]), *trusted}
    signers, ids = note.signers(known), {(key.name, key.id) for key in known}
    logs = {key for key in trusted if key.kind == SIGNS}
    if trust and (logs or trusted).isdisjoint(signers):  # a witness cosigns the log of anybody
        raise Broken(link, "is signed by an unknown signer: by none of the keys that are trusted")
    for key, at_s in signers.items():
        how = f"cosigned at {_when(at_s * 1000)}" if key.kind == COSIGNS else "signed"
        whose = "a trusted key" if key in trusted else "an unknown signer: nobody says that this key is to be trusted"
        yield f"{link}: {how} by {key.name}, {whose}"
    for each in note.signatures:
        if (each.name, each.id) not in ids:
            yield f"{link}: a signature of {each.name}, an unknown signer, is not checked: its key is not here"


def _of_its_log(note: Note) -> Checkpoint:
    """Read a checkpoint. Raises NotSigned, and Broken where the log that it names did not sign it."""
    checkpoint = Checkpoint.decode(note.text)
    if all(each.name != checkpoint.origin for each in note.signatures):
        raise Broken("checkpoint", "is of another log than the one that signed it")
    return checkpoint


def _logged(
    file: Mapping[str, Any], chains: Sequence[tuple[str, Read, Leaf | None]], trust: Set[Key], roots: Sequence[Any]
) -> Iterator[str]:
    """Each chain's leaf is what it says, and the checkpoint includes it. chains: each with the leaf's name"""
    log, rows = file["log"], [(link, chain, leaf) for link, chain, leaf in chains if leaf is not None]
    if log is None:
        if rows:
            raise Broken("log", "leaves without a checkpoint")
        return
    note = Note.decode(log["checkpoint"])
    checkpoint = _of_its_log(note)
    for link, chain, leaf in rows:
        n = int(leaf["entry"].split(" ")[2])
        if n >= len(chain.events):
            raise Broken(link, "is of a longer chain than this one")
        at, head = chain.events[n].at, chain.heads[n]
        if leaf["entry"] != f"{_LETTER[chain.kind]} {chain.doc['id']} {n} {at} {head}":
            raise Broken(link, "the log has another event here than the chain")
        path = [of_base64(each) for each in leaf["path"]]
        if not included(leaf_hash(leaf["entry"]), leaf["number"], checkpoint.size, path, checkpoint.root):
            raise Broken(link, "is not included in the checkpoint")
    yield from _signed(note, file, trust, "checkpoint")
    if log["token"] is not None:
        newest = max((int(leaf["entry"].split(" ")[3]) for _, _, leaf in rows), default=0)
        yield from _stamped(of_base64(log["token"]), note.text.encode(), newest, roots)


# -- the time-stamp of a checkpoint (RFC 3161, RFC 5652, RFC 5816) -----------------------------------------------------

_INTEGER, _OCTETS, _OID, _TIME, _SEQUENCE, _SET, _OF_0 = 0x02, 0x04, 0x06, 0x18, 0x30, 0x31, 0xA0
_GRANTED = (0, 1)
_SIGNED_DATA, _TST_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
_CONTENT_TYPE, _DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
_CERTIFICATE_IDS = {"1.2.840.113549.1.9.16.2.12": "sha1", "1.2.840.113549.1.9.16.2.47": "sha256"}
"""The attributes that name the signer's certificate, and the digest of each where it names none."""
_DIGESTS = {
    "1.3.14.3.2.26": "sha1", "2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}  # fmt: skip
_ECDSA = {"1.2.840.10045.4.3.2": "sha256", "1.2.840.10045.4.3.3": "sha384", "1.2.840.10045.4.3.4": "sha512"}
_PSS, _STAMPS = "1.2.840.113549.1.1.10", "1.3.6.1.5.5.7.3.8"
_LONGEST_PATH = 8
_LONG, _HIGH, _MOST_LENGTH = 0x80, 0x1F, 4


class _Der(NamedTuple):
    """A value in DER. whole: with its tag and length"""

    tag: int
    content: bytes
    whole: bytes

    @property
    def parts(self) -> list["_Der"]:
        """What is in it. Raises ValueError."""
        return list(_values(self.content))

    def of(self, tag: int) -> "_Der":
        """Return it. Raises ValueError for another kind of value."""
        if self.tag != tag:
            raise ValueError("another kind of value")
        return self

    @property
    def oid(self) -> str:
        """The name that it is. Raises ValueError."""
        first, *rest = self.of(_OID).content
        arcs, arc = [min(first // 40, 2), first - 40 * min(first // 40, 2)], 0
        for each in rest:
            arc = arc << 7 | each & 0x7F
            if not each & _LONG:
                arcs.append(arc)
                arc = 0
        return ".".join(map(str, arcs))

    @property
    def digest(self) -> str:
        """The digest that an AlgorithmIdentifier names. Raises ValueError."""
        if (name := _DIGESTS.get(self.of(_SEQUENCE).parts[0].oid)) is None:
            raise ValueError("an unknown digest")
        return name


def _values(data: bytes) -> Iterator[_Der]:
    """Yield the values that follow one another. Raises ValueError for what is not DER."""
    at = 0
    while at < len(data):
        tag, length, begins = data[at], data[at + 1], at + 2
        if length & _LONG:
            more = length & ~_LONG
            length, begins = int.from_bytes(data[begins : begins + more], "big"), begins + more
            if not 0 < more <= _MOST_LENGTH:
                raise ValueError("not DER")
        if tag & _HIGH == _HIGH or begins + length > len(data):
            raise ValueError("not DER")
        yield _Der(tag, data[begins : begins + length], data[at : begins + length])
        at = begins + length


class _Token(NamedTuple):
    """A time-stamp token. imprint: the digest's name, and the digest of what is stamped · attributes: that are signed ·
    algorithm: of the signature · signer: what names its certificate
    """

    at: datetime
    imprint: tuple[str, bytes]
    info: bytes
    certificates: Sequence[Any]
    signer: _Der
    digest: str
    attributes: _Der
    algorithm: str
    signature: bytes

    @classmethod
    def read(cls, answer: bytes) -> "_Token":
        """Read the answer of an authority. Raises ValueError, IndexError."""
        from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415 - as above

        [response] = _values(answer)
        status, content = response.of(_SEQUENCE).parts
        if int.from_bytes(status.parts[0].of(_INTEGER).content, "big") not in _GRANTED:
            raise ValueError("the authority refused it")
        kind, holder = content.parts
        _, _, inner, *rest = holder.of(_OF_0).parts[0].parts
        what, octets = inner.parts
        if (kind.oid, what.oid) != (_SIGNED_DATA, _TST_INFO):
            raise ValueError("not a time-stamp")
        info = octets.of(_OF_0).parts[0].of(_OCTETS).content
        [stamped] = _values(info)
        _, _, imprint, _, at, *_ = stamped.parts
        algorithm, hashed = imprint.parts
        [signing] = rest[-1].of(_SET).parts
        _, signer, digest, attributes, how, signature, *_ = signing.parts
        given = [each.parts for each in rest if each.tag == _OF_0]
        return cls(
            _generalized(at.of(_TIME).content.decode()), (algorithm.digest, hashed.of(_OCTETS).content), info,
            [load_der_x509_certificate(each.whole) for some in given for each in some], signer, digest.digest,
            attributes.of(_OF_0), how.parts[0].oid, signature.of(_OCTETS).content,
        )  # fmt: skip

    def attribute(self, name: str) -> list[_Der]:
        """The values of a signed attribute. Raises ValueError where there is none, or it stands twice."""
        [found] = [
            values.of(_SET).parts for kind, values in (each.parts for each in self.attributes.parts) if kind.oid == name
        ]
        return found


def _generalized(text: str) -> datetime:
    found = re.fullmatch(r"([0-9]{14})(?:\.([0-9]{1,6})[0-9]*)?Z", text)
    if found is None:
        raise ValueError("no instant")
    at = datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)  # noqa: UP017 - Python 3.11 has both
    return at + timedelta(microseconds=int((found[2] or "").ljust(6, "0")))


def _stamped(answer: bytes, text: bytes, newest: int, roots: Sequence[Any]) -> Iterator[str]:
    """The token stamps this checkpoint, and its authority signed it; not before what the checkpoint covers. roots: the
    certificates of authorities that are trusted
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.x509 import DuplicateExtension, InvalidVersion, UnsupportedGeneralNameType  # noqa: PLC0415

    strange = (UnsupportedAlgorithm, DuplicateExtension, InvalidVersion, UnsupportedGeneralNameType)
    try:
        token = _Token.read(answer)
        signer = _signer(token)
        unchecked, name = _token_signed(token, signer), signer.subject.rfc4514_string()
        trusted = _is_issued(signer, token, roots)
    except Broken:
        raise
    except (*_UNREADABLE, *strange):
        raise Broken("token", "cannot be read as a time-stamp (RFC 3161)") from None
    if hashlib.new(token.imprint[0], text).digest() != token.imprint[1]:
        raise Broken("token", "stamps another checkpoint")
    if newest > int(token.at.timestamp() * 1000) + SKEW_MS:
        raise Broken("token", "is earlier than an event that the checkpoint covers")
    if roots and not trusted:
        raise Broken("token", "is signed by an unknown authority: by none that is trusted")
    whose = "a trusted authority" if trusted else "an unknown authority: nobody says that it is to be trusted"
    at = _when(int(token.at.timestamp() * 1000))
    yield f"checkpoint: stamped at {at} by {name}, {whose}"
    yield f"token: {unchecked}revocation, path lengths and policies of certificates are not checked"


def _signer(token: _Token) -> Any:  # noqa: ANN401 - a certificate
    """Return the certificate of the signer, which the signed attributes name by its digest. Raises Broken."""
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415
    from cryptography.x509 import ExtendedKeyUsage, ExtensionNotFound, ObjectIdentifier  # noqa: PLC0415

    for name, otherwise in _CERTIFICATE_IDS.items():
        for value in token.attribute(name) if name in {a.parts[0].oid for a in token.attributes.parts} else ():
            named = value.of(_SEQUENCE).parts[0].parts[0].parts
            digest = named[0].digest if named[0].tag == _SEQUENCE else otherwise
            hashed = next(each.content for each in named if each.tag == _OCTETS)
            for each in token.certificates:
                if hashlib.new(digest, each.public_bytes(Encoding.DER)).digest() == hashed:
                    try:
                        uses = each.extensions.get_extension_for_class(ExtendedKeyUsage)
                    except ExtensionNotFound:
                        uses = None
                    if uses is None or [*uses.value] != [ObjectIdentifier(_STAMPS)]:
                        raise Broken("token", "is signed with a certificate that is not for time-stamps")
                    return each
    raise Broken("token", "does not have the certificate that it names as its signer's")


def _token_signed(token: _Token, signer: Any) -> str:  # noqa: ANN401 - a certificate
    """The signer signed the attributes, which name the digest of what is stamped. Return what is not checked."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa  # noqa: PLC0415

    [digest], [kind] = token.attribute(_DIGEST), token.attribute(_CONTENT_TYPE)
    if hashlib.new(token.digest, token.info).digest() != digest.of(_OCTETS).content or kind.oid != _TST_INFO:
        raise Broken("token", "its signature is of another time-stamp")
    message, key = bytes([_SET]) + token.attributes.whole[1:], signer.public_key()
    by = getattr(hashes, _ECDSA.get(token.algorithm, token.digest).upper())()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(by), padding.PSS.AUTO)
            key.verify(token.signature, message, pss if token.algorithm == _PSS else padding.PKCS1v15(), by)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(token.signature, message, ec.ECDSA(by))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(token.signature, message)
        else:
            return f"its signature ({token.algorithm}) is of a kind that is not checked; "
    except InvalidSignature:
        raise Broken("token", "its signature is false") from None
    return ""


def _is_issued(signer: Any, token: _Token, roots: Sequence[Any]) -> bool:  # noqa: ANN401 - a certificate
    """Whether a trusted certificate issued the signer's, by those that the token has; all valid when it was made."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.x509 import BasicConstraints, ExtensionNotFound  # noqa: PLC0415

    def issued(by: Any, each: Any) -> bool:  # noqa: ANN401
        try:
            each.verify_directly_issued_by(by)
            return bool(by.extensions.get_extension_for_class(BasicConstraints).value.ca)
        except (ValueError, TypeError, InvalidSignature, ExtensionNotFound):
            return False

    path = [signer]
    for each in path:
        if not each.not_valid_before_utc <= token.at <= each.not_valid_after_utc:
            return False
        if each in roots:
            return True
        others = (by for by in (*roots, *token.certificates) if by not in path and issued(by, each))
        path += list(others)[:1] if len(path) < _LONGEST_PATH else []
    return False


def content_of(file: Mapping[str, Any]) -> str:
    """The text that a file's signature is over: the format, the order or the seed's hash, and that of all but the
    signature.
    """
    rest = {name: value for name, value in file.items() if name != "signature"}
    canonical = json.dumps(rest, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if "inspection" in file:
        return f"{INSPECTION}\n{digest(file['seed'])}\n{digest(canonical)}\n"
    return f"{FORMAT}\n{file['account']['order']}\n{digest(canonical)}\n"


# -- the inspection ----------------------------------------------------------------------------------------------------


def _inspected(file: Mapping[str, Any], trust: Set[Key], roots: Sequence[Any]) -> Iterator[str]:
    """The calls drawn are those that the seed draws, of the period and in the log; the figures fit each other."""
    _is(Inspection, file, "")
    since, until = _millis(file["since"]), _millis(file["until"])
    drawn, before = list[tuple[str, Read, Leaf | None]](), b""
    for n, row in enumerate(file["drawn"]):
        link = f"drawn.{n}"
        if row["kind"] != "call" or any(each["person"] is not None for each in row["links"]):
            raise Broken(link, "must be a call without person parts")
        try:
            call = read_chain(row)
        except Broken as broken:
            raise Broken(link, str(broken)) from None
        lot = hashlib.sha256(f"{file['seed']}\n{call.doc['id']}".encode("utf-8", "surrogatepass")).digest()
        if lot <= before:
            raise Broken(link, "is not in the order of the lots that the seed gives")
        if not since <= call.doc["started_at"] <= until:
            raise Broken(link, "did not begin in the period")
        before = lot
        drawn.append((f"{link}.leaf", call, row["leaf"]))
        if row["leaf"] is None:
            yield f"{link}: in no checkpoint of the log yet"
    if len(drawn) != min(file["sample"], file["calls"]):
        raise Broken("drawn", f"has {len(drawn)} calls of {file['calls']}, and {file['sample']} were to be drawn")
    _figures_fit(file, [call for _, call, _ in drawn])
    yield from _logged(file, drawn, trust, roots)
    yield from _signature_of_file(file, trust)
    yield "figures and lists are the signer's word; each call drawn is shown by its chain"


def _figures_fit(file: Mapping[str, Any], drawn: Sequence[Read]) -> None:
    """The calls listed as forbidden are counted, and those drawn with a violation are listed. Raises Broken."""
    calls = {each["call"]: set(each["violations"]) for each in file["violations"]}
    counted = sum(each["calls"] for each in file["figures"] if each["figure"] == "calls")
    if counted != file["calls"]:
        raise Broken("figures", f"count {counted} calls of {file['calls']}")
    if len(file["rest"]) != len(("violations", "exposure")) or min(file["rest"]) < 0:
        raise Broken("rest", "must be two counts")
    wrong = sum(each["calls"] for each in file["figures"] if each["figure"] == "wrong")
    if len(calls) + file["rest"][0] > wrong:
        raise Broken("violations", f"are {len(calls) + file['rest'][0]} calls, and {wrong} are counted")
    for call in drawn:
        found = _violations(call)
        if not file["rest"][0] and calls.get(call.doc["id"], set()) != found:
            raise Broken("violations", f"of call {call.doc['id']} are others in its chain")
    if len(file["exposure"]) + file["rest"][1] > file["activated"]:
        raise Broken("exposure", "has more orders than were activated")


def _violations(call: Read) -> set[str]:
    """The violations of a call as its links know them."""
    found = set(call.doc["violations"])
    for event in call.all("ended", "judged_again"):
        again = event.what == "judged_again"
        found = (found - set(event.row.get("taken_back", ()))) | set(
            event.row.get("shown" if again else "violations", ())
        )
    return found


def findings(file: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an inspection file says, in short."""
    more, incomplete = file["rest"]
    heard = {name: sum(each[name] for each in file["coverage"] if each["by"] == "carrier") for name in _COVERED}
    lacks = Counter(word.partition(" ")[0] for each in file["exposure"] for word in each["missing"])
    lack = "".join(f"; {count} lack {MISSING.get(word, word)}" for word, count in lacks.most_common())
    came, late = (sum(each[name] for each in file["complaints"]) for name in ("reports", "overdue"))
    cdr = file["reconciliations"]
    silent, never = (sum(each[name] for each in cdr) for name in ("unreported", "doubted"))
    return [
        ("period", f"{file['since']} to {file['until']}"),
        ("sample", f"{len(file['drawn'])} of {file['calls']} calls, drawn by the seed {file['seed']}"),
        ("coverage", f"{heard['reviewed']} of {heard['recorded']} recordings heard, {heard['failed']} failed"),
        ("violations", f"{len(file['violations']) + more} calls"),
        ("complaints", f"{came}, {late} overdue"),
        ("exposure", f"{len(file['exposure']) + incomplete} of {file['activated']} activated orders{lack}"),
        ("CDR files compared", f"{len(cdr)}: {silent} calls never reported, {never} never dialled"),
    ]


_COVERED = ("recorded", "reviewed", "failed")


def _signature_of_file(file: Mapping[str, Any], trust: Set[Key]) -> Iterator[str]:
    if file["signature"] is None:
        if trust:
            raise Broken("signature", "none of the keys that are trusted signed the file")
        yield "the file is not signed: its dates of making and of publication are nobody's word"
        return
    note = Note.decode(file["signature"])
    if note.text != content_of(file):
        raise Broken("signature", "is of another file: something in this one was changed")
    yield from _signed(note, file, trust, "signature")


# -- the verdict -------------------------------------------------------------------------------------------------------

CHECKS: tuple[Callable[[Case], Iterator[str]], ...] = (
    _real, _chains_fit, _in_succession, _happens, _lawful, _published, _told, _answered, _taken_back,
)  # fmt: skip


def verify(file: Any, trust: Iterable[str] = ()) -> list[str]:  # noqa: ANN401 - JSON
    """Check a file; return the remarks on a sound one: signers, what is missing. trust: verifier keys, and
    certificates (PEM) of time-stamp authorities

    Raises Broken for the first broken link, NotEvidence for another format, ValueError for a key that is none.
    """
    if not isinstance(file, dict) or (file.get("evidence") != FORMAT and file.get("inspection") != INSPECTION):
        raise NotEvidence(f"not a file of the format {FORMAT} or {INSPECTION}")
    given = [each.strip() for each in trust]
    trusted = {Key.decode(each) for each in given if not each.startswith(_PEM)}
    roots = [_certificate(each) for each in given if each.startswith(_PEM)]
    try:
        if "inspection" in file:
            return list(_inspected(file, trusted, roots))
        said = list(_evident(file, trusted, roots))
    except (Broken, NotEvidence):
        raise
    except NotSigned as error:
        raise Broken("signatures", str(error)) from None
    except _UNREADABLE:
        raise Broken("links", "say what no link of this format says") from None
    lacks = (each.partition(" ") for each in file["account"]["missing"])
    return [*said, *(f"not in this file: {f'{where}: ' if where else ''}{MISSING[name]}" for name, _, where in lacks)]


def _certificate(text: str) -> Any:  # noqa: ANN401 - a certificate
    """Read a certificate. Raises NotSigned."""
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415

    try:
        return load_pem_x509_certificate(text.encode())
    except ValueError:
        raise NotSigned("a certificate that is to be trusted cannot be read") from None


def trust_in(text: str) -> list[str]:
    """The verifier keys and the certificates in a text: a key a line, certificates in PEM."""
    return [*_CERTIFICATES.findall(text), *filter(str.strip, _CERTIFICATES.sub("", text).split("\n"))]


_PEM = "-----BEGIN CERTIFICATE-----"
_CERTIFICATES = re.compile(rf"{_PEM}.*?-----END CERTIFICATE-----", re.DOTALL)


def _evident(file: Mapping[str, Any], trust: Set[Key], roots: Sequence[Any]) -> Iterator[str]:
    _is(File, file, "")
    case = _case(file)
    for check in CHECKS:
        yield from check(case)
    rows = zip(case.chains, file["chains"], strict=True)
    yield from _logged(file, [(f"{chain.kind}, leaf", chain, row["leaf"]) for chain, row in rows], trust, roots)
    _same(case)
    yield from _signature_of_file(file, trust)


def answers(account: Account) -> list[tuple[str, str]]:
    """The five questions of a stranger, answered."""
    sold, plan, told, yes = account["sold"], account["published"], account["told"], account["answered"]
    on, back = account["activated"], account["taken_back"]
    then = {True: "yes", False: "no", None: "not known: the catalogue has it no more"}[plan["then"]]
    shown = "".join(f"; {each['channel']} {each['url']} since {each['since']}" for each in plan["channels"])
    seller, number = sold["seller"] or sold["carrier"], account["number"] or "a number that is erased"
    call = f"by a call from {sold['caller']}, agreed to at {sold['agreed_at']}, recording {sold['recording']}"
    active = f"activated at {on['at']}" if on else "nothing was activated"
    return [
        ("who sold", f"{seller}, agent {sold['agent']}, {call}"),
        ("what was told", f"at {told['at']}: {told['text'] or 'erased'}" if told else "nothing: no question went out"),
        ("who answered", f"{number}: {yes['text'] or 'erased'}, received at {yes['received_at']}, {active}"
         if yes else "nobody said yes"),
        ("was it published", f"{then}: {plan['code']} version {plan['version']}, hash {plan['hash']}{shown}"),
        ("was it taken back", f"{back['cause']}, at {back['asked_at']}, off at {back['off_at']}" if back else "no"),
    ]  # fmt: skip


def report(path: str, trust: str | None = None) -> tuple[int, list[tuple[str, str]]]:
    """Check the file at a path; return the exit status, and the remarks. trust: a file of verifier keys, and of
    certificates (PEM) of time-stamp authorities
    """
    try:
        keys = trust_in(Path(trust).read_text("utf-8")) if trust else []
        file = _json(Path(path).read_text("utf-8"))
        said = verify(file, keys)
    except Broken as broken:
        return BROKEN, [("broken", str(broken))]
    except OSError as error:
        return NO_EVIDENCE, [("not evidence", f"{error.filename}: {error.strerror}")]
    except (NotEvidence, NotSigned) as error:
        return NO_EVIDENCE, [("not evidence", str(error))]
    except (ValueError, RecursionError):
        return NO_EVIDENCE, [("not evidence", "it cannot be read as JSON")]
    notes = [("note", each) for each in said]
    if "inspection" in file:
        return SOUND, [("sound", "inspection"), *findings(file), *notes]
    return SOUND, [("sound", f"order {file['account']['order']}"), *answers(file["account"]), *notes]


def main(arguments: Sequence[str]) -> int:
    """Check the file that is named; print the verdict; return the exit status."""
    named = [each for each in arguments if not each.startswith("--")]
    options = [n for n, each in enumerate(arguments) if each == "--trust"]
    trust = arguments[options[0] + 1] if options and options[0] + 1 < len(arguments) else None
    if len(named) != (2 if trust else 1):
        sys.stderr.write("usage: verify.py FILE [--trust KEYS]\n")
        return NO_EVIDENCE
    status, rows = report(next(each for each in named if each != trust), trust)
    for name, said in rows:  # what a file says must add no line, and move no cursor
        shown = "".join(each if each.isprintable() else " " for each in said)
        sys.stdout.write(f"{name}: {shown}\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
