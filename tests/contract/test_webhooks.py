"""Webhooks of gateways that post signed JSON: messages that are read, messages rejected singly, posts left unread."""

import json
import traceback
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent_engine.adapters.gateways import registry as gateways
from consent_engine.domain import grammar, hashing
from consent_engine.domain.sms import Delivery, DeliveryReport, Part, Reply
from consent_engine.errors import Malformed, Unauthenticated
from consent_engine.ports import Parsed, WebhookCall
from tests.contract import KEPT_SECRET, MSISDN, NOW_S, NUMBER, TEXT, discreet

SIGNED = ("http_json", "simulated")
"""Gateways with these webhooks; a gateway with a format of its own has a test file of its own."""
REF = "11-abc.confirmation.1"
RAW = {"URL": "http://127.0.0.1:1", "SECRET": KEPT_SECRET}
MO = {"message_id": "m-1", "from": MSISDN, "to": "10085", "text": TEXT, "received_at": "2025-08-01T10:00:00+08:00"}
DLR = {"ref": REF, "message_id": "m-9", "status": "delivered", "segment": 2, "segments": 3, "at": MO["received_at"]}


def built(kind, **raw):
    return gateways.build(f"{kind}:box", lambda _prefix: RAW | raw, timedelta(seconds=1))


@pytest.fixture(params=SIGNED)
def gateway(request):
    return built(request.param)


def call(said, secret=KEPT_SECRET, signed_at=NOW_S, now=NOW_S):
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    header = {hashing.HEADER.lower(): hashing.sign(secret, body, signed_at)}
    return WebhookCall(header, {}, body, now * 1000)


def test_a_reply_is_read(gateway):
    ((index, reply),) = gateway.webhooks.replies(call(MO)).messages
    second = 1000
    assert index == 0
    assert reply == Reply(
        gateway.name,
        "m-1",
        MSISDN,
        "10085",
        TEXT,
        NOW_S * 1000 + second + 5 * second,
        stamp=NOW_S * 1000,
        posted=json.dumps(MO, ensure_ascii=False, separators=(",", ":")),
    )


@pytest.mark.parametrize(("skew", "behind"), {"1ms": 1_001, "500ms": 1_500, "2m": 121_000}.items())
@pytest.mark.parametrize("kind", SIGNED)
def test_how_far_behind_its_clock_may_be_is_a_setting(kind, skew, behind):
    ((_, reply),) = built(kind, SKEW=skew).webhooks.replies(call(MO)).messages
    assert reply.written_at == NOW_S * 1000 + behind


@pytest.mark.parametrize("reference", ["a-7", 42])
def test_a_part_of_a_longer_text_says_which_one_it_is(gateway, reference):
    ((_, reply),) = gateway.webhooks.replies(call({**MO, "part": {"reference": reference, "n": 2, "of": 3}})).messages
    assert (reply.part, reply.whole) == (Part(str(reference), 2, 3), False)
    ((_, reply),) = gateway.webhooks.replies(call({**MO, "part": {"reference": reference, "n": 1, "of": 1}})).messages
    assert reply.whole


def test_a_report_is_read(gateway):
    ((index, report),) = gateway.webhooks.reports(call(DLR)).messages
    assert index == 0
    assert report == DeliveryReport(gateway.name, REF, "m-9", Delivery.DELIVERED, 2, 3, "", NOW_S * 1000)


def test_what_a_gateway_writes_as_a_number_is_its_digits(gateway):
    ((_, report),) = gateway.webhooks.reports(call({**DLR, "message_id": 4711, "error": 22})).messages
    assert (report.message_id, report.error) == ("4711", "22")
    ((_, reply),) = gateway.webhooks.replies(call({**MO, "message_id": 7, "from": int(NUMBER), "to": 10085})).messages
    assert (reply.message_id, reply.msisdn, reply.to) == ("7", MSISDN, "10085")


@pytest.mark.parametrize("written", [f"0{NUMBER}", f"tel:+86{NUMBER}", f"(+86) {NUMBER[:3]}-{NUMBER[3:]}"])
@pytest.mark.parametrize("text", [TEXT, "TD"])
def test_a_sender_is_read_as_exchanges_write_it(gateway, written, text):
    parsed = gateway.webhooks.replies(call({**MO, "from": written, "text": text}))
    assert [(reply.msisdn, reply.text) for _, reply in parsed.messages] == [(MSISDN, text)]
    assert not parsed.rejected


def test_what_may_be_missing_may_be_missing(gateway):
    ((_, reply),) = gateway.webhooks.replies(call({**MO, "received_at": None, "to": "+8610085", "more": {}})).messages
    ((_, report),) = gateway.webhooks.reports(call({"ref": REF, "status": "failed", "error": f"no {NUMBER}"})).messages
    assert (reply.written_at, reply.to) == (None, "8610085")
    assert report == DeliveryReport(gateway.name, REF, "", Delivery.FAILED, error="unnamed")


def test_an_id_made_of_the_number_is_kept_as_its_hash(gateway):
    ((_, reply),) = gateway.webhooks.replies(call({**MO, "message_id": f"mo:{NUMBER}:7"})).messages
    ((_, report),) = gateway.webhooks.reports(call({**DLR, "message_id": f"{NUMBER}-17"})).messages
    assert discreet(reply.message_id).startswith("sha256:")
    assert "sha256:" in discreet(repr(report))


@pytest.mark.parametrize("kind", SIGNED)
def test_while_a_secret_is_changed_the_old_one_is_taken_too_and_no_third(kind):
    changing = built(kind, OLD_SECRET="the one before")
    for secret in (KEPT_SECRET, "the one before"):
        assert changing.webhooks.replies(call(MO, secret=secret)).messages
    for secret, wrong in (("another", changing), ("the one before", built(kind)), ("", built(kind, OLD_SECRET=""))):
        with pytest.raises(Unauthenticated):
            wrong.webhooks.replies(call(MO, secret=secret))


@pytest.mark.parametrize("read", ["replies", "reports"])
@pytest.mark.parametrize(
    "forged",
    [
        call(MO, secret="another"),
        call(MO, signed_at=NOW_S - 301),
        call(MO, signed_at=NOW_S + 301),
        WebhookCall({}, {}, json.dumps(MO).encode(), NOW_S * 1000),
        WebhookCall(call(DLR).headers, {}, json.dumps(MO).encode(), NOW_S * 1000),
        WebhookCall({hashing.HEADER.lower(): "t=,v1="}, {}, b"[" * 100_000, NOW_S * 1000),
    ],
    ids=["secret", "stale", "future", "unsigned", "other body", "bomb"],
)
def test_nothing_is_read_of_what_is_not_signed(gateway, read, forged):
    with pytest.raises(Unauthenticated) as refusal:
        getattr(gateway.webhooks, read)(forged)
    discreet("".join(traceback.format_exception(refusal.value)))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("别再打电话给我\ud83d", grammar.Keyword.STOP), ("是\ud83d", grammar.Keyword.UNKNOWN),
        ("我要投诉你们" * 500, grammar.Keyword.HOLD), ("是" + " " * 2_000, grammar.Keyword.UNKNOWN),
        ("我看了半天才" * 500 + "我要投诉你们", grammar.Keyword.HOLD),
        ("是" + " " * 2_000 + "是", grammar.Keyword.UNKNOWN),
    ],
)  # fmt: skip
def test_a_refusal_is_heard_in_half_a_character_and_in_more_words_than_are_kept(gateway, text, meaning):
    ((_, reply),) = gateway.webhooks.replies(call({**MO, "text": text})).messages
    assert grammar.read(reply.text).keyword is meaning
    assert len(reply.text) <= 2_000
    reply.text.encode()


BAD_COUNTS = [(0, 2), (3, 2), (1, 256), (1, True), (True, 2), ("1", 2), (1, None), (None, 2), (1.0, 2)]
BAD_REPLIES = {
    "message_id": [None, "", "m" * 201, "m\n", 1.5, True, 10**50],
    "from": ["10086", f"{NUMBER}{TEXT}", "1" * 5000, [MSISDN], -int(NUMBER)],
    "to": ["1" * 22, "", "sender", "10085\n", "１００８５", -10085, 10**30],
    "text": [None, 7, "是" * 20_001],
    "part": [
        "1/2",
        [1, 2],
        {},
        {"n": 1, "of": 2},
        *[{"reference": "r", "n": n, "of": of} for n, of in BAD_COUNTS],
        *[{"reference": reference, "n": 1, "of": 2} for reference in ("", "r" * 201, None, True, 1.5, "\ud800")],
    ],
    "received_at": ["2025-08-01T10:00:00", "2025-08-01T25:00:00Z", "20250801T100000Z", NOW_S, TEXT],
}
BAD_REPORTS = {
    "ref": [None, "", "r" * 201, "a b"],
    "status": ["DELIVRD", TEXT, None],
    "segment": [0, 256, True, 1.5, 4],
    "segments": ["3", 256],
    "message_id": [""],
    "error": [[]],
    "at": ["yesterday"],
}


@pytest.mark.parametrize(("read", "good", "bad"), [("replies", MO, BAD_REPLIES), ("reports", DLR, BAD_REPORTS)])
def test_a_poison_item_does_not_sink_its_batch(gateway, read, good, bad):
    poison = [(field, value) for field, values in bad.items() for value in values]
    batch = [each for field, value in poison for each in (good, {**good, field: value}, good)]
    parsed = getattr(gateway.webhooks, read)(call(batch))
    assert [index for index, _ in parsed.messages] == [n for n in range(len(batch)) if n % 3 != 1]
    for (field, value), (index, reason) in zip(poison, parsed.rejected, strict=True):
        assert (index % 3, reason.partition(":")[0]) == (1, field), value
        discreet(reason)


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in BAD_REPLIES.items() if field not in {"from", "text"} for value in values],
)
def test_a_refusal_is_taken_whatever_else_is_wrong_with_its_item_and_answers_nothing(gateway, field, value):
    for text in ("TD", "我要投诉你们", "退订234", "不要", "我老公不同意"):
        parsed = gateway.webhooks.replies(call([{**MO, "text": text, field: value}]))
        ((_, reply),) = parsed.messages
        assert (reply.msisdn, reply.text, reply.whole, reply.written_at) == (MSISDN, text, False, None)
        assert reply.to == ("" if field == "to" else "10085")
        ((index, reason),) = parsed.rejected
        assert (index, reason.partition(":")[0], reason.endswith("; its refusal is kept")) == (0, field, True)
    one, other = ({**MO, "text": "TD", field: value, "n": n} for n in (1, 2))
    (_, first), (_, again), (_, second) = gateway.webhooks.replies(call([one, one, other])).messages
    assert first.message_id == again.message_id != second.message_id  # a STOP after a lift is no repeat
    for text in ("是", "234", "帮助"):
        assert not gateway.webhooks.replies(call([{**MO, "text": text, field: value}])).messages


@pytest.mark.parametrize("item", [b"null", b"7", b"[]", b'"Y"', b'{"text":"Y","text":"N"}', b"NaN", b"{}"])
def test_what_is_no_message_is_rejected_alone(gateway, item):
    good = json.dumps(MO).encode()
    parsed = gateway.webhooks.replies(call(b"[" + good + b"," + item + b"," + good + b"]"))
    assert len(parsed.messages) == 2
    assert [index for index, _ in parsed.rejected] == [1]


NO_BATCH = {
    "empty": b"",
    "half": b"{",
    "words": TEXT.encode(),
    "no utf-8": b"\xff",
    "lists": b"[" * 1_000_000,
    "objects": b'{"a":' * 100_000,
    "a number": b"9" * 5_000,
    "a mark": b"\xef\xbb\xbf{}",
    "too many": json.dumps([MO] * 1001).encode(),
}


@pytest.mark.parametrize("body", NO_BATCH.values(), ids=NO_BATCH)
def test_what_is_no_batch_is_malformed(gateway, body):
    for read in (gateway.webhooks.replies, gateway.webhooks.reports):
        parsed = read(call(body))
        assert (parsed.messages, parsed.rejected) == ((), ())
        assert isinstance(parsed.malformed, Malformed)
        discreet(str(parsed.malformed))


STOPS = [{**MO, "message_id": f"m-{n}", "text": "TD", "from": f"+861380013800{n}"} for n in range(3)]
BROKEN = {
    "cut short": lambda items: b",".join(items)[:-20],
    "a comma is missing": lambda items: b"[" + b" ".join(items) + b"]",
    "one item is cut": lambda items: b"[" + items[0] + b',{"from": "+86138' + b"," + b",".join(items[1:]) + b"]",
    "one item is not UTF-8": lambda items: b"[" + b",".join([items[3].replace(b"m-1", b"\xff"), *items[:3]]) + b"]",
    "more items than are taken": lambda items: b"[" + b",".join([json.dumps(MO).encode()] * 1000 + items) + b"]",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_refusals_are_taken_out_of_a_body_that_cannot_be_read_and_nothing_else_is(gateway, broken):
    items = [json.dumps(each).encode() for each in [*STOPS, MO]]
    parsed = gateway.webhooks.replies(call(BROKEN[broken](items)))
    assert isinstance(parsed.malformed, Malformed)
    assert [(each.msisdn, each.text, each.whole) for _, each in parsed.messages] == [
        (each["from"], "TD", False) for each in STOPS
    ]
    assert not gateway.webhooks.reports(call(BROKEN[broken](items))).messages


def test_a_field_that_stands_twice_hides_no_refusal_and_makes_no_yes(gateway):
    written = json.dumps({**MO, "text": "是"})[:-1]
    for more, heard in {
        '"text": "TD"': [MSISDN], '"text": "Y"': [], f'"text": "TD", "from": "{MSISDN}"': [MSISDN],
        '"text": "TD", "from": "+8613900139000"': [MSISDN, "+8613900139000"],
        '"text": "TD", "from": "nobody"': [MSISDN], '"text": ["TD"]': [],
    }.items():  # fmt: skip
        parsed = gateway.webhooks.replies(call(f"{written}, {more}}}".encode()))
        assert [each.msisdn for _, each in parsed.messages] == heard, more
        assert all(each.data and each.text == "TD" for _, each in parsed.messages)
        assert [index for index, _ in parsed.rejected] == [0]


def test_a_control_byte_sinks_no_batch_and_makes_no_yes(gateway):
    good = json.dumps(MO, ensure_ascii=False).encode()
    for mark in (b"\x00", b"\x07", b"\x1b"):
        spoilt = good.replace(TEXT.encode(), "是".encode() + mark)
        parsed = gateway.webhooks.replies(call(b"[" + spoilt + b"," + json.dumps(STOPS[0]).encode() + b"]"))
        (_, doubtful), (_, stop) = parsed.messages
        assert grammar.read(doubtful.text).keyword is not grammar.Keyword.YES
        assert (stop.text, stop.data, parsed.rejected) == ("TD", False, ())


def test_duplicates_are_all_read_because_the_line_knows_what_it_has(gateway):
    parsed = gateway.webhooks.replies(call([MO, MO]))
    assert parsed.messages[0][1] == parsed.messages[1][1]
    assert gateway.webhooks.replies(call([])) == Parsed(())


def test_the_acknowledgement_counts_and_names(gateway):
    answer = gateway.webhooks.acknowledge(2, [(1, "to: too long")])
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert json.loads(answer.body) == {"accepted": 2, "rejected": [{"index": 1, "reason": "to: too long"}]}


FIELDS = st.sampled_from([*MO, *DLR, "error"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([*MO.values(), *DLR.values()]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS | st.text(), inner, max_size=8),
)
ITEMS = st.lists(st.builds(lambda good, bad: good | bad, st.sampled_from([MO, DLR]), st.dictionaries(FIELDS, JSON)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary() | (JSON | ITEMS).map(lambda said: json.dumps(said).encode()))
def test_whatever_is_signed_is_read_or_malformed(gateway, body):
    for read in (gateway.webhooks.replies, gateway.webhooks.reports):
        try:
            parsed = read(call(body))
        except Malformed:
            continue
        assert isinstance(parsed, Parsed)
        for _, message in parsed.messages:
            json.dumps(message.ref if isinstance(message, DeliveryReport) else message.text).encode()
            str(message).encode()
