"""Every state of an ending, every way out: the service at the BSS, the record, and the effects that it wants.

The BSS honours its key: it deactivates once, refuses only what it has not taken, and knows what it has. Workers die in
their calls, answers come when their leases are lost, and a person has it done again. The search is complete.
"""

import sys
from collections import deque
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from consent_engine.domain.call.ending import Cause, Ending, EndingDoc, EndingPerson, EndingState
from consent_engine.domain.decide.endings import missing_of_ending, on_end_outcome, on_retry, switching_off
from consent_engine.domain.decide.wanted_effects import follows
from consent_engine.domain.effects import DEACTIVATE, WAKE_NOTICE, Accepted, Rejected, Unavailable, Uncertain, Untaken
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.order.facts import Ended

POLICY = Policy(max_attempts=2)
MOST_RETRIES, MOST_FLYING, NOW = 2, 2, 1_000
DOC = EndingDoc(
    "0ce7e", "0ce7o", 1, Cause.WITHDRAWN, "hotline", "ops", "", "mobile", "plan", 1, "", "act", 1, 0, 1, "zh", "plan",
    "", "R", "",
)  # fmt: skip


class Flight(NamedTuple):
    """A call under way. token: its attempt · taken: the BSS has deactivated the service for it, or had before"""

    token: int
    taken: bool


class Standing(NamedTuple):
    ending: Ending
    off: bool = False
    flying: tuple[Flight, ...] = ()
    retries: int = 0

    def key(self):
        """Return what tells states apart: of attempts only which one is the newest, of history only what decides."""
        pending = self.ending.effects.get(DEACTIVATE)
        of = pending and (pending.doubts, pending.in_doubt, pending.leased_at > 0, pending.parked)
        newest = pending.attempts if pending else 0
        flying = sorted((flight.token == newest, flight.taken) for flight in self.flying)
        return self.ending.state, of, WAKE_NOTICE in self.ending.effects, self.off, tuple(flying), self.retries


def begins():
    begun = Ending(DOC, EndingPerson("x"), "l", 1, "", (), {}, ("",))
    return Standing(replace(begun, effects={DEACTIVATE: switching_off(begun, 0).pending}))


def decided(ending, decision):
    """Return the ending as the store has it once this is saved; a held effect goes unless it is put again."""
    after, _ = ending.with_events(*decision.events)
    gone = {effect for effect, _ in decision.drop}
    effects = {effect: each for effect, each in ending.effects.items() if effect not in gone}
    return replace(after, effects=effects | {put.effect: put.pending for put in decision.put})


def told(s, flight, outcome, *, stays=False):
    """Record that a call ended so; check that a repeat changes nothing."""
    ended = Ended(DEACTIVATE, flight.token, outcome)
    after = decided(s.ending, on_end_outcome(s.ending, ended, POLICY, NOW))
    again = on_end_outcome(after, ended, POLICY, NOW)
    assert again.is_void, "the same outcome a second time changes nothing"
    flying = list(s.flying)
    if not stays:
        flying.remove(flight)
    return s._replace(ending=after, flying=tuple(flying))


def moves(s):
    yield from _leases(s)
    for n, flight in enumerate(s.flying):
        yield from _ends(s, flight, s.flying[:n] + s.flying[n + 1 :])
    if s.retries < MOST_RETRIES and not (retry := on_retry(s.ending, f"retry:{s.retries}", "ops", NOW)).is_void:
        yield "retried", s._replace(ending=decided(s.ending, retry), retries=s.retries + 1)


def _leases(s):
    pending = s.ending.effects.get(DEACTIVATE)
    if pending is not None and not pending.parked:
        begun = replace(pending, attempts=pending.attempts + 1, leased_at=NOW, last_at=NOW)
        begun = begun if pending.doubts or pending.leased_at else replace(begun, first_at=NOW)
        leased = s._replace(ending=replace(s.ending, effects={**s.ending.effects, DEACTIVATE: begun}))
        flight = Flight(begun.attempts, taken=False)
        if pending.leased_at:  # its worker died, or is slow: no call is made
            yield "lease lost", told(leased, flight, Uncertain("lease_lost:"), stays=True)
        else:
            if len(s.flying) < MOST_FLYING:
                yield "called", leased._replace(flying=(*s.flying, flight))
            if pending.in_doubt:
                knows = Accepted("off") if s.off else Untaken("unknown")
                yield "asked", told(leased, flight, knows, stays=True)
                yield "asked in vain", told(leased, flight, Uncertain("asked"), stays=True)


def _ends(s, flight, rest):
    if not flight.taken:
        yield "taken", s._replace(off=True, flying=(*rest, flight._replace(taken=True)))
        yield "unavailable", told(s, flight, Unavailable("503"))
        if not s.off:
            yield "refused", told(s, flight, Rejected("no"))
    else:
        yield "done", told(s, flight, Accepted("off"))
    yield "in doubt", told(s, flight, Uncertain("timeout"))
    yield "died", s._replace(flying=rest)


def judge(before, s):
    ending, pending = s.ending, s.ending.effects.get(DEACTIVATE)
    assert ending.events[: len(before.ending.events)] == before.ending.events, "history only grows"
    assert ending.state is not EndingState.ENDED or s.off, "ended, it says: nothing is off"
    assert before.ending.state is not EndingState.ENDED or ending.state is EndingState.ENDED, "an ended one moved"
    assert not missing_of_ending(ending), "it neither ends nor shouts"
    assert all(follows(effect, ending) for effect in ending.effects), "it wants what does not follow"
    stuck = pending is not None and bool(pending.parked)
    assert stuck == (ending.state is EndingState.ENDING_FAILED), "it stands on the stuck list, and does not say so"
    assert (WAKE_NOTICE in ending.effects) == (ending.state is EndingState.ENDED), "the notice follows the end alone"


@pytest.fixture(scope="module")
def searched():
    """Return every state that can be reached, and the steps between them."""
    first = begins()
    known, queue, ways = {first.key(): first}, deque([first]), {}
    while queue:
        s = queue.popleft()
        ways[s.key()] = []
        for name, after in moves(s):
            judge(s, after)
            ways[s.key()].append((name, after.key()))
            if after.key() not in known:
                known[after.key()] = after
                queue.append(after)
    sys.stdout.write(f"endings: {len(known)} states, {sum(map(len, ways.values()))} transitions\n")
    return known, ways


def test_every_promise_holds_on_every_way_out_of_every_state_of_an_ending(searched):
    known, ways = searched
    assert len(known) > 100
    names = {name for some in ways.values() for name, _ in some}
    assert names == {
        "called", "asked", "asked in vain", "lease lost", "taken", "unavailable", "refused", "done", "in doubt", "died",
        "retried",
    }  # fmt: skip


def test_from_every_state_there_is_a_way_to_the_end_or_to_a_person(searched):
    known, ways = searched
    good = {key for key, s in known.items() if s.ending.state is not EndingState.ENDING}
    while more := {key for key, some in ways.items() if key not in good and any(to in good for _, to in some)}:
        good |= more
    assert known.keys() == good
