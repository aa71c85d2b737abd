"""Kannel's interface: the requests sent to it, the meaning of its answers, and which of its calls are believed."""

import asyncio
import json
import traceback
from base64 import b64encode
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from consent_engine.adapters.gateways import kannel
from consent_engine.adapters.gateways import registry as gateways
from consent_engine.adapters.gateways.sms_parts import Header, reference, together
from consent_engine.domain.effects import OF_ORDERS, Accepted, Purpose, Rejected, Throttled, Unavailable, Uncertain
from consent_engine.domain.grammar import Keyword, counted, read
from consent_engine.domain.sms import Delivery, DeliveryReport, Part, Reply
from consent_engine.errors import Malformed, SettingsError, Unauthenticated
from consent_engine.ports import Acknowledgement, Parsed, Sms, WebhookCall
from tests.contract import (
    ECHO,
    KEPT_SECRET,
    MSISDN,
    NOW_S,
    NUMBER,
    PATIENT,
    TEXT,
    Far,
    answers,
    bounded,
    discreet,
)

REF = "11-abc.confirmation.1"
ATTEMPT = "0123456789abcdef"
UUID = "6c9b12f4-2f3b-4a80-a7fb-a0a1f4ad7f0b"
PASSWORD = KEPT_SECRET.replace(" ", "-")
LONG = Sms(REF, "10085", MSISDN, "".join(chr(0x4E00 + n) for n in range(244)), Purpose.CONFIRMATION)
SMS = Sms(REF, "10085", MSISDN, TEXT, Purpose.CONFIRMATION)
RAW = {
    "URL": "http://127.0.0.1:1/cgi-bin/sendsms",
    "USERNAME": "engine",
    "PASSWORD": PASSWORD,
    "SECRET": "Way.Back_1~2-3",
    "CALLBACK_URL": "http://consent.example.com:8000/",
}
GOOD = f"Basic {b64encode(b'kannel_box:Way.Back_1~2-3').decode()}"


def built(name="kannel:box", seconds=PATIENT, **raw):
    return kannel.build(name, RAW | raw, timedelta(seconds=seconds), lambda: ATTEMPT)


def send(behaviour, seconds=PATIENT, sms=SMS):
    """Return the outcome of sending, and the far side with the request it received."""

    async def conversation():
        async with bounded(seconds), Far(behaviour) as far:
            gateway = built(seconds=seconds, URL=f"{far.url}/cgi-bin/sendsms")
            outcome = await gateway.send(sms)
            return outcome, far

    outcome, far = asyncio.run(conversation(), debug=True)
    assert PASSWORD not in discreet(repr(outcome))
    return outcome, far


# Handing over -----------------------------------------------------------------------------------------------------

TAKEN = answers(202, b"0: Accepted for delivery")


def test_an_sms_goes_out_with_nobody_in_the_url():
    outcome, far = send(TAKEN)
    (request,) = far.requests
    assert outcome == Accepted(ATTEMPT)
    assert (request.method, request.target) == ("POST", "/cgi-bin/sendsms")
    assert request.body.decode() == TEXT
    said = {name: value for name, value in request.headers.items() if name.startswith(("x-", "content-type"))}
    assert said == {
        "content-type": 'text/plain; charset="UTF-8"',
        "x-kannel-username": "engine",
        "x-kannel-password": PASSWORD,
        "x-kannel-from": "10085",
        "x-kannel-to": MSISDN,
        "x-kannel-coding": "2",
        "x-kannel-dlr-mask": "27",
        "x-kannel-dlr-url": "http://kannel_box:Way.Back_1~2-3@consent.example.com:8000/v1/gateways/kannel:box/receipts"
        f"?ref={REF}&type=%d&id={ATTEMPT}-1of1.%I&said=%A",
    }


@pytest.mark.parametrize(
    ("text", "coding", "parts"),
    [
        ("Reply Y @ 10085", "0", 1),
        ("€" * 81, "0", 2),
        ("请回复是", "2", 1),
        ("好" * 202, "2", 4),
        ("a" * 70 + "·", "2", 2),
    ],
)
def test_a_text_is_never_sent_in_an_alphabet_that_lacks_its_letters(text, coding, parts):
    _, far = send(TAKEN, sms=Sms(REF, "10085", MSISDN, text, Purpose.CONFIRMATION))
    assert {request.headers["x-kannel-coding"] for request in far.requests} == {coding}
    assert len(far.requests) == parts


def test_a_long_text_goes_out_part_by_part_each_with_its_header_and_its_report():
    outcome, far = send(TAKEN, sms=LONG)
    by_header = {request.headers["x-kannel-udh"]: request for request in far.requests}
    reference = next(iter(by_header))[9:12]
    assert outcome == Accepted(ATTEMPT)
    assert sorted(by_header) == [f"%05%00%03{reference}%04%{n:02x}" for n in (1, 2, 3, 4)]
    assert "".join(by_header[header].body.decode() for header in sorted(by_header)) == LONG.text
    for n, header in enumerate(sorted(by_header), 1):
        assert f"&id={ATTEMPT}-{n}of4.%I" in by_header[header].headers["x-kannel-dlr-url"]
        assert Header.read(header).part == Part(f"00{reference[1:]}", n, 4)


@pytest.mark.parametrize(("valid_for", "minutes"), [(0, None), (1, "1"), (90_000, "1"), (86_400_000, "1440")])
def test_an_sms_is_worth_delivering_for_as_long_as_it_says(valid_for, minutes):
    _, far = send(TAKEN, sms=replace(SMS, valid_for=valid_for))
    assert far.requests[0].headers.get("x-kannel-validity") == minutes


def test_the_parts_of_what_an_order_sends_are_never_taken_for_each_other():
    refs = [f"0ce7.{purpose}.{n}" for purpose in OF_ORDERS for n in range(1, 5)]
    assert len({reference(ref) % 256 for ref in refs}) == len(refs)
    assert reference(REF) == reference(REF)


NOT_NOW = Unavailable("gateway:503", 5_000)
DOUBT, REFUSED = Uncertain("no_answer:"), Rejected("rejected:")
YES, QUEUED = Accepted(ATTEMPT), Accepted(ATTEMPT, "queued at the gateway")


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([YES, YES], YES),
        ([YES, QUEUED], QUEUED),
        ([YES, NOT_NOW], Uncertain("parts:1:2:gateway:503")),
        ([REFUSED, YES, REFUSED], Uncertain("parts:2:3:rejected:")),
        ([YES, REFUSED, DOUBT], Uncertain("parts:2:3:no_answer:")),
        ([NOT_NOW, DOUBT], DOUBT),
        ([REFUSED, DOUBT], DOUBT),
        ([NOT_NOW, Throttled("gateway:429"), REFUSED], Throttled("gateway:429")),
        ([REFUSED, REFUSED], REFUSED),
    ],
)
def test_what_came_of_the_parts_is_what_came_of_the_whole_or_doubt(parts, whole):
    assert together(parts) == whole


def test_every_attempt_has_an_id_of_its_own():
    async def attempts(behaviour):
        async with bounded(PATIENT), Far(behaviour) as far:
            gateway = gateways.build("kannel", lambda _prefix: RAW | {"URL": far.url}, timedelta(seconds=PATIENT))
            outcomes = [await gateway.send(SMS) for _ in range(2)]
            return outcomes, [request.headers["x-kannel-dlr-url"] for request in far.requests]

    (one, two), urls = asyncio.run(attempts(TAKEN))
    assert one.ref != two.ref
    assert all(f"id={outcome.ref}-" in url for outcome, url in zip((one, two), urls, strict=True))


ANSWERS = {
    "taken": (202, b"0: Accepted for delivery", Accepted(ATTEMPT)),
    "no SMSC yet": (202, b"3: Queued for later delivery", Accepted(ATTEMPT, "queued at the gateway")),
    "taken, in other words": (202, b"Sent. " + ECHO, Uncertain("gateway_odd:202")),
    "denied": (
        400,
        b"Number(s) has/have been denied by white- and/or black-lists.",
        Rejected("denied:"),
    ),
    "no receiver": (400, b"Missing receiver number, rejected", Rejected("rejected:")),
    "no sender": (400, b"Sender missing and no global set, rejected", Rejected("rejected:")),
    "a proxy's 400": (400, ECHO, Unavailable("gateway_odd:400")),
    "wrong password": (403, b"Authorization failed for sendsms", Unavailable(kannel.NOT_NOW[403], refusing=True)),
    "a proxy's password": (401, ECHO, Unavailable(kannel.NOT_NOW[401], refusing=True)),
    "no route": (403, b"Not routable. Do not try again.", Unavailable("gateway_no_route:403")),
    "wrong path": (404, b"Unknown request.", Unavailable(kannel.NOT_NOW[404])),
    "throttled": (429, ECHO, Throttled("gateway:429")),
    "not now": (503, b"Temporal failure, try again later.", Unavailable("gateway:503")),
    "broke": (500, b"Sending failed.", Uncertain("gateway:500")),
    "no sendsms at all": (200, b"0: Accepted for delivery", Uncertain("gateway:200")),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_its_answers_mean(name):
    status, said, meaning = ANSWERS[name]
    assert send(answers(status, said))[0] == meaning


# Replies ----------------------------------------------------------------------------------------------------------


WORDS = TEXT.encode()


def mo(body=WORDS, query=None, **headers):
    sent = {
        "authorization": GOOD,
        "content-type": 'text/plain; charset="UTF-8"',
        "x-kannel-from": MSISDN,
        "x-kannel-to": "10085",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    asked = {"id": UUID, "time": str(NOW_S)} if query is None else query
    return WebhookCall({name: value for name, value in sent.items() if value is not None}, asked, body, NOW_S * 1000)


def reply(call, **raw):
    ((index, found),) = built(**raw).webhooks.replies(call).messages
    assert index == 0
    return found


def test_a_reply_is_read():
    post = {
        "?id": UUID, "?time": str(NOW_S), "x-kannel-from": MSISDN, "x-kannel-to": "10085",
        "type": 'text/plain; charset="UTF-8"', "text": TEXT,
    }  # fmt: skip
    assert reply(mo()) == Reply(
        "kannel:box", UUID, MSISDN, "10085", TEXT, NOW_S * 1000 + 1_000 + 5_000, stamp=NOW_S * 1000,
        posted=json.dumps(post, ensure_ascii=False, separators=(",", ":")),
    )  # fmt: skip
    assert reply(mo()) == reply(mo())
    assert reply(mo(), SKEW="2m").written_at == NOW_S * 1000 + 121_000


@pytest.mark.parametrize("written", [NUMBER, "86" + NUMBER, "0086" + NUMBER, MSISDN, "0" + NUMBER, "tel:" + MSISDN])
def test_a_number_is_read_however_the_smsc_writes_it(written):
    assert reply(mo(x_kannel_from=written)).msisdn == MSISDN


def test_what_may_be_missing_may_be_missing():
    assert reply(mo(query={"id": UUID})).written_at is None
    assert reply(mo(query={"id": UUID, "time": ""})).written_at is None
    assert reply(mo(content_type=None)).text == TEXT
    assert reply(mo(b"")).text == ""
    for unreadable in (None, "", "sender", "1" * 22):
        assert reply(mo(x_kannel_to=unreadable)).to == ""
    assert reply(mo(x_kannel_to="+8610085")).to == "8610085"


@pytest.mark.parametrize(
    ("kind", "charset"),
    {
        'text/plain; charset="UTF-8"': "utf-8",
        "text/plain; charset=utf-8": "utf-8",
        'text/plain; charset="UTF-16BE"': "utf-16-be",
        'text/plain; charset="WINDOWS-1252"': "cp1252",
        "application/octet-stream": "ascii",
    }.items(),
)
@pytest.mark.parametrize("text", ["是", "Y", "td"])
def test_a_text_is_read_in_the_charset_that_it_is_written_in(kind, charset, text):
    written = text if charset in {"utf-8", "utf-16-be"} else text.replace("是", "y")
    assert reply(mo(written.encode(charset), content_type=kind)).text == written


@pytest.mark.parametrize(
    ("udh", "part"),
    {
        None: None,
        "": None,
        "%05%00%03%2a%02%01": Part("002a", 1, 2),
        "%05%00%03*%03%03": Part("002a", 3, 3),
        "%06%08%04%01%2a%02%02": Part("08012a", 2, 2),
        "%08%00%03%2a%02%01%24%01%01": Part("002a", 1, 2),  # with a national language shift table
        "%08%24%01%01%00%03%2a%02%01": Part("002a", 1, 2),
        "%03%24%01%01": None,
        "%05%00%03%2a%02%03": Part("", 0, 0),  # part 3 of 2
        "%05%00%03%2a%02%00": Part("", 0, 0),
        "%05%00%03%2a%00%00": Part("", 0, 0),
        "%04%00%02%2a%02": Part("", 0, 0),
        "%05%00%03%2a%02": Part("", 0, 0),
        "%05%00%09%2a%02%01": Part("", 0, 0),
        "%06%00%03%2a%02%01%24": Part("", 0, 0),
        "garbage": Part("", 0, 0),
    }.items(),
)
def test_a_part_of_a_longer_text_says_which_one_it_is(udh, part):
    found = reply(mo(x_kannel_udh=udh))
    assert (found.part, found.whole, found.data) == (part, part is None, False)


@pytest.mark.parametrize("udh", ["%06%05%04%0b%84%23%f0", "%04%04%02%23%f0"])
def test_what_is_sent_to_a_program_is_no_text(udh):
    assert reply(mo(x_kannel_udh=udh)).data


@pytest.mark.parametrize(("coding", "data"), {None: False, "": False, "0": False, "1": True, "2": False}.items())
def test_eight_bit_data_are_no_text(coding, data):
    found = reply(mo(x_kannel_coding=coding))
    assert (found.data, found.whole) == (data, not data)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xe6\x98\xaf\xff", 'text/plain; charset="UTF-8"'),
        (b"Y\xe9", "application/octet-stream"),
        (b"\x66\x2f\x66", 'text/plain; charset="UTF-16BE"'),
        (b"\xd8\x3d\x66\x2f", 'text/plain; charset="UTF-16BE"'),
        ("是".encode("utf-16-be"), 'text/plain; charset="UTF-8"'),
        ("是".encode("gb18030"), "application/octet-stream"),
        ("是".encode("utf-7"), 'text/plain; charset="UTF-7"'),
        ("是".encode("utf-16-be"), 'text/plain; charset="idna"'),
    ],
)
def test_what_does_not_decode_is_kept_and_is_no_consent(body, kind):
    kept = reply(mo(body, content_type=kind)).text
    kept.encode()
    assert kept
    assert read(kept).keyword is Keyword.UNKNOWN


@pytest.mark.parametrize(
    ("charset", "kind"),
    [
        ("utf-16", "text/plain; charset=UTF-16"),
        ("utf-16-be", "text/plain; charset=UCS-2"),
        ("utf-16-be", "text/plain"),
        ("utf-16-be", "application/octet-stream"),
        ("utf-16-le", 'text/plain; charset="UTF-16LE"'),
        ("gbk", "text/plain; charset=GBK"),
        ("gb2312", "text/plain"),
        ("utf-8", "text/plain; charset=GBK"),
        ("gb18030", 'text/plain; charset="UTF-8"'),
        ("gbk", "text/plain; charset=ISO-8859-1"),
        ("utf-8", "text/plain; charset=windows-1252"),
    ],
)
@pytest.mark.parametrize("text", ["退订", "免营销", "别再打来了", "我要投诉你们"])
def test_a_refusal_is_heard_in_whatever_charset_it_comes_and_answers_nothing(charset, kind, text):
    found = reply(mo(text.encode(charset), content_type=kind))
    assert counted(read(found.text).keyword) in {Keyword.STOP, Keyword.HOLD}
    assert not found.whole


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        ("礠".encode("utf-16-be"), "UCS-2"),  # the bytes of "y "
        ("⁹".encode("utf-16-le"), "UTF-16LE"),
        ("是".encode(), "GBK"),
        (b"Y", "GBK"),
        (b"yes", "UTF-7"),
        (b"", "GBK"),
    ],
)
def test_a_text_in_a_charset_that_is_not_read_is_no_answer_though_its_bytes_look_like_one(body, charset):
    found = reply(mo(body, content_type=f"text/plain; charset={charset}"))
    assert (found.data, found.whole) == (True, False)


@pytest.mark.parametrize(
    ("body", "charset"), [(b"\xe6\x88\x91\xed\xa0\xbd", "UTF-8"), (b"\x62\x11\xd8\x3d", "UTF-16BE")]
)
def test_a_part_that_was_cut_within_a_character_waits_for_the_others(body, charset):
    found = reply(mo(body, content_type=f"text/plain; charset={charset}", x_kannel_udh="%05%00%03%07%02%01"))
    assert (found.part.of, found.data) == (2, False)


@pytest.mark.parametrize(("charset", "text"), [("utf8", "是"), ("iso-8859-1", "Y"), ("windows-1252", "STOP é")])
def test_a_text_in_a_charset_that_is_read_is_an_answer(charset, text):
    found = reply(mo(text.encode(charset), content_type=f"text/plain; charset={charset}"))
    assert (found.text, found.whole) == (text, True)


def test_the_name_of_a_charset_is_read_however_it_is_written():
    assert reply(mo("是".encode("utf-16-be"), content_type="text/plain; Charset=utf-16BE")).text == "是"


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (mo(x_kannel_from="10086"), "from"),
        (mo(x_kannel_from=f"{NUMBER}{NUMBER}"), "from"),
        (mo(("是" * 30_000).encode()), "text"),
    ],
)
def test_a_poison_message_is_put_aside_not_refused(call, field):
    gateway = built()
    parsed = gateway.webhooks.replies(call)
    ((index, reason),) = parsed.rejected
    assert (parsed.messages, index, reason.partition(":")[0]) == ((), 0, field)
    discreet(reason)
    assert gateway.webhooks.acknowledge(0, parsed.rejected) == gateway.webhooks.acknowledge(1, ())


@pytest.mark.parametrize(
    ("call", "fields"),
    [
        (mo(query={}), ["id"]),
        (mo(query={"id": f"{NUMBER} {TEXT}", "time": str(NOW_S)}), ["id"]),
        (mo(x_kannel_from=None), ["X-Kannel-From"]),
        (mo(query={"id": UUID, "time": "2025-08-01 02:00:00"}), ["time"]),
        (mo(query={"id": UUID, "time": "9" * 12}), ["time"]),
        (mo(query={"time": "now"}, x_kannel_from=""), ["id", "X-Kannel-From", "time"]),
    ],
)
def test_a_wrong_set_up_is_refused_so_that_kannel_keeps_the_message(call, fields):
    parsed = built().webhooks.replies(call)
    assert (parsed.messages, parsed.rejected) == ((), ())
    assert [error.field for error in parsed.malformed.errors] == fields
    discreet(str(parsed.malformed))


@pytest.mark.parametrize("query", [{}, {"id": UUID, "time": "2025-08-01 02:00:00"}, {"time": "now"}])
def test_a_refusal_is_kept_in_spite_of_a_wrong_set_up_and_kannels_repeats_are_one(query):
    webhooks = built().webhooks
    first, again = (webhooks.replies(mo(b"TD", query=query)) for _ in range(2))
    assert first.malformed.errors == again.malformed.errors
    assert first.messages == again.messages
    ((_, reply),) = first.messages
    assert (reply.msisdn, reply.text, reply.data, reply.whole) == (MSISDN, "TD", True, False)
    ((_, other),) = webhooks.replies(mo("我要投诉你们".encode(), query=query)).messages
    assert other.message_id != reply.message_id
    assert not webhooks.replies(mo("是".encode(), query=query)).messages


def test_a_refusal_in_more_words_than_are_taken_is_kept():
    parsed = built().webhooks.replies(mo(("别再打电话给我，我要投诉你们" * 3_000).encode()))
    ((_, reply),), ((_, reason),) = parsed.messages, parsed.rejected
    assert (reply.data, reason.partition(":")[0], reason.endswith("its refusal is kept")) == (True, "text", True)


# Reports ----------------------------------------------------------------------------------------------------------


def dlr(kind="1", event=f"{ATTEMPT}-4.{UUID}", ref=REF, said=None, **headers):
    asked = {"ref": ref, "type": kind, "id": event, "said": said}
    query = {name: value for name, value in asked.items() if value is not None}
    return WebhookCall({"authorization": GOOD} | headers, query, b"", NOW_S * 1000)


def report(call):
    ((_, found),) = built().webhooks.reports(call).messages
    return found


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("1", Delivery.DELIVERED, ""),
        ("2", Delivery.FAILED, "not_delivered:"),
        ("4", Delivery.ACCEPTED, ""),
        ("8", Delivery.ACCEPTED, ""),
        ("16", Delivery.FAILED, "refused_by_smsc:"),
    ],
)
def test_a_report_names_its_attempt_and_its_part(kind, status, error):
    event = f"{ATTEMPT}-3of4.{UUID}"
    assert report(dlr(kind, event)) == DeliveryReport("kannel:box", REF, ATTEMPT, status, 3, 4, error, alone=True)
    assert not report(dlr(kind, f"{ATTEMPT}-1of1.{UUID}")).alone


SAID = "id:7 sub:001 dlvrd:000 submit date:2611262117 done date:2611262117 stat:{} err:{} text:stat:UNKNOWN"


@pytest.mark.parametrize(
    ("kind", "said", "error"),
    [
        ("2", SAID.format("EXPIRED", "027"), "with_error:027:sms_expired:"),
        ("2", SAID.format("DELETED", "000"), "deleted_at_smsc:"),
        ("2", SAID.format("UNDELIV", "0C"), "with_error:0C:undeliverable:"),
        ("16", SAID.format("REJECTD", "008"), "with_error:008:rejected_by_smsc:"),
        ("2", SAID.format(f"NO{NUMBER}", "1"), "not_delivered:"),
        ("2", "", "not_delivered:"),
        ("2", TEXT, "not_delivered:"),
        ("16", "NACK/69/Submit failed", "refused_by_smsc:"),
        ("16", "NACK/0x00000045/Submit failed", "nack_for:0x45:submit_failed:"),
        ("16", "NACK/0x0000000b/call 13800138000", "nack_for:0x0b:wrong_destination:"),
        ("16", "NACK/0x00000400/an own code", "nack:0x400"),
        ("16", "NACK/13800138000", "refused_by_smsc:"),
        ("1", SAID.format("DELIVRD", "027"), ""),
        ("8", "ACK/", ""),
    ],
)
def test_why_an_sms_failed_is_told_by_a_table_and_nothing_else_of_the_receipt_is_kept(kind, said, error):
    assert report(dlr(kind, f"{ATTEMPT}-1of4.{UUID}", said=said)).error == error


def test_what_the_smsc_lost_sight_of_is_no_end():
    call = dlr("2", f"{ATTEMPT}-1of4.{UUID}", said=SAID.format("UNKNOWN", "000"))
    assert built().webhooks.reports(call) == Parsed((), ((0, "said: UNKNOWN is no end"),))


@pytest.mark.parametrize("part", ["0of4", "5of4", "0of0"])
def test_a_report_on_a_part_that_cannot_be_is_put_aside(part):
    assert built().webhooks.reports(dlr("2", f"{ATTEMPT}-{part}.{UUID}")).messages == ()


def test_two_events_of_one_attempt_are_one_attempt_and_two_attempts_are_two():
    other = "fedcba9876543210"
    events = [f"{ATTEMPT}-1of4.{UUID}", f"{ATTEMPT}-1of4.{UUID[::-1]}", f"{other}-1of4.{UUID}"]
    assert [report(dlr("2", event)).message_id for event in events] == [ATTEMPT, ATTEMPT, other]


@pytest.mark.parametrize(
    "event", [None, "", UUID, f"{ATTEMPT}.{UUID}", f"{ATTEMPT}-0000.{UUID}", f"{ATTEMPT}-4.{TEXT}"]
)
def test_where_no_attempt_is_named_all_are_one(event):
    found = report(dlr("2", event))
    assert (found.message_id, found.segments) == (REF, 1)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (dlr(ref=None), "ref"),
        (dlr(ref=""), "ref"),
        (dlr(ref=f"a {NUMBER}"), "ref"),
        (dlr(kind="0"), "type"),
        (dlr(kind="32"), "type"),
        (dlr(kind="%d"), "type"),
        (dlr(kind=TEXT), "type"),
        (dlr(kind=None), "type"),
    ],
)
def test_a_poison_report_is_put_aside(call, field):
    parsed = built().webhooks.reports(call)
    ((_, reason),) = parsed.rejected
    assert (parsed.messages, reason.partition(":")[0]) == ((), field)
    discreet(reason)


# Both -------------------------------------------------------------------------------------------------------------

FORGED = {
    "nothing": None,
    "empty": "",
    "another password": f"Basic {b64encode(b'kannel_box:another').decode()}",
    "another user": f"Basic {b64encode(b'kannel:Way.Back_1~2-3').decode()}",
    "no password": f"Basic {b64encode(b'kannel_box:').decode()}",
    "in the clear": "Basic kannel_box:Way.Back_1~2-3",
    "a key": "Bearer Way.Back_1~2-3",
    "more": GOOD + "=",
    "no ASCII": "Basic é是",
}


@pytest.mark.parametrize("name", FORGED)
def test_nothing_is_read_of_what_is_not_proven(name):
    gateway, header = built(), FORGED[name]
    headers = {} if header is None else {"authorization": header}
    for door in (gateway.webhooks.replies, gateway.webhooks.reports):
        with pytest.raises(Unauthenticated) as refusal:
            door(WebhookCall(headers, {}, TEXT.encode(), NOW_S * 1000))
        discreet("".join(traceback.format_exception(refusal.value)))


def test_while_a_secret_is_changed_the_old_one_is_taken_too_and_stands_in_no_address():
    old = built(SECRET="Way.Forward_1", OLD_SECRET=RAW["SECRET"])
    assert old.webhooks.reports(WebhookCall({"authorization": GOOD}, {"ref": REF, "type": "1"}, b"", NOW_S)).messages
    with pytest.raises(Unauthenticated):
        built(SECRET="Way.Forward_1").webhooks.reports(WebhookCall({"authorization": GOOD}, {}, b"", NOW_S))
    with pytest.raises(SettingsError, match="CONSENT_KANNEL_BOX__OLD_SECRET must be letters"):
        built(OLD_SECRET="a blank")


def test_the_acknowledgement_has_nothing_to_text_to_anybody():
    for accepted, rejected in ((1, ()), (0, ()), (0, [(0, "from: not a phone number")])):
        assert built().webhooks.acknowledge(accepted, rejected) == Acknowledgement(200, b"", "text/plain")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary() | st.text().map(lambda text: text.encode()),
    query=st.dictionaries(
        st.sampled_from(["id", "time", "ref", "type"]), st.text() | st.sampled_from([UUID, "1", REF])
    ),
    headers=st.dictionaries(
        st.sampled_from(["x-kannel-from", "x-kannel-to", "content-type"]),
        st.text(st.characters(max_codepoint=255)) | st.sampled_from([MSISDN, 'text/plain; charset="UTF-16BE"']),
    ),
)
def test_whatever_is_proven_is_read_or_malformed(body, query, headers):
    call = WebhookCall({"authorization": GOOD} | headers, query, body, NOW_S * 1000)
    for door in (built().webhooks.replies, built().webhooks.reports):
        try:
            parsed = door(call)
        except Malformed:
            continue
        assert isinstance(parsed, Parsed)
        for _, message in parsed.messages:
            json.dumps(str(message)).encode()
            str(message).encode()


# Settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "values"),
    {
        "URL": ["", "ftp://a", "/cgi-bin/sendsms"],
        "USERNAME": ["", "a b", "名"],
        "PASSWORD": ["", "a\nb", "密"],
        # Kannel would read an escape code, a second @ or a port in these.
        "SECRET": ["", "a%2Fb", "a@b", "a:b", "a/b", "密"],
        "CALLBACK_URL": ["", "consent.example.com", "ftp://a", "http://u:p@a", "http://a/?b", "http://[::1]:8000",
                         "http://a:99999", "http://a/%41", "http://a b"],
        "SUB_NUMBERS": ["maybe"],
        "SKEW": ["11m"],
    }.items(),
)  # fmt: skip
def test_a_wrong_setting_stops_the_start_by_its_name(key, values):
    for value in values:
        with pytest.raises(SettingsError, match=f"^CONSENT_KANNEL_BOX__{key} ") as refusal:
            built(**{key: value})
        assert PASSWORD not in str(refusal.value)
