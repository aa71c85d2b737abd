"""Invisible characters are in no text that is shown: they are refused on arrival, by the name of their field."""

import pytest
from pydantic import ValidationError

from consent_engine.api.schemas.calls import TranscriptView, check_note
from consent_engine.api.schemas.forms import CancelOrder, Refuse
from consent_engine.api.schemas.forms import read as read_form
from consent_engine.domain.admission.call_request import StartCall
from consent_engine.domain.admission.order_request import PlaceOrder
from consent_engine.domain.admission.report_request import MakeReport
from consent_engine.domain.call.transcript import Hints, Spoken
from consent_engine.domain.offer.plan_form import plan_from
from consent_engine.domain.roles import is_sound
from consent_engine.errors import Malformed
from tests.plans import in_fields

UNSEEN = {
    "right to left": "\u202e", "an isolate": "\u2067", "no width": "\u200b", "a joiner": "\u200d", "a mark": "\u200f",
    "a byte order": "\ufeff", "a soft hyphen": "\u00ad", "a control": "\x9b", "a null": "\x00", "a filler": "\u3164",
    "a tag": "\U000e0041", "a line": "\u2028", "half a character": "\ud83d", "no character": "\uffff",
}  # fmt: skip
unseen = pytest.mark.parametrize("sign", UNSEEN.values(), ids=UNSEEN)


def wrong(read, *args):
    with pytest.raises(Malformed) as refused:
        read(*args)
    return [each.field for each in refused.value.errors]


@unseen
def test_a_plans_words_name_the_field_that_has_what_nobody_sees(sign):
    said = in_fields(name=f"5G{sign}套餐", restrictions=["限本人", f"不与{sign}其他优惠同享"], seller=f"北京{sign}公司")
    assert wrong(plan_from, said) == ["name", "seller", "restrictions.1"]
    include = in_fields(includes=[{"what": f"国内{sign}流量", "amount": 60, "unit": "GB"}])
    assert wrong(plan_from, include) == ["includes.0.what"]


@unseen
def test_what_people_and_programs_say_at_the_doors_names_its_field(sign):
    call = {
        "caller_number": "10085", "recording_id": "rec-1", "started_at": "2025-11-24T23:50:00+08:00",
        "agreed_at": "2025-11-24T23:55:00+08:00",
    }  # fmt: skip
    order = {"msisdn": "13800138000", "plan": "p", "agent": "A", "call": call}
    assert PlaceOrder.read(order | {"metadata": {"desk": "一\n二"}}).agent == "A"
    for changed in ({"agent": f"王{sign}五"}, {"metadata": {"branch": f"北京{sign}分公司"}}):
        assert wrong(PlaceOrder.read, order | changed) in ([*changed], ["body"])
    assert wrong(PlaceOrder.read, order | {"call": call | {"recording_id": f"rec{sign}1"}})[0] in {
        "call.recording_id", "body"
    }  # fmt: skip
    assert wrong(read_form, CancelOrder, {"reason": f"改{sign}主意"}) == ["reason"]
    refused = {"msisdn": "13800138000", "channel": "voice", "agent": f"A{sign}1", "call": f"rec{sign}1"}
    assert wrong(read_form, Refuse, refused) == ["agent", "call"]
    started = {"from": "10085", "to": "13800138000", "carrier": "mobile", "started_at": "2025-11-24T23:50:00+08:00"}
    with pytest.raises(ValidationError) as told:
        StartCall.model_validate(started | {"agent": f"A{sign}", "script": f"5g{sign}"})
    assert [each["loc"] for each in told.value.errors()] == [("agent",), ("script",)]
    assert wrong(check_note, f"说得{sign}不清楚") == ["note"]
    assert not is_sound(f"王{sign}五")


@pytest.mark.parametrize("text", ["5G智享　套餐（199元）", "王五 🙂", "Ünï 5G", "家庭套餐·二"])
def test_whatever_is_seen_is_taken(text):
    assert plan_from(in_fields(name=text)).name == text
    assert read_form(CancelOrder, {"reason": text}).reason == text
    check_note(f"{text}\n第二行 👨‍👩‍👧 ❤️‍🔥 🏳️‍🌈 🇨🇳")


@unseen
def test_what_must_be_taken_as_it_comes_is_shown_without_it(sign):
    body = {
        "msisdn": "13800138000", "carrier": "mobile", "caller_number": "10085", "what": f"说{sign}到做到",
        "called_at": "2025-11-24T23:50:00+08:00",
    }  # fmt: skip
    if sign.isprintable() or sign.encode(errors="ignore"):  # a lone surrogate is refused with its body
        assert MakeReport.model_validate(body).what in {"说 到做到", "说到做到"}
    view = TranscriptView.of((Spoken(0, "agent", f"免{sign}费"),), Hints(1, {}, ()))
    assert view.lines[0].text == "免费"
