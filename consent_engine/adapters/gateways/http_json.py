"""The generic gateway: one signed POST for each SMS, signed JSON webhooks for replies and reports.

It answers `{"message_id"}`, or `{"message_ids": [...]}` where every part of a long text has an id of its own, in the
order of the parts; a report then names the part by its id.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from consent_engine.adapters.gateways.shared_settings import (
    KEPT,
    OLD,
    RESOLUTION_MS,
    carried,
    prefix_of,
    refusal,
    refuses,
    skew,
)
from consent_engine.adapters.outbound import (
    LARGEST_ID,
    Answer,
    Client,
    Unreadable,
    code,
    document,
    endpoint,
    flag,
    objects_in,
    opaque,
    required,
)
from consent_engine.domain import hashing, msisdn
from consent_engine.domain.days import millis as millis_at
from consent_engine.domain.effects import Accepted, Millis, Outcome, Rejected, Throttled, Unavailable, Uncertain
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.sms import LONGEST, MOST_SAID, Delivery, DeliveryReport, Part, Reply, heard
from consent_engine.errors import FieldError, Malformed
from consent_engine.ports import Acknowledgement, Parsed, Sms, WebhookCall, Webhooks

# The gateway's answer to a hand-over -> our outcome. Any other status, like no answer at all, leaves it in doubt.
TAKEN = frozenset({200, 201, 202})
REFUSED = frozenset({400, 404, 422})
TOO_MANY, NOT_NOW = 429, 503

# The gateway's status of a report -> our Delivery. Any other word means its format has changed: the item is rejected.
DELIVERIES = {"accepted": Delivery.ACCEPTED, "delivered": Delivery.DELIVERED, "failed": Delivery.FAILED}

ITEMS, TEXT, ID, SEGMENTS = 1_000, LONGEST, 200, 255

Item = Mapping[str, object]
Message = TypeVar("Message", Reply, DeliveryReport)
Value = TypeVar("Value")
_TO = re.compile(r"(?=.{1,21}\Z)\+?([0-9]+)")
_REF = re.compile(r"[!-~]{1,200}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:]{8}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})")
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Poison(Exception):
    """One item cannot be read. The message says which field and why, never the value."""


class JsonWebhooks(Webhooks):
    """The webhooks of this gateway: the signature is verified, then the call is read item by item."""

    def __init__(self, gateway: str, secret: str, skew: Millis, old: str = "") -> None:
        self._gateway, self._secret, self._old = gateway, secret, old
        self._behind = RESOLUTION_MS + skew

    def replies(self, call: WebhookCall) -> Parsed[Reply]:
        return self._read(call, self._reply, self._refusals)

    def reports(self, call: WebhookCall) -> Parsed[DeliveryReport]:
        return self._read(call, self._report, lambda _: [])

    def acknowledge(self, accepted: int, rejected: Sequence[tuple[int, str]]) -> Acknowledgement:
        """Answer with the number of stored items, and the index and reason of each rejected one."""
        items = [{"index": index, "reason": reason} for index, reason in rejected]
        body = json.dumps({"accepted": accepted, "rejected": items}, separators=(",", ":")).encode()
        return Acknowledgement(200, body, "application/json")

    def _read(
        self, call: WebhookCall, read: Callable[[Item], Message], refusals: Callable[[object], list[Message]]
    ) -> Parsed[Message]:
        """Read a post item by item. refusals: finds those of an item that cannot be read; no gateway posts it again."""
        header = call.headers.get(hashing.HEADER.lower(), "")
        hashing.check(self._secret, header, call.body, call.now, old=self._old)
        try:
            items = _items(call.body)
        except Malformed as wrong:
            kept = [each for item in objects_in(call.body) for each in refusals(item)]
            return Parsed(tuple(enumerate(kept)), malformed=wrong)
        messages: list[tuple[int, Message]] = []
        rejected: list[tuple[int, str]] = []
        for index, item in enumerate(items):
            try:
                messages.append((index, read(_fields(item))))
            except _Poison as poison:
                kept = refusals(item)
                messages += ((index, each) for each in kept)
                rejected.append((index, f"{poison}; {KEPT}" if kept else str(poison)))
        return Parsed(tuple(messages), tuple(rejected))

    def _reply(self, item: Item) -> Reply:
        written = _instant(item, "received_at")
        return Reply(
            gateway=self._gateway,
            message_id=opaque(_id(item, "message_id")),
            msisdn=_msisdn(item),
            to=_to(item),
            text=_string(item, "text", 0, MOST_SAID),
            written_at=None if written is None else written + self._behind,
            part=_part(item),
            stamp=written,
        )

    def _refusals(self, item: object) -> list[Reply]:
        """Return a refusal from every number that the item names as its sender, if any of its texts is one."""
        pairs = item.pairs if isinstance(item, Unreadable) else tuple(item.items()) if isinstance(item, dict) else ()
        text = next(filter(refuses, _each(pairs, "text", _heard)), None)
        if text is None:
            return []
        to = _each(pairs, "to", _to)
        known = to[0] if len(to) == 1 else ""
        senders = dict.fromkeys(_each(pairs, "from", _msisdn))
        return [refusal(self._gateway, self._secret, sorted(pairs, key=repr), each, known, text) for each in senders]

    def _report(self, item: Item) -> DeliveryReport:
        segment, segments = _count(item, "segment"), _count(item, "segments")
        if segment > segments:
            raise _Poison("segment: more than segments")
        return DeliveryReport(
            gateway=self._gateway,
            ref=_ref(item),
            # Some gateways report without an id of their own: then the reply window decides what ids would have.
            message_id="" if item.get("message_id") is None else opaque(_id(item, "message_id")),
            status=_delivery(item),
            segment=segment,
            segments=segments,
            error="" if item.get("error") is None else code(_word(item, "error", 0, TEXT)),
            at=_instant(item, "at"),
        )


class HttpJson:
    """A gateway that takes SMS by POST."""

    def __init__(
        self, name: str, url: str, client: Client, webhooks: JsonWebhooks, *, sub_numbers: bool, segments: int,
        reports: bool,
    ) -> None:  # fmt: skip
        self.name = name
        self.sub_numbers, self.segments, self.reports = sub_numbers, segments, reports
        self.webhooks = webhooks
        self._url, self._client = url, client

    async def send(self, sms: Sms) -> Outcome:
        """Hand over one SMS, under its ref as idempotency key."""
        fields = {"ref": sms.ref, "from": sms.sender, "to": sms.to, "text": sms.text, "purpose": sms.purpose.value}
        answer = await self._client.post(self._url, fields, sms.ref)
        return _outcome(answer) if isinstance(answer, Answer) else answer


def build(name: str, raw: Mapping[str, str], call_timeout: timedelta, now: Callable[[], float] = time.time) -> HttpJson:
    """Make such a gateway from its settings URL, SECRET, OLD_SECRET, SUB_NUMBERS, SKEW, SEGMENTS, REPORTS. Raises
    SettingsError.
    """
    prefix = prefix_of(name)
    url, secret = endpoint(prefix, raw), required(prefix, raw, "SECRET")
    return HttpJson(
        name,
        url,
        Client(call_timeout, secret, now),
        JsonWebhooks(name, secret, skew(prefix, raw), raw.get(OLD, "")),
        sub_numbers=flag(prefix, raw, "SUB_NUMBERS"),
        segments=carried(prefix, raw),
        reports=flag(prefix, raw, "REPORTS"),
    )


def _outcome(answer: Answer) -> Outcome:
    if answer.status in TAKEN:
        ids = answer.ids("message_ids") or (answer.id("message_id"),)
        parts = tuple(map(opaque, ids))
        if not parts[0]:
            return Uncertain(Hitch.GATEWAY_ODD.of(answer.status))
        return Accepted(parts[0], parts=parts if len(parts) > 1 else ())
    if answer.status in REFUSED:
        return Rejected(Hitch.GATEWAY.of(answer.status))
    if answer.status == TOO_MANY:
        return Throttled(Hitch.GATEWAY.of(answer.status), answer.after)
    if answer.status == NOT_NOW or answer.refuses_us:
        return Unavailable(Hitch.GATEWAY.of(answer.status), answer.after, answer.refuses_us)
    return Uncertain(Hitch.GATEWAY.of(answer.status))


def _items(body: bytes) -> Sequence[object]:
    try:
        said = document(body, lenient=True)
    except ValueError:
        raise Malformed([FieldError("body", "not_json", "not JSON")]) from None
    items = said if isinstance(said, list) else [said]
    if len(items) > ITEMS:
        raise Malformed([FieldError("body", "too_many", f"more than {ITEMS} items")])
    return items


def _fields(item: object) -> Item:
    if not isinstance(item, dict):
        raise _Poison("not an object, or one that repeats a field")
    return item


def _string(item: Item, field: str, shortest: int, longest: int) -> str:
    value = item.get(field)
    if not isinstance(value, str):
        raise _Poison(f"{field}: must be a string")
    if not shortest <= len(value) <= longest:
        raise _Poison(f"{field}: must have {shortest} to {longest} characters")
    if field == "text":
        return heard(value)
    if _SURROGATE.search(value):
        raise _Poison(f"{field}: has half a character")
    return value


def _word(item: Item, field: str, shortest: int, longest: int) -> str:
    return _digits(item.get(field)) or _string(item, field, shortest, longest)


def _id(item: Item, field: str) -> str:
    value = _word(item, field, 1, ID)
    if not value.isprintable():
        raise _Poison(f"{field}: has characters that cannot be shown")
    return value


def _digits(value: object) -> str:
    """Return the digits of a value that some gateways write as a number; '' for any other value."""
    return str(value) if type(value) is int and abs(value) < LARGEST_ID else ""


def _ref(item: Item) -> str:
    value = _string(item, "ref", 1, ID)
    if not _REF.fullmatch(value):
        raise _Poison("ref: not one of ours")
    return value


def _msisdn(item: Item) -> msisdn.Msisdn:
    try:
        return msisdn.of_sender(_word(item, "from", 1, 40))
    except Malformed:
        raise _Poison("from: not a phone number") from None


def _to(item: Item) -> str:
    match = _TO.fullmatch(_word(item, "to", 1, ID))
    if match is None:
        raise _Poison("to: must be digits, at most 21 characters")
    return match[1]


def _heard(item: Item) -> str:
    value = item["text"]
    if not isinstance(value, str):
        raise _Poison("text: must be a string")
    return heard(value)


def _each(pairs: Sequence[tuple[str, object]], field: str, read: Callable[[Item], Value]) -> list[Value]:
    """Return every readable value of a field that may stand there more than once."""
    found = list[Value]()
    for name, value in pairs:
        if name == field:
            with suppress(_Poison):
                found.append(read({field: value}))
    return found


def _part(item: Item) -> Part | None:
    value = item.get("part")
    if value is None:
        return None
    part = value if isinstance(value, dict) else {}
    n, of = part.get("n"), part.get("of")
    reference = _digits(part.get("reference")) or part.get("reference")
    if not isinstance(reference, str) or not 1 <= len(reference) <= ID or _SURROGATE.search(reference):
        raise _Poison(f"part: its reference must be a number, or a string of 1 to {ID} characters")
    if not (type(n) is type(of) is int and 1 <= n <= of <= SEGMENTS):
        raise _Poison(f"part: its n and of must be whole numbers from 1 to {SEGMENTS}, n at most of")
    return Part(reference, n, of)


def _delivery(item: Item) -> Delivery:
    status = DELIVERIES.get(_string(item, "status", 1, ID))
    if status is None:
        raise _Poison(f"status: must be one of {', '.join(DELIVERIES)}")
    return status


def _count(item: Item, field: str) -> int:
    value = item.get(field)
    if value is None:
        return 1
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= SEGMENTS:
        raise _Poison(f"{field}: must be a whole number from 1 to {SEGMENTS}")
    return value


def _instant(item: Item, field: str) -> Millis | None:
    if item.get(field) is None:
        return None
    value = _string(item, field, 1, ID)
    try:
        at = datetime.fromisoformat(value.upper()) if _INSTANT.fullmatch(value) else None
    except ValueError:
        at = None
    if at is None:
        raise _Poison(f"{field}: must be an RFC 3339 instant with an offset")
    return millis_at(at)
