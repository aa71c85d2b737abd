"""Replies that come while the store is away: kept on disk, and in force before anything begins once it is back."""

from time import monotonic

import pytest

from consent_engine.adapters.spool import Spool
from consent_engine.api.service.spooling import Spooling
from consent_engine.domain.at_rest import Cipher
from consent_engine.domain.effects import Lane
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Delivery, DeliveryReport, Part, Reply
from consent_engine.engine.pausing import LOOK_S, LOST_MS, Gate, NotPaused
from consent_engine.errors import BrokenRecord, StoreUnavailable
from consent_engine.ports import Endpoint
from consent_engine.ports.records import CLOCKS_APART_MS
from consent_engine.ports.registry import HOLDS_MS, SPOOL, Pause
from tests.conftest import NUMBER

KEY = Cipher("installation-secret", "secret")


@pytest.fixture
def spooling(world, tmp_path):
    """A spool whose pause every worker knows of."""
    made = Spooling(Spool(tmp_path / "spool", KEY), None)
    made.turn(world.engine)
    made.usable_from = 0.0
    return made


def mo(world, text, n=1, **more):
    return Reply("test", f"mo-{n}", Msisdn(NUMBER), "10085", text, came=world.clock.now, **more)


def begun(world):
    """Whether a slice of any lane does anything."""
    return any(world.runner.run(world.engine.performer.perform(lane, 1)).counts for lane in Lane)


def test_nothing_begins_from_when_a_spool_is_not_moved_on_until_what_waits_is_stored(world, spooling):
    asked, late = world.place(), world.place("+8613900139000")
    world.run(Lane.SMS)
    world.say("是")
    world.run(Lane.INBOUND)
    assert world.state(asked) == "confirmed", "its activation is due"
    world.clock.forward(HOLDS_MS)
    spooling.keep(world.engine, [mo(world, "TD", 2)])
    world.clock.now = world.engine.show(late.id).reply_by + 1
    assert not begun(world)
    with pytest.raises(StoreUnavailable):
        world.place("+8613700137000")
    with pytest.raises(StoreUnavailable):
        world.engine.dial(Msisdn("+8613700137000"), None)
    [stands] = world.engine.pauses.standing()
    assert (stands.target, "no API is heard from" in stands.pause.reason) == (spooling._target, True)  # noqa: SLF001
    spooling.turn(world.engine)
    assert world.engine.pauses.standing() == []
    world.clock.forward(seconds=LOOK_S)
    world.run()
    assert (world.state(asked), world.state(late), world.bss.asked) == ("declined", "expired", [])


def test_a_yes_counts_as_of_the_instant_at_which_it_came_also_in_parts(world, spooling):
    whole = world.place()
    world.run(Lane.SMS)
    world.clock.now = world.engine.show(whole.id).reply_by - 2
    parts = [Part("r", n, 2) for n in (1, 2)]
    spooling.keep(world.engine, [mo(world, "同", part=parts[0]), mo(world, "意", part=parts[1])])
    world.clock.forward(hours=1)
    spooling.turn(world.engine)
    world.run()
    assert world.state(whole) == "notified"


def test_what_is_read_twice_is_a_repeat_however_late(world, spooling):
    order = world.place()
    world.run(Lane.SMS)
    sent = DeliveryReport("test", f"{order.id}.confirmation.1", "m1", Delivery.DELIVERED, came=world.clock.now)
    spooling.keep(world.engine, [mo(world, "是"), sent])
    [file] = spooling.spool.files()
    kept = file.read_bytes()
    spooling.turn(world.engine)
    assert spooling.spool.files() == []
    world.run()
    events = len(world.engine.show(order.id).events)
    world.clock.forward(hours=30)
    file.write_bytes(kept)  # the process was killed before it had deleted it
    spooling.turn(world.engine)
    world.run()
    assert (world.state(order), len(world.engine.show(order.id).events)) == ("notified", events)


def test_a_file_is_private_and_encrypted_and_one_that_cannot_be_read_stays_and_stops_everything(world, spooling):
    spooling.keep(world.engine, [mo(world, "\ud800 TD"), mo(world, "是", 2)])
    [file] = spooling.spool.files()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert KEY.open("spool", file.read_text().strip()) != file.read_text().strip()
    assert [each.text for each in spooling.spool.read(file)] == ["\ud800 TD", "是"]
    file.write_text(file.read_text()[:-9])
    with pytest.raises(BrokenRecord):
        spooling.turn(world.engine)
    world.clock.forward(-CLOCKS_APART_MS)  # another server has taken over
    [stands] = world.engine.pauses.standing()
    assert stands.pause.reason.startswith("2 messages wait in ")
    assert spooling.spool.files() == [file]


def test_a_spool_is_used_only_once_every_worker_knows_of_it_and_while_it_has_room(world, tmp_path, spooling):
    fresh = Spooling(Spool(tmp_path / "other", Cipher()), None)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="knows of the spool"):
            fresh.keep(world.engine, [mo(world, "TD")])
        fresh.turn(world.engine)
    spooling.keep(world.engine, [mo(world, "TD")])
    until, full = spooling.in_force, spooling.spool.files()[0]
    spooling.keep(world.engine, [mo(world, "TD", 2)])
    assert spooling.in_force == until, "the pause is in force as long as the first waits"
    full.rename(full.with_name(f"0-1-{1 << 40}-0.messages"))
    spooling.spool.files()
    with pytest.raises(StoreUnavailable, match="full"):
        spooling.keep(world.engine, [mo(world, "TD", 3)])


def test_the_last_process_that_has_a_spool_ends_its_pause(world, tmp_path, spooling):
    other = Spooling(Spool(tmp_path / "spool", KEY), None)
    kept = world.engine.registry.pauses.standing
    other.leave(world.engine)
    assert kept(), "one has it"
    spooling.leave(world.engine)
    assert not kept()


def test_a_post_is_acknowledged_only_when_a_worker_has_stopped_whose_redis_took_over_with_a_clock_behind(
    world, spooling
):
    at = [0.0]
    gate = Gate(world.engine.registry.pauses.standing, lambda: at[0], now=world.engine.registry.now)
    before = monotonic()
    spooling.turn(world.engine)
    spooling.keep(world.engine, [mo(world, "TD")])
    world.clock.forward(seconds=LOOK_S)
    world.clock.forward(-CLOCKS_APART_MS)
    at[0] = LOOK_S
    gate.look()
    assert not gate.is_shut()
    at[0] = spooling.in_force - before
    assert gate.is_shut()


def test_a_person_ends_the_pause_of_a_spool_only_where_its_api_is_lost(world, spooling):
    spooling.keep(world.engine, [mo(world, "TD")])
    [target] = world.engine.registry.pauses.standing()
    world.clock.forward(HOLDS_MS + LOST_MS - 1)
    with pytest.raises(NotPaused):
        world.engine.pauses.resume(target, "ops-1", "in a hurry")
    assert not begun(world)
    world.clock.forward(1)
    world.engine.pauses.resume(target, "ops-1", "the machine burnt")
    assert world.engine.pauses.standing() == []


def test_what_a_look_found_that_took_long_is_as_old_as_its_beginning():
    at, takes = [0.0], [LOOK_S]
    found = {}

    def look():
        seen = dict(found)
        at[0] += takes.pop() if takes else 0
        found[Endpoint(SPOOL, "a")] = Pause(1, SPOOL, "")
        return seen

    gate = Gate(look, lambda: at[0], now=lambda: 1)
    gate.look()
    assert not gate.is_shut()
    gate.look()
    assert gate.is_shut()


def test_what_a_worker_saw_of_spools_lasts_no_longer_than_their_lead():
    at, now, found = [0.0], [1_000_000], {}

    def look():
        if found is None:
            raise StoreUnavailable("away")
        return found

    gate = Gate(look, lambda: at[0], now=lambda: now[0])

    def shut(seconds=0.0):
        at[0] += seconds
        gate.look()
        return gate.is_shut()

    assert not shut(LOOK_S)
    found = {Endpoint(SPOOL, name): Pause(now[0] + lead, SPOOL, "") for name, lead in (("a", HOLDS_MS), ("b", 1_500))}
    assert not shut(LOOK_S)
    found = None
    assert [shut(LOOK_S), shut(0.49), shut(0.02)] == [False, False, True], "it cannot look, and does not go on"
    found = {Endpoint(SPOOL, "a"): Pause(now[0] + HOLDS_MS + 1, SPOOL, "")}
    assert shut(LOOK_S), "the clock went back: nobody put it so late"
    found = {}
    assert not shut(LOOK_S)
