"""A call as it is kept: old records are written the same again, and a record that was tampered with is not believed."""

import pytest

from consent_engine.domain.call.call import (
    Abandoned,
    Began,
    Call,
    CallOutcome,
    CallPerson,
    Disclosed,
    Ended,
    OrderRefused,
    Recording,
    begun,
    held,
    keys_held,
)
from consent_engine.domain.call.sales_figures import Counted
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.seal import Seal
from consent_engine.errors import BrokenRecord

CALL, LINE = "0ce7" + "a" * 24, "0ce7" + "b" * 24
BEGAN = Began(CALL, 2_000, "desk", "A1024", "f" * 32, "", "mobile", 1, "s-1", "", 1_000, (Violation.QUIET_HOURS,))
PERSON = CallPerson("+8613800138000", "10085")
ENDED = Ended(
    9_000, "e" * 32, "desk", 8_000, CallOutcome.AGREED, "p", Recording("rec-1", "9f" * 32, 7),
    (Disclosed("price", 3_000),),
)  # fmt: skip

KEPT = {
    "doc": '["0ce7aaaaaaaaaaaaaaaaaaaaaaaa",2000,"desk","A1024","ffffffffffffffffffffffffffffffff",'
    '"0aWUjggjuC6ZIhhmhFfIfYE5IqyMdK4zNiQsPJfmtAI","mobile",1,"s-1","",1000,["quiet_hours"]]',
    "e1": '["ended",9000,"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","desk",8000,"agreed","p",["rec-1","' + "9f" * 32 + '",7],'
    '[["price",3000]],[]]',
    "e2": '["order_refused",9500,"o","desk","do_not_call"]',
}
"""The bytes written by the first release that knew calls: they are never regenerated."""


def record(*events):
    call, fields = begun(BEGAN, PERSON, LINE, "salt")
    after, more = call.with_events(*events)
    return after, {**fields, **more, "v": "1", "head": after.head, "state": after.state.value}


def test_what_was_written_then_is_written_now():
    _, fields = record(ENDED, OrderRefused(9_500, "o", "desk", "do_not_call"))
    assert {name: fields[name] for name in KEPT} == KEPT


def test_a_call_is_read_as_it_was_written():
    after, fields = record(ENDED)
    assert Call.decode(fields) == Call(
        after.began, after.person, LINE, 1, after.head, after.events, {}, after.publics, fields["who"]
    )  # fmt: skip
    assert Call.decode({name: value for name, value in fields.items() if name != "who"}).person == CallPerson("", "")


@pytest.mark.parametrize("change", [
    {"state": "up"}, {"head": "x"}, {"e1": KEPT["e1"].replace("8000", "8001")}, {"v": "x"}, {"doc": "[]"}, {"e1": "{}"},
    {"who": '{"msisdn":"+8613900139000","caller":"10085","salt":"salt"}'}, {"state": "none"},
])  # fmt: skip
def test_a_record_that_its_history_does_not_give_is_broken(change):
    _, fields = record(ENDED)
    with pytest.raises(BrokenRecord):
        Call.decode({**fields, **change})


@pytest.mark.parametrize(("keys", "kept"), [
    (("a" * 24,), "="), (("c" * 24,), "c" * 24), (("a" * 24, "d" * 24), "= " + "d" * 24),
])  # fmt: skip
def test_what_its_recording_is_reserved_under_is_kept_in_short_where_its_id_is_made_of_it(keys, kept):
    _, fields = record(ENDED)
    assert held(CALL, keys) == {"rec": kept}
    assert Call.decode(fields | {"rec": kept}).recording_keys == keys_held(CALL, {"rec": kept}) == keys
    assert not held(CALL, ())


def test_a_call_without_its_seal_or_with_another_is_not_believed():
    call, seal = record(ENDED)[0], Seal("a-secret")
    other = begun(BEGAN, CallPerson("", ""), LINE, "salt")[0]
    for kept in (None, "", seal.of(other), Seal("another").of(call)):
        with pytest.raises(BrokenRecord):
            seal.check(call, kept)


def test_a_call_counts_as_what_it_is_each_figure_once():
    up, ended, abandoned = record()[0], record(ENDED)[0], record(Abandoned(5, "x"))[0]
    figures = [
        sorted(Counted(1, each.carrier, each.state, each.verdict, each.ever_violated).figures)
        for each in (up, ended, abandoned)
    ]
    assert figures == [
        ["calls", "quiet_hours", "wrong"],
        ["calls", "ended", "quiet_hours", "recorded", "wrong"],
        ["abandoned", "calls", "quiet_hours", "wrong"],
    ]


def test_an_instant_lies_within_a_call_as_far_as_its_end_is_known():
    up, ended = record()[0], record(ENDED)[0]
    assert [call.holds(at) for call in (up, ended) for at in (999, 1_000, 8_000, 8_001)] == [
        False, True, True, True, False, True, True, False,
    ]  # fmt: skip
