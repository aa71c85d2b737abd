"""A gateway that a file describes (docs/gateways.md): its SMS by one request each, replies and reports at our webhooks.

An SMS counts as handed over only by what a row of the file's table names as that; what no row covers is in doubt. Posts
are translated into the items of the generic gateway, and read as those: `http_json` is a file that translates nothing.
"""

import hmac
import re
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar
from urllib.parse import parse_qsl

from msgspec.structs import replace
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from consent_engine.adapters import outbound
from consent_engine.adapters.gateways import shared_settings as shared
from consent_engine.adapters.gateways.sms_parts import text_of
from consent_engine.adapters.outbound import LARGEST_ID, Client, Unreadable, as_id, code, opaque, required
from consent_engine.adapters.templates import (
    File,
    Form,
    Heard,
    Maker,
    Operation,
    Place,
    Request,
    Templates,
    Values,
    as_text,
    bundled,
    found_at,
    from_setting,
    made_from,
    written,
)
from consent_engine.domain import hashing, msisdn
from consent_engine.domain.days import CHINA, GREENWICH
from consent_engine.domain.days import millis as millis_at
from consent_engine.domain.effects import Accepted, Millis, Outcome, Rejected, Throttled, Unavailable, Uncertain
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.sms import (
    LONGEST,
    MOST_SAID,
    Delivery,
    DeliveryReport,
    Encoding,
    Part,
    Reply,
    encoding,
    heard,
)
from consent_engine.errors import FieldError, Malformed, SettingsError, Unauthenticated
from consent_engine.ports import Acknowledgement, Parsed, Sms, WebhookCall, Webhooks

TEMPLATED, GENERIC = "templated", "http_json"
BUNDLED = (GENERIC, "infobip", "jasmin", "twilio")
OWN = frozenset({"username", "password", "secret", "receipts"})
"""The values of templates that are settings; `receipts`: our URL for reports."""
VALUES = OWN | {"ref", "from", "to", "text", "purpose", "unicode", "valid_min", "sent_at"}
IN_BODIES = frozenset({"to", "text"})
MEANINGS = frozenset({"done", "refused", "not_taken", "throttled", "refuses_us"})
UNIX = "unix"

# The gateway's status of a report -> our Delivery. Any other word means its format has changed: the item is rejected.
DELIVERIES = {"accepted": Delivery.ACCEPTED, "delivered": Delivery.DELIVERED, "failed": Delivery.FAILED}
ITEMS, TEXT, ID, SEGMENTS = 1_000, LONGEST, 200, 255

Item = Mapping[str, object]
Message = TypeVar("Message", Reply, DeliveryReport)
Value = TypeVar("Value")
_TO = re.compile(r"(?=.{1,21}\Z)\+?[0-9]+")
_REF = re.compile(r"[!-~]{1,200}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:]{8}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:?[0-9]{2})")
_SURROGATE = re.compile("[\ud800-\udfff]")


# The file ---------------------------------------------------------------------------------------------------------


class _Hex(Form):
    """Texts are the hex digits of bytes. charsets: by what stands at the place `coding`; with another it is no text"""

    coding: Place
    charsets: dict[str, Literal["us-ascii", "utf-8", "utf-16be", "iso-8859-1", "windows-1252"]]


class _Answer(Form):
    status: Annotated[int, Field(ge=200, le=299)] = 200
    type: Annotated[str, StringConstraints(pattern="^[!-~][ -~]*$", max_length=100)] = "text/plain"
    body: Any = ""


def _is_a_form(form: str) -> str:
    now = datetime(2025, 8, 1, 10, 6, tzinfo=UTC)
    whole = "%y" in form.lower() and datetime.strptime(now.strftime(form), form).replace(tzinfo=UTC) == now
    if form != UNIX and not whole:
        raise ValueError("must be `unix`, or a form of strptime from the year to the minute at least")
    return form


class Hooks(Form):
    """How posts to our webhooks are proven, read and answered. inbound, receipts: the places of the fields of replies
    and reports; a place that begins with ? is a field of our URL's query
    """

    proof: Annotated[str, StringConstraints(pattern="^(signed|basic|twilio|(query|header) [A-Za-z0-9-]{1,64})$")]
    format: Literal["json", "form"]
    items: Place = ""
    inbound: dict[Literal["message_id", "from", "to", "text", "received_at", "part"], Place]
    receipts: dict[Literal["ref", "message_id", "status", "segment", "segments", "error", "at"], Place] = Field(
        default_factory=dict
    )
    statuses: dict[str, Literal["accepted", "delivered", "failed"]] = Field(default_factory=dict)
    time: Annotated[str, StringConstraints(max_length=40), AfterValidator(_is_a_form)] | None = None
    hex: _Hex | None = None
    answer: _Answer = Field(default_factory=_Answer)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if lacking := {"from", "text"} - self.inbound.keys():
            raise ValueError(f"inbound must name the field of its {min(lacking)}")
        if not self.inbound.keys() & {"message_id", "received_at"}:
            raise ValueError(
                "inbound must name message_id or received_at: a repeat could not be told from another reply"
            )
        if self.receipts and (lacking := {"ref", "status"} - self.receipts.keys()):
            raise ValueError(f"receipts must name the field of its {min(lacking)}")
        return self


class _File(File):
    format: Literal["json", "xml", "form"]
    charset: Literal["utf-8", "gb18030"] = "utf-8"
    said: Literal["json", "xml", "words"] = "json"
    send: Request
    webhooks: Hooks


class GatewayMapping(NamedTuple):
    """A gateway as its file describes it. needs: the settings that it uses · stored: makes the body of an answer"""

    file: _File
    send: Operation
    needs: frozenset[str]
    stored: Maker


@lru_cache(16)
def mapping_from(text: str) -> GatewayMapping:
    """Read the text of a file. Raises ValueError, which names the place in it and the fault."""
    return made_from(text, _File, _compiled)


def mapping_of(kind: str) -> GatewayMapping:
    """Return the bundled file of a kind."""
    return mapping_from(bundled("gateways", kind))


def _compiled(file: _File) -> GatewayMapping:
    templates, hooks = Templates(file), file.webhooks
    send = templates.operation("send", file.send, MEANINGS, VALUES, IN_BODIES, file.said)
    if file.send.method == "GET":
        raise ValueError("send.method must not be GET: proxies repeat it")
    if lacking := {"to", "text", *(["ref"] if hooks.receipts else [])} - templates.used:
        raise ValueError(f"send must name {min(lacking)}")
    needs = OWN & templates.used | ({"receipts"} if hooks.proof == "twilio" else set())
    at, body, names = "webhooks.answer.body", hooks.answer.body, frozenset({"accepted", "rejected"})
    text = templates.text(at, body, names) if isinstance(body, str) else None
    stored = (lambda values: text(values).encode()) if text else written(templates.json(at, body, names))
    return GatewayMapping(file, send, frozenset(needs), stored)


# Posts ------------------------------------------------------------------------------------------------------------


class _Poison(Exception):
    """One item cannot be read. The message says which field and why, never the value."""


@dataclass(frozen=True)
class TemplatedWebhooks(Webhooks):
    """The webhooks of such a gateway: the proof is verified, then the call is read item by item.

    behind (ms): how much later than its stamp a reply may have been written · ours: our address, as the gateway calls
    it, for a proof that signs it
    """

    gateway: str
    mapping: GatewayMapping
    secret: str
    old: str
    behind: Millis
    ours: str

    @property
    def hooks(self) -> Hooks:
        """What the file says of posts."""
        return self.mapping.file.webhooks

    def replies(self, call: WebhookCall) -> Parsed[Reply]:
        return self._read(call, self.hooks.inbound, self._reply, self._refusals)

    def reports(self, call: WebhookCall) -> Parsed[DeliveryReport]:
        return self._read(call, self.hooks.receipts, self._report, lambda _: [])

    def acknowledge(self, accepted: int, rejected: Sequence[tuple[int, str]]) -> Acknowledgement:
        """Answer as the file says: it may name the number of stored items, and each rejected one's index and reason."""
        items, answer = [{"index": index, "reason": reason} for index, reason in rejected], self.hooks.answer
        return Acknowledgement(
            answer.status, self.mapping.stored({"accepted": accepted, "rejected": items}), answer.type
        )

    def _read(
        self, call: WebhookCall, places: Mapping[Any, str], read: Callable[[Item, object], Message],
        refusals: Callable[[object], list[Message]],
    ) -> Parsed[Message]:  # fmt: skip
        """Read a post item by item.

        read: makes a message of an item's translation and the item · refusals: finds those of an item that cannot be
        read; no gateway posts it again.
        """
        self._verify(call)
        asked = {place: call.query.get(place[1:]) for place in places.values() if place[0] == "?"}
        try:
            items = _items(self.hooks, call.body)
        except Malformed as wrong:
            kept = [each for item in _found(self.hooks, call.body) for each in refusals(item)]
            return Parsed(tuple(enumerate(kept)), malformed=wrong)
        messages: list[tuple[int, Message]] = []
        rejected: list[tuple[int, str]] = []
        for index, item in enumerate(items):
            try:
                whole = item | asked if isinstance(item, dict) else item
                messages.append((index, read(self._translated(places, whole), whole)))
            except _Poison as poison:
                kept = refusals(item)
                messages += ((index, each) for each in kept)
                rejected.append((index, f"{poison}; {shared.KEPT}" if kept else str(poison)))
        return Parsed(tuple(messages), tuple(rejected))

    def _verify(self, call: WebhookCall) -> None:
        """Raise Unauthenticated for a call that does not prove that it comes from the gateway."""
        headers, secrets = call.headers, [each for each in (self.secret, self.old) if each]
        match self.hooks.proof.split():
            case ["signed"]:
                header = headers.get(hashing.HEADER.lower(), "")
                hashing.check(self.secret, header, call.body, call.now, old=self.old)
                return
            case ["basic"]:
                given, right = headers.get("authorization", ""), [shared.basic(self.gateway, each) for each in secrets]
            case ["twilio"]:
                given = headers.get("x-twilio-signature", "")
                right = [each for secret in secrets for each in _twilio(secret, self.ours, call)]
            case [where, name]:
                given = call.query.get(name, "") if where == "query" else headers.get(name.lower(), "")
                right = secrets
        fits = [hmac.compare_digest(given.encode("utf-8", "replace"), each.encode()) for each in right]
        if not any(fits):
            raise Unauthenticated("the proof does not fit")

    def _translated(self, places: Mapping[Any, str], item: object) -> dict[str, object]:
        """Return an item's fields as the generic gateway names and writes them; what cannot be written so, as it is."""
        if not isinstance(item, dict):
            raise _Poison("not an object, or one that repeats a field")
        hooks = self.hooks
        said = {name: item.get(place) if place[0] == "?" else found_at(item, place) for name, place in places.items()}
        if hooks.time:
            said |= {name: _rfc3339(said[name], hooks.time) for name in ("received_at", "at") if name in said}
        if hooks.statuses and "status" in said:
            said["status"] = hooks.statuses.get(as_text(said["status"]), "unknown")
        if hooks.hex and isinstance(said.get("text"), str):
            charset = hooks.hex.charsets.get(as_text(found_at(item, hooks.hex.coding)), "")
            with suppress(ValueError):
                said["text"], said["answers"] = text_of(bytes.fromhex(as_text(said["text"])), charset)
        return said

    def _reply(self, item: Item, posted: object) -> Reply:
        at, to = _instant(item, "received_at"), _to(item) if "to" in self.hooks.inbound else ""
        sender, text = _msisdn(item), _string(item, "text", 0, MOST_SAID)
        named = _id(item) if "message_id" in self.hooks.inbound else ""
        if not named and at is None:  # the same words of another day would count as a repeat
            raise _Poison("received_at: must be given, as there is no id")
        return Reply(
            gateway=self.gateway,
            message_id=named
            or shared.refusal(self.gateway, self.secret, (at, sender, to, text), sender, to, text).message_id,
            msisdn=sender,
            to=to,
            text=text,
            written_at=None if at is None else at + self.behind,
            part=_part(item),
            data=self.hooks.hex is not None and not item.get("answers"),
            stamp=at,
            posted=shared.as_posted(posted),
        )

    def _refusals(self, item: object) -> list[Reply]:
        """Return a refusal from every number that the item names as its sender, if any of its texts is one."""
        found = item.pairs if isinstance(item, Unreadable) else tuple(item.items()) if isinstance(item, dict) else ()
        coding = self.hooks.hex.coding if self.hooks.hex else ""
        rest = {coding: dict(found).get(coding)}
        pairs = [
            (name, self._translated({name: place}, {**rest, first: value})[name])
            for first, value in found
            for name, place in self.hooks.inbound.items()
            if place.partition(".")[0] == first
        ]
        text = next(
            filter(shared.refuses, _each(pairs, "text", lambda item: _string(item, "text", 0, sys.maxsize))), None
        )
        senders, to = [*dict.fromkeys(_each(pairs, "from", _msisdn))], _each(pairs, "to", _to)
        if text is None or not senders:
            return []
        everything, known = sorted(found, key=repr), to[0] if len(to) == 1 else ""
        first = shared.refusal(self.gateway, self.secret, everything, senders[0], known, text)
        return [replace(first, msisdn=each) for each in senders]

    def _report(self, item: Item, _: object) -> DeliveryReport:
        segment, segments = _count(item, "segment"), _count(item, "segments")
        if segment > segments:
            raise _Poison("segment: more than segments")
        if (status := DELIVERIES.get(_string(item, "status", 1, ID))) is None:
            raise _Poison(f"status: must be one of {', '.join(DELIVERIES)}")
        return DeliveryReport(
            gateway=self.gateway,
            ref=_fit(item, "ref", _REF, "not one of ours"),
            # Some gateways report without an id of their own: then the reply window decides what ids would have.
            message_id="" if item.get("message_id") is None else _id(item),
            status=status,
            segment=segment,
            segments=segments,
            error="" if item.get("error") is None else code(_word(item, "error", 0, TEXT)),
            at=_instant(item, "at"),
        )


def _twilio(secret: str, ours: str, call: WebhookCall) -> Iterator[str]:
    """Yield the signatures that Twilio may give a call: of its URL, with the port and without, and of its form, sorted;
    where the query has a hash of the body, of the URL alone.
    """
    hashed, pairs = call.query.get("bodySHA256"), set(_pairs(call.body))
    if hashed is not None:
        pairs = set()
        if hashed != sha256(call.body).hexdigest():
            return
    kind = "sha256" if "HMAC_SHA256" in call.headers.get("x-twilio-webhooks-signature-settings", "") else "sha1"
    scheme, _, rest = ours.partition("://")
    host, slash, path = rest.partition("/")
    name, form = host.partition(":")[0], "".join([name + value for name, value in sorted(pairs)])
    for each in {host, name, f"{name}:{443 if scheme == 'https' else 80}"}:
        signed = f"{scheme}://{each}{slash}{path}{call.target}{form}".encode("utf-8", "surrogateescape")
        yield b64encode(hmac.digest(secret.encode(), signed, kind)).decode()


# Sending ----------------------------------------------------------------------------------------------------------


@dataclass
class TemplatedGateway(shared.OfEveryGateway):
    """A gateway that takes an SMS by one request. own: makes the values of its templates that no SMS has"""

    url: str
    client: Client
    operation: Operation
    own: Callable[[], Values]

    async def send(self, sms: Sms) -> Outcome:
        """Hand over one SMS, whole. Its ref is the same at every attempt."""
        values = {
            **self.own(), "ref": sms.ref, "from": sms.sender, "to": sms.to, "text": sms.text,
            "purpose": sms.purpose.value, "unicode": encoding(sms.text) is Encoding.UCS2,
            "valid_min": max(1, sms.valid_for // 60_000) if sms.valid_for else None,
        }  # fmt: skip
        heard = await self.operation.heard(self.client, self.url, values, changes=True)
        return _outcome(heard) if isinstance(heard, Heard) else heard


def build(
    name: str, raw: Mapping[str, str], call_timeout: timedelta, now: Callable[[], float] = time.time
) -> TemplatedGateway:
    """Make such a gateway from its settings URL, SECRET, OLD_SECRET, SUB_NUMBERS, SKEW, SEGMENTS, REPORTS, the sender's
    certificate, of kind `templated` MAPPING, the file, and USERNAME, PASSWORD, CALLBACK_URL where the file uses them.
    Raises SettingsError.
    """
    prefix, kind = shared.prefix_of(name), name.partition(":")[0]
    file = required(prefix, raw, "MAPPING") if kind == TEMPLATED else ""
    mapping = from_setting(prefix, file, mapping_from) if file else mapping_of(kind if kind in BUNDLED else GENERIC)
    url = outbound.endpoint(prefix, raw)
    if mapping.file.send.path:
        if "?" in url or "#" in url:
            raise SettingsError(f"{prefix}URL must end in a path: that of each request is appended to it")
        url = url.rstrip("/")
    own = {each: required(prefix, raw, each.upper()) for each in mapping.needs - {"receipts"}}
    ours = shared.our_address(prefix, raw) if "receipts" in mapping.needs else ""
    own["receipts"] = f"{ours}/v1/gateways/{name}/receipts"
    secret = required(prefix, raw, "SECRET") if mapping.file.signed else ""
    return TemplatedGateway(
        *shared.of_every(name, raw, webhooks(name, raw, mapping, ours)),
        url,
        Client(call_timeout, secret, now, outbound.tls_of(prefix, raw)),
        mapping.send,
        lambda: {**own, "sent_at": GREENWICH.instant(int(now() * 1000))},
    )


def webhooks(name: str, raw: Mapping[str, str], mapping: GatewayMapping, ours: str = "") -> TemplatedWebhooks:
    """Make the webhooks alone, from SECRET, OLD_SECRET and SKEW. ours: our address. Raises SettingsError."""
    prefix = shared.prefix_of(name)
    if mapping.file.webhooks.proof.startswith(("query", "basic")):
        secret, old = shared.secrets_in_urls(prefix, raw)
    else:
        secret, old = required(prefix, raw, "SECRET"), raw.get(shared.OLD, "")
    return TemplatedWebhooks(name, mapping, secret, old, shared.RESOLUTION_MS + shared.skew(prefix, raw), ours)


def _outcome(heard: Heard) -> Outcome:
    answer, said, row = heard
    why, odd = Hitch.GATEWAY.of(answer.status), Hitch.GATEWAY_ODD.of(answer.status)
    if row is None:
        return Uncertain(why)
    if row.means == "done":
        ids = outbound.as_ids(found_at(said, row.ids)) if row.ids else ()
        parts = tuple(map(opaque, ids or list(filter(None, (as_id(found_at(said, place)) for place in row.id)))[:1]))
        return Accepted(parts[0], parts=parts if len(parts) > 1 else ()) if parts else Uncertain(odd)
    if row.means == "refused":
        # Named and not there, it comes from elsewhere (a proxy, a validator): this SMS was not refused for good.
        word = as_id(found_at(said, row.code)) if row.code else ""
        return Uncertain(odd) if row.code and not word else Rejected(code(word) if word else why)
    if row.means == "throttled":
        return Throttled(why, answer.after)
    return Unavailable(why, answer.after, row.means == "refuses_us")


# Items ------------------------------------------------------------------------------------------------------------


def _items(hooks: Hooks, body: bytes) -> Sequence[object]:
    if hooks.format == "form":
        if body.count(b"&") >= ITEMS:
            raise Malformed([FieldError("body", "too_many", f"more than {ITEMS} fields")])
        return [outbound.once(_pairs(body))]
    try:
        said = outbound.document(body, lenient=True)
    except ValueError:
        raise Malformed([FieldError("body", "not_json", "not JSON")]) from None
    if hooks.items:
        said = found_at(said, hooks.items)
        if not isinstance(said, list):
            raise Malformed([FieldError(hooks.items, "no_list", "must be a list")])
    items = said if isinstance(said, list) else [said]
    if len(items) > ITEMS:
        raise Malformed([FieldError("body", "too_many", f"more than {ITEMS} items")])
    return items


def _found(hooks: Hooks, body: bytes) -> Iterator[object]:
    """Yield what may be an item in a body that is malformed as a whole."""
    found: list[object] = [Unreadable(_pairs(body))] if hooks.format == "form" else list(outbound.objects_in(body))
    for each in found:  # it grows by what is in each
        if isinstance(each, Unreadable):
            found += [value for _, value in each.pairs]
        else:
            found += each if isinstance(each, list) else each.values() if isinstance(each, dict) else ()
    yield from found


def _pairs(body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form, the first ITEMS of them."""
    first = b"&".join(body.split(b"&", ITEMS)[:ITEMS]).decode("utf-8", "surrogateescape")
    return parse_qsl(first, keep_blank_values=True, errors="surrogateescape")


def _rfc3339(value: object, form: str) -> object:
    """Return an instant written in this form as RFC 3339; a value that is none as it is."""
    said = as_text(value)
    try:
        if form == UNIX:
            return datetime.fromtimestamp(int(said), UTC).isoformat()
        at = datetime.strptime(said, form)  # noqa: DTZ007 - without one it is China's
        return (at if at.tzinfo else at.replace(tzinfo=CHINA.zone)).isoformat()
    except (ValueError, OverflowError, OSError):
        return value


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


def _id(item: Item) -> str:
    value = _word(item, "message_id", 1, ID)
    if not value.isprintable():
        raise _Poison("message_id: has characters that cannot be shown")
    return opaque(value)


def _digits(value: object) -> str:
    """Return the digits of a value that some gateways write as a number; '' for any other value."""
    return str(value) if type(value) is int and abs(value) < LARGEST_ID else ""


def _fit(item: Item, field: str, form: re.Pattern[str], wrong: str) -> str:
    value = _word(item, field, 1, ID)
    if not form.fullmatch(value):
        raise _Poison(f"{field}: {wrong}")
    return value


def _msisdn(item: Item) -> msisdn.Msisdn:
    try:
        return msisdn.of_sender(_word(item, "from", 1, 40))
    except Malformed:
        raise _Poison("from: not a phone number") from None


def _to(item: Item) -> str:
    return _fit(item, "to", _TO, "must be digits, at most 21 characters").removeprefix("+")


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
