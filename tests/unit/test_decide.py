"""The decisions on an order: pure, so every fact is tried in every state. `stands` and `leased` replace the store."""

from functools import cache

import pytest
from msgspec.structs import replace

from consent_engine.config.yaml_files import plans_from
from consent_engine.domain.admission.admit import Terms, admit
from consent_engine.domain.admission.admit_call import OrderWithCall, begin_from_order
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.call.ending import Cause, Why, ending_doc, opened
from consent_engine.domain.decide.decide import decide
from consent_engine.domain.decide.decision import PARKED, Drop, Put
from consent_engine.domain.decide.endings import on_end_outcome
from consent_engine.domain.decide.on_outcome import on_line_outcome
from consent_engine.domain.effects import (
    ACTIVATE,
    DEACTIVATE,
    FRESH,
    WAKE_ARCHIVE,
    WAKE_TOO_LATE,
    WAKE_WINDOW,
    Accepted,
    Pending,
    Purpose,
    Rejected,
    Unavailable,
    Uncertain,
    Untaken,
    sms_effect,
)
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.lifecycle import State, Trigger, sources
from consent_engine.domain.line.line import Line
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.offer.versions import Listed
from consent_engine.domain.order.facts import (
    Barred,
    CancelAsked,
    Ended,
    GiveUpAsked,
    NumberChanged,
    Replied,
    Reported,
    ResendAsked,
    RetryAsked,
    Revealed,
    Rule,
    Woke,
)
from consent_engine.domain.order.order import QUESTION
from consent_engine.domain.sms import Delivery
from consent_engine.errors import InFlight, NotActivated, NothingParked, NotWaiting, TooLate
from tests.model.moves import ERRORS

NOW = 1_764_000_000_000
PLAN = next(plan for plan in plans_from(None) if plan.code == "5g-smart-199")
OUTCOMES = (Accepted("m1"), Rejected("no"), Unavailable("busy"), Uncertain("timeout"))
NOTIFICATION = "sms.notification.1"


def agreed(*, code=False, **policy):
    details = {
        "caller_number": "10085",
        "recording_id": "rec-1",
        "started_at": "2025-11-24T23:50:00+08:00",
        "agreed_at": "2025-11-24T23:55:00+08:00",
    }
    wanted = PlaceOrder.read({"msisdn": "13800138000", "plan": PLAN.code, "agent": "A", "call": details})
    terms = Terms(Policy(**policy), {"mobile": "10085"}, frozenset())
    placing, line = Placing("desk", "k", wanted), Line("l", 0, "", (), (), {})
    call, _ = begin_from_order(OrderWithCall(placing, "0ce7c", "mobile", "ab" * 16), line, terms, "secret", NOW)
    order, _ = admit(placing, "0ce7o", line, Listed(PLAN), terms, NOW, "ab" * 16, call=call)
    order = replace(order, doc=replace(order.doc, asks_code=code))
    return replace(order, effects={QUESTION: FRESH, WAKE_TOO_LATE: FRESH})


def stands(decision, held=""):
    """Return the order once the decision is saved."""
    gone = {effect for effect, _ in decision.drop} | {held}
    effects = {e: p for e, p in decision.order.effects.items() if e not in gone}
    return replace(decision.order, effects=effects | {put.effect: put.pending for put in decision.put})


def leased(order, effect, at):
    """Return the order once a worker has the effect, as the lease script does it."""
    was = order.effects[effect]
    first = was.first_at if was.doubts else at
    now = replace(was, attempts=was.attempts + 1, leased_at=at, first_at=first, last_at=at)
    return replace(order, effects={**order.effects, effect: now})


def ends(order, effect, outcome, at, *, lease_at=None):
    """Lease, call, and record the outcome."""
    order = leased(order, effect, lease_at or at)
    token = order.effects[effect].attempts
    return stands(decide(order, Ended(effect, token, outcome), at), effect)


PERSON = {"msisdn": "+8613800138000", "to": "10085", "text": "words"}


def reply(keyword, at, op="mo", rule=Rule.ONLY_ORDER, **more):
    return Replied(op, at, keyword, rule, ("0ce7o",), "g", op, PERSON, **more)


def report(status, message_id="m1", op="dlr", effect=QUESTION, error=""):
    return Reported(op, NOW + 9_000, "g", effect, message_id, status, 1, 1, error)


def awaiting(**policy):
    return ends(agreed(**policy), QUESTION, Accepted("m1"), NOW + 2_000, lease_at=NOW + 1_000)


def confirmed():
    return stands(decide(awaiting(), reply(Keyword.YES, NOW + 3_000, "yes"), NOW + 3_000))


def activated():
    return ends(confirmed(), ACTIVATE, Accepted("a1"), NOW + 4_000)


STATES = {
    State.AGREED: agreed,
    State.AWAITING_REPLY: awaiting,
    State.CONFIRMED: confirmed,
    State.ACTIVATED: activated,
    State.NOTIFIED: lambda: ends(activated(), NOTIFICATION, Accepted("m2"), NOW + 5_000),
    State.UNNOTIFIED: lambda: stands(decide(activated(), GiveUpAsked("g", "ops", "why"), NOW + 5_000)),
    State.DECLINED: lambda: stands(decide(awaiting(), reply(Keyword.NO, NOW + 3_000, "no"), NOW + 3_000)),
    State.EXPIRED: lambda: stands(decide(awaiting(), Woke(WAKE_WINDOW, 0), NOW + 90_000_000)),
    State.UNDELIVERABLE: lambda: ends(agreed(), QUESTION, Rejected("no"), NOW + 2_000),
    State.CANCELLED: lambda: stands(decide(agreed(), CancelAsked("c", "A", "why"), NOW + 3_000)),
    State.ACTIVATION_FAILED: lambda: ends(confirmed(), ACTIVATE, Rejected("no"), NOW + 4_000),
}
"""Orders built by hand, in the usual way; a state that is not among them is looked for, see `order_in`."""
FACTS = [
    *[reply(keyword, NOW + 9_000, f"r{rule}{keyword}", rule) for keyword in Keyword for rule in Rule],
    *[report(status, effect=effect) for status in Delivery for effect in (QUESTION, NOTIFICATION)],
    *[report(Delivery.FAILED, op=f"dlr {why}", error=why) for why in ERRORS],
    *[
        Ended(effect, token, outcome, waits=waits)
        for effect in (QUESTION, ACTIVATE, NOTIFICATION)
        for token in (0, 1, 2)
        for outcome in OUTCOMES
        for waits in (False, True)
    ],
    *[Woke(effect, 0, waits) for effect in (WAKE_TOO_LATE, WAKE_WINDOW, "wake.reminder") for waits in (False, True)],
    CancelAsked("x", "A", "why"),
    CancelAsked("y", "A", "refused", "voice"),
    RetryAsked("z", "ops"),
    ResendAsked("w", "A"),
    GiveUpAsked("v", "ops", "why"),
    Revealed("u", "auditor", "auditor", "why"),
]


@cache
def order_in(state):
    """Return an order in a state: one of STATES, else the first that the facts lead to from those."""
    orders = [build() for build in STATES.values()]
    for order in orders:  # the list grows: a state's first order is appended
        if order.state is state:
            return order
        news = {after.state: after for _, _, after in decisions(order)}
        orders += [news[each] for each in news.keys() - {known.state for known in orders}]
    raise AssertionError(f"no fact leads to {state}")


def decisions(at_rest):
    """Yield the result of every fact for an order, with nothing in flight or with one of its effects."""
    for order in (at_rest, *(leased(at_rest, effect, NOW + 8_000) for effect in at_rest.effects)):
        for fact in FACTS:
            try:
                decision = decide(order, fact, NOW + 9_000)
            except (TooLate, NothingParked, NotWaiting, NotActivated, InFlight):
                continue
            yield fact, decision, stands(decision, held_by(order, fact))


def held_by(order, fact):
    """Return the effect that goes with the commit of a fact, unless it is put again."""
    effect = getattr(fact, "effect", "") if isinstance(fact, Ended | Woke) else ""
    pending = order.effects.get(effect)
    return effect if pending and pending.leased_at and pending.attempts == fact.token else ""


def test_the_states_here_are_those_states():
    assert {state: build().state for state, build in STATES.items()} == {state: state for state in STATES}
    assert {order_in(state).state for state in State} == set(State)


@pytest.mark.parametrize("state", State)
def test_only_a_yes_to_a_question_asked_wants_an_activation(state):
    for fact, decision, _ in decisions(order_in(state)):
        activates = any(put.effect == ACTIVATE and not put.pending.attempts for put in decision.put)
        is_yes = isinstance(fact, Replied) and fact.keyword is Keyword.YES and fact.rule is not Rule.AMBIGUOUS
        assert activates == (state in sources(Trigger.SAID_YES) and is_yes)
        assert activates == any(event.trigger == "said_yes" for event in decision.events)


@pytest.mark.parametrize("state", State)
def test_a_settled_order_never_moves_and_wants_no_question_activation_or_timer(state):
    for fact, decision, after in decisions(order_in(state)):
        if state.settled:
            assert decision.order.state is state, fact
        if decision.order.state.settled:
            unwanted = ("wake.", "sms.confirmation", "sms.reminder", "sms.clarification", ACTIVATE)
            left = after.effects.keys() - {WAKE_ARCHIVE}
            assert not any(effect.startswith(unwanted) for effect in left), fact


@pytest.mark.parametrize("state", State)
def test_whatever_happens_an_open_order_still_wants_something(state):
    for fact, _, after in decisions(order_in(state)):
        assert after.state.settled or after.effects, fact


@pytest.mark.parametrize("state", State)
def test_the_same_fact_twice_changes_an_order_once(state):
    for fact, decision, after in decisions(order_in(state)):
        if decision.events:
            assert decide(after, fact, NOW + 9_999).is_void, fact


def test_a_yes_counts_until_the_last_millisecond_and_not_one_longer():
    order = awaiting()
    assert decide(order, reply(Keyword.YES, order.reply_by), order.reply_by + 50).order.state is State.CONFIRMED
    late = decide(order, reply(Keyword.YES, order.reply_by + 1), order.reply_by + 50)
    assert [event.trigger for event in late.events] == ["replied_late"]


def test_a_question_that_was_accepted_says_when_its_last_attempt_began_as_a_program_of_before_must_read_it():
    """An older process beside a new one would find no such order otherwise: a yes that it read would match nothing."""
    order = awaiting()
    accepted = order.last(Trigger.CONFIRMATION_ACCEPTED)
    assert accepted.as_json()["last"] == accepted.detail.last == accepted.detail.started


def test_a_yes_written_or_received_before_the_question_left_us_is_no_answer_to_it():
    order = awaiting()
    for said in (reply(Keyword.YES, NOW + 999), reply(Keyword.YES, NOW + 5_000, written_at=NOW + 999)):
        assert [event.trigger for event in decide(order, said, NOW + 6_000).events] == ["replied_before"]
    assert decide(order, reply(Keyword.YES, NOW + 1_000), NOW + 6_000).order.state is State.CONFIRMED


def test_an_early_yes_counts_when_that_attempt_is_accepted_and_only_then():
    for outcome, state in zip(OUTCOMES, ["confirmed", "undeliverable", "agreed", "agreed"], strict=True):
        order = leased(agreed(), QUESTION, NOW + 1_000)
        order = stands(decide(order, reply(Keyword.YES, NOW + 1_500), NOW + 1_500))
        assert (order.state, order.events[-1].trigger) == (State.AGREED, "replied_early")
        assert stands(decide(order, Ended(QUESTION, 1, outcome), NOW + 2_000), QUESTION).state == state


def test_an_early_yes_is_none_to_a_question_that_went_out_again_before_it_was_read():
    order = ends(agreed(max_attempts=50), QUESTION, Uncertain("timeout"), NOW + 1_000)
    for at, state in ((NOW + 5_000, State.AWAITING_REPLY), (NOW + 700_500, State.CONFIRMED)):
        again = leased(order, QUESTION, NOW + 700_000)
        read = stands(decide(again, reply(Keyword.YES, at), NOW + 700_600))
        assert stands(decide(read, Ended(QUESTION, 2, Accepted("m1")), NOW + 701_000), QUESTION).state is state


def test_a_code_settles_the_doubt_only_where_the_question_told_it():
    for code, state in ((True, State.CONFIRMED), (False, State.AGREED)):
        order = ends(agreed(code=code), QUESTION, Uncertain("timeout"), NOW + 1_000)
        said = decide(order, reply(Keyword.YES, NOW + 5_000, rule=Rule.CODE), NOW + 5_000)
        assert said.order.state is state


def test_a_doubtful_question_is_held_sent_once_more_and_then_parked():
    order = ends(agreed(max_attempts=50), QUESTION, Uncertain("timeout"), NOW + 1_000)
    assert order.effects[QUESTION].doubts == 1
    again = leased(order, QUESTION, NOW + 700_000)
    decision = decide(again, Ended(QUESTION, 2, Uncertain("timeout")), NOW + 700_000)
    assert [(put.effect, put.due) for put in decision.put] == [(QUESTION, PARKED)]
    assert decision.events[0].as_json()["reason"] == "times:2:timeout"


def test_a_refusal_after_doubt_is_parked_until_somebody_believes_it():
    order = ends(confirmed(), ACTIVATE, Uncertain("timeout"), NOW + 4_000)
    order = ends(order, ACTIVATE, Rejected("unknown"), NOW + 5_000)
    assert (order.state, order.effects[ACTIVATE].parked) == (State.CONFIRMED, 1)
    order = stands(decide(order, RetryAsked("r", "ops"), NOW + 6_000))
    order = ends(order, ACTIVATE, Rejected("unknown"), NOW + 7_000)
    assert order.state is State.ACTIVATION_FAILED
    assert order.events[-1].as_json()["believed"] == "ops"
    with pytest.raises(NothingParked):
        decide(order, RetryAsked("r2", "ops"), NOW + 8_000)


def test_a_refusal_after_a_doubt_that_came_after_the_retry_is_not_believed():
    order = ends(confirmed(), ACTIVATE, Uncertain("timeout"), NOW + 4_000)
    order = ends(order, ACTIVATE, Rejected("unknown"), NOW + 5_000)
    order = stands(decide(order, RetryAsked("r", "ops"), NOW + 6_000))
    order = ends(order, ACTIVATE, Uncertain("timeout"), NOW + 7_000)
    order = ends(order, ACTIVATE, Rejected("unknown"), NOW + 99_000)
    assert (order.state, order.effects[ACTIVATE].parked) == (State.CONFIRMED, 1)


def outcomes_of_all_kinds(outcome, pending):
    """Return what becomes of the same attempt at an SMS of an order, one of a line, an activation and an ending."""
    at, order = NOW + 9_000, confirmed()
    policy = order.doc.policy
    held = replace(pending, leased_at=NOW + 8_000, last_at=NOW + 8_000)
    found = {}
    for effect in (sms_effect(Purpose.HELP), ACTIVATE):
        own = replace(held, about=("unicom", "p") if effect == ACTIVATE else ("unicom",))
        decision = decide(replace(order, effects={effect: own}), Ended(effect, held.attempts, outcome), at)
        found[effect] = [put for put in decision.put if put.effect == effect]
    notice = sms_effect(Purpose.ENDED)
    found[notice] = [put for put in [on_line_outcome(Ended(notice, held.attempts, outcome), held, policy, at)] if put]
    asked = ending_doc(activated(), Why(Cause.WITHDRAWN, "sms", "subscriber"), NOW, 0)
    ending = replace(opened(asked, "x", "l", "salt")[0], effects={DEACTIVATE: held})
    found[DEACTIVATE] = on_end_outcome(ending, Ended(DEACTIVATE, held.attempts, outcome), policy, at).put
    return {effect: [(put.due, replace(put.pending, about=())) for put in puts] for effect, puts in found.items()}


@pytest.mark.parametrize("doubts", [0, 1, 2, 9])
@pytest.mark.parametrize("outcome", [Unavailable("busy", 5_000), Untaken("asked"), Uncertain("timeout")], ids=repr)
def test_an_outcome_means_the_same_to_every_kind_of_record(outcome, doubts):
    pending = Pending(attempts=3, doubts=doubts, first_at=NOW + 1 if doubts else 0, believe="ops")
    by_kind = outcomes_of_all_kinds(outcome, pending)
    for one, other in ((sms_effect(Purpose.HELP), sms_effect(Purpose.ENDED)), (ACTIVATE, DEACTIVATE)):
        assert by_kind[one] == by_kind[other] != [], (one, other)


@pytest.mark.parametrize("believe", ["", "ops"])
def test_no_record_takes_a_refusal_after_doubt_for_the_end_unless_somebody_believes_it(believe):
    pending = Pending(attempts=3, doubts=1, first_at=NOW + 1, believe=believe)
    for effect, puts in outcomes_of_all_kinds(Rejected("no"), pending).items():
        parked = [(due, kept.parked, kept.believe) for due, kept in puts]
        assert parked == ([(PARKED, 1, "")] if effect == DEACTIVATE or not believe else []), effect


def test_a_late_answer_of_an_earlier_attempt_is_believed_only_when_it_is_good():
    order = ends(confirmed(), ACTIVATE, Uncertain("lease_lost:"), NOW + 4_000)
    order = leased(order, ACTIVATE, NOW + 65_000)
    refused = decide(order, Ended(ACTIVATE, 1, Rejected("no")), NOW + 66_000)
    assert ([event.trigger for event in refused.events], refused.put) == (["ended_late"], ())
    taken = stands(decide(order, Ended(ACTIVATE, 1, Accepted("a1")), NOW + 66_000))
    assert taken.state is State.ACTIVATED
    second = decide(taken, Ended(ACTIVATE, 2, Accepted("a1")), NOW + 67_000)
    assert [event.trigger for event in second.events] == ["ended_late"]
    assert second.events[0].ref == "a1"


ENDING = (
    reply(Keyword.NO, NOW + 9_000),
    reply(Keyword.STOP, NOW + 9_000, "s"),
    CancelAsked("x", "A", "", "sms"),
)


def test_a_no_ends_a_confirmed_order_only_while_no_activation_has_begun():
    for fact in ENDING:
        assert (ACTIVATE, Drop.NOT_BEGUN) in decide(confirmed(), fact, NOW + 9_000).drop
    flying = leased(confirmed(), ACTIVATE, NOW + 4_000)
    for begun in (flying, ends(confirmed(), ACTIVATE, Uncertain("timeout"), NOW + 4_000)):
        for fact in ENDING:
            assert [event.trigger for event in decide(begun, fact, NOW + 9_000).events] == ["replied_late"]
        with pytest.raises(TooLate):
            decide(begun, CancelAsked("c", "A", "why"), NOW + 9_000)


@pytest.mark.parametrize("revoked", [False, True])
def test_an_order_is_cancelled_while_its_question_is_in_flight_and_while_that_is_in_doubt(revoked):
    flying = leased(agreed(), QUESTION, NOW + 1_000)
    for order in (flying, ends(agreed(), QUESTION, Uncertain("timeout"), NOW + 2_000)):
        cancelled = decide(order, CancelAsked("c", "A", "why", revoked=revoked), NOW + 9_000)
        assert cancelled.order.state is State.CANCELLED
        assert cancelled.events[0].detail.may_be_asked


def test_a_call_that_surely_did_nothing_has_not_begun():
    waiting = ends(confirmed(), ACTIVATE, Unavailable("503"), NOW + 4_000)
    assert waiting.effects[ACTIVATE].attempts == 1
    for fact in (*ENDING, CancelAsked("c", "A", "why")):
        decision = decide(waiting, fact, NOW + 9_000)
        assert decision.order.state.settled
        assert (ACTIVATE, Drop.NOT_BEGUN) in decision.drop


@pytest.mark.parametrize(("word", "state"), [(Keyword.NO, "said_no"), (Keyword.STOP, "opted_out")])
def test_a_word_that_came_during_a_call_that_surely_did_nothing_takes_the_order_back(word, state):
    flying = stands(decide(leased(confirmed(), ACTIVATE, NOW + 4_000), reply(word, NOW + 5_000), NOW + 5_000))
    back = decide(flying, Ended(ACTIVATE, 1, Unavailable("503")), NOW + 6_000)
    assert ([event.trigger for event in back.events], back.order.state) == ([state], State.DECLINED)
    assert ACTIVATE in {effect for effect, _ in back.drop}
    done = decide(flying, Ended(ACTIVATE, 1, Accepted("a1")), NOW + 6_000)
    assert done.order.state is State.ACTIVATED


def test_a_restriction_ends_a_confirmed_order_or_makes_it_wait():
    refused = decide(confirmed(), Barred(("mobile",), NOW), NOW)
    assert refused.order.state is State.CANCELLED
    assert (ACTIVATE, Drop.NOT_BEGUN) in refused.drop
    assert decide(confirmed(), Barred(("suspected:*",), NOW), NOW).is_void
    assert decide(confirmed(), Barred(("telecom",), NOW), NOW).is_void
    assert decide(leased(confirmed(), ACTIVATE, NOW), Barred(("mobile",), NOW), NOW).is_void


def test_a_yes_that_came_under_a_restriction_is_noted_and_counts_for_nothing():
    for order in (agreed(), awaiting()):
        decision = decide(order, replace(reply(Keyword.YES, NOW + 9_000), barred=True), NOW + 9_000)
        assert ([event.trigger for event in decision.events], decision.put) == (["replied_barred"], ())


def test_a_yes_to_one_of_several_is_remembered_for_the_code_that_may_follow_unless_it_was_barred():
    several = reply(Keyword.YES, NOW + 9_000, rule=Rule.AMBIGUOUS)
    decisions = [decide(awaiting(), replace(several, barred=barred), NOW + 9_000) for barred in (False, True)]
    assert [decision.events[0].as_json()["which"] for decision in decisions] == ["YES", ""]


@pytest.mark.parametrize(
    "keyword", [Keyword.YES, Keyword.NO, Keyword.STOP, Keyword.HELP, Keyword.HOLD, Keyword.UNKNOWN]
)
def test_nobody_is_told_anything_of_an_order_of_the_holder_before(keyword):
    order = stands(decide(awaiting(), NumberChanged("assigned:1", "ops", "0ce7line"), NOW + 4_000))
    said = decide(order, replace(reply(keyword, NOW + 5_000, rule=Rule.CODE), answer=True), NOW + 5_000)
    assert ([event.trigger for event in said.events], said.put) == (["replied_late"], ())


def test_timers_wait_for_unread_messages_and_for_a_question_in_flight():
    order = awaiting()
    assert decide(order, Woke(WAKE_WINDOW, 0, waits=True), NOW).put == (Put(WAKE_WINDOW, NOW + 1_000),)
    assert decide(order, Woke(WAKE_WINDOW, 0), NOW + 90_000_000).guard == order.reply_by
    flying = leased(agreed(), QUESTION, NOW)
    assert decide(flying, Woke(WAKE_TOO_LATE, 0), NOW + 9).put == (Put(WAKE_TOO_LATE, NOW + 1_009),)
    resting = decide(agreed(), Woke(WAKE_TOO_LATE, 0), NOW + 7_200_000)
    assert (QUESTION, Drop.NOT_IN_FLIGHT) in resting.drop
    assert decide(order, Woke(WAKE_WINDOW, 5), NOW).is_void


def test_a_question_that_a_report_proves_goes_as_it_was_seen_so_that_one_begun_since_is_told_of():
    doubtful = ends(agreed(), QUESTION, Uncertain("timeout"), NOW + 1_000)
    proven = report(Delivery.ACCEPTED, "m1", "d1")
    assert (QUESTION, Drop.NOT_IN_FLIGHT) in decide(doubtful, proven, NOW + 2_000).drop
    again = decide(leased(doubtful, QUESTION, NOW + 700_000), proven, NOW + 700_001)
    assert (QUESTION, Drop.ANYWAY) in again.drop
    assert again.events[1].as_json()["may_have"] == 2


@pytest.mark.parametrize("fact", [Keyword.YES, Keyword.NO, Keyword.HOLD, "report"])
def test_a_question_asked_again_goes_as_it_was_seen_too(fact):
    again = "sms.confirmation.2"
    waiting = replace(
        awaiting(), effects={again: Pending(attempts=1, doubts=1, first_at=NOW + 5_000, last_at=NOW + 5_000)}
    )
    told = (
        replace(report(Delivery.ACCEPTED, "m2", "d1"), effect=again) if fact == "report" else reply(fact, NOW + 9_000)
    )
    assert (again, Drop.NOT_IN_FLIGHT) in decide(waiting, told, NOW + 9_000).drop
    flying = leased(waiting, again, NOW + 8_000)
    assert (again, Drop.ANYWAY) in decide(flying, told, NOW + 9_000).drop


def test_a_refused_question_waits_for_unread_replies_and_is_not_sent_again_meanwhile():
    order = leased(agreed(), QUESTION, NOW)
    waiting = decide(order, Ended(QUESTION, 1, Rejected("no such number"), waits=True), NOW + 5)
    [put] = waiting.put
    assert (put.due, put.pending.refused, waiting.events) == (NOW + 1_005, "no such number", ())
    assert decide(order, Ended(QUESTION, 1, Rejected("no such number")), NOW + 5).guard == NOW + 5


def test_as_many_ids_must_fail_as_attempts_were_begun():
    order = ends(agreed(), QUESTION, Uncertain("timeout"), NOW + 1_000)
    order = ends(order, QUESTION, Accepted("m2"), NOW + 700_000)
    order = stands(decide(order, report(Delivery.FAILED, "m1", "d1"), NOW + 700_001))
    order = stands(decide(order, report(Delivery.FAILED, "m1", "d2"), NOW + 700_002))
    order = stands(decide(order, report(Delivery.FAILED, "", "d3"), NOW + 700_003))
    assert order.state is State.AWAITING_REPLY
    assert decide(order, report(Delivery.FAILED, "m2", "d4"), NOW + 700_004).order.state is State.UNDELIVERABLE


@pytest.mark.parametrize("keyword", [Keyword.UNKNOWN, Keyword.HELP, Keyword.STOP])
def test_a_flood_of_messages_gets_a_bounded_number_of_answers(keyword):
    order, answers = STATES[State.NOTIFIED]() if keyword is Keyword.STOP else awaiting(), 0
    for n in range(30):
        decision = decide(order, reply(keyword, NOW + 9_000 + n, f"m{n}"), NOW + 9_000 + n)
        answers += len(decision.put)
        order = stands(decision)
    assert 1 <= answers <= 3
