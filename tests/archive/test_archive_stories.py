"""The promises once more, whatever happens in whatever order, in a world whose settled orders leave for an archive.
The machine is that of `tests/integration/promises/machine.py`; here weeks pass, the archiving process dies, the
archive is unavailable or does not say whether it took something, and old requests are repeated.
`make search DEEP=500` runs that many stories.
"""

import sys
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import multiple, rule, run_state_machine_as_test

from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.call.call import ABANDONED_AFTER_MS
from consent_engine.domain.effects import WAKE_ARCHIVE, Lane
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.order.event import link
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import sound
from consent_engine.engine.leave import LEFT
from consent_engine.engine.scribe import as_of_now
from consent_engine.errors import ArchiveUnavailable, ConsentError, IdempotencyConflict, StoreUnavailable
from consent_engine.ports import By
from consent_engine.verify import verify
from tests.archive.house import LONG, SEAL, Town, emptied, gone
from tests.conftest import recording_of
from tests.integration.promises.checks import HOURS, NUMBERS
from tests.integration.promises.machine import PLANS, SELDOM, Promises, stories
from tests.memory import a_store

RETRIES = Policy(retry_base=1_000, reminder_after=12 * HOURS)


class Faulty:
    """An archive that is unavailable, or does its work and cannot answer. Its reading methods always work."""

    def __init__(self, archive):
        self.behind = archive
        self.fault = ""

    def __getattr__(self, name):
        return getattr(self.behind, name)

    def let_go(self, owner, heads):
        if self.fault == "away":
            raise ArchiveUnavailable("away")
        gone = self.behind.let_go(owner, heads)
        if self.fault == "mute":
            raise ArchiveUnavailable("it does not say")
        return gone

    def recall(self, kind, names, by=By.ID):
        if self.fault and by is not By.ID:
            raise ArchiveUnavailable("away")
        return self.behind.recall(kind, names, by)


class AtOnce(ThreadPoolExecutor):
    """An executor without threads: each task is done at once."""

    def submit(self, work, /, *args, **more):
        done = Future()
        try:
            done.set_result(work(*args, **more))
        except ConsentError as error:
            done.set_exception(error)
        return done


class Remembering(Town):
    """A town that knows the key under which each order was placed."""

    def __init__(self, *args, **more):
        self.requests = {}
        super().__init__(*args, **more)

    def request(self, msisdn=NUMBERS[0], plan="5g-smart-199", **call):
        """A call that has just ended: it can be taken although the archive cannot be asked."""
        at = datetime.fromtimestamp(self.clock.now // 1000, UTC).isoformat()
        of_a_call = f"{recording_of(msisdn, PLANS[plan])}-{self.clock.now // ABANDONED_AFTER_MS % 1_000}"
        return super().request(
            msisdn, plan, **{"recording_id": of_a_call, "started_at": at, "agreed_at": at, **call}
        )  # fmt: skip

    def place(self, msisdn=NUMBERS[0], plan="5g-smart-199", key=""):
        wanted = self.request(msisdn, plan)
        order = super().place(msisdn, plan, key)
        self.requests[order.id] = (f"key-{self.keys}", wanted)
        return order


class Leaving(Promises):
    """Rules are events of the world; invariants are our promises."""

    def __init__(self, archive, client):
        super().__init__(client)
        archive.seal = SEAL  # of what is behind: it opens what it reads by itself
        self.archive = Faulty(emptied(archive))
        self.left = set()
        before = self.world
        self.world = Remembering(before.client, self.archive, policy=RETRIES)
        self.world.runner.close()
        self.world.runner, self.engine = before.runner, self.world.engine
        self.world.gateway.send, self.world.bss.activate = self.send, self.activate
        self.world.runner.get_loop().set_default_executor(AtOnce(1))

    # -- acts of people and machines ------------------------------------------------------------------------------

    @rule(hours=st.sampled_from([49, LONG, LONG, 200]))
    def long_after(self, hours):
        """Let time pass until settled orders are due to leave."""
        self.world.clock.forward(hours=hours)
        self.perform(Lane.TIMER)

    @rule(fault=st.sampled_from(["", "", "away", "mute"]))
    def archive_fails(self, fault):
        self.archive.fault = fault

    @rule(
        target=Promises.orders, number=st.sampled_from(NUMBERS), plan=st.sampled_from(sorted(PLANS)),
        steps=st.permutations(["let_go", "commit", "release"]), count=st.integers(0, 2), soon=SELDOM,
    )  # fmt: skip
    def dies_archiving(self, number, plan, steps, count, soon):
        """Die in one step after the other, each partly done; the leases end before the next one, or not yet."""
        found = self.place(number, plan)
        if found != multiple():
            self.engine.cancel(found.id, "A1024", "changed his mind")
        self.archive.fault = ""
        self.all_goes_well()
        self.world.clock.forward(hours=LONG)
        for step in steps:
            self.dies_at(step, count)
            self.world.clock.forward(0 if soon else 61_000)
        return found

    def dies_at(self, step, count):
        dying = self.world.another()
        mover = dying.performer._mover  # noqa: SLF001 - a crash does this, no caller can
        store = dying.store
        whose = {"let_go": store.archive, "commit": store.records, "release": store.reservations}[step]
        does = getattr(whose, step)

        def died(*wanted, **more):
            *before, some = wanted
            if step == "commit" and not any(each.op == LEFT for each in some):
                return does(*wanted, **more)
            self.done[f"died at {step}"] += 1
            first = dict(list(some.items())[:count]) if step == "let_go" else some[:count]
            if first:
                does(*before, first, **more)
            raise StoreUnavailable("killed")

        setattr(whose, step, died)
        self.perform(Lane.TIMER, dying)
        self.world.runner.run(mover.rest())
        setattr(whose, step, does)

    @rule(order=Promises.orders, long=st.booleans())
    def the_same_request_again(self, order, long):
        """One request is one order, however long ago it was."""
        if long:
            self.long_after(LONG)
        self.asked_again(order)

    def asked_again(self, order):
        key, wanted = self.world.requests[order.id]
        try:
            again = self.engine.place(Placing("desk", key, wanted))
        except ArchiveUnavailable:
            assert self.archive.fault
            assert not self.world.live([order.id])
            return
        assert (again.order.id, again.created) == (order.id, False)
        self.done["asked again" if self.world.live([order.id]) else "asked again when it had left"] += 1

    @rule(order=Promises.orders, number=st.sampled_from(NUMBERS), plan=st.sampled_from(sorted(PLANS)))
    def another_request_under_its_key(self, order, number, plan):
        key, _ = self.world.requests[order.id]
        if self.archive.fault and not self.world.live([order.id]):
            return  # decision 20 says what remains then
        try:
            self.engine.place(Placing("desk", key, self.world.request(number, plan, recording_id="another")))
        except (IdempotencyConflict, ArchiveUnavailable):
            return
        raise AssertionError("two orders under one key")

    # -- invariants -----------------------------------------------------------------------------------------------

    def judge(self):
        super().judge()
        ids = list(self.model.orders)
        live, archived = self.world.live(ids), gone(self.archive.behind, Order, *ids)
        assert live.keys() | archived.keys() == set(ids), "an order is in neither place"
        for order in archived.values():
            assert order.state.settled
            assert sound(order)
            self.done["archived"] += order.id not in live
            if order.id in live:
                assert live[order.id].version >= order.version, "the store counts"
                assert WAKE_ARCHIVE in live[order.id].effects, "somebody lets it go"

    def replays(self, order, kept):
        if kept:
            super().replays(order, kept)
            return
        length, head = self.model.heads.get(order.id, (-1, ""))
        for public in order.publics[length + 1 :]:
            head = link(head, public)
        assert head == order.head, "what was handed out can be shown to have been changed"
        self.model.heads[order.id] = (len(order.events), order.head)

    def somebody_minds(self, shown, seen):
        live = self.world.live(list(shown))
        self.left |= shown.keys() - live.keys()
        self.came_back = frozenset(self.left & live.keys())
        self.done["came back"] += len(self.came_back)
        super().somebody_minds({order: shown[order] for order in live}, seen)

    def teardown(self):
        """Assert that after recovery all settled orders leave, only numbers that refused or wrote since remain, and the
        evidence of each order is sound.
        """
        self.archive.fault = ""
        loop_closes, self.world.runner.close = self.world.runner.close, lambda: None
        super().teardown()
        self.world.runner.close = loop_closes
        try:
            for _ in range(4):
                self.world.clock.forward(hours=200)
                self.world.run()
            ids = list(self.model.orders)
            stuck = {each.id for each in self.engine.stuck()}
            assert set(self.world.live(ids)) <= stuck
            assert not any(each.effect == WAKE_ARCHIVE for each in self.engine.stuck())
            for order in [self.engine.show(order_id) for order_id in ids if order_id not in stuck][:3]:
                self.asked_again(order)
            self.judge()
            as_of_now(self.engine.store)
            for order in ids:
                verify(self.engine.evidence.file(order, "auditor-1"))
        finally:
            self.world.runner.close()


def tell(where, make, most):
    """Run the stories, and report their number and their events."""
    told = []

    def story():
        made = make()
        told.append(made.done)
        return made

    run_state_machine_as_test(story, settings=stories(most))
    counts = sum(told, Counter())
    sys.stdout.write(f"archive stories on {where}: {dict(counts)}\n")
    assert counts["stories"] >= most
    assert counts["asked again when it had left"]
    assert counts["archived"]
    assert counts["came back"]
    assert all(counts[f"died at {step}"] for step in ("let_go", "commit", "release"))


@pytest.fixture
def lite(tmp_path):
    made = SqlArchive(f"sqlite:///{tmp_path}/archive.sqlite3")
    yield made
    made.close()


def test_promises_hold_whatever_happens_while_orders_leave(lite):
    client = a_store()

    def story():
        client.flushdb()
        return Leaving(lite, client)

    tell(f"{type(client).__name__} and SQLite", story, 16)


def test_promises_hold_while_orders_leave_a_real_server_for_postgresql(redis_server, postgres_url):
    client, archive = connect(redis_server.url), SqlArchive(postgres_url)

    def story():
        client.flushdb()
        return Leaving(archive, client)

    tell("a real server and PostgreSQL", story, 10)
    client.close()
    archive.close()
