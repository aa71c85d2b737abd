"""An erasure, and who read SQL before it: whatever comes of that later, the number is nowhere again."""

import shutil
from collections import Counter
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from itertools import count
from random import Random

import pytest

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.domain.call.call import AlreadyEnded, Call
from consent_engine.domain.call.ending import Cause, Why
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import Delivery
from consent_engine.engine.endings import ending_asked
from consent_engine.engine.erasing import Eraser, StillOpen
from consent_engine.engine.recall import at_hand
from consent_engine.engine.round_trips import Save, answers, resumed
from consent_engine.engine.scribe import as_of_now, write_out
from consent_engine.errors import ConsentError, StoreUnavailable
from tests.archive.erased import DIGITS, GROUND, erase, over, redis_of, settled, sql_of
from tests.archive.house import kept_of, left_of, restored
from tests.conftest import NUMBER
from tests.integration.calls.desk import Desk
from tests.memory import a_store
from tests.tiers import DEEP
from tests.written_out import empty_at

STOPS = {"look", "commit", "let_go", "erase", "release", "forget"}
"""The calls of an erasure before which another process may do anything; what it reads in SQL is as it was before."""
WHY = Why(Cause.WITHDRAWN, "hotline", "ops-1", "wants it no more")


class Stopping:
    """A part of a store, or its archive, that lets others go on before each of these calls."""

    def __init__(self, part, stop):
        self._part = part
        self._stop = stop

    def __getattr__(self, name):
        found = getattr(self._part, name)
        if name not in STOPS:
            return found

        def called(*args, **more):
            self._stop()
            return found(*args, **more)

        return called


class Process:
    """A step in a process of its own, which goes on when it is told to. result: None until it ends"""

    def __init__(self, store, step):
        self._store, self._step = store, step
        self.result = None
        self.ask = None
        self._resume(None)

    def _resume(self, answer):
        try:
            self.ask = resumed(self._step, answer)
        except StopIteration as end:
            self.ask, self.result = None, end.value
        except ConsentError as error:
            self.ask, self.result = None, error

    def go(self, asks=1_000, until=()):
        """Make so many asks, or all until one of these kinds is next."""
        for _ in range(asks):
            if self.ask is None or isinstance(self.ask, until):
                return
            self._resume(answers(self._store, {0: self.ask}, Counter())[0])


def erased(desk, stop):
    """Erase a person; `stop` is called at each stop with its number."""
    made, store = count(), desk.engine.store

    def at():
        stop(next(made))

    parts = {name: Stopping(getattr(store, name), at) for name in ("records", "archive", "reservations", "inbox")}
    return Eraser(replace(store, **parts), "test-secret", desk.clock).erase(Msisdn(NUMBER), GROUND, "admin-1")


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """The folder of what SQL has of an order that is done and has left, its id, all that Redis has, and the instant."""
    folder = tmp_path_factory.mktemp("lived")
    with closing(SqlArchive(empty_at(folder))) as archive, closing((desk := Desk(a_store(), archive)).runner):
        order = settled(desk)
        desk.move()
        desk.move()
        assert left_of(desk, order.id) == left_of(desk, order.doc.call_id) == []
        as_of_now(desk.engine.store)
        kept = order.id, kept_of(desk.client), desk.clock.now
    return (folder, *kept)


@contextmanager
def a_desk(lived, folder):
    """A desk with all that, and the order."""
    was, order, kept, now = lived
    shutil.copytree(was, folder)
    client = a_store()
    restored(client, kept)
    with (
        closing(SqlArchive(f"sqlite:///{folder}/archive.sqlite3")) as archive,
        closing((desk := Desk(client, archive)).runner),
    ):
        desk.clock.now = now
        yield desk, desk.engine.show(order)


def nowhere(desk):
    as_of_now(desk.engine.store)
    return DIGITS not in redis_of(desk) + sql_of(desk)


def recalled(desk, order):
    return at_hand(Order, order.id)


def ended(desk, order):
    return ending_asked(order, WHY)


@pytest.mark.parametrize("asked", [recalled, ended])
def test_who_read_sql_before_an_erasure_and_commits_at_any_step_of_it_brings_nobody_back(lived, tmp_path, asked):
    for n in count():
        with a_desk(lived, tmp_path / str(n)) as (desk, order):
            late, reached = Process(desk.engine.store, asked(desk, order)), 0
            late.go(until=Save)
            assert isinstance(late.ask, Save)

            def stop(stop, late=late, n=n):
                nonlocal reached
                reached = stop
                if stop == n:
                    late.go()

            with suppress(StillOpen):
                erased(desk, stop)
                late.go()
                assert nowhere(desk), f"committed at stop {n}"
        if n > reached:
            break
    assert n > 4


def test_a_late_report_that_was_looked_up_before_an_erasure_brings_no_number_back(lived, tmp_path):
    with a_desk(lived, tmp_path / "one") as (desk, order):
        inbox = desk.engine.store.inbox
        receive = inbox.receive

        def overtaken(posted):
            inbox.receive = receive
            erase(desk)
            return receive(posted)

        inbox.receive = overtaken
        desk.report(order, Delivery.DELIVERED)
        assert nowhere(desk)
        desk.run()
        assert nowhere(desk)


def test_a_late_refusal_in_a_call_that_was_read_before_an_erasure_stands_and_brings_no_number_back(lived, tmp_path):
    with a_desk(lived, tmp_path / "one") as (desk, order):
        inbox, call = desk.engine.store.inbox, desk.engine.calls.show(order.doc.call_id)
        receive = inbox.receive

        def overtaken(posted):
            inbox.receive = receive
            erase(desk)
            return receive(posted)

        inbox.receive = overtaken
        with pytest.raises(AlreadyEnded):
            desk.end(call, "refused")
        assert nowhere(desk)
        desk.run()
        assert nowhere(desk)
        [barred] = desk.engine.store.records.look({Line: [order.line]}).line(order.line).restrictions
        assert (barred.kind, barred.door, barred.ref) == (Kind.REFUSED, "voice", call.id)


def meanwhile(desk, order, others, chance):
    """Whatever may happen between two steps of an erasure."""
    for other in others:
        other.go(chance.randint(0, 3))
    things = [
        lambda: desk.clock.forward(seconds=chance.choice((1, 30, 50, 70, 200))),
        lambda: desk.report(order, chance.choice((Delivery.DELIVERED, Delivery.FAILED))),
        lambda: desk.run(chance.choice((Lane.INBOUND, Lane.TIMER, Lane.ACTIVATION))),
        lambda: write_out(desk.engine.store, "one"),
    ]
    for thing in chance.choices(things, k=chance.randint(0, 2)):
        thing()


@pytest.mark.parametrize("seed", range(5 * DEEP or 25))
def test_an_erasure_among_others_at_random_erases_or_says_what_is_open(lived, tmp_path, seed):
    """Each of them goes on by any number of its asks at any step of the erasure, while time passes and workers run."""
    chance = Random(seed)  # noqa: S311 - drawn, but the same each time
    with a_desk(lived, tmp_path / "one") as (desk, order):
        asked = [
            lambda: at_hand(Order, order.id), lambda: at_hand(Call, order.doc.call_id), lambda: ending_asked(order, WHY)
        ]  # fmt: skip
        others = [Process(desk.engine.store, chance.choice(asked)()) for _ in range(chance.randint(1, 3))]
        with suppress(StillOpen, StoreUnavailable):
            erased(desk, lambda _: meanwhile(desk, order, others, chance))
            for other in others:
                other.go()
            over(desk)
            assert nowhere(desk)
        for other in others:
            other.go()
        over(desk)
        erase(desk)
        assert nowhere(desk)
        assert desk.engine.stuck() == []
