"""Two processes at the same record, a thousand times, on a real server: a decision in one script is never overtaken."""

import asyncio
import shutil
import tempfile
import threading
from collections import deque
from pathlib import Path
from time import perf_counter

import pytest

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.embedded.server import connect_or_start
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.effects import ACTIVATE, Accepted, Lane, Uncertain
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.facts import Ended
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import Seal
from consent_engine.domain.sms import Delivery, DeliveryReport, Reply
from consent_engine.engine.change_order import giving_back, line_recording
from consent_engine.engine.engine import RefusalAsked
from consent_engine.engine.round_trips import MOST_TRIES, Stale, drive, transact
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import Leased, LiftResult
from tests import needs
from tests.conftest import World

RACES = 1_000
NUMBERS = [parse(f"1380013{n:04}") for n in range(RACES)]


@pytest.fixture(scope="module")
def server():
    needs.server()
    folder = Path(tempfile.mkdtemp(prefix="ra-"))
    with connect_or_start(folder / "data", "strict") as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def world(server):
    client = connect(server.url)
    client.flushdb()
    made = World(client)
    yield made
    made.runner.close()
    client.close()


def said(text, number, name):
    return Reply("test", f"{name}-{number}", number, "10085", text)


def together(*works):
    """Run works side by side, each in a thread, begun at once; fail if any of them raised."""
    start, failed = threading.Barrier(len(works)), []

    def run(work):
        start.wait()
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the test that waits for the thread raises it
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def asked(world):
    """Place an order for each number and send its question once; return their ids by number."""
    placings = [Placing("desk", f"race-{n}", world.request(number)) for n, number in enumerate(NUMBERS)]
    placed = world.engine.place_many(placings)
    world.run(Lane.SMS)
    return {str(number): each.order.id for number, each in zip(NUMBERS, placed, strict=True)}


def answered_yes(world):
    """Place an order for each number, with its yes in the inbox; return their ids by number."""
    orders = asked(world)
    world.clock.forward(seconds=1)
    world.engine.receive([said("是", number, "yes") for number in NUMBERS])
    return orders


def test_no_activation_is_handed_out_after_a_stop_was_acknowledged(world):
    orders = answered_yes(world)
    world.run(Lane.INBOUND)
    world.clock.forward(seconds=1)
    assert world.engine.store.lanes.depths()[Lane.ACTIVATION].due == RACES
    acknowledged: dict[str, float] = {}
    handed_out: dict[str, float] = {}
    desk, worker = world.another(), world.another()

    def stop():
        for number in reversed(NUMBERS):  # both meet in the middle, however busy the machine is
            desk.receive([said("TD", number, "stop")])
            acknowledged[orders[str(number)]] = perf_counter()

    def lease():
        for _ in range(50 * RACES):
            asked_at = perf_counter()
            for leased in worker.store.lanes.lease(Lane.ACTIVATION, 1):
                if not leased.barred:
                    handed_out[leased.record.id] = asked_at
            if len(acknowledged) == RACES:
                return

    together(stop, lease)
    assert len(acknowledged) == RACES
    assert [order for order, at in handed_out.items() if acknowledged[order] < at] == []
    assert 0 < len(handed_out) < RACES, "each came first for some"


def test_no_activation_is_carried_on_by_a_commit_that_was_sent_after_a_stop_was_acknowledged(world):
    orders = answered_yes(world)
    acknowledged: dict[str, float] = {}
    sent: dict[str, float] = {}
    desk, worker = world.another(), world.another()
    worker.performer.awake = frozenset({Lane.INBOUND, Lane.ACTIVATION})
    save, lease = worker.store.records.commit, worker.store.lanes.lease

    def commit(some, **more):
        orders_of = [each.records[0] for each in some if isinstance(each.records[0].record, Order)]
        sent.update({each.id: perf_counter() for each in orders_of for put in each.put if begins(put)})
        return save(some, **more)

    def begins(put):
        return put.effect == ACTIVATE and put.pending.leased_at > 0

    worker.store.records.commit = commit
    worker.store.lanes.lease = lambda lane, n: lease(lane, min(n, 4))

    def stop():
        for number in reversed(NUMBERS):  # both meet in the middle, however busy the machine is
            desk.receive([said("TD", number, "stop")])
            acknowledged[orders[str(number)]] = perf_counter()

    async def read():
        for _ in range(50 * RACES):
            found = worker.performer.look([Lane.INBOUND])
            await asyncio.sleep(0)
            if not found and len(acknowledged) == RACES:
                return

    together(stop, lambda: asyncio.run(read()))
    begun = {activation.order_id for activation in world.bss.asked}
    assert len(acknowledged) == RACES
    assert [order for order in begun if acknowledged[order] < sent[order]] == []
    assert 0 < len(begun) < RACES, "each came first for some"


def test_a_hand_over_that_a_report_proves_tells_of_the_copy_that_a_worker_sends_meanwhile(world):
    world.gateway.answers = [Uncertain("timeout")] * RACES
    orders = [*asked(world).values()]
    world.clock.forward(hours=1)
    taken = [DeliveryReport("test", f"{order}.confirmation.1", f"m-{order}", Delivery.ACCEPTED) for order in orders]
    world.engine.receive(taken[::-1])  # both meet in the middle, however busy the machine is
    sent, proven = set(), threading.Event()
    worker = world.another()

    def prove():
        world.run(Lane.INBOUND)
        proven.set()

    def send():
        for _ in range(50 * RACES):
            sent.update(leased.record.id for leased in worker.store.lanes.lease(Lane.SMS, 1))
            if proven.is_set():
                return

    together(prove, send)
    told = {order: world.engine.show(order).last(Trigger.CONFIRMATION_ACCEPTED).detail.may_have for order in orders}
    assert {order for order, copies in told.items() if copies > 1} == sent
    assert 0 < len(sent) < RACES, "each came first for some"


def test_no_lift_undoes_a_refusal_newer_than_the_act_it_stands_on(world):
    world.engine.receive([RefusalAsked(number, "mobile", "voice", "A1024") for number in NUMBERS])
    act_at = world.clock.now
    world.clock.forward(hours=1)
    desk, admins = world.another(), [world.another() for _ in range(2)]
    words: list[LiftResult] = []

    def stop():
        for number in reversed(NUMBERS):
            desk.receive([said("TD", number, "stop")])

    def lift(admin):
        for number in NUMBERS:
            words.append(admin.lift(number, "mobile", "admin", "a form of an hour ago", act_at))

    together(stop, lambda: lift(admins[0]), lambda: lift(admins[1]))
    assert {LiftResult.OK, LiftResult.NEWER} <= set(words), "each came first for some"
    assert [number for number in NUMBERS if world.engine.dial(number, "mobile").callable] == []


def test_no_giving_back_that_is_sent_again_takes_a_lease_of_another(world):
    """Each is sent again later, as after an answer that was lost: another worker has that number of attempt by then."""
    world.engine.receive([said("帮助", number, "help") for number in NUMBERS])
    world.run(Lane.INBOUND)
    unready, worker = (
        redis_store(Wire(world.client, proves=False, replicas=0), lease_ms=600_000, seal=Seal("test-secret"))
        for _ in range(2)
    )
    handed_over: list[str] = []

    def give_back():
        lost: deque[list[Leased]] = deque([[]] * 8)
        for _ in range(50 * RACES):
            some = unready.lanes.lease(Lane.SMS, 4)
            again = lost.popleft()
            lost.append(some)
            drive(unready, [giving_back(leased, leased.at) for leased in (*some, *again)])
            if len(handed_over) >= RACES:
                return

    def hand_over():
        for _ in range(50 * RACES):
            some = worker.lanes.lease(Lane.SMS, 4)
            ended = [Ended(leased.effect, leased.token, Accepted("m")) for leased in some]
            for _ in range(8):
                worker.records.look({})  # about as long as a call takes
            drive(worker, [line_recording(*each, world.policy, each[0].at) for each in zip(some, ended, strict=True)])
            handed_over.extend(leased.record.id for leased in some)
            if len(handed_over) >= RACES:
                return

    together(give_back, hand_over)
    assert len(handed_over) == len(set(handed_over)) == RACES, "each was handed over once"
    assert world.due()[Lane.SMS] == 0


def test_a_step_that_came_too_late_is_decided_again_with_what_it_was_asked_and_gives_up_within_a_bound():
    tried: list[int] = []

    @transact
    def late(times):
        tried.append(times)
        if len(tried) <= times:
            raise Stale
        yield from ()
        return len(tried)

    assert drive(None, [late(1)]).results == [2]
    [gave_up] = drive(None, [late(10**6)]).results
    assert isinstance(gave_up, StoreUnavailable)
    assert tried == [1, 1, *[10**6] * MOST_TRIES]
