"""An answer is lost, another process acts, and the wire sends the same again: each script knows its own repeat."""

from contextlib import closing
from dataclasses import replace
from importlib.resources import files

import pytest
from msgspec import structs

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.store import redis_store
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.domain.effects import WAKE_LINE, Lane
from consent_engine.domain.offer.versions import Proposal, Sale
from consent_engine.domain.order.order import QUESTION
from consent_engine.domain.seal import LIFTED, STANDS, Leaf
from consent_engine.domain.sms import Reply
from consent_engine.engine.api_keys import Role
from consent_engine.engine.audit_refusals import note_standing
from consent_engine.engine.engine import RefusalAsked
from consent_engine.engine.leave import LEFT
from consent_engine.engine.scribe import write_out
from consent_engine.errors import ProposalChanged, StoreUnavailable
from consent_engine.ports import ApiKey, Change, Commit, CommitResult, Endpoint, Owner
from consent_engine.ports.registry import PauseEvent, Reveal
from tests.archive.house import SEAL, append, standing
from tests.conftest import NUMBER
from tests.integration.calls.desk import Desk
from tests.memory import a_store
from tests.pages import WRITTEN
from tests.plans import priced, undated
from tests.written_out import empty_at

ONCE = {"count_code", "lease"}
"""Never sent again: a lost lease comes back when it is over, and a count is one of many."""
AGAIN = {
    "bring_forward": "test_what_is_brought_forward_again_is_all_that_waits_and_nothing_that_is_leased",
    "claim_request": "test_the_last_of_the_same_request_has_its_key",
    "commit": "test_what_is_given_back_twice_takes_no_lease_of_another",
    "drop_journal": "test_what_another_reader_brings_meanwhile_stays_in_the_journal_until_it_has_brought_it",
    "free_request": "test_a_key_that_another_record_has_by_now_stays_reserved",
    "keep_entry": "test_a_reveal_stands_in_the_audit_lines_once",
    "pause": "test_a_pause_that_another_ended_meanwhile_stays_ended",
    "publish_plan": "test_a_plan_that_another_published_meanwhile_stays_the_newest",
    "read_journal": "test_one_reads_a_cell_at_a_time_until_it_is_silent",
    "receive": "test_a_message_that_was_read_meanwhile_is_not_stored_again",
    "standing": "test_a_look_that_is_repeated_sees_what_came_meanwhile",
    "swap": "test_a_proposal_that_another_replaced_meanwhile_stays_replaced",
}
SMS = Endpoint("lane", "sms")
PARTS = ("records", "lanes", "inbox", "reservations", "retirement", "permits", "journal")


class Losing(Wire):
    """A wire that loses one answer to scripts that it may send again, lets others act, and sends them again."""

    def __init__(self, client):
        super().__init__(client, proves=False, replicas=0)
        self.meanwhile = None

    def send(self, calls, *, prove=False, repeat=False):
        if repeat and self.meanwhile and any(row[0] == "EVALSHA" for row in calls.rows):
            acts, self.meanwhile = self.meanwhile, None
            super().send(calls)
            acts()
        return super().send(calls, prove=prove, repeat=repeat)


@pytest.fixture
def desk(tmp_path):
    """Make a desk; `slow` and `registry` are the store and the registry of another process, over a losing wire."""
    with closing(SqlArchive(empty_at(tmp_path))) as archive:
        made = Desk(a_store(), archive)
        made.wire = Losing(made.client)
        inner = redis_store(made.wire, lease_ms=60_000, clock=made.clock, cell=made.cell, seal=SEAL)
        made.slow = replace(made.engine.store, **{part: getattr(inner, part) for part in PARTS})
        made.registry = RedisRegistry(made.wire, clock=made.clock)
        yield made
        assert made.wire.meanwhile is None, "nothing was lost"
        made.runner.close()


def nothing():
    """Let no other process act."""


def test_each_script_is_sent_once_or_a_test_shows_its_repeat():
    folder = files("consent_engine.adapters.redis").joinpath("lua")
    assert {each.name.removesuffix(".lua") for each in folder.iterdir()} == ONCE | AGAIN.keys()
    assert set(AGAIN.values()) <= WRITTEN


# -- people -----------------------------------------------------------------------------------------------------------


def test_a_pause_that_another_ended_meanwhile_stays_ended(desk):
    desk.wire.meanwhile = lambda: desk.engine.pauses.resume(SMS, "ops-2", "done")
    assert desk.registry.pauses.change(PauseEvent(desk.clock(), *SMS, paused=True, by="ops-1", reason="repairs"))
    assert desk.engine.pauses.standing() == []
    assert [each.by for each in desk.engine.pauses.happened()] == ["ops-2", "ops-1"]


def test_whoever_pauses_or_resumes_is_told_that_it_was_this_request(desk):
    desk.wire.meanwhile = nothing
    assert desk.registry.pauses.change(PauseEvent(desk.clock(), *SMS, paused=True, by="ops-1", reason="repairs"))
    desk.wire.meanwhile = nothing
    assert desk.registry.pauses.change(PauseEvent(desk.clock(), *SMS, paused=False, by="ops-2", reason="done"))
    assert (desk.engine.pauses.standing(), len(desk.engine.pauses.happened())) == ([], 2)


def test_what_another_paused_after_it_was_resumed_stands(desk):
    desk.engine.pauses.pause(SMS, "ops-1", "repairs")
    desk.wire.meanwhile = lambda: desk.engine.pauses.pause(SMS, "ops-3", "not yet")
    assert desk.registry.pauses.change(PauseEvent(desk.clock(), *SMS, paused=False, by="ops-2", reason="done"))
    assert [each.pause.by for each in desk.engine.pauses.standing()] == ["ops-3"]


def test_a_reveal_stands_in_the_audit_lines_once(desk):
    desk.wire.meanwhile = nothing
    reveal = Reveal(desk.clock(), "0ce7" + "0" * 24, "auditor-1", "auditor", "the subscriber asks", "reveal:1")
    desk.registry.reveals.note(reveal)
    assert desk.engine.reveals.happened() == [reveal]


def test_a_proposal_that_took_the_place_of_one_that_is_forgotten_stays(desk):
    plan = undated(desk.engine.plan("data-pack-10gb").plan)
    old, new = Proposal(plan, "first", 1), Proposal(priced(plan, "20.00"), "second", 2)
    desk.registry.propose(old)
    desk.wire.meanwhile = lambda: desk.engine.registry.propose(new)
    with pytest.raises(ProposalChanged):
        desk.registry.propose(None, old)
    assert desk.registry.proposals() == {plan.code: new}


def test_a_proposal_that_another_replaced_meanwhile_stays_replaced(desk):
    plan = undated(desk.engine.plan("data-pack-10gb").plan)
    old, new = Proposal(plan, "first", 1), Proposal(priced(plan, "20.00"), "second", 2)
    desk.wire.meanwhile = nothing
    desk.registry.propose(old)
    assert desk.registry.proposals() == {plan.code: old}
    desk.engine.registry.propose(None, old)
    desk.wire.meanwhile = lambda: desk.engine.registry.propose(new.over(old), old)
    with pytest.raises(ProposalChanged):
        desk.registry.propose(old)
    assert desk.registry.proposals() == {plan.code: new.over(old)}


def test_a_plan_that_another_published_meanwhile_stays_the_newest(desk):
    was = desk.engine.plan("data-pack-10gb")
    ours, theirs = (priced(undated(was.plan), price) for price in ("20.00", "30.00"))
    desk.wire.meanwhile = lambda: desk.engine.catalogue.publish(theirs)
    with pytest.raises(StoreUnavailable, match="changed by somebody else"):
        desk.registry.publish(structs.replace(ours, version=2), Sale.ON_SALE, was.newest)
    now = desk.engine.plan(was.plan.code)
    assert ([each.number for each in now.versions], now.plan.tariff) == ([1, 2, 3], theirs.tariff)


def test_a_key_that_was_revoked_meanwhile_stays_revoked(desk):
    desk.wire.meanwhile = lambda: desk.engine.registry.drop_key("hash", "desk-1")
    assert desk.registry.add_key("hash", ApiKey("desk-1", Role.AGENT, 1))
    assert desk.registry.keys() == {}


# -- lines and messages -----------------------------------------------------------------------------------------------


def test_a_refusal_that_came_after_the_lifting_stands(desk):
    refusal = RefusalAsked(NUMBER, "mobile", "voice", "A1024")
    desk.engine.refuse(refusal)
    line = desk.engine.line(NUMBER).id
    desk.wire.meanwhile = lambda: desk.engine.refuse(refusal)
    assert desk.slow.records.lift(line, "mobile", desk.clock(), '{"line":"letter-1"}', desk.clock()) == "ok"
    assert desk.engine.dial(NUMBER, "mobile").reason == "refused"


def test_a_refusal_that_was_lifted_meanwhile_is_not_noted_again(desk):
    desk.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024"))
    line = desk.engine.line(NUMBER).id
    desk.client.delete(desk.cell.journal)
    desk.wire.meanwhile = lambda: desk.engine.lift(NUMBER, "mobile", "admin", "form", desk.clock())
    assert note_standing(desk.slow, [(line, "mobile")]) == 0
    leaves = [Leaf.decode(entry) for entry in standing(desk)]
    assert [leaf.seq for leaf in leaves] == [STANDS, LIFTED]


def test_a_message_that_was_read_meanwhile_is_not_stored_again(desk):
    order = desk.place()
    desk.run()
    desk.wire.meanwhile = desk.read_now
    reply = Reply("test", "mo", NUMBER, "10085", "嗯")
    assert not desk.another(desk.slow).receive([reply])[0].is_new
    assert (desk.triggers(order).count("unclear"), desk.engine.line(NUMBER).effects.keys()) == (1, set())


def test_a_line_that_is_made_anew_meanwhile_stays(desk):
    desk.say("你好")
    desk.run()
    desk.clock.forward(hours=30 * 24 + 1)
    [old] = [each for each in desk.slow.lanes.lease(Lane.TIMER, 9) if each.effect == WAKE_LINE]
    new = []

    def writes_and_is_leased():
        assert desk.client.keys("ce:*:line:*") == []
        desk.say("在吗")
        desk.client.zadd(desk.cell.due[Lane.TIMER], {f"l:{old.record.id}:{WAKE_LINE}": desk.clock.now})
        desk.clock.forward(1)
        new.extend(desk.engine.store.lanes.lease(Lane.TIMER, 9))

    desk.wire.meanwhile = writes_and_is_leased
    gone = Change.leave(old.record)
    assert desk.slow.records.commit([Commit(LEFT, (gone,), old.held)]) == [CommitResult.STALE]
    assert [each.token for each in new] == [old.token]
    assert desk.client.keys("ce:*:line:*") != []


def test_a_look_that_is_repeated_sees_what_came_meanwhile(desk):
    line = desk.engine.line(NUMBER).id
    desk.wire.meanwhile = lambda: desk.engine.refuse(RefusalAsked(NUMBER, "*", "voice", "A1024"))
    assert desk.slow.permits.standing({line: NUMBER})[1][line].restrictions != ()


# -- orders and their effects -----------------------------------------------------------------------------------------


def test_what_is_brought_forward_again_is_all_that_waits_and_nothing_that_is_leased(desk):
    now, due = desk.clock.now, desk.cell.due["mobile"]
    orders = [desk.place(f"1380013{n:04}").id for n in range(2)]
    for order in orders:
        desk.client.hset(desk.cell.order(order), f"f:{QUESTION}", '[1,0,0,7,7,"","503","",0]')
        desk.client.zadd(due, {f"o:{order}:{QUESTION}": now + 50_000})

    def leases_one():
        desk.client.zadd(due, {f"o:{orders[0]}:{QUESTION}": now})
        [leased] = desk.engine.store.lanes.lease(Lane.SMS, 1)
        assert leased.record.id == orders[0]

    desk.wire.meanwhile = leases_one
    desk.slow.lanes.bring_forward(Lane.SMS, now + 2_500, now + 120_000)
    dues = [desk.slow.lanes.dues(Owner.ORDER, order, [QUESTION])[0] - now for order in orders]
    assert dues == [60_000, 2_500]


# -- reservations -----------------------------------------------------------------------------------------------------


def test_the_last_of_the_same_request_has_its_key(desk):
    ours, theirs = ("k", "print", "o1", "ours", ""), ("k", "print", "o1", "theirs", "")
    desk.wire.meanwhile = lambda: desk.engine.store.reservations.claim([theirs])
    assert desk.slow.reservations.claim([ours])[0].held_by is None
    desk.engine.store.reservations.release([("k", "", "theirs")])
    assert desk.engine.store.reservations.claim([("k", "another", "o2", "c", "")])[0].held_by is not None


def test_a_key_that_another_request_has_by_now_stays_reserved(desk):
    desk.slow.reservations.claim([("k", "print", "o1", "ours", "")])
    desk.wire.meanwhile = lambda: desk.engine.store.reservations.claim([("k", "another", "o2", "theirs", "")])
    desk.slow.reservations.release([("k", "", "ours")])
    assert desk.slow.reservations.claim([("k", "third", "o3", "c", "")])[0].held_by[:2] == ("another", "o2")


def test_a_key_that_another_record_has_by_now_stays_reserved(desk):
    desk.slow.reservations.claim([("k", "print", "o1", "ours", "")])
    desk.wire.meanwhile = lambda: desk.engine.store.reservations.claim([("k", "another", "o2", "theirs", "")])
    desk.slow.reservations.release([("k", "o1", "")])
    assert desk.slow.reservations.claim([("k", "third", "o3", "c", "")])[0].held_by[:2] == ("another", "o2")


# -- what leaves ------------------------------------------------------------------------------------------------------


# -- the journal -------------------------------------------------------------------------------------------------------


def test_what_another_reader_brings_meanwhile_stays_in_the_journal_until_it_has_brought_it(desk):
    desk.place()
    [piece] = desk.slow.journal.read(1, "slow", desk.archive.id())
    append(desk.engine.store.log, piece.entries)

    def another_reads():
        desk.clock.forward(seconds=11)
        assert [each.first for each in desk.engine.store.journal.read(9, "another", desk.archive.id())] == [1]

    desk.wire.meanwhile = another_reads
    assert not desk.slow.journal.drop(piece)
    assert desk.engine.store.journal.waiting().count == 1
    desk.clock.forward(seconds=11)
    assert write_out(desk.engine.store, "one") == 1
