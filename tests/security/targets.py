"""The fuzz targets: each function takes any bytes, and fails when a promise about them is broken."""

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from time import process_time

from consent_engine.adapters.gateways import registry as gateways
from consent_engine.adapters.outbound import as_id, document, retry_after
from consent_engine.adapters.templates import found_at
from consent_engine.domain.grammar import Keyword, Read, read
from consent_engine.domain.hashing import HEADER, sign
from consent_engine.domain.sms import Reply
from consent_engine.errors import Malformed
from consent_engine.ports import Parsed, WebhookCall
from tests.unit.replies.oracle import says

NOW_S = 1_754_013_600
SECRET = "a-secret-of-the-fuzzer"
SLOWEST_S = 0.5
"""Seconds of this process's CPU time: other processes do not count."""
RAW = {
    "URL": "http://127.0.0.1:1/", "SECRET": SECRET, "USERNAME": "engine", "PASSWORD": "p",
    "CALLBACK_URL": "http://127.0.0.1:8080",
}  # fmt: skip
HTTP_JSON = gateways.build("http_json", lambda _: RAW, timedelta(seconds=1)).webhooks
JASMIN = gateways.build("jasmin", lambda _: RAW, timedelta(seconds=1)).webhooks
KANNEL = gateways.build("kannel", lambda _: RAW, timedelta(seconds=1)).webhooks
PROOF = "Basic " + b64encode(f"kannel:{SECRET}".encode()).decode()


def bounded(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    def timed(data: bytes) -> None:
        began = process_time()
        target(data)
        assert process_time() - began < SLOWEST_S, "it took too long"

    timed.__name__ = target.__name__
    return timed


def check_keyword(text: str, read: Callable[[str], Read] = read) -> None:
    """Assert that nothing but the words of the rules is a yes, and nothing but a code is a bare code."""
    found = read(text)
    answer = (found.keyword.value if found.keyword is Keyword.YES else "", found.code)
    if found.keyword is Keyword.UNKNOWN and not found.code:
        assert says(text) is None, ascii(text)
    elif found.keyword in {Keyword.YES, Keyword.UNKNOWN}:
        assert says(text) == answer, ascii(text)


def check_parsed(parsed: Parsed[object]) -> None:
    """Assert that every parsed message can be stored and sent on, and every rejected item has an index and a reason."""
    assert isinstance(parsed, Parsed)
    for _, message in parsed.messages:
        json.dumps(str(message), ensure_ascii=False).encode()
        if isinstance(message, Reply):
            check_keyword(message.text)
            assert message.msisdn.startswith("+86")
            assert len(message.msisdn) == len("+8613800138000")
    for index, reason in parsed.rejected:
        assert index >= 0
        assert len(reason) < 100
        assert reason.isascii()


def read_by(doors: tuple[Callable[[WebhookCall], Parsed[object]], ...], call: WebhookCall) -> None:
    for door in doors:
        try:
            parsed = door(call)
        except Malformed as error:
            assert all(each.message.isascii() for each in error.errors)  # noqa: PT017 - both outcomes are right
        else:
            check_parsed(parsed)


@bounded
def keywords(data: bytes) -> None:
    """Read a reply of any bytes, in the charsets that gateways use."""
    for charset in ("utf-8", "utf-16-be", "gb18030", "latin-1"):
        check_keyword(data.decode(charset, "backslashreplace"))
    check_keyword(data.decode("utf-8", "surrogatepass") if is_utf8(data) else data.decode("utf-8", "replace"))


def is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


@bounded
def http_json(data: bytes) -> None:
    """Read any body, with a valid signature, at both webhooks."""
    header = {HEADER.lower(): sign(SECRET, data, NOW_S)}
    read_by((HTTP_JSON.replies, HTTP_JSON.reports), WebhookCall(header, {}, data, NOW_S * 1000))


@bounded
def jasmin(data: bytes) -> None:
    """Read any form with Jasmin's proof at both webhooks, and any bytes as the text of one, with any coding."""
    form = b"id=1&from=13800138000&to=10085&coding=%%%02x&binary=%s" % (data[0] if data else 0, data[1:].hex().encode())
    for body in (data, form):
        read_by((JASMIN.replies, JASMIN.reports), WebhookCall({}, {"key": SECRET, "ref": "r"}, body, NOW_S * 1000))


@bounded
def kannel(data: bytes) -> None:
    """Read any MO and report with Kannel's proof: id, sender, receiver, time, charset and body, split at zero bytes."""
    parts = [*data.split(b"\0", 6), *[b""] * 7][:7]
    one, two, three, four, five, six = (part.decode("latin-1") for part in parts[:6])
    headers = {
        "authorization": PROOF,
        "x-kannel-from": two,
        "x-kannel-to": three,
        "content-type": f"text/plain; {five}",
    }
    query = {"id": one, "time": four, "ref": six, "type": one[:2]}
    call = WebhookCall(headers, query, parts[6], NOW_S * 1000)
    read_by((KANNEL.replies, KANNEL.reports), call)


@bounded
def answers(data: bytes) -> None:
    """Read any answer of a gateway or a BSS."""
    try:
        said = document(data)
    except ValueError:
        said = None
    for field in ("message_id", "activation_id", "code"):
        word = as_id(found_at(said, field))
        assert word.isprintable()
        assert len(word) <= 200
    assert 0 <= retry_after(data.decode("latin-1"), NOW_S) <= 600_000


MO = {
    "message_id": "m-1",
    "from": "+8613800138000",
    "to": "10085",
    "text": "是",
    "received_at": "2025-08-01T10:00:00+08:00",
}
DLR = {
    "ref": "11-abc.confirmation.1",
    "message_id": "m-9",
    "status": "delivered",
    "segment": 2,
    "segments": 3,
    "error": "e",
}
LIKELY = (
    "是", "是的", "同意 234", "不同意", "YES", "退订。", "我確認！", "帮助", "取消", "不是",
    "好", "好的", "可以", "行", "嗯", "ok", "1", "办理", "开通", "是吗", "同意吗", "是的话", "不 是",
    "yes if it is free",
)  # fmt: skip
"""Replies people write: the words of the table, and words that sound like a yes and are none."""
TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "keywords": (keywords, [text.encode() for text in LIKELY]),
    "http_json": (
        http_json,
        [json.dumps(MO, ensure_ascii=False).encode(), json.dumps([MO, DLR]).encode(), json.dumps(DLR).encode()],
    ),
    "jasmin": (
        jasmin,
        [b"\x08" + "是".encode("utf-16-be"), b"\x00Y", b"id=1&from=13800138000&to=10085&binary=59&coding=0&ref=r"],
    ),
    "kannel": (
        kannel,
        [
            b"6c9b12f4\x008613800138000\x0010085\x001754013600\x00charset=UTF-8\x0011-abc.confirmation.1\x00"
            + "是".encode(),
            b"1\x00+8613800138000\x0010085\x001\x00charset=UTF-16BE\x00r\x00" + "是".encode("utf-16-be"),
        ],
    ),
    "answers": (
        answers,
        [b'{"message_id":"m-1"}', b'{"activation_id":"a","active_from":"x"}', b"120", b"Wed, 21 Oct 2026 07:28:00 GMT"],
    ),
}
"""Name -> the function, and inputs as it usually gets them."""
