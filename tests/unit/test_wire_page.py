"""docs/wire.md: what it says of requests, answers and signatures is what the adapters do."""

import asyncio
import json
import re
import subprocess
from dataclasses import replace
from datetime import timedelta

import pytest

from consent_engine.adapters.bss import templated
from consent_engine.adapters.gateways import templated as gateway
from consent_engine.adapters.outbound import Answer
from consent_engine.domain.effects import Accepted, Purpose, Rejected, Unavailable, Uncertain
from consent_engine.ports import Activation, Deactivation, Sms, WebhookCall
from tests import needs
from tests.pages import ROOT, rows
from tests.waiting import HANGS_S

PAGE = (ROOT / "docs" / "wire.md").read_text("utf-8")
SMS, REPORT, ACTIVATION, DEACTIVATION = (json.loads(each) for each in re.findall(r"```json\n(.*?)\n```", PAGE, re.S))
SIGNING = re.search(r"```sh\n(.*?)\n```", PAGE, re.S)[1]
SECRET = "a secret of the gateway's"
SENT = Sms(SMS["ref"], "10085", "+8613800138000", "text", Purpose.CONFIRMATION)
ON = Activation("o-1", "+8613800138000", "p", 1, "h", 1_754_013_960_000, "head")


class Wire:
    """The other side: keeps what is posted, and gives one answer."""

    def __init__(self, status=200, body=b"{}"):
        self.answer, self.posted = Answer(status, body), []

    async def post(self, url, fields, key=""):
        self.posted.append((url, fields, key))
        return self.answer

    async def send(self, method, url, body, headers, *, changes):
        assert (method, changes) == ("POST", True)
        return await self.post(url, json.loads(body), headers["Idempotency-Key"])


def sent(wire):
    made = gateway.build("http_json", {"URL": "http://g", "SECRET": SECRET}, timedelta(seconds=1))
    return asyncio.run(replace(made, client=wire).send(SENT))


def hooks():
    return gateway.webhooks("http_json", {"SECRET": SECRET}, gateway.mapping_of("http_json"))


def on(wire):
    return asyncio.run(system(wire).activate(ON))


def system(wire):
    return replace(templated.build("http", {"URL": "http://b", "SECRET": SECRET}, timedelta(seconds=1)), client=wire)


def statuses(section, meaning):
    """The statuses of the row of a section's table that begins its meaning so."""
    part = PAGE.partition(section)[2].partition("\n## ")[0]
    [told] = [row[0] for row in rows(part) if row[1].startswith(meaning)]
    return {int(each) for each in re.findall(r"\b[2-5][0-9]{2}\b", told.partition(" with ")[0])}


def test_the_requests_have_the_fields_that_the_page_shows():
    wire = Wire()
    sent(wire)
    on(wire)
    off = Deactivation("e-1", "o-1", "A-77", "+8613800138000", "p", "withdrawn", 1_754_013_960_000, free_exit=False)
    asyncio.run(system(wire).deactivate(off))
    urls, bodies, keys = zip(*wire.posted, strict=True)
    assert [list(body) for body in bodies] == [list(each) for each in (SMS, ACTIVATION, DEACTIVATION)]
    assert keys == (SMS["ref"], "o-1", "e-1")
    assert urls[1:] == ("http://b/activations", "http://b/deactivations")
    named = PAGE.partition("`purpose` is one of ")[2].partition(";")[0]
    assert re.findall(r"`(\w+)`", named) == [each.value for each in Purpose]


@pytest.mark.parametrize(("meaning", "kind"), [
    ("handed over", Accepted), ("refused for good", Rejected), ("not taken", Unavailable),
])  # fmt: skip
def test_a_gateways_answers_mean_what_the_page_says(meaning, kind):
    told = statuses("## SMS", meaning)
    assert told
    for status in range(200, 600):
        outcome = sent(Wire(status, b'{"message_id": "m-9"}'))
        assert isinstance(outcome, kind) == (status in told), status
    assert isinstance(sent(Wire()), Uncertain)


@pytest.mark.parametrize(("meaning", "kind"), [
    ("done", Accepted), ("refused for good", Rejected), ("not taken", Unavailable),
])  # fmt: skip
def test_a_bss_answers_mean_what_the_page_says(meaning, kind):
    told = statuses("## The BSS", meaning)
    assert told
    for status in range(200, 600):
        outcome = on(Wire(status, b'{"activation_id": "A-77", "active_from": "2025-08-02", "code": "no_credit"}'))
        assert isinstance(outcome, kind) == (status in told), status
    assert isinstance(on(Wire(422)), Uncertain)


def test_the_pages_own_lines_sign_a_reply_that_is_read():
    needs.program("openssl", "openssl")
    lines = SIGNING.partition("curl ")[0] + 'printf "%s\\n%s" "t=$AT,v1=$PROOF" "$BODY"'
    typed = {"PATH": "/usr/bin:/bin", "CONSENT_HTTP_JSON__SECRET": SECRET, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["/bin/sh", "-c", lines], env=typed, capture_output=True, text=True, check=True, timeout=HANGS_S
    )
    header, _, body = done.stdout.partition("\n")
    now = int(re.match(r"t=(\d+)", header)[1]) * 1000
    call = WebhookCall(headers={"x-consent-signature": header}, query={}, body=body.encode(), now=now)
    [(_, reply)] = hooks().replies(call).messages
    assert (reply.msisdn, reply.text, reply.to) == ("+8613800138000", "是", "10085")


def test_the_report_of_the_page_is_read():
    body = json.dumps(REPORT).encode()
    signed = {"x-consent-signature": gateway.hashing.sign(SECRET, body, 0)}
    [(_, report)] = hooks().reports(WebhookCall(signed, {}, body, 0)).messages
    assert (report.ref, report.segments) == (SMS["ref"], 5)
    assert timedelta(seconds=300) == timedelta(seconds=gateway.hashing.TOLERANCE_S)
