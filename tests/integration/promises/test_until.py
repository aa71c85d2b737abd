"""A process that stands still: what it decided rests on what is kept elsewhere, and that changes meanwhile."""

import pytest
from msgspec.structs import replace

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.call.call import RecordingReused, recording_key
from consent_engine.domain.line.line import order_id, request_key
from consent_engine.domain.offer.versions import Sale
from consent_engine.domain.order.order import Order
from consent_engine.engine.catalogue import HOLDS_MS
from consent_engine.engine.place import Placed
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.reserving import RESERVED_MS
from consent_engine.errors import DoNotCall, IdempotencyConflict, PlanNotPublic, StoreUnavailable
from consent_engine.ports import CallFilter, Change, Commit, CommitResult, Only, Owner
from consent_engine.ports.records import CLOCKS_APART_MS
from tests.conftest import NUMBER, OTHER, SECOND
from tests.integration.calls.desk import Desk, audio_of, instant
from tests.integration.mishaps import dies_after, happens_before_the_next_commit
from tests.memory import a_store
from tests.plans import undated

PLAN, A_MINUTE = "5g-smart-199", 60_000


class Still(Desk):
    """A desk whose processes stand still, and others go on. While one waits, `meanwhile` happens."""

    waited = 0.0

    def __init__(self):
        self.meanwhile = lambda: None
        super().__init__(a_store(), None)

    def rest(self, seconds):
        self.waited += seconds
        self.meanwhile()
        self.clock.forward(seconds=seconds)

    def wanted(self, to, key, ref, plan=PLAN, ago=A_MINUTE, **call):
        at = instant(self.clock() - ago)
        told = {"caller_number": "10085", "recording_id": ref, "started_at": at, "agreed_at": at, **call}
        body = PlaceOrder.read({"msisdn": to, "plan": plan, "agent": "A1024", "call": told})
        return Placing("desk", key, body)

    def stands_still_before_saving(self, while_it_stands):
        """Return an engine for which that happens between its decision and its commit."""
        engine = self.another()
        happens_before_the_next_commit(engine, while_it_stands)
        return engine

    def kept(self):
        """Return the open orders and the recordings of the calls, each by its number."""
        present = self.engine.store.queries.places(Owner.ORDER, Only.PRESENT, None, 100)
        orders = [
            e
            for e in self.engine.records.look({Order: [o for _, o in present]}).of(Order).values()
            if not e.state.settled
        ]
        calls = self.engine.calls.page(CallFilter()).calls
        return sorted(each.doc.plan for each in orders), [each.person.msisdn for each in calls if each.recording_keys]


@pytest.fixture
def desk():
    made = Still()
    yield made
    made.runner.close()


ORDERS = {
    "one key": ({"key": "k", "ref": "rec-a"}, {"key": "k", "ref": "rec-b"}, IdempotencyConflict),
    "one recording": ({"key": "a", "ref": "rec-a"}, {"key": "b", "ref": "rec-a"}, RecordingReused),
    "one audio": (
        {"key": "a", "ref": "rec-a", "recording_sha256": audio_of("a")},
        {"key": "b", "ref": "rec-b", "recording_sha256": audio_of("a")},
        RecordingReused,
    ),
}


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("shared", ORDERS)
def test_an_order_whose_process_stood_still_after_reserving_is_not_saved_for_a_second_number(desk, shared, many):
    ours, theirs, refusal = ORDERS[shared]
    ours, theirs = desk.wanted(NUMBER, **ours), desk.wanted(OTHER, **theirs)
    other = desk.another()

    def minute_later():
        desk.clock.forward(RESERVED_MS + 3_000)
        assert other.place(theirs).created

    still = desk.stands_still_before_saving(minute_later)
    beside = [desk.wanted("+8613700137000", "beside", "rec-c")] if many else []
    results = still.place_many([ours, *beside])
    assert [type(each) for each in results] == [refusal, *[Placed] * len(beside)]
    plans, numbers = desk.kept()
    assert (plans, NUMBER in numbers) == ([PLAN] * (1 + len(beside)), False)
    with pytest.raises(refusal):
        still.place(ours)


def test_an_order_rests_on_its_key_its_recording_and_the_catalogue(desk):
    """Each of them alone, where the others hold for longer: it is the soonest that counts."""
    found, still = [], desk.another()
    save = still.store.records.commit
    still.store.records.commit = lambda some, **more: found.extend(each.until for each in some) or save(some, **more)
    claim, looked = still.store.reservations.claim, still.catalogue.standing
    far = desk.clock() + 3_600_000

    def later(keys):
        return lambda claims: [
            replace(each, now=far) if of[0] in keys else each for of, each in zip(claims, claim(claims), strict=True)
        ]

    first, last = RESERVED_MS - CLOCKS_APART_MS, HOLDS_MS
    wanted = [desk.wanted(NUMBER, f"k-{n}", f"rec-{n}", plan) for n, plan in enumerate((PLAN, SECOND))]
    still.catalogue.standing = lambda: looked()._replace(until=far)
    keys = [request_key(order_id("test-secret", NUMBER, "desk", each.idempotency_key)) for each in wanted]
    still.store.reservations.claim = later({recording_key("test-secret", "rec-0")})
    still.place(wanted[0])
    still.store.reservations.claim = later({keys[1]})
    still.place(wanted[1])
    still.catalogue.standing = looked
    assert [each - desk.clock() for each in found] == [first, first]
    still.place(desk.wanted(OTHER, "k-2", "rec-2"))
    assert found[-1] - desk.clock() == last


def test_a_call_whose_process_stood_still_after_reserving_its_key_is_not_saved_for_a_second_number(desk):
    def minute_later():
        desk.clock.forward(RESERVED_MS + 3_000)
        assert desk.started(OTHER, key="k").is_new

    desk.engine = desk.stands_still_before_saving(lambda: (setattr(desk, "engine", desk.another()), minute_later()))
    still = desk.engine
    with pytest.raises(IdempotencyConflict):
        desk.started(NUMBER, key="k")
    assert still is not desk.engine
    assert [each.person.msisdn for each in desk.engine.calls.page(CallFilter()).calls] == [OTHER]


@pytest.mark.parametrize("second", ["end", "order"])
def test_a_calls_end_whose_process_stood_still_after_reserving_has_not_the_recording_of_another(desk, second):
    ours, theirs = desk.start(NUMBER), desk.start(OTHER)
    recording = {"ref": "rec-a", "sha256": audio_of("a"), "seconds": 5}
    other = desk.another()

    def minute_later():
        desk.clock.forward(RESERVED_MS + 3_000)
        if second == "end":
            other.calls.record(desk.ending(theirs, recording=recording))
        else:
            assert other.place(desk.wanted(OTHER, "k", "rec-b", recording_sha256=audio_of("a"))).created

    still = desk.stands_still_before_saving(minute_later)
    with pytest.raises(RecordingReused):
        still.calls.record(desk.ending(ours, recording=recording))
    assert desk.found(ours).state == "up"
    assert desk.kept()[1] == [OTHER]


def test_a_refused_order_whose_process_stood_still_keeps_its_call_without_a_recording_that_is_anothers(desk):
    desk.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "desk"))
    other = desk.another()

    def minute_later():
        desk.clock.forward(RESERVED_MS + 3_000)
        assert other.place(desk.wanted(OTHER, "b", "rec-a")).created

    still = desk.stands_still_before_saving(minute_later)
    with pytest.raises(DoNotCall):
        still.place(desk.wanted(NUMBER, "a", "rec-a"))
    assert desk.kept() == ([PLAN], [OTHER])


@pytest.mark.parametrize("dies", [False, True])
def test_who_stands_still_for_less_than_its_reservation_lasts_is_not_overtaken(desk, dies):
    """A repeat of the same request shares its reservation; what dies in between holds nobody up for longer."""
    ours, theirs = desk.wanted(NUMBER, "k", "rec-a"), desk.wanted(OTHER, "k", "rec-b")
    other = desk.another()

    def meanwhile():
        desk.clock.forward(RESERVED_MS - CLOCKS_APART_MS - 1)
        with pytest.raises(IdempotencyConflict):
            other.place(theirs)

    still = desk.stands_still_before_saving(meanwhile)
    if dies:
        with pytest.raises(StoreUnavailable):
            dies_after(desk.another(), 0).place(ours)
        desk.clock.forward(seconds=5)
    assert still.place(ours).created
    assert desk.kept() == ([PLAN], [NUMBER])


def test_who_is_refused_gives_no_key_back_that_the_same_request_took_meanwhile(desk):
    """Both requests are one: the one that saw the plan on sale saves it, the other must not let its key go."""
    ours = desk.wanted(NUMBER, "k", "rec-a")
    other, third = desk.another(), desk.another()

    def is_withdrawn_and_refused():
        desk.meanwhile = lambda: None
        third.catalogue.set_sale(PLAN, Sale.WITHDRAWN)
        with pytest.raises(PlanNotPublic):
            other.place(ours)
        desk.clock.forward(seconds=-(HOLDS_MS + CLOCKS_APART_MS) / 1000)  # all of that in an instant

    still = desk.stands_still_before_saving(is_withdrawn_and_refused)
    assert still.place(ours).created
    with pytest.raises(IdempotencyConflict):
        desk.another().place(desk.wanted(OTHER, "k", "rec-b"))


# -- the catalogue ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("sale", [Sale.WITHDRAWN, Sale.REVOKED])
def test_an_order_decided_on_the_older_catalogue_is_not_saved_once_the_plan_was_taken_from_sale(desk, sale, many):
    other = desk.another()

    def taken_from_sale():
        if sale is Sale.REVOKED:
            assert other.revoke(PLAN, "admin") == 0
        else:
            other.catalogue.set_sale(PLAN, sale)

    still = desk.stands_still_before_saving(taken_from_sale)
    beside = [desk.wanted(OTHER, "beside", "rec-b", SECOND)] if many else []
    results = still.place_many([desk.wanted(NUMBER, "k", "rec-a"), *beside])
    assert [type(each) for each in results] == [PlanNotPublic, *[Placed] * len(beside)]
    assert desk.kept()[0] == [SECOND] * len(beside)


def test_what_is_saved_while_a_revocation_waits_is_cancelled_by_it(desk):
    other, saved = desk.another(), []
    desk.meanwhile = lambda: desk.clock.forward(HOLDS_MS - 1)

    still = desk.another()
    save = still.store.records.commit

    def commit(some, **more):
        def now():
            saved.extend(save(some, **more))

        desk.meanwhile = now
        still.store.records.commit = save
        assert other.revoke(PLAN, "admin") == 1
        return saved

    still.store.records.commit = commit
    order = still.place(desk.wanted(NUMBER, "k", "rec-a")).order
    assert saved == [CommitResult.OK]
    assert desk.state(order) == "cancelled"


def test_a_revocation_waits_three_seconds_once_and_its_repeat_no_longer(desk):
    desk.engine.catalogue.set_sale(PLAN, Sale.WITHDRAWN)
    assert desk.waited == (HOLDS_MS + CLOCKS_APART_MS) / 1000 == 3
    desk.engine.catalogue.set_sale(PLAN, Sale.WITHDRAWN)
    assert desk.waited == 3
    desk.clock.forward(-3_600_000)  # a replica was promoted whose clock is an hour behind
    desk.engine.catalogue.set_sale(PLAN, Sale.WITHDRAWN)
    assert desk.waited == 6


def test_who_takes_long_to_decide_rests_on_a_later_reading_that_says_the_same(desk):
    still = desk.another()
    claim = still.store.reservations.claim

    def slowly(claims):
        desk.clock.forward(HOLDS_MS + 500)
        return claim(claims)

    still.store.reservations.claim = slowly
    assert still.place(desk.wanted(NUMBER, "k", "rec-a")).created


def test_a_yes_to_a_plan_whose_revocation_was_interrupted_activates_nothing(desk):
    order, later = desk.place(), desk.place(OTHER)
    desk.run()
    desk.engine.catalogue.set_sale(PLAN, Sale.REVOKED)  # and whoever asked for it dies here
    assert desk.say("是")
    desk.run()
    assert (desk.state(order), desk.bss.asked) == ("cancelled", [])
    assert desk.engine.revoke(PLAN, "admin") == 1
    assert desk.state(later) == "cancelled"


def test_a_plan_that_is_on_sale_again_is_not_the_one_that_was_revoked(desk):
    desk.engine.revoke(PLAN, "admin")
    desk.engine.catalogue.publish(undated(desk.engine.plan(PLAN).newest.plan))
    order = desk.engine.place(desk.wanted(NUMBER, "k", "rec-a", ago=0)).order
    desk.run()
    assert desk.say("是")
    desk.run()
    assert desk.state(order) == "notified"


# -- the script -------------------------------------------------------------------------------------------------------


def test_a_commit_is_stale_from_its_instant_on_by_the_clock_of_the_server_that_saves_it(desk):
    store = redis_store(Wire(desk.client, proves=False, replicas=0), lease_ms=60_000)  # by the server's own clock
    line, now = "0ce7" + "a" * 24, store.records.look({}).now
    for until, word in ((now - 1, "stale"), (now, "stale"), (now + A_MINUTE, "ok"), (None, "ok")):
        [saved] = store.records.commit(
            [Commit("", (Change(Owner.LINE, line, fields={"seen": str(now)}),), until=until)]
        )
        assert saved == word


def test_in_one_go_each_commit_is_as_late_as_its_own_instant_says(desk):
    now, records = desk.clock(), desk.engine.records
    lines = [f"0ce{n}" + "a" * 24 for n in range(3)]
    commits = [
        Commit("", (Change(Owner.LINE, line, fields={"seen": str(now)}),), until=until)
        for line, until in zip(lines, (now + 1, now, None), strict=True)
    ]
    assert records.commit(commits) == ["ok", "stale", "ok"]
