"""Orders: the history replays to the record, its chain shows every change, and a person can be erased."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from consent_engine.config.yaml_files import plans_from
from consent_engine.domain.admission.admit import Terms, admit
from consent_engine.domain.admission.admit_call import OrderWithCall, begin_from_order
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.decide.decide import decide
from consent_engine.domain.effects import FRESH, Accepted, Pending
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.hashing import digest
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.line.line import Line
from consent_engine.domain.offer.offer import Offer, Policy
from consent_engine.domain.offer.versions import Listed
from consent_engine.domain.order.agreement import Doc, Person, offer_named
from consent_engine.domain.order.details import KINDS, Cancelled, EndedLate, RepliedLate, SaidYes, bare
from consent_engine.domain.order.event import Event, chain, link, seal, storable, unseal
from consent_engine.domain.order.facts import CancelAsked, Ended, Replied, Rule
from consent_engine.domain.order.order import QUESTION, Order, replay, sealed
from consent_engine.errors import BrokenRecord, Malformed

NOW = 1_764_000_000_000
PLAN = next(plan for plan in plans_from(None) if plan.code == "5g-smart-199")
YES = SaidYes(
    keyword=Keyword.YES, rule=Rule.ONLY_ORDER, candidates=("/", "é"), received_at=2**52, gateway="g", edition=3
)
CALL = {
    "caller_number": "10085",
    "recording_id": "rec-1",
    "started_at": "2025-11-24T23:50:00+08:00",
    "agreed_at": "2025-11-24T23:55:00+08:00",
}


def request(**more):
    return {"msisdn": "13800138000", "plan": PLAN.code, "agent": "A1024", "call": CALL, **more}


def placed():
    """Return a new order, and its record as the store would have it."""
    wanted = Placing("desk", "key", PlaceOrder.read(request(metadata={"desk": "北京/3", "n": 10**20})))
    line = Line("0ce7", 0, "", (), (), {})
    terms = Terms(Policy(), {"mobile": "10085"}, frozenset())
    salt = "00112233445566778899aabbccddeeff"
    call, _ = begin_from_order(OrderWithCall(wanted, "0ce7c", "mobile", salt), line, terms, "secret", NOW)
    order, fields = admit(wanted, "0ce7o", line, Listed(PLAN), terms, NOW, salt, call=call)
    record = {**fields, "v": "1", "state": order.state.value, "head": order.head}
    return order, record | {"offer": order.doc.offer.encode()}


def append(order, fields, *events):
    """Return the order after events, and its record."""
    after, more = sealed(order.moved(*events), events, iter(f"salt{n}" for n in range(99)))
    more |= {"state": after.state.value, "head": after.head, "reply_by": str(after.reply_by)}
    return after, {**fields, **more}


def told():
    """Return an order that went the whole way, and its record."""
    order, fields = placed()
    leased = Pending(attempts=1, leased_at=NOW + 1, first_at=NOW + 1, last_at=NOW + 1)
    order = replace(order, effects={QUESTION: leased})
    handed = decide(order, Ended(QUESTION, 1, Accepted("m1")), NOW + 2)
    order, fields = append(order, fields, *handed.events)
    person = {"msisdn": "+8613800138000", "to": "10085", "text": "是/y\u2028\ud83d\ude00"}
    return append(order, fields, Event.of(YES, NOW + 3, "mo", "mo-1", "subscriber", person))


def test_a_record_reads_back_as_the_order_it_was():
    order, fields = told()
    read = Order.decode(fields)
    assert (read.doc, read.person, read.state, read.head) == (order.doc, order.person, State.CONFIRMED, order.head)
    assert [event.trigger for event in read.events] == ["confirmation_accepted", "said_yes"]
    assert read.events[1].detail == YES
    assert read.publics == order.publics


def test_the_history_replays_to_state_head_and_end_of_the_window():
    order, fields = told()
    assert replay(fields) == (order.state, order.head, NOW + 2 + Policy().reply_window)
    assert replay(fields) == (fields["state"], fields["head"], int(fields["reply_by"]))


def test_more_than_nine_events_are_read_in_their_order():
    order, fields = placed()
    for n in range(25):
        order, fields = append(order, fields, Event.of(bare(Trigger.REMINDED), NOW + n, f"op{n}"))
    assert [event.op for event in Order.decode(fields).events] == [f"op{n}" for n in range(25)]
    assert replay(fields)[1] == order.head


@settings(max_examples=200)
@given(field=st.sampled_from(["doc", "e1", "e2"]), at=st.integers(0, 10_000), char=st.characters(codec="utf-8"))
def test_a_changed_character_of_the_history_changes_the_head(field, at, char):
    order, fields = told()
    was = fields[field]
    at %= len(was)
    changed = was[:at] + char + was[at + 1 :]
    publics = [changed if name == field else fields[name] for name in ("doc", "e1", "e2")]
    assert (chain("", publics) == order.head) == (changed == was)


def test_events_that_are_dropped_swapped_or_added_change_the_head():
    order, _ = told()
    doc, first, second = order.publics
    heads = {chain("", some) for some in ([doc], [doc, first], [doc, second, first], [doc, first, second, second])}
    assert order.head not in heads
    assert len(heads) == 4
    assert link(chain("", [doc, first]), second) == order.head


def test_the_head_as_one_event_left_it_does_not_change_with_later_ones():
    order, fields = told()
    was = order.head_at(Trigger.SAID_YES)
    later, _ = append(order, fields, Event.of(RepliedLate(), NOW + 9, "late"))
    assert later.head_at(Trigger.SAID_YES) == was == order.head != later.head


def test_erasing_the_person_leaves_the_chain_as_it_was():
    """Only the person of a settled order may be erased, not that of one under way."""
    _, fields = append(*told(), Event.of(Cancelled(reason="asked"), NOW + 4, "cancel"))
    erased = {name: kept for name, kept in fields.items() if name != "who" and name[0] != "p"}
    erased["state"] = "notified"  # the person part of an open order is never erased
    read = Order.decode(erased)
    assert replay(erased) == replay(fields)
    assert read.person == Person("", "", {})
    assert read.events[1].person is None
    assert read.events[1].person_hash == digest(fields["p2"])


def test_the_public_part_names_no_person_and_no_words():
    _, fields = told()
    public = "".join(fields[name] for name in ("doc", "e1", "e2"))
    for private in ("13800138000", "是/y", "北京"):
        assert private not in public
    assert json.loads(fields["who"])["msisdn"] == "+8613800138000"


def test_the_same_words_hash_differently_under_another_salt():
    event = Event.of(YES, NOW, "op", person={"text": "是"})
    assert seal(event, "a")[0] != seal(event, "b")[0]


def test_an_event_is_unsealed_as_it_was_sealed():
    event = Event.of(YES, NOW, "op", "ref", "subscriber", {"text": "x"})
    read = unseal(*seal(event, "salt"))
    assert replace(read, person={"text": read.person["text"]}, person_hash="") == event


def test_the_frozen_part_survives_policies_that_learn_more():
    order, _ = placed()
    carrier, plan, question, policy, tariff = json.loads(order.doc.offer.encode())
    older = Offer.decode(json.dumps([carrier, plan, question, policy[:11], tariff]))
    assert older.policy == Policy()
    newer = Offer.decode(json.dumps([carrier, plan, question, [*astuple(order.doc.policy), 7, 8], tariff]))
    assert newer.policy == order.doc.policy


def test_the_doc_reads_back_with_the_offer_it_names_and_with_no_other():
    order, fields = placed()
    offer = order.doc.offer
    assert Doc.decode(fields["doc"], offer.encode()) == order.doc
    assert offer_named(fields["doc"]) == offer.hash == digest(offer.encode())
    for another in ("", replace(offer, text=offer.text + "!").encode()):
        with pytest.raises(ValueError, match=r"another offer|Expecting value"):
            Doc.decode(fields["doc"], another)


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "of a later release"},
        {"doc": "{}"},
        {"e1": '["unheard_of",1,"","","",{},""]'},
        {"v": "x"},
        {"f:activate": "garbage"},
    ],
)
def test_a_record_nobody_can_read_is_said_to_be_broken(broken):
    _, fields = told()
    with pytest.raises(BrokenRecord):
        Order.decode({**fields, **broken})


def test_a_pending_effect_reads_back_as_kept():
    for pending in (
        FRESH,
        Pending(2, NOW, 1, NOW, NOW, "kannel:a", 'why "/"', "ops", 1),
        Pending(about=("mobile", "234 包/月")),
    ):
        assert Pending.decode(pending.encode()) == pending
    assert FRESH.encode() == "[]"


def test_half_a_character_can_be_stored_and_whole_ones_stay():
    assert storable("ab\ud83dc") == "ab\ufffdc"
    assert storable("是😀\u0000") == "是😀\u0000"


def test_a_request_of_half_characters_is_refused_at_the_door():
    with pytest.raises(Malformed):
        PlaceOrder.read(request(metadata={"desk": "\ud83d"}))


def test_a_settled_order_says_when_it_settled():
    order, fields = told()
    order = replace(order, effects={"activate": FRESH})
    assert order.settled_at == 0
    gone = decide(order, CancelAsked("c", "A1024", "why"), NOW + 50)
    assert gone.order.settled_at == NOW + 50
    late = Replied("l", NOW + 60, Keyword.YES, Rule.ONLY_ORDER, (), "g", "r", {"text": "是"})
    assert decide(gone.order, late, NOW + 60).order.settled_at == NOW + 50
    assert fields["line"] == "0ce7"


def test_every_trigger_says_what_is_kept_of_it():
    """The names stay for good: stored bytes refer to them."""
    assert set(KINDS) == set(Trigger)
    assert {trigger.value: "".join(part.title() for part in trigger.split("_")) for trigger in Trigger} == {
        trigger.value: kind.__name__ for trigger, kind in KINDS.items()
    }


@pytest.mark.parametrize(
    "public",
    [
        '["said_yes",1,"op","","",{},""]',
        '["of a later release",1,"op","","",{},""]',
        '["said_yes"',
        "",
        '["reminded",1]',
    ],
)
def test_an_event_that_says_not_what_it_must_is_a_broken_record(public):
    _, fields = told()
    with pytest.raises(BrokenRecord):
        Order.decode({**fields, "e1": public})


def test_what_a_later_release_says_besides_is_read_over():
    event = unseal('["reminded",1,"op","","",{"of_later":1},""]', None)
    assert (event.trigger, event.as_json()) == (Trigger.REMINDED, {})


def test_a_call_that_ended_late_with_the_word_refused_is_no_refusal_of_the_subscribers():
    late = EndedLate(effect="sms.reminder.1", outcome="rejected", reason="refused")
    order, fields = append(*told(), Event.of(late, NOW + 4, "late", by="engine"))
    assert order.refused_at == 0
    order, _ = append(order, fields, Event.of(Cancelled(reason="refused"), NOW + 5, "gate", by="engine"))
    assert order.refused_at == NOW
