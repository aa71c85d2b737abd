"""Gateways as their far sides speak: of each kind its settings, an answer that takes an SMS, posts to our webhooks.

What is proven is proven here by code of the tests' own. None of it was tried with the providers themselves.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha1
from hmac import digest
from urllib.parse import parse_qsl, quote, urlencode

from consent_engine.adapters.gateways import registry
from consent_engine.domain import hashing
from consent_engine.ports import Acknowledgement, Gateway, WebhookCall
from tests.contract import NOW_S, PATIENT, Behaviour, answers

SECRET, PASSWORD = "between-us-1", "opens-the-gateway"
OURS = "https://sms.example.test"
REF = "11-abc.confirmation.1"
Said = dict[str, str]
Prove = Callable[[str, str, bytes, str], WebhookCall]
"""Makes a call to one of our webhooks, `inbound` or `receipts`: of a body, with a query, under a secret."""


@dataclass(frozen=True)
class Peer:
    """A kind of gateway. mo, dlr: the body of a reply (id, from, to, text) and of a report (id, status), and the query
    of the address that it is posted to
    """

    kind: str
    taken: Behaviour
    prove: Prove
    mo: Callable[[Said], tuple[str, bytes]]
    dlr: Callable[[Said], tuple[str, bytes]]
    statuses: tuple[str, str, str]
    """Its words for accepted, delivered and failed."""
    stored: Acknowledgement
    url: str = ""
    settings: Mapping[str, str] | None = None

    def built(self, url: str = "http://127.0.0.1:1", seconds: float = PATIENT, **raw: str) -> Gateway:
        """Make our side of it."""
        own = {"URL": url + self.url, "SECRET": SECRET, **(self.settings or {}), **raw}
        return registry.build(self.kind, lambda _: own, timedelta(seconds=seconds))

    def reply(self, said: Said, secret: str = SECRET) -> WebhookCall:
        """Post a reply."""
        query, body = self.mo(said)
        return self.prove("inbound", secret, body, query)

    def report(self, said: Said, secret: str = SECRET) -> WebhookCall:
        """Post a report."""
        query, body = self.dlr(said)
        return self.prove("receipts", secret, body, query)


def _asked(query: str) -> dict[str, str]:
    return dict(each.split("=", 1) for each in query.split("&") if each)


def _signed(_door: str, secret: str, body: bytes, query: str) -> WebhookCall:
    header = hashing.sign(secret, body, NOW_S) if secret else ""
    return WebhookCall({hashing.HEADER.lower(): header}, _asked(query), body, NOW_S * 1000)


def _keyed(kind: str) -> Prove:
    def prove(door: str, secret: str, body: bytes, query: str) -> WebhookCall:
        asked = "&".join(filter(None, (secret and f"key={secret}", query)))
        return WebhookCall({}, _asked(asked), body, NOW_S * 1000, f"/v1/gateways/{kind}/{door}?{asked}")

    return prove


def _by_kannel(_door: str, secret: str, body: bytes, query: str) -> WebhookCall:
    proof = {"authorization": f"Basic {b64encode(f'kannel:{secret}'.encode()).decode()}"} if secret else {}
    head, _, text = body.partition(b"\n")
    return WebhookCall({**proof, **json.loads(head or b"{}")}, _asked(query), text, NOW_S * 1000)


def twilios(secret: str, url: str, body: bytes) -> str:
    """Sign a post as Twilio describes it: its URL, then the form's fields in their order."""
    pairs = parse_qsl(body.decode("utf-8", "surrogateescape"), keep_blank_values=True, errors="surrogateescape")
    signed = url + "".join(name + value for name, value in sorted(set(pairs)))
    return b64encode(digest(secret.encode(), signed.encode("utf-8", "surrogateescape"), sha1)).decode()


def _by_twilio(door: str, secret: str, body: bytes, query: str) -> WebhookCall:
    target = f"/v1/gateways/twilio/{door}" + (f"?{query}" if query else "")
    proof = {"x-twilio-signature": twilios(secret, OURS + target, body)} if secret else {}
    return WebhookCall(proof, _asked(query), body, NOW_S * 1000, target)


def _json(**names: str) -> Callable[[Said], tuple[str, bytes]]:
    return lambda said: ("", json.dumps({names.get(name, name): value for name, value in said.items()}).encode())


def _results(**names: str) -> Callable[[Said], tuple[str, bytes]]:
    def made(said: Said) -> tuple[str, bytes]:
        item = {names.get(name, name): value for name, value in said.items()}
        if "status" in item:
            item |= {"status": {"groupName": item["status"], "name": "AS_IT_IS"}, "callbackData": REF}
        return "", json.dumps({"results": [item], "messageCount": 1}).encode()

    return made


def _form(query: str = "", **names: str) -> Callable[[Said], tuple[str, bytes]]:
    return lambda said: (query, urlencode({names.get(name, name): value for name, value in said.items()}).encode())


def _jasmins(said: Said) -> tuple[str, bytes]:
    text = said["text"].encode("utf-16-be", "replace")
    whole = {**said, "origin-connector": "smsc1", "priority": "1", "binary": text.hex()}
    del whole["text"]
    body = "&".join(f"{name}={quote(value, safe='')}" for name, value in whole.items())
    return "", f"{body}&coding=%08&content={quote(text, safe='')}".encode()


def _kannels(said: Said) -> tuple[str, bytes]:
    heads = {"x-kannel-from": said["from"], "x-kannel-to": said["to"], "content-type": "text/plain; charset=UTF-8"}
    query = f"id={said['id']}&time={NOW_S}" if "id" in said else ""
    return query, json.dumps(heads).encode() + b"\n" + said["text"].encode()


_PENDING = {"groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED"}
_COUNTS = b'{"accepted":1,"rejected":[]}'
PEERS = (
    Peer(
        "http_json",
        answers(202, {"message_id": "m-1"}),
        _signed,
        _json(id="message_id"),
        lambda said: _json(id="message_id")({"ref": REF, **said}),
        ("accepted", "delivered", "failed"),
        Acknowledgement(200, _COUNTS, "application/json"),
    ),
    Peer(
        "kannel",
        answers(202, b"0: Accepted for delivery"),
        _by_kannel,
        _kannels,
        lambda said: (f"ref={REF}&type={said['status']}&id=0123456789abcdef-1of1.x&said=", b"{}\n"),
        ("8", "1", "2"),
        Acknowledgement(200, b"", "text/plain"),
        "/cgi-bin/sendsms",
        {"USERNAME": "engine", "PASSWORD": PASSWORD, "CALLBACK_URL": OURS},
    ),
    Peer(
        "infobip",
        answers(200, {"messages": [{"messageId": "m-1", "status": _PENDING, "destination": "8613800138000"}]}),
        _keyed("infobip"),
        _results(id="messageId"),
        _results(id="messageId"),
        ("PENDING", "DELIVERED", "UNDELIVERABLE"),
        Acknowledgement(200, b"", "text/plain"),
        settings={"PASSWORD": PASSWORD, "CALLBACK_URL": OURS},
    ),
    Peer(
        "jasmin",
        answers(200, b'Success "m-1"'),
        _keyed("jasmin"),
        _jasmins,
        _form(f"ref={REF}", status="message_status"),
        ("ESME_ROK", "DELIVRD", "UNDELIV"),
        Acknowledgement(200, b"ACK/Jasmin", "text/plain"),
        settings={"USERNAME": "engine", "PASSWORD": PASSWORD, "CALLBACK_URL": OURS},
    ),
    Peer(
        "twilio",
        answers(201, {"sid": "m-1", "status": "queued"}),
        _by_twilio,
        _form(id="MessageSid", text="Body", **{"from": "From", "to": "To"}),
        _form(f"ref={REF}", id="MessageSid", status="MessageStatus"),
        ("sent", "delivered", "undelivered"),
        Acknowledgement(200, b"<Response/>", "text/xml"),
        settings={"USERNAME": "AC1", "PASSWORD": PASSWORD, "CALLBACK_URL": OURS},
    ),
)
