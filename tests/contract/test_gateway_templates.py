"""Gateways that a file describes: the bundled ones on the wire, proofs, charsets, and wrong files and settings."""

import asyncio
import json
import re
from base64 import b64decode
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from msgspec.structs import replace

from consent_engine.adapters.gateways import registry
from consent_engine.adapters.templates import LONGEST_FILE
from consent_engine.domain.effects import Accepted, Purpose, Rejected, Throttled, Unavailable, Uncertain
from consent_engine.errors import SettingsError, Unauthenticated
from consent_engine.ports import Sms, WebhookCall
from tests.contract import MSISDN, NOW_S, NUMBER, TEXT, Far, answers, discreet
from tests.contract.peers import OURS, PASSWORD, PEERS, REF, SECRET

PAGE = (Path(__file__).parents[2] / "docs" / "gateways.md").read_text("utf-8")
(PAGE_FILE,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
PEER = {peer.kind: peer for peer in PEERS}
SMS = Sms(REF, "10690001", MSISDN, TEXT, Purpose.CONFIRMATION, 90_000)


def sent(gateway_at, behaviour, sms=SMS):
    """Return the outcome of sending, and the request that was received."""

    async def conversation():
        async with Far(behaviour) as far:
            return await gateway_at(far.url).send(sms), far

    outcome, far = asyncio.run(conversation())
    discreet(repr(outcome))
    return outcome, far.requests[0] if far.requests else None


def form(request):
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    return {name: value for name, (value,) in parse_qs(request.body.decode()).items()}


# What each sends, and how its answers are read --------------------------------------------------------------------


def test_infobip():
    _, request = sent(PEER["infobip"].built, PEER["infobip"].taken)
    assert (request.method, request.target) == ("POST", "/sms/3/messages")
    assert request.headers["authorization"] == f"App {PASSWORD}"
    report = f"{OURS}/v1/gateways/infobip/receipts?key={SECRET}"
    assert request.fields == {"messages": [{
        "sender": "10690001", "destinations": [{"to": "86" + NUMBER, "messageId": REF}], "content": {"text": TEXT},
        "webhooks": {"delivery": {"url": report}, "contentType": "application/json", "callbackData": REF},
    }]}  # fmt: skip


def test_jasmin():
    _, request = sent(PEER["jasmin"].built, PEER["jasmin"].taken)
    assert (request.method, request.target) == ("POST", "/send")
    assert form(request) == {
        "username": "engine", "password": PASSWORD, "from": "10690001", "to": "86" + NUMBER, "coding": "8",
        "hex-content": TEXT.encode("utf-16-be").hex(), "validity-period": "1", "dlr-level": "3", "dlr-method": "POST",
        "dlr-url": f"{OURS}/v1/gateways/jasmin/receipts?key={SECRET}&ref={REF}",
    }  # fmt: skip
    _, request = sent(PEER["jasmin"].built, PEER["jasmin"].taken, replace(SMS, text="Reply Y @ 10085", valid_for=0))
    said = form(request)
    assert (said["coding"], said["content"]) == ("0", "Reply Y @ 10085")
    assert not said.keys() & {"hex-content", "validity-period"}


def test_twilio():
    _, request = sent(PEER["twilio"].built, PEER["twilio"].taken)
    assert (request.method, request.target) == ("POST", "/2010-04-01/Accounts/AC1/Messages.json")
    assert b64decode(request.headers["authorization"].removeprefix("Basic ")).decode() == f"AC1:{PASSWORD}"
    assert form(request) == {
        "From": "10690001", "To": MSISDN, "Body": TEXT,
        "StatusCallback": f"{OURS}/v1/gateways/twilio/receipts?ref={REF}",
    }  # fmt: skip


def infobips(group, name="AS_IT_IS"):
    return {"messages": [{"messageId": "m-1", "status": {"groupName": group, "name": name}}]}


ANSWERS = [
    ("infobip", 200, infobips("REJECTED", "REJECTED_DESTINATION"), Rejected("REJECTED_DESTINATION")),
    ("infobip", 200, infobips("REJECTED", "REJECTED_NOT_ENOUGH_CREDITS"), Unavailable("gateway:200", refusing=True)),
    ("infobip", 200, infobips("EXPIRED"), Uncertain("gateway:200")),
    ("infobip", 200, {"messages": [{"status": {"groupName": "PENDING"}}]}, Uncertain("gateway_odd:200")),
    ("infobip", 400, {"requestError": TEXT}, Unavailable("gateway:400")),
    ("infobip", 429, "", Throttled("gateway:429")),
    ("jasmin", 200, b'Error "m-1"', Uncertain("gateway:200")),
    ("jasmin", 200, b"Success", Uncertain("gateway_odd:200")),
    ("jasmin", 200, b'Success ""', Uncertain("gateway_odd:200")),
    ("jasmin", 403, b'Error "User throughput exceeded"', Throttled("gateway:403")),
    ("jasmin", 403, b'Error "Cannot charge submit_sm"', Unavailable("gateway:403", refusing=True)),
    ("jasmin", 412, b'Error "No route found"', Unavailable("gateway:412")),
    ("jasmin", 412, b"<html>a proxy's", Uncertain("gateway:412")),
    ("jasmin", 500, b'Error "Cannot send submit_sm"', Uncertain("gateway:500")),
    ("twilio", 201, {"sid": 7, "status": "received"}, Accepted("7")),
    ("twilio", 201, {"status": "queued"}, Uncertain("gateway_odd:201")),
    ("twilio", 400, {"code": 21211, "message": NUMBER}, Rejected("21211")),
    ("twilio", 400, {"code": NUMBER}, Rejected("unnamed")),
    ("twilio", 400, {"message": "a proxy's"}, Uncertain("gateway_odd:400")),
    ("twilio", 400, {"code": 21611}, Throttled("gateway:400")),
    ("twilio", 400, {"code": 21606}, Unavailable("gateway:400", refusing=True)),
    ("twilio", 404, {"code": 20404}, Unavailable("gateway:404", refusing=True)),
    ("twilio", 500, {"code": 20500}, Uncertain("gateway:500")),
]


@pytest.mark.parametrize(("kind", "status", "said", "meant"), ANSWERS)
def test_what_an_answer_means(kind, status, said, meant):
    assert sent(PEER[kind].built, answers(status, said))[0] == meant


# Posts ------------------------------------------------------------------------------------------------------------


def reply_of(kind, body, query=""):
    ((_, reply),) = PEER[kind].built().webhooks.replies(PEER[kind].prove("inbound", SECRET, body, query)).messages
    return reply


@pytest.mark.parametrize(
    ("binary", "coding", "text", "whole"),
    [
        ("59", "%00", "Y", True), ("59", "0", "Y", True), ("59", "%01", "Y", True), ("662F", "%08", "是", True),
        ("662f", "8", "是", True), ("e9", "%03", "é", True), ("59", "%04", "Y", False), ("59", "", "Y", False),
        ("5444", "%04", "TD", False), ("ff", "%00", "\\xff", True), ("", "%00", "", True),
    ],
)  # fmt: skip
def test_jasmins_text_is_read_from_its_bytes_in_the_charset_that_is_named(binary, coding, text, whole):
    body = f"id=m-1&from={NUMBER}&to=10085&content=%ff&coding={coding}&binary={binary}".encode()
    reply = reply_of("jasmin", body)
    assert (reply.text, reply.whole) == (text, whole)
    if coding != "%04":
        assert reply.message_id == "m-1"


def test_infobips_instants_and_many_results():
    item = {"messageId": "m-1", "from": "86" + NUMBER, "to": "10085", "text": "是", "keyword": "Y"}
    item |= {"receivedAt": "2025-08-01T02:00:00.000+0000", "price": {"pricePerMessage": 0}}
    body = json.dumps({"results": [item, {**item, "messageId": ["x"]}, 7], "pendingMessageCount": 0}).encode()
    parsed = PEER["infobip"].built().webhooks.replies(PEER["infobip"].prove("inbound", SECRET, body, ""))
    ((index, reply),) = parsed.messages
    assert (index, reply.stamp, [each for each, _ in parsed.rejected]) == (0, NOW_S * 1000, [1, 2])
    assert parsed.rejected[0][1] == "message_id: must be a string"


MYCOMPANY, SIGNED = "https://mycompany.com/myapp.php?foo=1&bar=2", "https://sms.example.test/hooks/twilio/mo"
HASHED = "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
CALL = "CallSid=CA1234567890ABCDE&Caller={0}&Digits=1234&From={0}&To=%2B18005551212"
CHINESE = "Body=%E5%90%8C%E6%84%8F+Y&From=%2B8613800000001&To=%2B10690001&NumMedia=0"
CHINESE += f"&MessageSid=SM{'0' * 32}&AccountSid=AC{'0' * 32}"
VECTORS = [
    (MYCOMPANY, CALL.format("%2B14158675309"), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    (MYCOMPANY, CALL.format("%2B12349013030"), "0/KCTR6DLpKmkAf8muzZqo1nDgQ="),
    (MYCOMPANY + HASHED, '{"property": "value", "boolean": true}', "a9nBmqA0ju/hNViExpshrM61xv4="),
    (SIGNED, CHINESE, "EoIvzK/jqcdgMJXdNaE0JoNJd4o="),
    (SIGNED, CHINESE, "jeJsykaFZ5V6dNewhYKBJgNfxz+se9NlNI15XaF8DZQ="),
]
"""Address, body and signature: the first three are published, the others computed by Twilio's own library."""


@pytest.mark.parametrize(("url", "body", "signature"), VECTORS)
@pytest.mark.parametrize("port", ["", ":443", ":8443"])
def test_twilios_signature_is_that_of_its_library(url, body, signature, port):
    where, target = url[: url.index("/", 8)], url[url.index("/", 8) :]
    hooks = PEER["twilio"].built(CALLBACK_URL=where + port, SECRET="12345").webhooks
    query = dict(each.split("=") for each in target.partition("?")[2].split("&") if each)
    kind = {"x-twilio-webhooks-signature-settings": "key=k,algorithm=HMAC_SHA256"} if len(signature) > 28 else {}
    call = WebhookCall({"x-twilio-signature": signature, **kind}, query, body.encode(), 0, target)
    parsed = hooks.replies(call)
    assert parsed.messages or parsed.rejected
    for wrong in (
        {"body": body.replace("a", "b").encode()}, {"target": target + "&x=1"}, {"headers": {}},
        {"headers": {"x-twilio-signature": signature}} if kind else {"headers": call.headers | SHA256},
    ):  # fmt: skip
        with pytest.raises(Unauthenticated):
            hooks.replies(replace(call, **wrong))


SHA256 = {"x-twilio-webhooks-signature-settings": "algorithm=HMAC_SHA256"}


# Files of one's own -----------------------------------------------------------------------------------------------


def described(folder, text, **raw):
    (folder / "own.yaml").write_text(text, "utf-8")
    own = {"URL": "http://127.0.0.1:1", "SECRET": SECRET, "PASSWORD": PASSWORD, "CALLBACK_URL": OURS, **raw}
    own["MAPPING"] = raw.get("MAPPING", str(folder / "own.yaml"))
    return registry.build("templated:own", lambda _: own, timedelta(seconds=5))


def test_the_file_of_the_page_sends_and_reads(tmp_path):
    outcome, request = sent(
        lambda url: described(tmp_path, PAGE_FILE, URL=url + "/api/"), answers(200, {"code": 0, "data": {"id": 77}})
    )
    assert outcome == Accepted("77")
    assert (request.target, request.headers["x-api-key"]) == ("/api/v2/sms", PASSWORD)
    assert request.fields["mobile"] == NUMBER
    hooks = described(tmp_path, PAGE_FILE).webhooks
    proof = {"x-callback-token": SECRET}
    item = {"mobile": NUMBER, "dest": "10690001", "content": "是", "time": "2025-08-01 10:00:00"}
    body = json.dumps([item, {**item, "time": "2025-08-01 10:00:01"}, item]).encode()
    (_, one), (_, later), (_, again) = hooks.replies(WebhookCall(proof, {}, body, NOW_S * 1000)).messages
    assert (one.msisdn, one.to, one.stamp) == (MSISDN, "10690001", NOW_S * 1000)
    assert one == again
    assert one.message_id != later.message_id
    unstamped = hooks.replies(WebhookCall(proof, {}, json.dumps({**item, "time": None}).encode(), NOW_S * 1000))
    assert (unstamped.messages, unstamped.rejected) == ((), ((0, "received_at: must be given, as there is no id"),))
    report = json.dumps({"custom": REF, "id": 77, "ok": True}).encode()
    ((_, read_back),) = hooks.reports(WebhookCall(proof, {}, report, NOW_S * 1000)).messages
    assert (read_back.ref, read_back.message_id, read_back.status) == (REF, "77", "delivered")
    assert hooks.acknowledge(3, []).body == b'{"code":0}'
    with pytest.raises(Unauthenticated):
        hooks.replies(WebhookCall({"x-callback-token": "another"}, {}, body, NOW_S * 1000))


@pytest.mark.parametrize(
    ("form", "said", "read_as"),
    [
        ("unix", NOW_S, NOW_S * 1000), ("unix", str(NOW_S), NOW_S * 1000), ("unix", "soon", None),
        ("unix", "9" * 40, None), ("%y%m%d%H%M", 2508011000, NOW_S * 1000), ("%y%m%d%H%M", "2508011060", None),
        ("%Y-%m-%dT%H:%M:%S%z", "2025-08-01T02:00:00+0000", NOW_S * 1000),

    ],
)  # fmt: skip
def test_an_instant_is_read_in_the_form_that_the_file_names(tmp_path, form, said, read_as):
    hooks = described(tmp_path, PAGE_FILE.replace('"%Y-%m-%d %H:%M:%S"', json.dumps(form))).webhooks
    body = json.dumps({"mobile": NUMBER, "dest": "1", "content": "是", "time": said}).encode()
    parsed = hooks.replies(WebhookCall({"x-callback-token": SECRET}, {}, body, NOW_S * 1000))
    assert [reply.stamp for _, reply in parsed.messages] == ([] if read_as is None else [read_as])


def test_a_form_is_written_in_the_charset_of_its_file(tmp_path):
    file = PAGE_FILE.replace("format: json\n", "format: form\ncharset: gb18030\n", 1)
    _, request = sent(lambda url: described(tmp_path, file, URL=url + "/api/"), answers(200, {"code": 0}))
    assert TEXT in parse_qs(request.body.decode(), encoding="gb18030")["content"]


WRONG = {
    ("{{ text }}", "{% for a in text %}{{ a }}{% endfor %}"): "send.body.content: For is not allowed",
    ("{{ text }}", "{{ text * 9999999 }}"): "send.body.content: Mul is not allowed",
    ("{{ text }}", "{{ text" + " | hex('utf-8')" * 20 + " }}"): "send: a template cannot be filled in: ValueError",
    ("{{ text }}", "{{ text" + " | base64" * 40 + " }}"): "send: a template cannot be filled in: ValueError",
    ("{{ text }}", "{{ texts }}"): "send.body.content: texts is no value here: from, password",
    ("{{ text }}", "hello"): "send must name text",
    ("{{ ref }}", "x"): "send must name ref",
    ("method: POST", "method: GET"): "send.method must not be GET",
    ("path: /v2/sms", "path: /v2/{{ to }}"): "send.path: to is no value here",
    ("X-Api-Key", "Host"): "headers.Host.[key] is a header that the client sets itself",
    ('"{{ password }}"', '"{{ text }}"'): "send.headers.X-Api-Key: text is no value here",
    ("status: 200, where: {code: 0}, is: done", "where: {code: 0}, is: done"): "must name its statuses, all of them",
    ("is: done, id: data.id", "is: done"): "send.answers.0 with `is: done` must name the field of its id",
    ("is: throttled", "is: throttled, id: a"): "send.answers.2 with `is: throttled` has no id",
    ("is: throttled", "is: unknown"): "send.answers has no `is: unknown`: done, ",
    ("status: 429, is: throttled", "status: 503, is: refused"): "send.answers.2 with `is: refused` must name statuses",
    ("status: 429", "status: 502"): "send.answers.2 with `is: throttled` must name statuses of 4xx",
    ("  proof: header X-Callback-Token\n", ""): "webhooks.proof must be given",
    ("header X-Callback-Token", "none"): "webhooks.proof must match",
    ("from: mobile, ", ""): "webhooks inbound must name the field of its from",
    (", received_at: time", ""): "webhooks inbound must name message_id or received_at",
    ("text: content", "txt: content"): "webhooks.inbound.txt",
    ('"%Y-%m-%d %H:%M:%S"', '"%d.%m."'): "webhooks.time must be `unix`, or a form of strptime",
    ('"%Y-%m-%d %H:%M:%S"', '"%Y %Q"'): "webhooks.time 'Q' is a bad directive",
    ("ref: custom, ", ""): "webhooks receipts must name the field of its ref",
    ('"false": failed', '"false": lost'): "webhooks.statuses.false must be 'accepted', 'delivered' or 'failed'",
    ("body: {code: 0}", 'body: {code: "{{ secret }}"}'): "webhooks.answer.body.code: secret is no value here",
    ("answer: {", "answer: {status: 500, "): "webhooks.answer.status must be less than",
    ("format: json\n", "format: soap\n"): "format must be 'json', 'xml' or 'form'",
    ("send:", "sends:"): "send must be given",
}  # fmt: skip


def test_a_wrong_file_stops_the_start_with_the_place_and_the_fault(tmp_path):
    unnoticed = {}
    for (text, put), fault in WRONG.items():
        assert text in PAGE_FILE, text
        try:
            described(tmp_path, PAGE_FILE.replace(text, put, 1))
            unnoticed[put] = "it is read"
        except SettingsError as error:
            said = str(error)
            if not said.startswith("CONSENT_TEMPLATED_OWN__MAPPING: own.yaml: ") or fault not in said or "\n" in said:
                unnoticed[put] = said
    assert unnoticed == {}


def test_a_wrong_setting_stops_the_start_by_its_name(tmp_path):
    for key, value, fault in (
        ("MAPPING", "", "is missing"), ("MAPPING", str(tmp_path), "names a file that cannot be read"),
        ("PASSWORD", "", "is missing"), ("SECRET", " ", "is missing"), ("URL", "http://a/?b=c", "must end in a path"),
        ("SKEW", "11m", "must be at most 10m"),
    ):  # fmt: skip
        with pytest.raises(SettingsError, match=f"^CONSENT_TEMPLATED_OWN__{key} {re.escape(fault)}"):
            described(tmp_path, PAGE_FILE, **{key: value})
    (tmp_path / "long.yaml").write_text("#" * (LONGEST_FILE + 1), "utf-8")
    with pytest.raises(SettingsError, match=r"MAPPING: long\.yaml: is longer"):
        described(tmp_path, PAGE_FILE, MAPPING=str(tmp_path / "long.yaml"))
    for key, value in (("CALLBACK_URL", ""), ("CALLBACK_URL", "sms.example.test"), ("SECRET", "a blank")):
        with pytest.raises(SettingsError, match=f"^CONSENT_JASMIN__{key} "):
            PEER["jasmin"].built(**{key: value})


def test_a_gateway_without_reports_reads_none(tmp_path):
    text = re.sub("  receipts: .*\n", "", PAGE_FILE)
    hooks = described(tmp_path, text).webhooks
    assert hooks.reports(WebhookCall({"x-callback-token": SECRET}, {}, b"{}", 0)).rejected
    with pytest.raises(Unauthenticated):
        hooks.reports(WebhookCall({}, {}, b"[]", 0))
