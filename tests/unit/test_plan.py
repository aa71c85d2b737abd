"""A plan is what the public was told: strictly read, hashed by its content, public while both channels say so."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import consent_engine
from consent_engine.domain.carriers import CARRIERS, Carrier
from consent_engine.domain.offer.plan import Plan, Publication
from consent_engine.domain.offer.plan_form import plan_from
from consent_engine.errors import DisclosureMissing, Malformed
from tests.plans import in_fields

SAMPLE = Path(consent_engine.__file__).parent / "sample_plans.yaml"
SINCE = datetime(2025, 8, 1, tzinfo=UTC)
PROMISED = {"price": "129.00", "months": 6}


def ms(instant):
    return int(instant.timestamp() * 1000)


def publication(channel, since="2025-08-01T00:00:00Z", **more):
    return {"channel": channel, "url": "/tariffs#p", "since": since, **more}


def errors_of(mapping):
    with pytest.raises(Malformed) as caught:
        plan_from(mapping)
    return {error.field: error.code for error in caught.value.errors}


def samples():
    return yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))


# -- the fields -------------------------------------------------------------------------------------------------------


def test_the_sample_has_two_sellable_plans_a_carrier():
    plans = [plan_from(each) for each in samples()]
    assert len({plan.code for plan in plans}) == len(plans)
    assert all(plan.public_at(ms(SINCE)) for plan in plans)
    for carrier in CARRIERS:
        assert sum(plan.carrier == carrier for plan in plans) >= 2


def test_the_contract_s_own_plan_is_in_the_sample():
    plan = next(plan_from(each) for each in samples() if each["code"] == "5g-smart-199")
    assert (plan.carrier, plan.version, plan.name) == (Carrier.MOBILE, 1, "5G智享套餐199元档")
    assert plan.tariff.price.monthly == Decimal("199.00")
    assert plan.tariff.term.early_fee.at_most == Decimal("960.00")
    assert {each.channel: each.url for each in plan.published} == {
        "web_hall": "/tariffs/5g-smart-199/1",
        "app": "/tariffs/5g-smart-199/1",
    }
    started = datetime(2025, 7, 31, 16, tzinfo=UTC)
    assert not plan.public_at(ms(started) - 1)
    assert plan.public_at(ms(started))


def test_an_amount_is_a_text_of_two_places_however_it_was_written():
    told = [{"monthly": 199}, {"monthly": 199.0}, {"monthly": "199"}, {"monthly": "199.00", "currency": "CNY"}]
    plans = [plan_from(in_fields(price=price)) for price in told]
    assert {plan.as_json()["price"]["monthly"] for plan in plans} == {"199.00"}
    assert len({plan.hash for plan in plans}) == 1
    assert '"monthly":"199.00"' in plans[0].encode()


def test_a_text_written_as_a_block_of_yaml_is_the_same_without_the_end_of_its_line():
    plain, block = (plan_from(in_fields(scenario=f"个人用户{end}")) for end in ("", "\n"))
    assert block.hash == plain.hash


def test_a_break_within_words_reads_as_a_blank():
    told = plan_from(in_fields(scenario="限北京\r\n 个人用户\n", restrictions=None, english=None))
    assert told.tariff.scenario == "限北京 个人用户"


@given(
    st.text(
        st.sampled_from("无 5G套餐\n\r\t\u3000。…\x85\ufffe🙂:#-'\"\\&*|>%@{}[]") | st.characters(),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=150)
def test_whatever_is_accepted_can_be_written_to_a_file_and_loaded_again(words):
    told = in_fields(name=words, scenario=f"家庭{words}", restrictions=[f"限{words}本人"], english=None)
    try:
        plan = plan_from(told)
    except Malformed:
        return
    again = {name: each for name, each in json.loads(plan.encode()).items() if name != "version"}
    for text in (
        json.dumps(again, ensure_ascii=False),
        yaml.safe_dump(again, allow_unicode=True),
        yaml.safe_dump(again),
    ):
        loaded = plan_from(yaml.safe_load(text))
        assert (loaded, loaded.hash) == (plan, plan.hash)


def test_a_promotion_may_outlast_the_term_of_what_renews_by_itself():
    price = {"monthly": "199.00", "promotion": PROMISED}
    assert plan_from(in_fields(price=price, term={"months": 1, "starts": "next_day"}))
    for term in ({"months": 6}, {"days": 168}):
        assert plan_from(in_fields(price=price, term=term | {"starts": "next_day"}, renewal={"automatic": False}))


def test_a_promotion_longer_than_its_term_is_named_with_both_fields():
    price = {"monthly": "199.00", "promotion": PROMISED}
    with pytest.raises(Malformed) as caught:
        plan_from(in_fields(price=price, term={"months": 5, "starts": "next_day"}, renewal={"automatic": False}))
    [error] = caught.value.errors
    assert (error.field, "term.months" in error.message) == ("price.promotion.months", True)


def test_a_plan_survives_being_kept():
    for each in samples():
        plan = plan_from(each)
        again = Plan.decode(json.loads(plan.encode()))
        assert (again, again.hash, again.encode()) == (plan, plan.hash, plan.encode())


def test_the_hash_is_of_what_the_plan_says_and_not_of_since_when():
    plain = plan_from(in_fields())
    assert len(plain.hash) == 64
    assert replace(plain, version=2).hash == plain.hash
    later = [publication("web_hall", "2026-01-01T00:00:00Z"), publication("app", "2026-01-01T00:00:00Z")]
    elsewhere = [publication("web_hall") | {"url": "/elsewhere"}, publication("app")]
    assert (
        plan_from(in_fields(published=later)).hash
        == plan_from(in_fields(published=[publication("web_hall"), publication("app")])).hash
    )
    for changed in (
        in_fields(code="q"),
        in_fields(carrier="unicom"),
        in_fields(published=elsewhere),
        in_fields(price={"monthly": "199.01"}),
        in_fields(term={"months": 12, "starts": "next_day"}),
        in_fields(restrictions=["不可携号"], english=None),
        in_fields(replaces="added"),
        in_fields(english=None),
    ):
        assert plan_from(changed).hash != plain.hash


def test_the_hash_never_changes_between_releases():
    elsewhere = {"web_hall": "https://example.com/tariff/5g-smart-199", "app": "app://tariff/5g-smart-199"}
    plan = plan_from(in_fields(published=[{"channel": channel, "url": url} for channel, url in elsewhere.items()]))
    assert plan.hash == "92ccb6b51861b3c4ad4f36a380317b26c3abfc96bc4225c937b990905c959ac5"


def test_an_address_for_programs_is_hashed_and_kept_where_there_is_one():
    without = plan_from(in_fields(published=[publication("web_hall"), publication("app", url="app://t/p")]))
    told = {"channel": "app", "url": "app://t/p", "since": "2025-08-01T00:00:00Z"}
    assert json.loads(without.encode())["published"][1] == told
    asked = publication("app", url="app://t/p", api="https://api.example.com/p")
    with_api = plan_from(in_fields(published=[publication("web_hall"), asked]))
    assert with_api.hash != without.hash
    assert Plan.decode(json.loads(with_api.encode())) == with_api
    assert errors_of(in_fields(published=[asked | {"api": "app://t/p"}])) == {
        "published.0.api": "string_pattern_mismatch"
    }


def test_a_plan_does_not_change():
    with pytest.raises(AttributeError):
        plan_from(in_fields()).code = "2"  # type: ignore[misc]


def test_a_plan_is_public_while_both_channels_say_so():
    day = timedelta(days=1)
    plan = replace(
        plan_from(in_fields()),
        published=(
            Publication("web_hall", "/", SINCE, SINCE + 5 * day),
            Publication("app", "/", SINCE + day, SINCE + 2 * day),
            Publication("app", "/", SINCE + 3 * day),
        ),
    )
    public = [plan.public_at(ms(SINCE + n * day)) for n in range(-1, 7)]
    assert public == [False, False, True, False, True, True, False, False]
    assert not plan.public_at(ms(SINCE + day) - 1)
    assert plan.public_at(ms(SINCE + 2 * day) - 1)
    assert not plan.public_at(ms(SINCE + 5 * day))


@pytest.mark.parametrize("published", [[], [publication("web_hall")], [publication("app")], [publication("app")] * 2])
def test_one_channel_is_not_public(published):
    assert not plan_from(in_fields(published=published)).public_at(ms(SINCE))


EARLY = {"months": 24, "starts": "next_day", "early_fee": {"per_remaining_month": "40.00", "at_most": "960.00"}}
ENGLISH = in_fields()["english"]
WRONG = [
    # texts that would deceive
    ({"term": EARLY | {"early_fee": {"per_remaining_month": "40.00"}}}, "term.early_fee.at_most"),
    ({"term": EARLY | {"early_fee": {"per_remaining_month": "40.00", "at_most": "39.00"}}}, "term.early_fee.at_most"),
    ({"price": {"promotion": PROMISED}}, "price.monthly"),
    ({"price": {"promotion": PROMISED, "daily": "1.00"}}, "price.monthly"),
    ({"price": "首月0元"}, "price"),
    ({"price": {"monthly": "首月0元"}}, "price.monthly"),
    ({"price": {"monthly": "199.001"}}, "price.monthly"),
    ({"price": {"monthly": -1}}, "price.monthly"),
    ({"price": {"monthly": True}}, "price.monthly"),
    ({"price": {"monthly": float("nan")}}, "price.monthly"),
    ({"price": {"monthly": "1.00", "once": "1.00"}}, "price"),
    ({"price": {}}, "price"),
    (
        {
            "price": {"monthly": "199.00", "promotion": PROMISED},
            "term": {"months": 5, "starts": "next_day"},
            "renewal": {"automatic": False},
        },
        "price.promotion.months",
    ),
    (
        {
            "price": {"monthly": "199.00", "promotion": PROMISED},
            "term": {"days": 90, "starts": "next_day"},
            "renewal": {"automatic": False},
        },
        "price.promotion.months",
    ),
    ({"price": {"monthly": "1.00", "promotion": {"price": "0.00"}}}, "price.promotion.months"),
    ({"price": {"monthly": "1.00", "currency": "USD"}}, "price.currency"),
    ({"restrictions": ["无"]}, "restrictions.0"),
    ({"restrictions": ["None"]}, "restrictions.0"),
    ({"restrictions": ["——"]}, "restrictions.0"),
    ({"restrictions": ["见 https://example.com"]}, "restrictions.0"),
    ({"scenario": "详见 example.cn"}, "scenario"),
    ({"name": "WWW.example"}, "name"),
    ({"name": "5G套餐\u202e"}, "name"),
    ({"scenario": "详询139 1234 5678"}, "scenario"),
    ({"unsubscribe": {"word": "QX", "to": "13800138000", "takes_effect": "at_once"}}, "unsubscribe.to"),
    ({"renewal": {"automatic": True}}, "renewal.notice_days"),
    ({"renewal": {"automatic": False, "notice_days": 5}}, "renewal.notice_days"),
    ({"term": {"starts": "next_day"}}, "term"),
    ({"term": {"months": 1, "days": 30, "starts": "next_day"}}, "term"),
    ({"term": {"months": 0, "starts": "next_day"}}, "term.months"),
    ({"first_month": "daily", "price": {"once": "9.00"}}, "first_month"),
    ({"sold_by": ["hall"]}, "sold_by"),
    ({"sold_by": []}, "sold_by"),
    ({"replaces": "maybe"}, "replaces"),
    ({"replaces": None}, "replaces"),
    ({"unsubscribe": {"word": "QX", "to": "+8613800138000", "takes_effect": "at_once"}}, "unsubscribe.to"),
    ({"unsubscribe": {"word": "Q X", "to": "10086", "takes_effect": "at_once"}}, "unsubscribe.word"),
    ({"speed_cap": {"above": "60", "unit": "GB", "limit": "very slow"}}, "speed_cap.limit"),
    ({"renewal": {"automatic": False, "months": 1}}, "renewal.months"),
    ({"renewal": {"automatic": False, "reminded_by": "bss"}}, "renewal.reminded_by"),
    ({"renewal": {"automatic": True, "notice_days": 5, "reminded_by": "us"}}, "renewal.reminded_by"),
    # English shows all or nothing, and in English alone
    *(
        ({"english": ENGLISH | {field: "北京"}}, f"english.{field}")
        for field in ("name", "seller", "scenario", "offered_to")
    ),
    ({"english": ENGLISH | {"terms": {"国内流量": "data", "语音": "语音", "流量": "data"}}}, "english.terms"),
    ({"restrictions": ["不可携号"], "english": ENGLISH | {"restrictions": ["不可携号"]}}, "english.restrictions"),
    ({"unsubscribe": {"word": "退流量包", "to": "10086", "takes_effect": "at_once"}}, "unsubscribe.word"),
    ({"english": ENGLISH | {"terms": {"流量": "data"}}}, "english.terms"),
    ({"english": {k: v for k, v in ENGLISH.items() if k != "seller"}}, "english.seller"),
    ({"restrictions": ["不可携号"]}, "english.restrictions"),
    # shapes
    ({"code": "a/b"}, "code"),
    ({"code": "a\n"}, "code"),
    ({"carrier": "tietong"}, "carrier"),
    ({"name": "x" * 81}, "name"),
    ({"scenario": "x" * 301}, "scenario"),
    ({"scenario": "上\ud800"}, "scenario"),
    ({"version": 1}, "version"),
    ({"colour": "red"}, "colour"),
    ({"published": {}}, "published"),
    ({"published": [publication("app")] * 21}, "published"),
    ({"published": ["app"]}, "published.0"),
    ({"published": [publication("radio")]}, "published.0.channel"),
    ({"published": [publication("app", since="yesterday")]}, "published.0.since"),
    ({"published": [publication("app", since="2025-08-01T00:00:00")]}, "published.0.since"),
    ({"published": [publication("app", since=1754006400)]}, "published.0.since"),
    ({"published": [publication("app", until="2025-08-01T00:00:00Z")]}, "published.0"),
    ({"published": [{**publication("app"), "url": "javascript://x"}]}, "published.0.url"),
    ({"published": [{**publication("app"), "url": "//evil.example"}]}, "published.0.url"),
    ({"published": [{**publication("app"), "url": ""}]}, "published.0.url"),
]


@pytest.mark.parametrize(("changes", "field"), WRONG)
def test_what_is_wrong_is_named_by_its_path(changes, field):
    assert list(errors_of(in_fields(**changes))) == [field]


def test_everything_wrong_is_told_at_once():
    found = errors_of(in_fields(carrier="x", name=5, published=[{"channel": "app"}]))
    assert found == {"carrier": "enum", "name": "string_type", "published.0.url": "missing"}


@pytest.mark.parametrize("nonsense", [None, [], "plan", 5, {1: 2}])
def test_what_is_no_mapping_is_malformed(nonsense):
    assert errors_of(nonsense)


def test_no_value_is_repeated_in_an_error():
    private = "13800138000"
    mapping = in_fields(
        **{private + " x": 1, "carrier": private, "price": {"monthly": private}, "name": "://" + private}
    )
    mapping["published"] = [{"channel": private, "url": private, "since": private}]
    with pytest.raises(Malformed) as caught:
        plan_from(mapping)
    assert private not in str(caught.value)
    assert all(private not in error.field for error in caught.value.errors)


def test_a_plan_in_sentences_is_told_what_it_lacks_at_once():
    older = {"code": "p", "carrier": "mobile", "name": "套餐", "price": "1 元/月", "validity": "1 个月"}
    with pytest.raises(DisclosureMissing) as caught:
        plan_from(older)
    assert caught.value.facts == {"missing": "term, renewal, replaces"}
