"""A plan is what the public was told: strict to read, hashed by what it says, public while both channels say so."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

import consent_engine
from consent_engine.domain.carriers import CARRIERS, Carrier
from consent_engine.domain.offer.plan import MAX_TOLD, Plan, plan_from
from consent_engine.errors import Malformed

SAMPLE = Path(consent_engine.__file__).parent / "sample_plans.yaml"
DISCLOSURES = ("name", "price", "scenario", "validity", "restrictions", "unsubscribe")
SINCE = datetime(2025, 8, 1, tzinfo=UTC)


def ms(instant):
    return int(instant.timestamp() * 1000)


def publication(channel, since="2025-08-01T00:00:00Z", **more):
    return {"channel": channel, "url": "/tariffs#p", "since": since, **more}


def content(**changes):
    return {
        "code": "p",
        "carrier": "mobile",
        "name": "套餐",
        "price": "1 元/月",
        "scenario": "上网",
        "validity": "1 个月",
        "restrictions": "无",
        "unsubscribe": "拨打 10086",
        "published": [publication("web_hall"), publication("app")],
        **changes,
    }


def errors_of(mapping):
    with pytest.raises(Malformed) as caught:
        plan_from(mapping)
    return {error.field: error.code for error in caught.value.errors}


def samples():
    return yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))


def test_the_sample_has_two_sellable_plans_a_carrier():
    plans = [plan_from(each) for each in samples()]
    assert len({plan.code for plan in plans}) == len(plans)
    assert all(plan.missing() == () and plan.public_at(ms(SINCE)) for plan in plans)
    for carrier in CARRIERS:
        assert sum(plan.carrier == carrier for plan in plans) >= 2


def test_the_contract_s_own_plan_is_in_the_sample():
    plan = next(plan_from(each) for each in samples() if each["code"] == "5g-smart-199")
    assert (plan.carrier, plan.version, plan.name) == (Carrier.MOBILE, 1, "5G 智享套餐 199 元档")
    assert {each.channel: each.url for each in plan.published} == {
        "web_hall": "/tariffs#5g-smart-199",
        "app": "app://tariff/5g-smart-199",
    }
    started = datetime(2025, 7, 31, 16, tzinfo=UTC)
    assert not plan.public_at(ms(started) - 1)
    assert plan.public_at(ms(started))


def test_a_plan_survives_json():
    plan = plan_from(content(published=[publication("app", until="2026-01-01T00:00:00+08:00")], version=7))
    again = plan_from(json.loads(plan.model_dump_json()))
    assert again == plan
    assert again.hash == plan.hash
    assert plan_from(plan) == plan


def test_a_plan_does_not_change():
    with pytest.raises(ValidationError):
        plan_from(content()).price = "2"  # type: ignore[misc]


def test_the_hash_is_of_what_the_plan_says():
    plain = plan_from(content())
    assert len(plain.hash) == 64
    assert int(plain.hash, 16) > 0
    assert plan_from(content(version=2)).hash == plain.hash
    for field in ("code", *DISCLOSURES):
        assert plan_from(content(**{field: "other"})).hash != plain.hash
    for changed in (
        content(carrier="unicom"),
        content(published=[publication("web_hall")]),
        content(published=[publication("web_hall"), publication("app", until="2026-01-01T00:00:00Z")]),
        content(published=[publication("web_hall"), publication("app", since="2025-08-01T00:00:00.001Z")]),
        content(published=[publication("web_hall"), {**publication("app"), "url": "/elsewhere"}]),
    ):
        assert plan_from(changed).hash != plain.hash


def test_the_hash_never_changes_between_releases():
    assert plan_from(content()).hash == "c374807eab272cdbb01c39df83825d8f8f50c9202f124931e227126d135f8205"


class LaterPlan(Plan):
    """A plan as a later program knows it."""

    of_later: int | None = None


def test_a_field_that_came_later_changes_nothing_of_a_plan_that_says_nothing_of_it():
    for each in samples():
        plan, later = plan_from(each), LaterPlan.model_validate(each)
        assert (later.hash, later.model_dump_json()) == (plan.hash, plan.model_dump_json())
        grown = LaterPlan.model_validate({**each, "of_later": 18})
        assert grown.hash != later.hash
        assert LaterPlan.model_validate_json(grown.model_dump_json()) == grown


def test_the_same_instant_in_another_offset_is_the_same_plan():
    here = content(published=[publication("app", since="2025-08-01T08:00:00+08:00")])
    there = content(published=[publication("app", since=datetime(2025, 8, 1, tzinfo=UTC))])
    assert plan_from(here).hash == plan_from(there).hash


def test_a_changed_copy_has_its_own_hash():
    plan = plan_from(content())
    before = plan.hash
    assert plan.model_copy(update={"price": "2 元/月"}).hash == plan_from(content(price="2 元/月")).hash != before
    assert plan.model_copy(update={"version": 2}).hash == plan.hash == before


def test_a_plan_is_public_while_both_channels_say_so():
    day = timedelta(days=1)
    plan = plan_from(
        content(
            published=[
                publication("web_hall", since=SINCE, until=SINCE + 5 * day),
                publication("app", since=SINCE + day, until=SINCE + 2 * day),
                publication("app", since=SINCE + 3 * day),
            ]
        )
    )
    public = [plan.public_at(ms(SINCE + n * day)) for n in range(-1, 7)]
    assert public == [False, False, True, False, True, True, False, False]
    assert not plan.public_at(ms(SINCE + day) - 1)
    assert plan.public_at(ms(SINCE + 2 * day) - 1)
    assert not plan.public_at(ms(SINCE + 5 * day))


@pytest.mark.parametrize("published", [[], [publication("web_hall")], [publication("app")], [publication("app")] * 2])
def test_one_channel_is_not_public(published):
    assert not plan_from(content(published=published)).public_at(ms(SINCE))


@pytest.mark.parametrize("blank", ["", "  ", "\u3000\n", "\u200b", "。", "——", "-"])
@pytest.mark.parametrize("field", DISCLOSURES)
def test_a_disclosure_that_tells_nothing_is_missing(field, blank):
    assert plan_from(content(**{field: blank})).missing() == (field,)


def test_disclosures_left_out_can_be_kept_but_are_missing():
    plan = plan_from({"code": "p", "carrier": "telecom", "name": "x"})
    assert plan.missing() == DISCLOSURES[1:]
    assert not plan.public_at(ms(SINCE))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": ""}, "code"),
        ({"code": "a/b"}, "code"),
        ({"code": "a\n"}, "code"),
        ({"code": "a" * 65}, "code"),
        ({"carrier": "tietong"}, "carrier"),
        ({"carrier": None}, "carrier"),
        ({"name": None}, "name"),
        ({"price": 199}, "price"),
        ({"price": "x" * 81}, "price"),
        ({"price": "199\ud800"}, "price"),
        ({"scenario": "x" * 301}, "scenario"),
        ({"restrictions": "见 https://example.com"}, "restrictions"),
        ({"unsubscribe": "WWW.example.com"}, "unsubscribe"),
        ({"version": 0}, "version"),
        ({"version": "1"}, "version"),
        ({"version": True}, "version"),
        ({"colour": "red"}, "colour"),
        ({"published": {}}, "published"),
        ({"published": [publication("app")] * 21}, "published"),
        ({"published": ["app"]}, "published.0"),
        ({"published": [publication("radio")]}, "published.0.channel"),
        ({"published": [publication("app"), publication("app", since="yesterday")]}, "published.1.since"),
        ({"published": [publication("app", since="2025-08-01T00:00:00")]}, "published.0.since"),
        ({"published": [publication("app", since=1754006400)]}, "published.0.since"),
        ({"published": [publication("app", until="2025-08-01T00:00:00Z")]}, "published.0"),
        ({"published": [{**publication("app"), "url": "javascript://x"}]}, "published.0.url"),
        ({"published": [{**publication("app"), "url": "//evil.example"}]}, "published.0.url"),
        ({"published": [{**publication("app"), "url": "tariffs here"}]}, "published.0.url"),
        ({"published": [{**publication("app"), "url": ""}]}, "published.0.url"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(changes, field):
    assert list(errors_of(content(**changes))) == [field]


def test_everything_wrong_is_told_at_once():
    found = errors_of({"carrier": "x", "name": 5, "published": [{"channel": "app"}]})
    assert found == {
        "code": "missing",
        "carrier": "enum",
        "name": "string_type",
        "published.0.url": "missing",
        "published.0.since": "missing",
    }


def test_code_carrier_and_name_cannot_be_left_out():
    assert errors_of({}) == {"code": "missing", "carrier": "missing", "name": "missing"}


def test_a_plan_too_long_to_be_told_by_sms_is_malformed():
    assert plan_from(content(restrictions="长" * 300))
    assert errors_of(content(restrictions="长" * 300, scenario="长" * (MAX_TOLD - 300))) == {"plan": "too_long"}
    assert errors_of(content(restrictions="😀" * 230)) == {"plan": "too_long"}


@pytest.mark.parametrize("nonsense", [None, [], "plan", 5, {1: 2}])
def test_what_is_no_mapping_is_malformed(nonsense):
    assert errors_of(nonsense)


def test_no_value_is_repeated_in_an_error():
    private = "13800138000"
    mapping = content(**{private + " x": 1, "carrier": private, "price": 13800138000, "restrictions": "://" + private})
    mapping["published"] = [{"channel": private, "url": private, "since": private}]
    with pytest.raises(Malformed) as caught:
        plan_from(mapping)
    assert private not in str(caught.value)
    assert all(private not in error.field for error in caught.value.errors)


def test_a_plan_is_made_by_its_class_too():
    assert Plan(code="p", carrier=Carrier.MOBILE, name="x").carrier is Carrier.MOBILE
