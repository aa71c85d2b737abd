"""The pure core, all of it: every state of a line that can be reached in a scope, every way out, every promise.

A scope says which replies, reports and people there are; nothing within it is left out, its queue runs empty.
`pytest -rP tests/model` shows the figures; `make search` searches the wide scopes, too.
"""

import sys
from time import process_time

import pytest
from msgspec import structs

from consent_engine.domain.lifecycle import TRANSITIONS, State, Trigger, advance
from consent_engine.domain.offer.offer import Policy, Suspects
from consent_engine.errors import IllegalTransition
from tests.model.moves import (
    BARE,
    CANCEL,
    CHANGE,
    CODE,
    CODE_IN_CADENCE,
    CODE_IN_CALL,
    DISAGREES,
    FAILED,
    GIVE_UP,
    HOLD,
    IN_CADENCE,
    IN_CALL,
    LIFT,
    NOWHERE,
    OLD,
    REFUSED_BY_VOICE,
    RESEND,
    RESUME,
    RETRY,
    REVOKE,
    SUB,
    WRONG,
    Scope,
)
from tests.model.search import search
from tests.model.standing import HOUR, MOST_DOUBTS
from tests.tiers import DEEP

SHORT = Policy(max_attempts=2, resend_max=0, reminder_after=0)
RESENDS = Policy(max_attempts=2, resend_max=1, reminder_after=0)
REMINDS = Policy(max_attempts=2, resend_max=0, reminder_after=12 * HOUR)
REPORTS = Policy(max_attempts=2, resend_max=0, reminder_after=12 * HOUR, reports=1)
CALM = {"people": (), "races": False, "policy": SHORT}
HELD = {"policy": SHORT, "races": False, "subs": False}
PROVES = {**HELD, "policy": structs.replace(SHORT, suspects=Suspects.CODE)}
BEATS = {**HELD, "policy": structs.replace(SHORT, suspects=Suspects.CODE, cadence=5)}
LOOKS = {**HELD, "policy": structs.replace(SHORT, suspects=Suspects.HOLD)}
WINDOWED = {**CALM, "people": (CANCEL,), "policy": REPORTS}
PAIR = {**CALM, "orders": 2, "subs": False}

SCOPES = (
    Scope("early and raced", ("否", "嗯", WRONG), (CODE,), people=(CANCEL, REVOKE), policy=SHORT),
    Scope("help, codes, sub-numbers", ("帮助", SUB, CODE, BARE), **CALM),
    Scope("what names nobody", (NOWHERE, DISAGREES, SUB), **CALM),
    Scope("a yes and a STOP, both unread", (), (BARE, "TD"), (("TD", BARE), (BARE, "TD")), **CALM),
    Scope("held, and decided", (HOLD, CODE), (BARE, HOLD), ((BARE, HOLD), (HOLD, BARE)), people=(RESUME,), **HELD),
    Scope("refused, and lifted", (BARE,), ("TD",), people=(LIFT,), policy=SHORT),
    Scope("refused by voice, answers from before", (SUB, OLD), (REFUSED_BY_VOICE,), **CALM),
    Scope("reports, asked again", (BARE,), reports=1, delivered=True, people=(RESEND,), races=False, policy=RESENDS),
    Scope("reported while it is asked again", (SUB,), reports=1, people=(), policy=SHORT),
    Scope("a failed report before a yes", (), (FAILED, BARE), ((FAILED, BARE),), reports=1, **CALM),
    Scope("the window begins on the handset", (BARE, "否", "TD"), reports=1, delivered=True, **WINDOWED),
    Scope("stuck and tried again", (BARE,), people=(RETRY, GIVE_UP), policy=SHORT),
    Scope("one cadence of many numbers", (IN_CADENCE, CODE), (CODE_IN_CADENCE, BARE), people=(RESUME,), **BEATS),
    Scope("no person wrote it: a person looks", (BARE,), (IN_CALL,), people=(RESUME,), **LOOKS),
    Scope("another holder, answers from before", (BARE,), (BARE, "TD"), people=(CHANGE,), policy=SHORT),
    Scope("all that is said by the way", (BARE, "TD"), small_talk=True, sure=True, **CALM),
)
WIDE = (
    Scope("lifted, both unread", (), (BARE, "TD"), ((BARE, "TD"), ("TD", BARE)), people=(LIFT,), policy=SHORT),
    Scope("no person wrote it", (IN_CALL, CODE), (CODE_IN_CALL, BARE), people=(RESUME,), **PROVES),
    Scope("failed before a yes, asked again", (), (FAILED, BARE), ((FAILED, BARE),), reports=1, people=(RESEND,)),
    Scope(
        "all said by the way, with reminders",
        (BARE, "嗯"),
        small_talk=True,
        policy=REMINDS,
        people=(REVOKE,),
        races=False,
    ),
)


def explored(scope):
    """Search a scope, print the figures, and check what only a whole search can show."""
    began = process_time()
    found = search(scope)
    sys.stdout.write(
        f"{scope.name}: {found.states} states, {found.transitions} transitions, {found.seconds:.1f} s"
        f" ({process_time() - began:.1f} s of a processor)\n"
    )
    assert found.left == 0, "the queue ran empty"
    assert found.ends_nowhere == 0, "from every state there is a way to settle, or to the stuck list"
    return found


@pytest.fixture(scope="module")
def rows():
    """Collect the rows of the lifecycle's table that any search took."""
    return set()


@pytest.mark.parametrize("scope", [*SCOPES, *(WIDE if DEEP else ())], ids=lambda scope: scope.name)
def test_every_promise_holds_on_every_way_out_of_every_state(scope, rows):
    rows |= explored(scope).rows


def test_every_row_of_the_table_was_taken(rows):
    assert not rows or rows == set(TRANSITIONS)


def test_no_pair_of_state_and_trigger_moves_but_those_of_the_table():
    moving = {trigger for trigger, _, _ in TRANSITIONS}
    moves = {(state, trigger): target for trigger, state, target in TRANSITIONS}
    for state in State:
        for trigger in Trigger:
            if (state, trigger) in moves or trigger not in moving:
                assert advance(state, trigger) is moves.get((state, trigger), state)
            else:
                with pytest.raises(IllegalTransition):
                    advance(state, trigger)


def test_the_policies_stay_inside_what_the_key_can_tell_apart():
    for scope in (*SCOPES, *WIDE):
        assert scope.policy.max_attempts <= MOST_DOUBTS + 1
        assert scope.policy.confirm_within < scope.policy.reply_window
        assert scope.reports <= MOST_DOUBTS


def test_a_bare_yes_is_no_guess_while_another_question_may_be_with_the_subscriber():
    search(Scope("two orders, one cancelled while it is asked", (BARE,), **{**PAIR, "people": (CANCEL,)}))
