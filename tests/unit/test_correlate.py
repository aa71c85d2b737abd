"""Which order a reply means: the order that it names, or the only one asked about, and never a guess."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_engine.domain.grammar import Keyword
from consent_engine.domain.interpret.correlate import correlate, remembered, sub_number
from consent_engine.domain.line.line import Entry
from consent_engine.domain.order.facts import Rule

NOW = 1_764_000_000_000
YES, NO, STOP, HELP, UNKNOWN = Keyword.YES, Keyword.NO, Keyword.STOP, Keyword.HELP, Keyword.UNKNOWN


def entry(order, code="", *, open_=True, sub="", carrier="mobile"):
    return Entry(order, carrier, f"plan-{order}", code, sub, 0 if open_ else NOW)


A, B = entry("a", "234"), entry("b", "345")


def meaning(keyword, *entries, code="", sub="", unasked=(), which=None):
    return correlate(keyword, code, sub, entries, lambda order: order not in unasked, (which or {}).get)


def rule_and_orders(*args, **more):
    found = meaning(*args, **more)
    return found.rule, found.orders


def test_a_sub_number_says_which():
    entries = entry("a", sub="234"), entry("b", sub="345")
    assert rule_and_orders(YES, *entries, sub="345") == (Rule.SUB_NUMBER, ("b",))
    assert rule_and_orders(YES, *entries, sub="999") == (Rule.AMBIGUOUS, ("a", "b"))


def test_a_sub_number_that_nobody_asked_from_names_none_even_where_one_order_is_open():
    found = meaning(YES, entry("a", "234", sub="234"), sub="999")
    assert (found.keyword, found.rule, found.orders) == (UNKNOWN, Rule.AMBIGUOUS, ("a",))
    assert rule_and_orders(YES, A, sub="234") == (Rule.AMBIGUOUS, ("a",)), "a carrier without sub-numbers"


def test_a_sub_number_and_a_code_that_disagree_name_none():
    entries = entry("a", "234", sub="234"), entry("b", "345", sub="345")
    assert rule_and_orders(YES, *entries, sub="234", code="345") == (Rule.AMBIGUOUS, ("a", "b"))
    assert rule_and_orders(YES, *entries, sub="234", code="999") == (Rule.AMBIGUOUS, ("a", "b"))
    assert rule_and_orders(YES, *entries, sub="999", code="234") == (Rule.AMBIGUOUS, ("a", "b"))
    assert rule_and_orders(YES, *entries, sub="234", code="234") == (Rule.SUB_NUMBER, ("a",))


def test_a_code_that_stands_in_a_text_for_another_reason_names_none():
    found = correlate(YES, "234", "", (A, B), lambda _: True, lambda _: None, doubtful=("234",))
    assert (found.keyword, found.rule, found.orders) == (UNKNOWN, Rule.AMBIGUOUS, ("a", "b"))


def test_help_is_help_whatever_is_named_wrongly():
    assert meaning(HELP, A, code="999").keyword is HELP


CODES, SUBS = ("", "234", "345", "999"), ("", "234", "345", "999")
KEPT = [("234", ""), ("234", "234"), ("345", "345"), ("345", "")]


@pytest.mark.parametrize("keyword", [YES, NO, HELP, UNKNOWN])
def test_whatever_is_named_by_all_that_names_anything_is_meant_and_nothing_else(keyword):
    for count, code, sub in product((0, 1, 2, 3), CODES, SUBS):
        for kept in product(KEPT, repeat=count):
            for standing in product((True, False), repeat=count):
                found = [entry(f"o{n}", kept[n][0], sub=kept[n][1], open_=standing[n]) for n in range(count)]
                said = correlate(keyword, code, sub, found, lambda _: True, lambda _: None)
                named = {e.order for e in found if (not code or e.code == code) and (not sub or e.sub == sub)}
                by_each = [{e.order for e in found if e.code == code}] if code else []
                by_each += [{e.order for e in found if e.sub == sub}] if sub else []
                agreed = len(named) == 1 and all(each == named for each in by_each)
                if agreed:
                    assert (said.orders, said.keyword) == (tuple(named), keyword)
                    assert said.rule is not Rule.AMBIGUOUS
                else:
                    assert said.rule is Rule.AMBIGUOUS
                    assert set(said.orders) == {e.order for e in found if e.is_open}
                    assert not by_each or said.keyword in {UNKNOWN, HELP}, "it counts for nothing"


def test_a_code_says_which():
    assert rule_and_orders(YES, A, B, code="345") == (Rule.CODE, ("b",))
    assert rule_and_orders(NO, A, B, code="234") == (Rule.CODE, ("a",))


def test_a_wrong_code_means_nothing_even_where_one_order_is_open():
    found = meaning(YES, A, code="999")
    assert (found.keyword, found.rule, found.orders) == (UNKNOWN, Rule.AMBIGUOUS, ("a",))


def test_a_code_that_two_orders_have_means_neither():
    found = meaning(YES, A, entry("b", "234"), code="234")
    assert (found.keyword, found.rule) == (UNKNOWN, Rule.AMBIGUOUS)


def test_the_only_order_that_was_asked_is_meant():
    assert rule_and_orders(YES, A, B, unasked=("b",)) == (Rule.ONLY_ORDER, ("a",))
    assert rule_and_orders(YES, A, B)[0] is Rule.AMBIGUOUS


def test_a_finished_order_still_stands_in_the_way_of_a_bare_yes():
    assert rule_and_orders(YES, entry("a", open_=False), B) == (Rule.AMBIGUOUS, ("b",))
    assert rule_and_orders(YES, entry("a", open_=False)) == (Rule.ONLY_ORDER, ("a",))


def test_a_bare_code_answers_only_our_own_question():
    found = meaning(UNKNOWN, A, B, code="234")
    assert (found.keyword, found.rule, found.orders) == (UNKNOWN, Rule.CODE, ("a",))
    found = meaning(UNKNOWN, A, B, code="234", which={"a": YES, "b": NO})
    assert (found.keyword, found.rule, found.orders) == (YES, Rule.WHICH_ONE, ("a",))


def test_a_stop_means_every_open_order_whatever_else_it_says():
    assert rule_and_orders(STOP, A, B, entry("c", open_=False), code="234", sub="1") == (Rule.EVERY_OPEN, ("a", "b"))


def test_nothing_asked_is_nothing_meant():
    assert rule_and_orders(YES) == (Rule.AMBIGUOUS, ())
    assert rule_and_orders(NO, A, B, unasked=("a", "b")) == (Rule.AMBIGUOUS, ("a", "b"))


def test_only_orders_of_the_carriers_and_in_memory_are_looked_at_and_open_ones_come_last():
    later, earlier = Entry("c", "mobile", "p", "456", "", NOW + 5), Entry("d", "mobile", "p", "567", "", NOW + 1)
    other, gone = entry("t", carrier="telecom"), Entry("g", "mobile", "p", "678", "", NOW - 1)
    found = remembered([A, later, other, gone, earlier], ["mobile"], NOW)
    assert [each.order for each in found] == ["d", "c", "a"]


def test_the_sub_number_is_what_follows_the_longest_sender():
    senders = {"mobile": "1008", "telecom": "10085"}
    assert sub_number("10085234", senders) == "234"
    assert sub_number("+1008", senders) == ""
    assert sub_number("12345", senders) == ""


entries = st.lists(
    st.builds(
        Entry,
        order=st.sampled_from("abcde"),
        carrier=st.just("mobile"),
        plan=st.just("p"),
        code=st.sampled_from(["234", "345", "456"]),
        sub=st.sampled_from(["", "234", "345"]),
        until=st.sampled_from([0, NOW]),
    ),
    max_size=5,
    unique_by=lambda entry: entry.order,
)


@settings(max_examples=400)
@given(
    entries,
    st.sampled_from(["", "234", "345", "999"]),
    st.sampled_from(["", "234", "9"]),
    st.sets(st.sampled_from("abcde")),
)
def test_a_yes_means_one_order_or_none_and_one_that_nothing_else_fits(found, code, sub, asked):
    said = correlate(YES, code, sub, found, lambda order: order in asked, lambda _: None)
    if said.rule is Rule.AMBIGUOUS:
        assert all(entry.is_open for entry in found if entry.order in said.orders)
        return
    assert len(said.orders) == 1
    fits = {
        Rule.SUB_NUMBER: lambda e: e.sub == sub and (not code or e.code == code),
        Rule.CODE: lambda e: e.code == code and not sub,
        Rule.ONLY_ORDER: lambda e: e.order in asked and not (code or sub),
    }[said.rule]
    matching = [entry.order for entry in found if fits(entry)]
    assert matching in (list(said.orders), [])
    assert set(said.orders) <= {entry.order for entry in found}
    if not matching:  # nothing was asked: the only open order may be declined, and a yes to it is decided as too early
        assert [entry.order for entry in found if entry.is_open] == list(said.orders)
