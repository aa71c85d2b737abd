"""Kannel: sendsms by POST, replies by POST, reports by GET; authenticated by Basic credentials, answered without text.

Kannel's unexpected behaviours, and how it must be set up, are in docs/kannel.md.
"""

import asyncio
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex

from consent_engine.adapters.gateways import shared_settings as shared
from consent_engine.adapters.gateways import sms_parts
from consent_engine.adapters.outbound import Answer, Client, endpoint, opaque
from consent_engine.domain import msisdn
from consent_engine.domain.effects import Accepted, Millis, Outcome, Rejected, Throttled, Unavailable, Uncertain
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.sms import MOST_SAID, Delivery, DeliveryReport, Encoding, Reply, encoding, heard, split
from consent_engine.errors import FieldError, Malformed, Unauthenticated
from consent_engine.ports import Acknowledgement, Parsed, Sms, WebhookCall, Webhooks

# Kannel's answer to a hand-over -> our outcome. A wrong set-up (a password, an address, a route) ends no order: the SMS
# is surely not taken, an operator mends it, and the order's age raises an alarm until then. Any other answer is doubt.
ACCEPTED = 202
TAKEN = {b"0": "", b"3": "queued at the gateway"}
TOO_MANY = 429
NOT_NOW = {
    401: Hitch.GATEWAY_ACCOUNT.of(401),
    403: Hitch.GATEWAY_ACCOUNT.of(403),
    404: Hitch.GATEWAY_ADDRESS.of(404),
    503: Hitch.GATEWAY.of(503),
}
NO_ROUTE = b"Not routable"  # said with 403 of one number or sender: our account is not refused
REFUSED = 400
_REFUSALS = ((b"Number(s) has/have been denied", Hitch.DENIED.of()), (b"rejected", Hitch.REJECTED.of()))

# Kannel's type of a report -> our Delivery. 1 and 2 come from the handset, 4 and 8 from the SMSC, 16: no SMSC took it.
DELIVERIES = {
    "1": Delivery.DELIVERED,
    "2": Delivery.FAILED,
    "4": Delivery.ACCEPTED,
    "8": Delivery.ACCEPTED,
    "16": Delivery.FAILED,
}
ERRORS = {"2": Hitch.NOT_DELIVERED.of(), "16": Hitch.REFUSED_BY_SMSC.of()}
MASK = 1 + 2 + 8 + 16
"""The report types we ask for. Not 4: it tells us no more than 8, and some SMSCs refuse an SMS that asks for it."""
CODINGS = {Encoding.GSM7: "0", Encoding.UCS2: "2"}
EIGHT_BIT = "1"

_ID = re.compile(r"[!-~]{1,200}")
_EVENT = re.compile(r"([0-9a-f]{16})-([0-9]{1,3})of([0-9]{1,3})\.[!-~]{0,100}")
_TO = re.compile(r"(?=.{1,21}\Z)\+?([0-9]+)")
_SECONDS = re.compile(r"[0-9]{1,11}")
_CHARSET = re.compile(r';\s*charset="?([A-Za-z0-9_-]+)"?', re.IGNORECASE)
_HEADER = re.compile(r"[!-~]+")


class KannelWebhooks(Webhooks):
    """The webhooks for Kannel: the credentials are verified, then the one message of a call is read."""

    def __init__(self, gateway: str, secret: str, skew: Millis, old: str = "") -> None:
        self._gateway, self._secret = gateway, secret
        self._expected = [shared.basic(gateway, each).encode() for each in (secret, old) if each]
        self._behind = shared.RESOLUTION_MS + skew

    def replies(self, call: WebhookCall) -> Parsed[Reply]:
        """Read one MO.

        A mistake in our entry in kannel.conf makes the call malformed: Kannel keeps the message and tries again, and
        its log says why. A message that is itself faulty is taken and rejected: no repeat would mend it.
        """
        self._verify(call)
        said, may_answer = _text(call)
        text, sender = heard(said), call.headers.get("x-kannel-from", "")
        to = _TO.fullmatch(call.headers.get("x-kannel-to", ""))
        number = _number(sender)
        kept: tuple[tuple[int, Reply], ...] = ()
        post = _post(call, said)  # Kannel repeats a call as it is
        if number and shared.refuses(text):
            kept = ((0, shared.refusal(self._gateway, self._secret, post, number, to[1] if to else "", text)),)
        try:
            message_id, written = _envelope(call)
        except Malformed as wrong:
            return Parsed(kept, malformed=wrong)
        if number is None:
            return Parsed((), ((0, "from: not a phone number"),))
        if len(call.body) > 4 * MOST_SAID:
            return Parsed(
                kept, ((0, f"text: must have at most {MOST_SAID} characters" + f"; {shared.KEPT}" * len(kept)),)
            )
        # Without the number it was sent to, the gateway's carriers decide: no refusal is lost because of that.
        written_at = None if written is None else written + self._behind
        udh = sms_parts.Header.read(call.headers.get("x-kannel-udh", ""))
        data = udh.to_a_program or not may_answer or call.headers.get("x-kannel-coding", "") == EIGHT_BIT
        reply = Reply(
            self._gateway, message_id, number, to[1] if to else "", text, written_at, udh.part, data, written,
            posted=shared.as_posted(post),
        )  # fmt: skip
        return Parsed(((0, reply),))

    def reports(self, call: WebhookCall) -> Parsed[DeliveryReport]:
        """Read one DLR, all of which is in the query of the URL that we gave to Kannel."""
        self._verify(call)
        ref, kind = call.query.get("ref", ""), call.query.get("type", "")
        if not _ID.fullmatch(ref):
            return Parsed((), ((0, "ref: not one of ours"),))
        if kind not in DELIVERIES:
            return Parsed((), ((0, f"type: must be one of {', '.join(DELIVERIES)}"),))
        # Every event has an id of its own in Kannel, but attempts are counted. Where no attempt is named, all of them
        # count as one: that settles less, never more.
        event = _EVENT.fullmatch(call.query.get("id", ""))
        attempt, n, of = (event[1], int(event[2]), int(event[3])) if event else (ref, 1, 1)
        if not 1 <= n <= of:
            return Parsed((), ((0, "id: not one of ours"),))
        stat, why = sms_parts.receipt(call.query.get("said", ""))
        if stat == sms_parts.UNKNOWN:
            return Parsed((), ((0, "said: UNKNOWN is no end"),))
        error = (why or ERRORS[kind]) if kind in ERRORS else ""
        report = DeliveryReport(self._gateway, ref, attempt, DELIVERIES[kind], n, of, error, alone=of > 1)
        return Parsed(((0, report),))

    def acknowledge(self, accepted: int, rejected: Sequence[tuple[int, str]]) -> Acknowledgement:
        """Always answer 200, beside 202 the one status that Kannel accepts, without text that Kannel could send on."""
        return Acknowledgement(200, b"", "text/plain")

    def _verify(self, call: WebhookCall) -> None:
        given = call.headers.get("authorization", "").encode()
        if not any(hmac.compare_digest(given, each) for each in self._expected):
            raise Unauthenticated("the credentials do not fit")


@dataclass
class Kannel(shared.OfEveryGateway):
    """A Kannel gateway that takes SMS by POST.

    user: our credentials as headers, so that no log of URLs shows them · receipts: our URL for reports, with the
    credentials that Kannel uses
    """

    url: str
    user: Mapping[str, str]
    receipts: str
    client: Client
    attempt: Callable[[], str]

    async def send(self, sms: Sms) -> Outcome:
        """Hand over one SMS, part by part: Kannel truncates a text that has more parts than its `max-messages`.

        Kannel's answer holds no id of the SMS, so each attempt gets an id here.
        """
        attempt, parts = self.attempt(), split(sms.text)
        sent = (self._send(sms, part, attempt, n, len(parts)) for n, part in enumerate(parts, 1))
        return sms_parts.together(await asyncio.gather(*sent))

    async def _send(self, sms: Sms, part: str, attempt: str, n: int, of: int) -> Outcome:
        # Kannel's form is no JSON: the text is the body, all else is in headers.
        headers = {
            **self.user,
            "Content-Type": 'text/plain; charset="UTF-8"',
            "X-Kannel-From": sms.sender,
            "X-Kannel-To": sms.to,
            "X-Kannel-Coding": CODINGS[encoding(sms.text)],
            "X-Kannel-DLR-Mask": str(MASK),
            "X-Kannel-DLR-Url": f"{self.receipts}?ref={sms.ref}&type=%d&id={attempt}-{n}of{of}.%I&said=%A",
        }
        if sms.valid_for:
            headers["X-Kannel-Validity"] = str(max(1, sms.valid_for // 60_000))
        if of > 1:
            headers["X-Kannel-UDH"] = sms_parts.concatenated(sms_parts.reference(sms.ref), of, n)
        answer = await self.client.send("POST", self.url, part.encode(), headers, changes=True)
        return _outcome(answer, attempt) if isinstance(answer, Answer) else answer


def build(
    name: str, raw: Mapping[str, str], call_timeout: timedelta, attempt: Callable[[], str] = lambda: token_hex(8)
) -> Kannel:
    """Make a gateway of this kind from its own settings. Raises SettingsError.

    They are URL, USERNAME, PASSWORD (sendsms); SECRET, OLD_SECRET, CALLBACK_URL (webhooks); SUB_NUMBERS, SKEW,
    SEGMENTS, REPORTS.
    """
    prefix = shared.prefix_of(name)
    user = {
        f"X-Kannel-{key.capitalize()}": shared.fitting(
            prefix, raw, key, _HEADER, "must be printable ASCII without blanks"
        )
        for key in ("USERNAME", "PASSWORD")
    }
    secret, old = shared.secrets_in_urls(prefix, raw)
    scheme, _, rest = shared.our_address(prefix, raw).partition("://")
    return Kannel(
        *shared.of_every(name, raw, KannelWebhooks(name, secret, shared.skew(prefix, raw), old)),
        endpoint(prefix, raw),
        user,
        f"{scheme}://{shared.user_of(name)}:{secret}@{rest}/v1/gateways/{name}/receipts",
        Client(call_timeout),
        attempt,
    )


def _outcome(answer: Answer, attempt: str) -> Outcome:
    if answer.status == ACCEPTED:
        note = TAKEN.get(answer.body.partition(b":")[0])
        return Uncertain(Hitch.GATEWAY_ODD.of(ACCEPTED)) if note is None else Accepted(attempt, note)
    if answer.status == REFUSED:
        # Kannel's text quotes no person, but a proxy's may: Kannel's own refusal is final, kept as our code.
        why = next((reason for theirs, reason in _REFUSALS if theirs in answer.body), None)
        return Rejected(why) if why else Unavailable(Hitch.GATEWAY_ODD.of(REFUSED), answer.after)
    if answer.refuses_us and NO_ROUTE in answer.body:
        return Unavailable(Hitch.GATEWAY_NO_ROUTE.of(answer.status), answer.after)
    if answer.status == TOO_MANY:
        return Throttled(Hitch.GATEWAY.of(answer.status), answer.after)
    if answer.status in NOT_NOW:
        return Unavailable(NOT_NOW[answer.status], answer.after, answer.refuses_us)
    return Uncertain(Hitch.GATEWAY.of(answer.status))


def _number(sender: str) -> msisdn.Msisdn | None:
    try:
        return msisdn.of_sender(sender)
    except Malformed:
        return None


def _envelope(call: WebhookCall) -> tuple[str, int | None]:
    """Return the message's id and sending time. Raises Malformed where kannel.conf does not pass them on."""
    message_id, sent = call.query.get("id", ""), call.query.get("time", "")
    wrong = []
    if not _ID.fullmatch(message_id):
        wrong.append(FieldError("id", "missing", "post-url must have id=%I"))
    if not call.headers.get("x-kannel-from", ""):
        wrong.append(FieldError("X-Kannel-From", "missing", "the sms-service must have send-sender = true"))
    if sent and not _SECONDS.fullmatch(sent):
        wrong.append(FieldError("time", "not_seconds", "post-url must have time=%T"))
    if wrong:
        raise Malformed(wrong)
    return opaque(message_id), int(sent) * 1000 if sent else None


def _post(call: WebhookCall, text: str) -> dict[str, str]:
    """Return what a call says of its message, without our credentials."""
    asked = {f"?{name}": value for name, value in sorted(call.query.items())}
    headers = {name: value for name, value in sorted(call.headers.items()) if name.startswith("x-kannel-")}
    return {**asked, **headers, "type": call.headers.get("content-type", ""), "text": text}


def _text(call: WebhookCall) -> tuple[str, bool]:
    """Return the text, and whether it may be an answer."""
    named = _CHARSET.search(call.headers.get("content-type", ""))
    return sms_parts.text_of(call.body, named[1] if named else "utf-8")
