"""Acts on every record that a list names, while the scribe is late: none that was committed before is missed."""

from itertools import count

import pytest
from msgspec.structs import replace

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.queries import SqlQueries
from consent_engine.domain.effects import Lane, Rejected
from consent_engine.engine.revoking import revoking
from consent_engine.engine.scribe import as_of_now
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports import Only, Owner
from tests.archive.house import broken
from tests.conftest import NUMBER
from tests.integration.calls.desk import Desk
from tests.integration.calls.reviewing import PLAN, ordered, says_yes, sold
from tests.memory import a_store
from tests.written_out import empty_at


@pytest.fixture
def late(tmp_path):
    """Make a desk whose lists are what a scribe wrote, and where none runs by itself."""
    archive = SqlArchive(empty_at(tmp_path))
    desk = Desk(a_store(), archive)
    desk.engine.terms = replace(desk.engine.terms, review_first=True)
    desk.engine.store.queries = SqlQueries(archive, desk.engine.store.bound_archive)
    yield desk
    desk.runner.close()
    archive.close()


def revoked(desk):
    desk.place()
    return 1, desk.engine.revoke(PLAN, "admin")


def asked_again(desk):
    desk.gateway.answers = [Rejected("number not in service")]
    order = ordered(desk, desk.start())
    desk.run(Lane.SMS)
    return [order.id], [each.id for each in desk.engine.undeliverable.page(None, None, now=True).orders]


def let_go_on(desk):
    sold(desk)
    says_yes(desk)
    return 1, desk.engine.calls.let_go("ops", "nobody can review").orders


def decided(desk):
    desk.place()
    desk.run(Lane.SMS)
    desk.say("我要投诉")
    desk.run(Lane.INBOUND)
    return ["我要投诉"], [each.text for each in desk.engine.held(now=True)[0]]


def drawn(desk):
    since = desk.clock()
    call = desk.start()
    return [call.id], [each.id for each in desk.engine.inspector.drawn(since, desk.clock() + 1, "seed", 9).calls]


ACTS = (revoked, asked_again, let_go_on, decided, drawn)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_an_act_finds_what_the_scribe_has_not_written_yet(late, act):
    wanted, found = act(late)
    assert found == wanted


def test_while_another_reader_holds_a_cell_nothing_is_done_and_after_it_all_is(late):
    order = late.place()
    [piece] = late.engine.store.journal.read(1_000, "another", late.archive.id())
    with pytest.raises(ArchiveUnavailable, match="entries behind"):
        as_of_now(late.engine.store, 0)
    assert late.state(order) == "agreed"
    late.clock.forward(seconds=11)  # it died: its lease is over
    assert late.engine.revoke(PLAN, "admin") == 1
    assert not late.engine.store.journal.drop(piece)


def test_what_is_committed_while_it_waits_is_not_waited_for(late):
    """On a busy system the journal is never empty."""
    order, numbers, drop = late.place(), count(10), late.engine.store.journal.drop

    def busy(piece):
        late.place(f"+86138001380{next(numbers)}")
        return drop(piece)

    late.engine.store.journal.drop = busy
    found = as_of_now(late.engine.store, 0).places(Owner.ORDER, Only.PRESENT, None, 1)
    assert [name for _, name in found] == [order.id]


def test_while_sql_is_away_a_plan_is_revoked_and_its_orders_are_cancelled_when_that_is_repeated(late):
    order = late.place()
    with broken(late.archive), pytest.raises(ArchiveUnavailable):
        late.engine.revoke(PLAN, "admin")
    assert late.engine.plan(PLAN).sale == "revoked"
    assert late.engine.revoke(PLAN, "admin") == 1
    assert late.state(order) == "cancelled"


def test_of_many_orders_of_several_plans_those_of_the_plan_are_cancelled(late):
    store, catalogue, run = late.engine.store, late.engine.catalogue, late.engine._all  # noqa: SLF001
    ours = [late.place(f"+86138001380{n}") for n in range(10, 15)]
    other = late.place(NUMBER, "data-pack-10gb")
    late.clock.forward(seconds=1)
    assert revoking(store, catalogue, run, PLAN, "admin", piece=2) == 5
    assert {late.state(order) for order in ours} == {"cancelled"}
    assert late.state(other) == "agreed"
