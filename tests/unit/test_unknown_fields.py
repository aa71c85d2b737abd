"""A field that a form does not know is named by its path, with the field that may have been meant."""

import pytest

from consent_engine.api.schemas import forms
from consent_engine.api.schemas.forms import Lift
from consent_engine.domain.admission.call_request import EndCall
from consent_engine.domain.admission.order_request import PlaceOrder
from consent_engine.domain.forms import MOST_GUESSED
from consent_engine.domain.offer.plan_form import plan_from
from consent_engine.errors import Malformed
from tests.plans import in_fields

CALL = {
    "caller_number": "10085", "recording_id": "rec-1", "started_at": "2025-11-24T23:50:00+08:00",
    "agreed_at": "2025-11-24T23:55:00+08:00",
}  # fmt: skip
ORDER = {"msisdn": "13800138000", "plan": "p", "agent": "A", "call": CALL}


def unknown(read, *told):
    with pytest.raises(Malformed) as refused:
        read(*told)
    return {each.field: each.message for each in refused.value.errors if each.code == "extra_forbidden"}


@pytest.mark.parametrize(("read", "told", "field", "meant"), [
    (PlaceOrder.read, ORDER | {"call": CALL | {"recordingg_id": "x"}}, "call.recordingg_id", "recording_id"),
    (PlaceOrder.read, ORDER | {"metadat": {}}, "metadat", "metadata"),
    (PlaceOrder.read, ORDER | {"colour": "red"}, "colour", None),
    (lambda told: forms.read(EndCall, told), {"recording": {"sha265": "x"}}, "recording.sha265", "sha256"),
    (lambda told: forms.read(Lift, told), {"evidence": {"chanel": "voice"}}, "evidence.chanel", "channel"),
    (forms.read_dials, [{"msisdn": "13800138000"}, {"msisnd": "1"}], "1.msisnd", "msisdn"),
    (plan_from, in_fields(term={"month": 1, "starts": "next_day"}), "term.month", "months"),
    (plan_from, in_fields(published=[{"channel": "app", "ulr": "/t"}]), "published.0.ulr", "url"),
])  # fmt: skip
def test_an_unknown_field_is_named_by_its_path_with_the_one_that_may_be_meant(read, told, field, meant):
    assert unknown(read, told) == {field: f"is no field here: did you mean {meant}?" if meant else "is no field here"}


@pytest.mark.parametrize(
    "name", ["13800138000", "t_138_0013_8000", "x1380013", "n_138_00_13", "我的", "a b", "", "x" * 41, "a\u202e"]
)
def test_a_name_that_is_none_or_has_a_number_is_not_repeated(name):
    assert list(unknown(PlaceOrder.read, ORDER | {name: 1})) == ["body"]
    assert list(unknown(PlaceOrder.read, ORDER | {"call": CALL | {name: 1}})) == ["call"]
    assert list(unknown(plan_from, in_fields() | {name: 1})) == ["?"]


def test_of_very_many_unknown_fields_none_is_guessed_at():
    told = {f"metadata{n}": 1 for n in range(MOST_GUESSED + 1)}
    assert set(unknown(PlaceOrder.read, ORDER | told).values()) == {"is no field here"}
