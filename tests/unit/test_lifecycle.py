"""The lifecycle: the table, all its pairs, and what it makes impossible."""

import pytest

from consent_engine.domain.lifecycle import (
    ANSWERABLE,
    ENGAGED,
    NOTES,
    SETTLED,
    SETTLING,
    STAGES,
    TRANSITIONS,
    State,
    Trigger,
    advance,
    allows,
    machine,
    sources,
)
from consent_engine.errors import IllegalTransition

PAIRS = [(state, trigger) for state in State for trigger in Trigger]
TABLE = {(source, trigger): target for trigger, source, target in TRANSITIONS}


def reachable(without):
    """Return the states that can be reached from the beginning when one trigger never happens."""
    found, news = set(), {State.AGREED}
    while news:
        found |= news
        news = {t for (s, trigger), t in TABLE.items() if s in found and trigger is not without} - found
    return found


def test_every_pair_of_state_and_trigger_does_what_the_table_says_and_nothing_else():
    for state, trigger in PAIRS:
        if (state, trigger) in TABLE:
            assert advance(state, trigger) is TABLE[state, trigger]
        elif trigger in NOTES:
            assert advance(state, trigger) is state
        else:
            with pytest.raises(IllegalTransition):
                advance(state, trigger)


def test_the_machine_of_transitions_knows_the_same_moves():
    moves = {
        (State[source], Trigger(name)): State[str(move.dest)]
        for name, event in machine.events.items()
        for source, found in event.transitions.items()
        for move in found
    }
    assert moves == TABLE


def test_what_is_allowed_is_what_advances():
    for state, trigger in PAIRS:
        assert allows(state, trigger) == (trigger in NOTES or (state, trigger) in TABLE)


def test_a_settled_order_never_moves():
    ends = {"notified", "unnotified", "declined", "expired", "undeliverable", "cancelled", "activation_failed"}
    assert ends == {state.value for state in State if state.settled}
    assert {state for state in State if state.settled} == SETTLED
    assert [row for row in TRANSITIONS if row[1] in SETTLED] == []


def test_every_state_that_is_not_settled_has_a_way_out_and_can_be_reached():
    assert reachable(without=None) == set(State)
    leaves = {source for trigger, source, target in TRANSITIONS if source is not target}
    assert leaves == set(State) - SETTLED


def test_nothing_is_activated_without_a_yes():
    assert reachable(without=Trigger.SAID_YES).isdisjoint(ENGAGED)
    assert {State.AWAITING_REPLY} <= sources(Trigger.SAID_YES) <= sources(Trigger.WINDOW_CLOSED), "it has a window"


def test_nobody_can_say_yes_before_the_question_was_handed_over():
    assert reachable(without=Trigger.CONFIRMATION_ACCEPTED).isdisjoint({State.AWAITING_REPLY, State.CONFIRMED})


def test_the_machine_has_no_side_door():
    assert not any(name.startswith("to_") for name in machine.events)
    assert machine.models == []


def test_a_note_never_settles_an_order_nor_takes_it_a_step_further():
    """A note fits every state: one that settled in the table would seem to have settled an order in any state."""
    assert SETTLING.isdisjoint(NOTES)
    assert set(STAGES).isdisjoint(NOTES)


def test_every_trigger_is_a_move_or_a_note():
    assert {trigger for trigger, _, _ in TRANSITIONS} | NOTES == set(Trigger)


def test_the_sets_of_states_are_what_the_design_says():
    """Written by hand, for comparison: the code goes by what the table gives."""
    unserved = {State.DECLINED, State.EXPIRED, State.UNDELIVERABLE, State.CANCELLED, State.ACTIVATION_FAILED}
    assert unserved | {State.NOTIFIED, State.UNNOTIFIED} == SETTLED
    assert {State.AGREED, State.AWAITING_REPLY} <= ANSWERABLE == reachable(without=Trigger.SAID_YES) - SETTLED
    assert {State.CONFIRMED, State.ACTIVATED, State.NOTIFIED, State.UNNOTIFIED} == ENGAGED
    assert ENGAGED.isdisjoint(ANSWERABLE | unserved)


def test_until_its_service_is_on_an_order_can_be_cancelled_and_refused_in_every_state():
    on = {target for trigger, _, target in TRANSITIONS if trigger is Trigger.SERVICE_ACTIVATED}
    before = set(State) - SETTLED - on
    for trigger in (Trigger.CANCELLED, Trigger.SAID_NO, Trigger.OPTED_OUT):
        assert sources(trigger) == before
    assert before | on | SETTLED == set(State)


def test_the_last_move_of_every_way_settles_and_no_move_before_it():
    for trigger, source, target in TRANSITIONS:
        assert (target in SETTLED) <= (trigger in SETTLING)
        assert source not in SETTLED
