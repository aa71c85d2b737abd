"""The walk of the doctor and of the audit names nothing, whatever other processes do between any two of its reads.

Each case tries every third read, beginning at another one; `make search` tries each read in each case.
"""

from dataclasses import replace
from itertools import count, product

import pytest

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.doctor import Level, records
from consent_engine.doctor.records import Wanted, audit
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.scribe import write_out
from consent_engine.ports import LiftResult
from tests.archive.house import LONG
from tests.conftest import NUMBER
from tests.tiers import DEEP

ASKED = ("records", "archive", "log", "journal", "queries")
"""The parts of a store that a walk reads."""


class Between:
    """A part of a store. Before each call of its methods, and of its own parts', time passes."""

    def __init__(self, part, passes):
        self._part, self._passes = part, passes

    def __getattr__(self, name):
        found = getattr(self._part, name)
        if not callable(found):
            return Between(found, self._passes) if hasattr(found, "__dict__") else found

        def called(*args, **more):
            self._passes()
            return found(*args, **more)

        return called


def sealed(town):
    write_out(town.engine.store, "one")


def here(town, order):
    """An event is added to its history: it is in the store, though it had left."""
    town.engine.reveals.reveal(town.engine.show(order.id), "auditor-1", "auditor", "case 7")
    assert town.live([order.id])


def left(town, order):
    while town.live([order.id]):
        town.move(LONG)
        sealed(town)


def refused(town, _):
    town.engine.receive([RefusalAsked(NUMBER, "mobile", "voice", "desk")])
    assert not town.engine.dial(NUMBER, "mobile").callable


def lifted(town, _):
    town.clock.forward(seconds=1)
    assert town.engine.lift(NUMBER, "mobile", "admin", "form", town.clock.now) in LiftResult
    assert town.engine.dial(NUMBER, "mobile").callable


STEP = 1 if DEEP else 3
MOVES = [("changes", here, here), ("leaves", here, left), ("comes back", left, here), ("is refused", lifted, refused),
         ("may be called again", refused, lifted)]  # fmt: skip


def as_doctor(town, store):
    survey = RedisSurvey(Wire(town.client, proves=False, replicas=0))
    plans = town.engine.registry.catalogue
    found = records.records(store, survey, 60_000, Wanted(all=True), [].append, plans)
    return [each for each in found if each.level is not Level.GOOD]


def as_audit(town, store):
    return audit(store, 0, plans=town.engine.registry.catalogue).wrong


@pytest.mark.parametrize("look", [as_doctor, as_audit])
@pytest.mark.parametrize(("before", "move"), [each[1:] for each in MOVES], ids=[name for name, _, _ in MOVES])
@pytest.mark.parametrize("written", [True, False], ids=["in SQL at once", "in the journal"])
def test_what_moves_between_any_two_reads_is_no_finding(small, look, before, move, written):
    order = small.settled()
    cases = [(each[1:], *more) for each in MOVES for more in product((as_doctor, as_audit), (True, False))]
    for at in count((cases.index(((before, move), look, written)) + 2) % STEP, STEP):
        before(small, order)
        sealed(small)
        reads = count()

        def passes(reads=reads, at=at):
            if next(reads) == at:
                move(small, order)
                if written:
                    sealed(small)

        store = small.engine.store
        parts = {name: Between(getattr(store, name), passes) for name in ASKED}
        assert look(small, replace(store, **parts)) == [], f"at read {at}"
        if next(reads) <= at:
            break
    assert at > 20, "it was asked often"
