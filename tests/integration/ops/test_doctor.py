"""`consent doctor` finds and names each danger to a promise, and mends only what is surely missing."""

import dataclasses
import math
import os
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import time
from urllib.parse import quote

import pytest
from msgspec.structs import replace
from redis.exceptions import AuthenticationError, BusyLoadingError, ConnectionError, ReadOnlyError  # noqa: A004

from consent_engine import doctor
from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.inspection import RedisSurvey, Server, disk_free
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.store import redis_store
from consent_engine.config.settings import Settings
from consent_engine.doctor import findings, records, server, setup, work
from consent_engine.doctor.findings import Level, redis_cli
from consent_engine.doctor.records import Walk, Wanted
from consent_engine.doctor.rules import RULES
from consent_engine.domain.admission.call_request import CallEnd, CallStart, EndCall, StartCall
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.at_rest import MARK
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Cause, Why
from consent_engine.domain.clocks import Lag
from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import (
    ACTIVATE,
    READ,
    WAKE_ABANDONED,
    WAKE_ACTIVATE,
    WAKE_ARCHIVE,
    WAKE_FAILED,
    WAKE_TOO_LATE,
    WAKE_UNDECIDED,
    Accepted,
    Lane,
    Rejected,
    Unavailable,
    Uncertain,
)
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.line import Entry
from consent_engine.domain.line.restriction import Kind as StandsAs
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.offer.versions import Sale
from consent_engine.domain.order.order import QUESTION
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.domain.seal import Seal
from consent_engine.engine.metrics import Measures, targets_of
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.review import Review
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import ApiKey, Change, Commit, Endpoint, LiftResult, Only, Owner
from consent_engine.ports.registry import SPOOL, Pause, WorkerReport
from consent_engine.wiring import certificates
from tests.at_rest import rewritten
from tests.certificates import Shown
from tests.conftest import NUMBER, OTHER, START, FakeGateway, World
from tests.integration.calls.reporting import decide, report
from tests.memory import a_store

EVERYTHING = Wanted(all=True)
LEASE = 60_000


def survey(world):
    return RedisSurvey(Wire(world.client, proves=False, replicas=0))


def look(world, wanted=EVERYTHING, told=None):
    tell, plans = (told if told is not None else []).append, world.engine.registry.catalogue
    found = records.records(world.engine.store, survey(world), LEASE, wanted, tell, plans)
    return list(found)


def wrong(world, wanted=EVERYTHING):
    return [each for each in look(world, wanted) if each.level is not Level.GOOD]


def write(world, order, **change):
    """Save a change as any change is saved, but one that no decision makes."""
    put, drop, fields = change.pop("put", ()), change.pop("drop", ()), change.pop("fields", {})
    changed = replace(world.engine.show(order.id), **change)
    fields = {**fields, "state": changed.state, "head": changed.head}
    fields |= {SEAL: Seal("test-secret").of(changed)} if change else {}
    saved = world.engine.store.records.commit([Commit("", (Change.of(changed, fields, put, drop),))])
    assert saved[0] == "ok"


def write_line(world, line, **change):
    assert world.engine.store.records.commit([Commit("", (Change(Owner.LINE, line, **change),))])[0] == "ok"


def member(order, effect):
    return f"o:{order.id}:{effect}"


def asked(world, **more):
    order = world.place(**more)
    world.run(Lane.SMS)
    return order


def confirmed(world):
    order = asked(world)
    world.say("是")
    world.run(Lane.INBOUND)
    return order


ROADS = (
    "", "sms", "doubt sms", "sms 是 inbound", "sms 是 all", "sms 否 inbound", "sms TD inbound", "sms 是",
    "sms 是 inbound activation reject sms", "cancel sms", "sms 是 inbound activation",
)  # fmt: skip


@pytest.fixture
def busy(world):
    """Make orders at every step: in doubt, parked, refused, cancelled; with messages unread and unmatched."""
    for n, road in enumerate(ROADS):
        order, number = world.place(f"138{n:08d}"), f"+86138{n:08d}"
        for step in road.split():
            if step in {"是", "否", "TD"}:
                world.say(step, number)
            elif step == "cancel":
                world.engine.cancel(order.id, "desk", "changed her mind")
            elif step == "doubt":
                world.gateway.answers[:] = [Uncertain("timeout")]
            elif step == "reject":
                world.gateway.answers[:] = [Rejected("no such number")]
            else:
                world.run(*([Lane(step)] if step != "all" else []))
    world.say("是", "+8613700000000")
    return world


def test_of_a_sound_store_it_finds_nothing_wrong_whatever_is_under_way(busy):
    assert wrong(busy) == []
    busy.clock.forward(hours=25)
    assert wrong(busy) == []
    busy.run()
    assert wrong(busy) == []
    listed = [order_id for _, order_id in busy.engine.store.queries.places(Owner.ORDER, Only.ALL, None, 100)]
    states = Counter(order.state for order in busy.engine.lookup.load(listed)[1].values())
    assert len(states) >= 5, states


def test_an_order_that_is_reminded_first_has_an_end_to_its_wait(clock):
    world = World(a_store(), Policy(reminder_after=3_600_000), clock=clock)
    asked(world)
    world.runner.close()
    assert wrong(world) == []


def test_an_order_that_is_confirmed_under_a_suspicion_has_an_end_to_its_wait(world):
    order = asked(world)
    world.clock.forward(seconds=1)
    world.say("是")
    world.clock.forward(1)
    world.say("我要投诉你们")
    world.run()
    assert list(world.engine.show(order.id).effects) == [WAKE_ACTIVATE]
    assert wrong(world) == []


def test_it_says_how_much_it_looked_at(world):
    for n in range(5):
        world.place(f"138{n:08d}")
    assert "looked at 2 orders" in look(world, Wanted(sample=2))[0].what
    assert "--all looks at everything" in look(world, Wanted(sample=2))[0].what
    assert "looked at 5 orders, 5 lines, 15 due-set entries: all of it" in look(world)[0].what


def test_orders_of_one_instant_are_all_looked_at_however_many(world):
    wanted = [Placing("desk", f"k{n}", world.request(f"138{n:08d}")) for n in range(450)]
    world.engine.place_many(wanted)
    found = look(world)
    assert found[0].what.startswith("looked at 450 orders")
    assert wrong(world) == []


def test_a_long_look_says_how_far_it_is(world):
    for n in range(4):
        world.place(f"138{n:08d}")
    told = []
    look(world, Wanted(all=True, piece=1, tell_every=2), told=told)
    assert told == ["looked at 2 orders", "looked at 4 orders"]


def test_it_reads_only_unless_it_is_told_to_mend(busy):
    order = busy.place("13900139000")
    busy.client.zrem(Cell().due[Lane.TIMER], member(order, WAKE_TOO_LATE))
    before = {key: busy.client.dump(key) for key in busy.client.scan_iter()}
    assert wrong(busy) != []
    assert {key: busy.client.dump(key) for key in busy.client.scan_iter()} == before


def waits_for_nothing(world):
    order = asked(world)
    write(world, order, drop=[("wake.window_closed", Drop.ANYWAY)])
    return order.id


def endless(world):
    order = asked(world)
    write(world, order, put=[Put("sms.help.1", 1)], drop=[("wake.window_closed", Drop.ANYWAY)])
    return order.id


def endless_before_it_is_asked(world):
    order = world.place()
    write(world, order, drop=[(WAKE_TOO_LATE, Drop.ANYWAY)])
    return order.id


def unasked(world):
    order = world.place()
    write(world, order, drop=[(QUESTION, Drop.ANYWAY)])
    return order.id


def inactive_after_a_yes(world):
    order = confirmed(world)
    write(world, order, put=[Put("sms.help.1", 1)], drop=[(ACTIVATE, Drop.ANYWAY)])
    return order.id


def unnotified(world):
    order = confirmed(world)
    world.run(Lane.ACTIVATION)
    write(world, order, drop=[("sms.notification.1", Drop.ANYWAY)])
    return order.id


def undecided(world):
    world.say("别再打了行不行啊你们烦不烦")
    line = world.engine.line(NUMBER)
    assert WAKE_UNDECIDED in line.effects
    write_line(world, line.id, drop=[(WAKE_UNDECIDED, Drop.ANYWAY)])
    return line.id


def undue(world):
    order = confirmed(world)
    world.client.zrem(Cell().due[Lane.ACTIVATION], member(order, ACTIVATE))
    return order.id


def undue_call(world):
    order = asked(world)
    [archive] = world.engine.store.records.look({Call: [order.doc.call_id]}).of(Call)[order.doc.call_id].effects
    assert world.client.zrem(Cell().due[Lane.TIMER], f"c:{order.doc.call_id}:{archive}")
    return order.doc.call_id


def undue_report(world):
    told = decide(world, report(world), "ours_unrecorded")
    assert world.client.zrem(Cell().due[Lane.TIMER], f"r:{told.id}:{WAKE_ARCHIVE}")
    return told.id


def unread(world):
    world.say("是")
    [line] = [key.rpartition(":")[2] for key in world.client.keys(f"{Cell().prefix}line:*")]
    write_line(world, line, drop=[(READ, Drop.ANYWAY)])
    return line


def unread_and_no_line(world):
    world.client.rpush(Cell().inbox("1234abcd"), f'{world.clock()}|k|{{"kind":"reply"}}')
    return "1234abcd"


SEALED = {"reply_by": "0"}
"""Any field: a commit that writes one seals the record."""


def history_state(world):
    order = asked(world)
    write(world, order, state=State.CONFIRMED, put=[Put(ACTIVATE, 1 << 42)], fields=SEALED)
    return order.id


def history_head(world):
    order = asked(world)
    write(world, order, head="x" * 43, fields=SEALED)
    return order.id


def unsealed(world):
    """Return an order from before there were seals, whose head does not fit."""
    order_id = history_head(world)
    world.client.hdel(f"{Cell().prefix}order:{order_id}", "mac")
    return order_id


def changed(world, name, before, after):
    """Change one field directly in the store, and nothing else."""
    order = asked(world)
    key = f"{Cell().prefix}order:{order.id}"
    kept = world.client.hget(key, name)
    if kept.startswith(MARK):
        rewritten(world.client, key, name, before, after)
    else:
        assert before in kept
        world.client.hset(key, name, kept.replace(before, after))
    return order.id


def another_number(world):
    return changed(world, "who", "+8613800138000", "+8613800138001")


def another_state(world):
    return changed(world, "state", "awaiting_reply", "confirmed")


def another_number_called(world):
    call = asked(world).doc.call_id
    rewritten(world.client, f"{Cell().prefix}call:{call}", "who", "+8613800138000", "+8613800138001")
    return call


def another_door_of_a_report(world):
    told = report(world)
    world.client.hset(f"{Cell().prefix}report:{told.id}", "doc", told.publics[0].replace("hotline-1", "hotline-2"))
    return told.id


def another_detail(world):
    return changed(world, "e1", '"attempts":1', '"attempts":2')


def another_line(world):
    return changed(world, "line", "0ce7", "0ce8")


def settled(world):
    order = asked(world)
    world.say("否")
    world.run(Lane.INBOUND)
    write(world, order, put=[Put(ACTIVATE, world.clock())])
    return order.id


def reminded_after_settling(world):
    order = asked(world)
    world.say("否")
    world.run(Lane.INBOUND)
    write(world, order, put=[Put("sms.reminder.1", world.clock())])
    return order.id


def refused(world):
    order = asked(world)
    world.say("TD")
    world.run(Lane.INBOUND)
    return order


def behind_our_back(world, line, *fields):
    """Delete fields of a line, or all of it, of which SQL hears nothing."""
    world.engine.store.queries = world.engine.store.queries.as_of_now()
    world.client.hdel(f"{Cell().prefix}line:{line}", *fields) if fields else world.client.delete(
        f"{Cell().prefix}line:{line}"
    )


def off_its_line(world):
    """Delete a refusal from its line."""
    world.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024"))
    world.run()
    behind_our_back(world, line_of(world), "r:mobile")
    return line_of(world)


def off_its_line_and_the_list(world):
    """Delete a refusal from its line, and from SQL: only its order's history has it."""
    order = refused(world)
    write_line(world, order.line, fields={"r:mobile": ""})
    return order.line


def line_gone(world):
    """Delete the line of a refusal, with its orders."""
    world.engine.refuse(RefusalAsked(NUMBER, "*", "voice", "A1024"))
    world.run()
    line = world.engine.line(NUMBER).id
    behind_our_back(world, line)
    return line


def suspicion_off_its_line(world):
    world.say("别再打了行不行啊你们烦不烦")
    line = world.engine.line(NUMBER)
    world.run()
    write_line(world, line.id, drop=[(WAKE_UNDECIDED, Drop.ANYWAY)])
    behind_our_back(world, line.id, *(f"r:{each.name}" for each in line.restrictions))
    return line.id


def activated_without_a_yes(world):
    order = asked(world)
    write(world, order, put=[Put(ACTIVATE, 1 << 42)])
    return order.id


def asked_after_a_yes(world):
    order = confirmed(world)
    write(world, order, put=[Put("sms.confirmation.2", 1 << 42)])
    return order.id


def notified_without_an_activation(world):
    order = confirmed(world)
    write(world, order, put=[Put("sms.notification.1", 1 << 42)])
    return order.id


def failed_after_settling(world):
    order = asked(world)
    world.say("否")
    world.run(Lane.INBOUND)
    write(world, order, put=[Put(WAKE_FAILED, 1 << 42)])
    return order.id


def unheard(world):
    order = asked(world)
    write_line(world, order.line, fields={f"o:{order.id}": ""})
    return order.id


def of_another_number(world):
    order, other = asked(world), world.place(OTHER)
    write_line(world, order.line, fields={f"o:{other.id}": Entry.of(other).encode()})
    return order.line


def with_another_code(world):
    order = asked(world)
    another = "998" if order.doc.code == "999" else "999"  # codes are drawn
    write_line(world, order.line, fields={f"o:{order.id}": replace(Entry.of(order), code=another).encode()})
    return order.id


def dangling(world):
    order = asked(world)
    entry = replace(Entry.of(order), order="1234deadbeef")
    write_line(world, order.line, fields={"o:1234deadbeef": entry.encode()})
    return order.line


def gone(world):
    order = world.place()
    look(world)
    world.client.delete(world.cell.order(order.id))
    world.client.delete(*Cell().due.values())
    return order.id


def far(world):
    order = world.place()
    world.client.zadd(Cell().due[Lane.TIMER], {member(order, WAKE_TOO_LATE): world.clock() + 400 * 86_400_000})
    return order.id


def idle(world):
    order = asked(world)
    world.client.zadd(Cell().due[Lane.ACTIVATION], {member(order, ACTIVATE): world.clock()})
    return member(order, ACTIVATE)


def idle_and_no_record(world):
    world.client.zadd(Cell().due["mobile"], {"o:1234deadbeef:sms.help.1": world.clock()})
    return "o:1234deadbeef:sms.help.1"


def wrong_lane(world):
    order = asked(world)
    world.client.zadd(Cell().due[Lane.ACTIVATION], {member(order, "sms.help.1"): world.clock()})
    return member(order, "sms.help.1")


def strange_member(world):
    world.client.zadd(Cell().due["mobile"], {"somebody else's": world.clock()})
    return "somebody else's"


def unarchived(world):
    order = asked(world)
    world.say("不同意")
    world.run()
    write(world, order, drop=[(WAKE_ARCHIVE, Drop.ANYWAY)])
    return order.id


def callless(world):
    order = asked(world)
    world.client.delete(f"{Cell().prefix}call:{order.doc.call_id}")
    return order.id


def unabandoned(world):
    at = datetime.fromtimestamp(world.clock() / 1000, UTC).isoformat(timespec="milliseconds")
    body = {"from": "10085", "to": NUMBER, "carrier": "mobile", "agent": "A1", "started_at": at}
    call = world.engine.calls.record(CallStart("desk", "c", StartCall.model_validate(body))).call
    world.client.zrem(Cell().due[Lane.TIMER], f"c:{call.id}:{WAKE_ABANDONED}")
    return call.id


def ordered_in_a_call(world):
    at = datetime.fromtimestamp(world.clock() / 1000, UTC).isoformat(timespec="milliseconds")
    body = {"from": "10085", "to": NUMBER, "carrier": "mobile", "agent": "A1", "started_at": at}
    call = world.engine.calls.record(CallStart("desk", "c", StartCall.model_validate(body))).call
    body = {"msisdn": NUMBER, "plan": "5g-smart-199", "agent": "A1", "call_id": call.id, "agreed_at": at}
    return world.engine.place(Placing("desk", "k", PlaceOrder.read(body))).order


def free_while_its_call_is_up(world):
    order = ordered_in_a_call(world)
    write_line(world, order.line, fields={f"r:call:{order.id}": ""})
    return order.id


def free_though_its_review_is_contested(world):
    order = ordered_in_a_call(world)
    world.clock.forward(seconds=60)
    at = datetime.fromtimestamp(world.clock() / 1000, UTC).isoformat(timespec="milliseconds")
    body = {"ended_at": at, "outcome": "agreed", "plan": "5g-smart-199", "recording": {"ref": "rec-x", "seconds": 60}}
    world.engine.calls.record(CallEnd("desk", order.doc.call_id, EndCall.model_validate(body)))
    world.run(Lane.SMS)
    world.engine.calls.review(Review(order.doc.call_id, "r-1", False, ("price_not_told",), "", False))  # noqa: FBT003
    write_line(world, order.line, fields={f"r:review:{order.id}": ""})
    return order.id


def not_taken_back(world):
    order = world.place()
    world.run(Lane.SMS)
    world.say("是")
    world.run()
    taken = world.engine.endings.ask(world.engine.show(order.id), Why(Cause.WITHDRAWN, "hotline", "ops", "asked"))
    world.client.hdel(f"ce:{{0}}:end:{taken.ending.id}", "f:deactivate")
    world.client.zrem("ce:{0}:due:activation", f"e:{taken.ending.id}:deactivate")
    return order.id


def twice(world, **second):
    """Have two orders saved whose processes held the same reservation."""
    first = world.place()
    name = {"key": f"key-{world.keys}"} if "key" in second else {}
    world.client.delete(*world.client.keys("ce:key:*"))
    call = {"recording_id": "rec-b", **second}
    call.pop("key", None)
    placing = Placing("desk", name.get("key", "another"), world.request(OTHER, **call))
    return first, world.engine.place(placing).order


def one_key_twice(world):
    return twice(world, key=True)[0].id


def one_recording_twice(world):
    return twice(world, recording_id=world.request().call.recording_id)[0].doc.call_id


def one_audio_twice(world):
    audio = {"recording_sha256": "9f" * 32}
    first = world.engine.place(Placing("desk", "first", world.request(**audio))).order
    world.client.delete(*world.client.keys("ce:key:*"))
    world.engine.place(Placing("desk", "second", world.request(OTHER, **audio)))
    return first.doc.call_id


def open_though_revoked(world):
    order = asked(world)
    world.engine.catalogue.set_sale(order.doc.plan, Sale.REVOKED)
    world.clock.forward(seconds=61)
    return order.id


BROKEN = {
    "endless": (waits_for_nothing, endless, endless_before_it_is_asked),
    "stalled": (unasked, inactive_after_a_yes, unnotified), "undecided": (undecided,),
    "undue": (undue, undue_call, undue_report),
    "unrefused": (off_its_line, off_its_line_and_the_list, line_gone, suspicion_off_its_line),
    "unread": (unread, unread_and_no_line), "history": (history_state, history_head),
    "unreadable": (another_number, another_state, another_detail, another_line, unsealed, another_number_called,
                   another_door_of_a_report),
    "excess": (
        settled, reminded_after_settling, activated_without_a_yes, asked_after_a_yes, notified_without_an_activation,
        failed_after_settling,
    ),
    "unheard": (unheard,), "dangling": (dangling,), "misnamed": (of_another_number, with_another_code), "gone": (gone,),
    "far": (far,), "idle": (idle, idle_and_no_record), "member": (wrong_lane, strange_member),
    "unarchived": (unarchived,), "callless": (callless,), "unended": (unabandoned,),
    "ungated": (free_while_its_call_is_up, free_though_its_review_is_contested),
    "untaken": (not_taken_back,), "doubled": (one_key_twice,), "shared": (one_recording_twice, one_audio_twice),
    "revoked": (open_though_revoked,),
}  # fmt: skip
CASES = [(trouble, make) for trouble, makes in BROKEN.items() for make in makes]


@pytest.mark.parametrize(("trouble", "make"), CASES, ids=[make.__name__ for _, make in CASES])
def test_each_trouble_is_found_and_named_and_says_what_to_type(world, trouble, make):
    named = make(world)
    rule = RULES[trouble]
    found = wrong(world)
    assert any(each.what.startswith(rule.what) and named in each.what for each in found), found
    assert (rule.level, rule.do) in {(each.level, each.do) for each in found}


WARNS = {"unlogged", "unlifted", "unarchived", "far", "member", "idle"}
ENDANGERS = {
    "gone", "unreadable", "history", "endless", "stalled", "undecided", "unrefused", "undue", "unread", "unheard",
    "dangling", "misnamed", "excess", "dropped", "rewritten", "unsealed", "unlisted", "misfiled", "resold", "log",
    "callless", "ungated", "unended", "untaken", "shared", "doubled", "revoked",
}  # fmt: skip


def test_no_damage_that_was_ever_named_goes_unnamed():
    """However the looks are made: a name here may be added, and none taken away."""
    named = {Level.WARN: WARNS, Level.BAD: ENDANGERS}
    assert {level: {name for name, rule in RULES.items() if rule.level is level} for level in named} == named
    assert all(rule.what and rule.do for rule in RULES.values())


def test_every_trouble_has_a_case():
    of_the_log = {"unlogged", "unlifted", "dropped", "rewritten", "unsealed", "unlisted", "misfiled", "resold", "log"}
    assert set(BROKEN) | of_the_log == set(RULES), "what needs a log: tests/archive"


def test_a_record_that_nobody_can_read_is_named(world):
    order = asked(world)
    world.client.delete(f"{Cell().prefix}order:{order.id}")
    world.client.hset(f"{Cell().prefix}order:{order.id}", mapping={"v": "3", "doc": "no json"})
    assert any(each.what == f"{RULES['unreadable'].what}: 1: {order.id}" for each in wrong(world))


PUT_BACK = ("ungated", "untaken", "endless", "undecided", "undue", "unread", "unrefused", "unended")
MENDED = [make for what in PUT_BACK for make in BROKEN[what]]


@pytest.mark.parametrize("make", MENDED, ids=lambda make: make.__name__)
def test_what_is_surely_missing_is_put_back_and_said(world, make):
    named = make(world)
    told = look(world, Wanted(all=True, mend=True))
    assert any(each.what.startswith("put back") and named in each.what for each in told), told
    assert [each for each in told if each.level is not Level.GOOD] == [], "what is put back is no fault any more"
    assert wrong(world) == []
    again = look(world, Wanted(all=True, mend=True))
    assert not any(each.what.startswith("put back") for each in again), "once"


@pytest.mark.parametrize("make", BROKEN["unrefused"], ids=lambda make: make.__name__)
def test_a_refusal_that_was_put_back_stands_as_any_other(world, make):
    make(world)
    look(world, Wanted(all=True, mend=True))
    assert not world.engine.dial(NUMBER, "mobile").callable
    assert [each.kind for each in world.engine.line(NUMBER).restrictions] == [StandsAs.REFUSED]
    world.run()
    assert wrong(world) == []


def line_of(world):
    return world.engine.line(NUMBER).id


def test_a_refusal_that_was_lifted_is_not_missed(world):
    """This holds also for a refusal that was read only after it was lifted."""
    asked(world)
    world.say("TD")
    world.clock.forward(seconds=1)
    assert world.engine.lift(NUMBER, "mobile", "admin", "form", world.clock.now) is LiftResult.OK
    world.clock.forward(hours=1)
    world.run(Lane.INBOUND)
    assert wrong(world) == []


def test_a_stop_that_was_read_after_it_was_lifted_and_another_order_came_is_not_missed(world):
    world.place()
    world.say("TD")
    world.clock.forward(seconds=1)
    assert world.engine.lift(NUMBER, "mobile", "admin", "form", world.clock.now) is LiftResult.OK
    world.clock.forward(hours=1)
    world.place(key="k2", plan="data-pack-10gb")
    world.run(Lane.INBOUND)
    assert wrong(world) == []


def test_a_refusal_is_not_missed_whose_lifting_is_too_old_to_be_told(world):
    refused(world)
    world.clock.forward(seconds=1)
    assert world.engine.lift(NUMBER, "mobile", "admin", "form", world.clock.now) is LiftResult.OK
    world.client.delete(world.cell.lifted)
    world.clock.forward(hours=24 * 1097)
    assert not any(each.what.startswith(RULES["unrefused"].what) for each in wrong(world))


def test_whoever_cancels_may_call_it_refused(world):
    order = asked(world)
    world.engine.cancel(order.id, "A1024", "refused")
    assert wrong(world) == []


def test_what_was_put_back_is_done_once(world):
    undue(world)
    look(world, Wanted(all=True, mend=True))
    look(world, Wanted(all=True, mend=True))
    world.run()
    assert len(world.bss.asked) == 1
    assert [sms.purpose for sms in world.gateway.sent] == ["confirmation", "notification"]


def test_what_is_in_somebodys_hands_is_due_again_only_when_his_lease_is_over(world):
    order = confirmed(world)
    [leased] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    world.client.zrem(Cell().due[Lane.ACTIVATION], member(order, ACTIVATE))
    look(world, Wanted(all=True, mend=True))
    assert world.engine.store.lanes.lease(Lane.ACTIVATION, 1) == []
    world.clock.forward(LEASE)
    [again] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    assert again.lost
    assert again.token == leased.token + 1


def test_what_waits_for_a_person_goes_back_to_the_stuck_list(world):
    order = confirmed(world)
    world.gateway.answers[:] = [Rejected("no such number")]
    world.run(Lane.ACTIVATION, Lane.SMS)
    parked = f"o:{order.id}:sms.notification.1"
    assert world.client.zrem(Cell().due["mobile"], parked)
    look(world, Wanted(all=True, mend=True))
    assert world.client.zscore(Cell().due["mobile"], parked) == math.inf


def test_nothing_is_sent_or_switched_on_by_a_guess(world):
    inactive_after_a_yes(world)
    before = {key: world.client.dump(key) for key in world.client.scan_iter()}
    look(world, Wanted(all=True, mend=True))
    assert {key: world.client.dump(key) for key in world.client.scan_iter()} == before


READS = 4
"""The reads of a look at an order: itself, its line, its call, whoever has its key."""


class Moving:
    """Records that other processes change between the doctor's reads."""

    def __init__(self, records, *moves):
        self._records, self._moves = records, iter(moves)

    def __getattr__(self, name):
        return getattr(self._records, name)

    def look(self, wanted, *, prove=False):
        found = self._records.look(wanted, prove=prove)
        next(self._moves, lambda: None)()
        return found


def walked(world, owner, record, *moves):
    """Return the walk that looked at a record, and mended it, while others made these moves after its reads."""
    store = dataclasses.replace(world.engine.store, records=Moving(world.engine.store.records, *moves))
    walk = Walk(store, survey(world), LEASE, Wanted(all=True, mend=True))
    walk.look(owner, [record])
    return walk


def nothing_of(walk):
    return not any(walk.found.values()) and not walk.mended and not walk.lost


def test_what_ends_between_two_looks_is_not_missing(world):
    order = confirmed(world)
    assert nothing_of(walked(world, Owner.ORDER, order.id, lambda: world.run(Lane.ACTIVATION)))


def test_what_was_free_and_is_barred_again_is_not_activated(world):
    order = world.engine.show(free_while_its_call_is_up(world))
    look(world, Wanted(all=True, mend=True))
    world.run(Lane.SMS)
    world.clock.forward(seconds=60)
    world.say("是")
    world.run()
    assert (world.state(order), world.bss.asked) == ("confirmed", [])


def test_a_call_that_ends_between_two_looks_leaves_no_order_free(world):
    order = ordered_in_a_call(world)

    def ended():
        body = {"ended_at": datetime.fromtimestamp(world.clock() / 1000, UTC).isoformat(timespec="milliseconds"),
                "outcome": "agreed", "plan": "5g-smart-199", "recording": {"ref": "rec-x", "seconds": 60}}  # fmt: skip
        world.engine.calls.record(CallEnd("desk", order.doc.call_id, EndCall.model_validate(body)))
        world.run(Lane.TIMER)
        assert world.engine.line(NUMBER).restrictions == ()

    assert nothing_of(walked(world, Owner.ORDER, order.id, ended))


def test_what_is_forgotten_between_two_looks_is_not_unheard(world):
    order = asked(world)

    def settled_and_forgotten():
        world.say("否")
        world.run(Lane.INBOUND)
        write_line(world, order.line, fields={f"o:{order.id}": ""})

    assert nothing_of(walked(world, Owner.ORDER, order.id, settled_and_forgotten))


def test_what_the_second_look_alone_finds_is_not_noted(world):
    """The line alone is another one at the second look: the order's version says nothing of that."""
    order, nothing = world.engine.show(undue(world)), lambda: None

    def forgotten():
        write_line(world, order.line, fields={f"o:{order.id}": ""})

    walk = walked(world, Owner.ORDER, order.id, *[nothing] * READS, forgotten)
    assert (walk.mended, walk.found["unheard"]) == ([f"{order.id} {ACTIVATE}"], {})


def test_what_changes_in_each_of_two_looks_is_not_noted(world):
    order, nothing = asked(world), lambda: None

    def forgotten():
        write_line(world, order.line, fields={f"o:{order.id}": ""})

    def known_again():
        write_line(world, order.line, fields={f"o:{order.id}": Entry.of(order).encode()})
        write(world, order)

    between = [nothing] * (READS - 2)
    assert nothing_of(walked(world, Owner.ORDER, order.id, forgotten, *between, known_again, forgotten))


def test_what_the_archive_takes_between_two_looks_is_neither_gone_nor_dangling(world):
    order = asked(world)

    def archived():
        write_line(world, order.line, fields={f"o:{order.id}": ""})
        world.client.delete(f"{Cell().prefix}order:{order.id}")

    assert nothing_of(walked(world, Owner.LINE, order.line, archived))
    assert nothing_of(walked(world, Owner.ORDER, order.id))


def test_a_mend_that_comes_too_late_writes_nothing(world):
    order = world.engine.show(undue(world))
    last = 2 * READS - 1
    walk = walked(world, Owner.ORDER, order.id, *[lambda: None] * last, lambda: write(world, order))
    assert ([*walk.found["undue"]], walk.mended) == ([order.id], [])
    assert world.client.zscore(Cell().due[Lane.ACTIVATION], member(order, ACTIVATE)) is None


def test_reservations_of_requests_that_died_are_told_when_they_are_old_and_alarm_nobody(world):
    def told():
        return look(world)[-1].what

    world.place()
    world.engine.store.reservations.claim([("k1", "f", "1234deadbeef", "c", "")])
    assert told() == "looked at 3 reservations, 0 without an order or a call"
    world.clock.forward(hours=2)
    assert told().startswith("looked at 3 reservations, 1 without an order or a call: ")
    assert told().endswith("1234deadbeef")
    assert wrong(world) == []


def test_it_goes_through_the_store_in_pieces(world):
    class Watched(Wire):
        def send(self, calls, **more):
            asked.extend(calls.rows)
            return super().send(calls, **more)

    asked = []
    for n in range(3):
        world.place(f"138{n:08d}")
    wire = Watched(world.client, proves=False, replicas=0)
    store = redis_store(wire, lease_ms=60_000, clock=world.clock)
    assert list(records.records(store, RedisSurvey(wire), LEASE, EVERYTHING, [].append))
    names = {str(call[0]) for call in asked}
    assert "KEYS" not in names
    assert {"SCAN", "ZSCAN"} <= names
    assert all("COUNT" in call for call in asked if call[0] in {"SCAN", "ZSCAN"})


# -- the server ------------------------------------------------------------------------------------------------------

SOUND = {
    "redis_version": "7.2.4", "aof_enabled": 1, "maxmemory_policy": "noeviction", "role": "master", "maxmemory": 0,
    "used_memory": 1, "connected_clients": 3, "evicted_keys": 0, "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok", "rdb_last_bgsave_status": "ok", "loading": 0,
}  # fmt: skip
CONFIG = {"appendfsync": "always", "port": "0", "save": "", "timeout": "0", "maxclients": "100", "bind": "127.0.0.1"}
ENOUGH = {
    "CONSENT_REDIS_URL": "redis://h:1/0", "CONSENT_SECRET": "s" * 32, "CONSENT_GATEWAY": "http_json",
    "CONSENT_HTTP_JSON__URL": "http://127.0.0.1:1/", "CONSENT_HTTP_JSON__SECRET": "s", "CONSENT_BSS": "http",
    "CONSENT_BSS_HTTP__URL": "http://127.0.0.1:1/", "CONSENT_BSS_HTTP__SECRET": "s",
    "CONSENT_PUBLIC_URL": "https://c.example",
}  # fmt: skip
SLAVE = {"ip": "h", "state": "online"}


def loaded(**more):
    return Settings.load({**ENOUGH, **more}, env_file=None)


def of_server(info=(), config=(), *, everybody=False, known=None, free=None, **more):
    told = Server({**SOUND, **dict(info)}, {**CONFIG, **dict(config)}, everybody, free)
    found = server.server(told, loaded(**more), "redis-cli", known)
    return [each for each in found if each.level is not Level.GOOD]


def test_a_sound_server_is_told_nothing_of():
    assert of_server() == []


def test_a_disk_on_which_no_rewrite_has_room_is_named_before_it_is_full():
    aof = {"aof_current_size": 300 << 20}
    assert of_server(aof) == of_server(aof, free=400 << 20) == []
    [found] = of_server(aof, {"dir": "/var/lib/redis"}, free=200 << 20)
    assert found.level is Level.BAD
    assert found.what.startswith("200 MiB are free on the server's disk, and its AOF has 300")
    assert found.do.startswith("df -h /var/lib/redis")


def test_the_disk_of_a_server_is_seen_where_it_runs_and_not_from_another_host(world):
    looked = RedisSurvey(Wire(world.client, proves=False, replicas=0)).server()
    assert looked.disk_free > 0
    assert disk_free({**looked.info, "process_id": os.getpid()}, "/") is None
    assert disk_free({}) is None


@pytest.mark.parametrize(
    ("info", "config", "level", "word", "do"),
    [
        ({"redis_version": "7.0.15"}, {}, Level.BAD, "7.0.15", "7.2"),
        ({"aof_enabled": 0}, {}, Level.BAD, "AOF is off", "CONFIG SET appendonly yes"),
        ({}, {"appendfsync": "everysec"}, Level.BAD, "appendfsync is everysec", "CONFIG SET appendfsync always"),
        ({"maxmemory_policy": "allkeys-lru"}, {}, Level.BAD, "evicts", "CONFIG SET maxmemory-policy noeviction"),
        ({"evicted_keys": 3}, {}, Level.BAD, "3 keys were evicted", "--all"),
        ({"aof_last_write_status": "err"}, {}, Level.BAD, "cannot write its AOF", "df -h"),
        ({"aof_last_bgrewrite_status": "err"}, {}, Level.WARN, "rewritten", "BGREWRITEAOF"),
        ({"rdb_last_bgsave_status": "err"}, {}, Level.WARN, "snapshot", "CONFIG SET save"),
        ({"rdb_last_bgsave_status": "err"}, {"save": "60 1"}, Level.BAD, "refuses all writes", "CONFIG SET save"),
        ({"aof_delayed_fsync": 7}, {}, Level.WARN, "too slow for the AOF 7 times", "LATENCY"),
        ({"maxmemory": 100 << 20, "used_memory": 81 << 20}, {}, Level.BAD, "81 of 100 MiB", "maxmemory 200mb"),
        ({"connected_clients": 81}, {}, Level.BAD, "81 of 100 connections", "maxclients 200"),
        ({"role": "slave"}, {}, Level.BAD, "replica", "CONSENT_REDIS_URL"),
        ({"loading": 1, "aof_enabled": 0}, {}, Level.BAD, "reading its files", "INFO persistence"),
        ({}, {"timeout": "30"}, Level.WARN, "idle", "CONFIG SET timeout 0"),
    ],
)
def test_what_endangers_a_promise_on_the_server_is_told_with_what_to_type(info, config, level, word, do):
    [found] = of_server(info, config)
    assert (found.level, word in found.what, do in found.do) == (level, True, True), found


def failed(look, cause):
    """Return the finding for a store that failed for this cause, as the wire says it."""
    error = StoreUnavailable("as the wire says it")
    error.__cause__ = cause
    return findings.failed(look, error, "redis-cli")


def test_a_server_that_reads_its_files_back_is_waited_for_and_one_that_is_away_is_looked_for():
    busy, away = failed("work", BusyLoadingError("LOADING")), failed("work", ConnectionError("away"))
    assert ("wait" in busy.do, "PING" in busy.do) == (True, False)
    assert ("wait" in away.do, "PING" in away.do) == (False, True)


def test_a_server_that_refuses_the_password_is_up_and_the_password_is_what_to_correct():
    refused = failed("server", AuthenticationError("WRONGPASS"))
    assert ("CONSENT_REDIS_URL" in refused.do, "PING" in refused.do) == (True, False)


def test_a_server_that_takes_no_writes_is_up_and_asked_what_it_is():
    refused = failed("work", ReadOnlyError("READONLY"))
    assert ("INFO" in refused.do, "PING" in refused.do) == (True, False)


@pytest.mark.parametrize(
    ("url", "typed"),
    [
        ("redis://10.0.0.7:6379/0", "redis-cli -u redis://10.0.0.7:6379/0"),
        ("redis://:s%2Fecret@h:6379/0?x=1", "redis-cli -u redis://h:6379/0"),
        ("rediss://ce%20n:secret@h:6380/2", "redis-cli --user 'ce n' -u rediss://h:6380/2"),
        ("unix:///a%20b/redis.sock?db=0", "redis-cli -s '/a b/redis.sock'"),
    ],
)
def test_an_address_that_no_shell_has_is_typed_without_its_password(url, typed, monkeypatch):
    monkeypatch.delenv("CONSENT_REDIS_URL", raising=False)
    assert redis_cli(url, "CONSENT_REDIS_URL") == typed
    monkeypatch.setenv("CONSENT_REDIS_URL", url)
    assert redis_cli(url, "CONSENT_REDIS_URL") == (typed if "unix" in url else 'redis-cli -u "$CONSENT_REDIS_URL"')


@pytest.mark.parametrize(("own", "told"), [(False, 0), (True, 1)])
def test_of_a_shared_redis_that_is_away_it_is_not_said_that_it_may_come_back_empty(own, told, tmp_path):
    more = {"CONSENT_REDIS_URL": "redis://127.0.0.1:1/0", "CONSENT_DATA_DIR": str(tmp_path)}
    more |= {"CONSENT_RQ_URL": "redis://127.0.0.1:1/1"} if own else {}
    found = [each for each in doctor.examine(loaded(**more), doctor.Wanted(), [].append) if "may be empty" in each.do]
    assert len(found) == told
    assert all(each.do.startswith("redis-cli -u redis://127.0.0.1:1/1 PING") for each in found)


def test_a_server_that_is_away_is_waited_for_once_and_not_by_every_look(tmp_path):
    """A frozen one answers nothing for five seconds a connection: nine looks made it a minute of silence."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor() as pool:
        came = pool.submit(hung_up, listening)
        url = f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
        more = {"CONSENT_REDIS_URL": url, "CONSENT_DATA_DIR": str(tmp_path)}
        found = list(doctor.examine(loaded(**more), doctor.Wanted(), [].append))
        with socket.create_connection(listening.getsockname()) as last:
            last.sendall(b"end")
        assert 0 < came.result(60) < 10
    assert len([each for each in found if each.level is Level.BAD and "cannot be reached" in each.what]) == 1


def hung_up(listening):
    """Hang up on whoever connects, until one says `end`; return how many there were before."""

    def said():
        with listening.accept()[0] as caller:
            return caller.recv(3)

    return sum(1 for _ in iter(said, b"end"))


def test_fewer_replicas_than_wanted_are_told():
    assert of_server({"slave0": SLAVE}, CONSENT_REPLICAS="1") == []
    [found] = of_server({"slave0": SLAVE, "slave1": {**SLAVE, "state": "wait_bgsave"}}, CONSENT_REPLICAS="2")
    assert "1 replicas are in step, CONSENT_REPLICAS is 2" in found.what


@pytest.mark.parametrize(
    ("known", "more", "level"),
    [
        (2, {"CONSENT_REPLICAS": "1"}, "bad"), (2, {}, "bad"), (2, {"CONSENT_DURABILITY": "everysec"}, "bad"),
        (2, {"CONSENT_REPLICAS": "2"}, None), (0, {}, None), (None, {"CONSENT_REPLICAS": "1"}, None),
    ],
)  # fmt: skip
def test_a_replica_that_may_be_promoted_without_what_is_acknowledged_is_told(known, more, level):
    """known: replicas known to Sentinel, absent ones included; None: no Sentinel, so none is promoted automatically."""
    found = of_server({f"slave{n}": SLAVE for n in range(1 if known is None else known)}, known=known, **more)
    told = [each for each in found if "may be promoted" in each.what]
    assert [each.level for each in told] == ([level] if level else [])
    assert all("CONSENT_REPLICAS=2" in each.do for each in told)


def test_a_server_open_to_all_is_told_only_where_it_listens():
    assert of_server(everybody=True) == []
    [found] = of_server(config={"port": "6379"}, everybody=True)
    assert "from this machine" in found.what
    assert "ACL SETUSER" in found.do
    [found] = of_server(config={"port": "6379", "bind": "* -::*"}, everybody=True)
    assert "from this machine" not in found.what


def test_everysec_is_told_and_no_fsync_at_all_is_bad():
    assert [f.level for f in of_server(config={"appendfsync": "everysec"}, CONSENT_DURABILITY="everysec")] == ["warn"]
    levels = [f.level for f in of_server(config={"appendfsync": "no"}, CONSENT_DURABILITY="everysec")]
    assert levels == ["bad", "warn"]


# -- work, set-up ----------------------------------------------------------------------------------------------------


def of_work(world):
    engine = world.engine
    targets = targets_of(engine.outside)
    found = work.work(engine.store, engine.registry, survey(world), targets, engine.call_ms, engine.outside)
    return [each for each in found if each.level is not Level.GOOD]


def at_work(world, *lanes):
    world.engine.registry.announce("w", WorkerReport(1, lanes or tuple(Lane)))


def test_nobody_at_work_is_told_and_so_is_a_lane_that_nobody_works_for(world):
    assert [f.do for f in of_work(world)] == ["consent serve, or python -m workers"]
    at_work(world, Lane.INBOUND, Lane.SMS)
    world.place()
    assert [f.do for f in of_work(world)] == ["python -m workers --lanes timer"]


def test_a_lane_that_a_person_stopped_is_no_lane_that_wants_more_workers(world):
    at_work(world)
    world.place()
    world.engine.pauses.pause(Endpoint("lane", "sms"), "ops-1", "its operator works on it")
    world.clock.forward(seconds=600)
    at_work(world)
    [found] = of_work(world)
    assert (found.level, found.do) == (Level.WARN, "consent resume lane sms --reason TEXT")
    world.engine.pauses.resume(Endpoint("lane", "sms"), "ops-1", "done")
    assert [each.do for each in of_work(world)] == ["python -m workers"]


def test_a_spool_is_named_only_once_it_stops_everything_and_first_what_gives_nothing_up(world):
    at_work(world)
    now, spool = world.clock(), Endpoint(SPOOL, "ab12")
    world.engine.registry.pauses.announce(spool, Pause(now + 1, SPOOL, "3 messages wait"))
    assert of_work(world) == []
    world.clock.forward(1)
    [found] = of_work(world)
    assert (found.level, found.do) == (
        Level.WARN, "start its API; only where its disk is lost: consent resume spool ab12 --reason TEXT"
    )  # fmt: skip


@pytest.mark.parametrize(("days", "level", "said"), [
    (-1, Level.BAD, "has expired"), (13.5, Level.BAD, "expires in 13 days"), (90.5, Level.GOOD, "expires in 90 days"),
])  # fmt: skip
def test_a_certificate_is_named_two_weeks_before_it_expires(tmp_path, days, level, said):
    with Shown.at(tmp_path, days) as shown:
        here = Settings.load({"CONSENT_PUBLIC_URL": f"https://127.0.0.1:{shown.port}"}, env_file=None)
        [found] = setup.certified(certificates(here), time())
    assert (found.level, found.what) == (level, f"the certificate of CONSENT_PUBLIC_URL {said}")
    assert certificates(here) == {}, "a server that is away shows none"


def test_the_age_of_the_last_backup_is_named_once_a_night_was_left_out():
    assert [*work.backups(0, START)] == [], "there is nothing to lose yet"
    assert [*work.backups(START, START + 25 * 3_600_000)] == []
    assert [each.what for each in work.backups(START, START + 27 * 3_600_000)] == ["nothing was backed up for 27 h"]


def test_a_gateway_that_does_not_answer_is_bad_and_one_that_fails_often_is_told(world):
    gateway, measures = Endpoint("gateway", "test"), Measures()
    measures.called(gateway, Accepted("m"), 0.1, world.clock())
    for _ in range(40):
        world.clock.forward(seconds=3)
        measures.called(gateway, Unavailable("503"), 0.1, world.clock())
    measures.report(world.engine.registry)
    at_work(world)
    [found] = of_work(world)
    assert found.level is Level.BAD
    assert found.what.startswith("gateway test has not answered for 117 s (99% of calls of the last minutes failed)")
    assert found.what.endswith("it took something 2 min ago")
    measures.called(gateway, Accepted("m"), 0.1, world.clock() + 1)
    measures.report(world.engine.registry)
    [found] = of_work(world)
    assert (found.level, "not answered" in found.what) == (Level.WARN, False)
    world.clock.forward(hours=1)
    at_work(world)
    assert of_work(world) == [], "of calls so long ago nothing is said"


@pytest.mark.parametrize(("rate", "said"), [
    (100, "it gets 50 SMS a second for a while, of the 100 that are set"),
    (0, "it gets 500 SMS a second for a while, and none is set"),
])  # fmt: skip
def test_a_gateway_that_answered_429_is_told_with_the_setting_until_it_gets_its_rate_again(world, rate, said):
    world.rates = {"test": rate}
    world.engine = world.another()
    route = world.engine.outside.route("mobile")
    at_work(world)
    assert of_work(world) == []
    world.engine.lanes.too_many("test")
    world.engine.lanes.lease_each({route: 1})
    [found] = of_work(world)
    assert (found.level, found.what) == (Level.WARN, f"gateway test answered 429 lately: {said}")
    assert found.do == "ask its operator how many it takes, and set CONSENT_TEST__RATE to that"
    world.clock.forward(seconds=100)
    at_work(world)
    assert of_work(world) == []


def test_a_carrier_whose_sms_go_to_another_gateway_of_its_list_is_told_with_the_reason(world):
    world.gateways, world.lists = {"spare": FakeGateway("spare")}, {"mobile": ("test", "spare")}
    world.engine = world.another()
    at_work(world)
    assert of_work(world) == []
    world.engine.pauses.pause(Endpoint("gateway", "test"), "ops-1", "its operator works on it")
    assert "mobile: its SMS go to spare, since test is away or stopped; those in doubt there wait for it" in [
        each.what for each in of_work(world)
    ]


def test_a_gateway_that_refuses_our_account_is_bad_at_once_with_what_to_correct(world):
    gateway, measures = Endpoint("gateway", "test"), Measures()
    for _ in range(3):
        world.clock.forward(seconds=3)
        measures.called(gateway, Unavailable("401", refusing=True), 0.1, world.clock())
    measures.report(world.engine.registry)
    at_work(world)
    [found] = of_work(world)
    assert (found.level, found.what) == (
        Level.BAD, "gateway test is refusing our account: 401 or 403 for 6 s; it never took anything",
    )  # fmt: skip
    assert found.do.startswith("correct our user, password or secret there")


def test_what_is_parked_needs_no_worker_for_its_lane(world):
    order = confirmed(world)
    world.bss.answers[:] = [Uncertain("timeout"), Rejected("contract forbids")]
    world.run(Lane.ACTIVATION)
    world.clock.forward(seconds=601)
    world.run(Lane.ACTIVATION)
    assert world.engine.show(order.id).effects[ACTIVATE].parked
    at_work(world, Lane.INBOUND, Lane.SMS, Lane.TIMER)
    [found] = of_work(world)
    assert "on the stuck list" in found.what
    assert found.level is Level.WARN


def test_a_lane_is_late_after_three_ticks_and_bad_after_a_minute(world):
    at_work(world)
    world.place()
    world.clock.forward(3_000)
    assert of_work(world) == []
    world.clock.forward(1)
    assert [f.level for f in of_work(world)] == [Level.WARN]
    world.clock.forward(60_000)
    at_work(world)
    assert [f.level for f in of_work(world)] == [Level.BAD]


def test_the_stuck_list_is_counted_by_reason(world):
    for n in range(3):
        world.place(f"138{n:08d}")
        world.run(Lane.SMS)
        world.say("是", f"+86138{n:08d}")
    world.run(Lane.INBOUND, Lane.ACTIVATION)
    world.gateway.answers[:] = [Rejected("blacklisted"), Rejected("no such number"), Rejected("blacklisted")]
    world.run(Lane.SMS)
    at_work(world)
    [found] = of_work(world)
    assert found.what == "lane sms: 3 on the stuck list: 2 x blacklisted, 1 x no such number"
    assert "consent stuck" in found.do
    assert "consent retry ORDER" in found.do


def test_messages_that_answer_nothing_are_told_when_they_become_many(world):
    world.clock.now = int(world.client.time()[0]) * 1000 + 60_000  # messages are stamped with the server's time
    world.engine.store.inbox.unmatched([f"[{n}]" for n in range(10)])
    at_work(world)
    assert of_work(world) == []
    world.engine.store.inbox.unmatched([f'{{"why":"repeated","n":{n}}}' for n in range(10)])
    assert of_work(world) == [], "a gateway that repeats itself is no sign of a wrong number"
    world.engine.store.inbox.unmatched(["{}"])
    [found] = of_work(world)
    assert found.what == "11 messages of the last hour matched no order or SMS, 0 in the hour before"
    world.clock.forward(hours=1)
    at_work(world)
    assert of_work(world) == []


def test_a_simulated_outside_is_bad_where_there_is_a_redis_of_ones_own():
    def told(**more):
        return [each.what for each in setup.settings_of(loaded(**more), "s") if each.level is Level.BAD]

    assert told() == []
    assert told(CONSENT_BSS="simulated") == ["the BSS is simulated: nothing reaches subscribers"]
    assert told(CONSENT_GATEWAY_UNICOM="simulated") == ["unicom is simulated: nothing reaches subscribers"]
    assert "CONSENT_HTTP_JSON__URL" in told(CONSENT_HTTP_JSON__URL="")[0]


def test_a_simulated_outside_beside_a_real_one_is_bad_on_the_embedded_server_too():
    """A carrier whose gateway was forgotten would have its questions accepted, and no subscriber would get one."""

    def told(**more):
        settings = Settings.load(more, env_file=None)
        return [each.what.split()[0] for each in setup.settings_of(settings, "s") if each.level is Level.BAD]

    real = {"CONSENT_GATEWAY_MOBILE": "http_json", "CONSENT_HTTP_JSON__URL": "http://box/sms"}
    real |= {"CONSENT_HTTP_JSON__SECRET": "s" * 28, "CONSENT_BSS": "http", "CONSENT_BSS_HTTP__URL": "http://bss"}
    assert told() == []
    assert told(**real, CONSENT_BSS_HTTP__SECRET="b" * 28) == ["telecom", "unicom"]


def test_a_clock_that_differs_and_a_secret_that_others_may_read_are_told(tmp_path):
    here = Settings.load({"CONSENT_DATA_DIR": str(tmp_path)}, env_file=None)
    secret = here.secret_for(tmp_path)

    def told(now):
        return [each.what for each in setup.host(here, now) if each.level is not Level.GOOD]

    assert told(lambda: int(time() * 1000)) == []
    assert told(lambda: int(time() * 1000) - 9_000) == ["this host's clock differs from the server's by -9 s"]
    [far] = [each for each in setup.host(here, lambda: int(time() * 1000) + 3_600_000) if each.level is Level.BAD]
    assert "posts are answered 401" in far.do
    (tmp_path / "secret").chmod(0o644)
    [what] = told(lambda: int(time() * 1000))
    assert what == "other users can read the secret"
    assert secret not in what


def test_masters_whose_clocks_differ_by_more_than_commits_allow_for_are_told():
    assert not [*setup.masters({}), *setup.masters({"a:1": 5}), *setup.masters({"a:1": -400, "b:2": 600})]
    [found] = setup.masters({"a:1": -400, "b:2": 601, "c:3": 0})
    assert (found.level, found.do) == (Level.BAD, "chronyc tracking on both")
    assert "the clocks of a:1 and b:2 differ by 1,001 ms" in found.what


def test_a_path_with_a_blank_is_typed_as_one_word(tmp_path):
    folder = tmp_path / "my data"
    here = Settings.load({"CONSENT_DATA_DIR": str(folder)}, env_file=None)
    folder.mkdir(mode=0o700)
    here.secret_for(folder)
    (folder / "secret").chmod(0o644)
    [found] = [each for each in setup.host(here, lambda: int(time() * 1000)) if each.level is Level.BAD]
    assert found.do == f"chmod 600 '{folder}/secret'"
    url = f"unix://{quote(str(folder / 'redis.sock'))}?db=0"
    patient = doctor._Patient(here, url, url, "s", Wanted(), print, [], None)  # noqa: SLF001 - the command it suggests
    assert patient.cli == f"redis-cli -s '{folder}/redis.sock'"


def test_a_gateways_clock_that_is_off_is_told_with_what_to_type():
    found = list(
        setup.gateway_clocks({"kannel:box": Lag(10_400, 6_000), "a": Lag(5_000, 6_000), "b": Lag(-3_000, 6_000)})
    )
    assert [each.what.partition(",")[0] for each in found] == [
        "b: its clock is 3 s ahead: a yes from before the question may seem to answer it",
        "kannel:box: its clock is 10 s behind",
    ]
    assert "CONSENT_KANNEL_BOX__SKEW=11s" in found[1].do


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("SUSPECT_REPLIES", "off", ["CONSENT_SUSPECT_REPLIES=code"]),
        ("READING_SPEED", "501", ["CONSENT_READING_SPEED=60"]),
        ("CADENCE", "0", ["CONSENT_CADENCE=5"]), ("CADENCE", "15", []),
    ],
)  # fmt: skip
def test_where_a_yes_may_be_a_machines_it_says_so(setting, value, told):
    settings = Settings.load({f"CONSENT_{setting}": value}, None)
    assert [each.do for each in setup.settings_of(settings, "s") if each.level is Level.WARN] == told


def test_what_was_not_tried_with_this_release_is_told():
    assert [each for each in setup.versions() if each.level is not Level.GOOD] == []
    bounds = ["rq<3.1,>=3.0", "rq-dashboard<1,>=0.9", "redis<9,>=8", "transitions<9,>=0.9.2", "hiredis<9,>=3.2"]
    looked = setup.versions(lambda name: bounds, lambda name: {"rq": "3.1.0"}.get(name, "8.1.0"))
    told = [each.do for each in looked if each.level is Level.BAD]
    assert told == ["pip install --constraint constraints.txt 'rq<3.1,>=3.0'"]


def test_plans_that_cannot_be_sold_and_desks_without_a_key_are_told(world):
    registry, keys = world.engine.registry, world.engine.keys

    def told():
        return [each.what for each in setup.catalogue(registry, keys, world.clock()) if each.level is not Level.GOOD]

    assert told() == ["no API key of an agent: nobody can place an order"]
    registry.add_key("h", ApiKey("desk", "agent", world.clock()))
    assert told() == []
    world.clock.now = 0
    assert "plan 5g-smart-199 is on sale but not public" in told()
    assert told()[-1] == "no plan can be sold"


def test_it_names_what_stands_in_the_store_and_no_more(world):
    order = world.place()
    assert list(world.engine.store.records.names(Owner.ORDER)) == [[order.id]]
    assert list(world.engine.store.records.names(Owner.LINE)) == [[order.line]]
    assert survey(world).unmatched(0, 1 << 50, 10) == 0
