"""CONSENT_REVIEW=before: nothing is activated before a reviewer has passed its call, however long that takes."""

import pytest
from msgspec.structs import replace

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.doctor.work import CALLS_WAIT_MS, ORDERS_WAIT_MS, reviews
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.review import AlreadyReviewed, SameReviewer, Verdict
from consent_engine.domain.days import CHINA
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import Kind
from consent_engine.engine.recall import STAYS_MS
from consent_engine.engine.review import letting_go_on
from consent_engine.ports import CallFilter, CommitResult, Tally
from tests.conftest import NUMBER
from tests.integration.calls.desk import Desk
from tests.integration.calls.reviewing import ordered, review, says_yes, sold
from tests.memory import a_store
from tests.written_out import empty_at


@pytest.fixture
def careful(tmp_path):
    """Make a desk where calls are reviewed before activation."""
    archive = SqlArchive(empty_at(tmp_path))
    desk = Desk(a_store(), archive)
    desk.engine.terms = replace(desk.engine.terms, review_first=True)
    yield desk
    desk.runner.close()
    archive.close()


def waiting(desk):
    return desk.engine.store.queries.calls.waiting()


def findings(desk):
    orders = desk.engine.store.queries.restrictions.tally(Kind.REVIEW)
    return [(each.level.value, each.what) for each in reviews(orders, waiting(desk), desk.clock())]


def test_an_activation_waits_for_the_review_and_goes_on_once_that_has_passed(careful):
    call, order = sold(careful)
    says_yes(careful)
    assert (careful.state(order), careful.bss.asked) == ("confirmed", [])
    assert careful.engine.store.queries.restrictions.tally(Kind.REVIEW).count == 1
    assert review(careful, call, passed=True).verdict is Verdict.PASSED
    careful.clock.forward(seconds=61)
    careful.run()
    assert (careful.state(order), len(careful.bss.asked)) == ("notified", 1)
    assert careful.engine.store.queries.restrictions.tally(Kind.REVIEW).count == 0


def test_a_first_review_that_fails_leaves_it_waiting_since_then_and_upheld_it_is_cancelled(careful):
    call, order = sold(careful)
    since = careful.engine.store.queries.restrictions.tally(Kind.REVIEW).oldest
    says_yes(careful)
    review(careful, call)
    assert careful.engine.store.queries.restrictions.tally(Kind.REVIEW).oldest == since
    review(careful, call, "r-2", second=True)
    careful.run()
    assert (careful.state(order), careful.bss.asked) == ("cancelled", [])
    assert careful.engine.store.queries.restrictions.tally(Kind.REVIEW).count == 0


def test_an_order_of_a_call_that_passed_before_waits_for_nobody(careful):
    call = careful.start()
    careful.clock.forward(seconds=5)
    careful.end(call, "agreed", plan="5g-smart-199")
    review(careful, call, passed=True)
    order = ordered(careful, careful.found(call))
    careful.run(Lane.SMS)
    says_yes(careful)
    assert careful.state(order) == "notified"


def test_a_call_that_an_order_waits_for_stays_until_it_is_heard_and_then_leaves(careful):
    call, order = sold(careful)
    says_yes(careful)
    careful.move(hours=24 * 5)
    assert careful.live([order.id]), "its order waits"
    assert careful.engine.store.records.look({Call: [call.id]}).of(Call)
    review(careful, call, passed=True)
    careful.clock.forward(seconds=61)
    careful.run()
    assert careful.state(order) == "notified"
    careful.move(hours=24 * 5)
    assert not careful.engine.store.records.look({Call: [call.id]}).of(Call)


def test_what_waits_goes_on_when_an_operator_lets_it_and_what_failed_stays_frozen(careful):
    call, order = sold(careful)
    says_yes(careful)
    book = careful.engine.calls
    [waits], cursor = book.waiting()
    assert (waits.order, waits.call, waits.agent, cursor) == (order.id, call.id, "A1024", "")
    other = careful.place("+8613900139002")
    [failed] = [each for each in book.page(CallFilter()).calls if each.person.msisdn == "+8613900139002"]
    review(careful, failed)
    assert [each.order for each in book.waiting()[0]] == [order.id], "the other waits for another reviewer"
    assert book.let_go_on(failed.id, "cli:ops", "nobody can review now") == 0
    assert careful.engine.line("+8613900139002").restrictions
    careful.engine.terms = replace(careful.engine.terms, review_first=False)
    assert book.let_go_on(call.id, "cli:ops", "nobody can review now") == 1
    assert book.let_go_on(call.id, "cli:ops", "again") == 0
    careful.clock.forward(seconds=61)
    careful.run()
    assert (careful.state(order), len(careful.bss.asked)) == ("notified", 1)
    assert careful.state(other) == "awaiting_reply"
    found = careful.found(call)
    assert (found.verdict, found.events[-1].by, found.events[-1].note) == (
        Verdict.PENDING, "cli:ops", "nobody can review now",
    )  # fmt: skip
    assert review(careful, call).verdict is Verdict.CONTESTED, "it is reviewed all the same"


def test_a_review_that_fails_while_it_is_let_go_on_is_stronger(careful):
    call, order = sold(careful)
    says_yes(careful)
    step, records = letting_go_on(call.id, "cli:ops", "why"), careful.engine.store.records

    def answered(ask):
        return records.look(ask.wanted)._replace(now=careful.clock())

    saving = step.send(answered(step.send(answered(next(step)))))
    review(careful, call)
    assert records.commit([saving.commit])[0] is CommitResult.STALE
    careful.run()
    assert (careful.state(order), careful.bss.asked) == ("confirmed", [])


def test_the_doctor_says_what_waits_and_since_when(careful):
    call, _ = sold(careful)
    assert [level for level, _ in findings(careful)] == ["ok", "ok"]
    careful.clock.forward(ORDERS_WAIT_MS + 1)
    [late, _] = findings(careful)
    assert late == ("bad", "1 orders wait for the review of their call, the oldest for 4.0 h")
    careful.clock.forward(CALLS_WAIT_MS)
    assert findings(careful)[1][0] == "warn"
    review(careful, call)
    assert "second look" in findings(careful)[-1][1]


def test_what_is_to_be_heard_is_listed_oldest_first_and_leaves_the_list_when_it_was(desk):
    calls = []
    for n in range(4):
        call = desk.start(f"+861390013900{n}")
        desk.clock.forward(seconds=5)
        calls.append(desk.end(call).id)
    book = desk.engine.calls
    first = book.to_review(Verdict.PENDING, limit=3)
    rest = book.to_review(Verdict.PENDING, first.cursor, 3)
    assert [call.id for call in (*first.calls, *rest.calls)] == calls
    assert rest.cursor == ""
    review(desk, first.calls[0])
    review(desk, first.calls[1], passed=True)
    assert [call.id for call in book.to_review(Verdict.PENDING).calls] == calls[2:]
    assert [call.id for call in book.to_review(Verdict.CONTESTED).calls] == calls[:1]
    review(desk, first.calls[0], "r-2", second=True)
    assert not book.to_review(Verdict.CONTESTED).calls
    desk.move(hours=24 * 3)
    desk.move(hours=2)  # one of them had something else to do
    assert not desk.engine.store.records.look({Call: calls}).of(Call), "they left for the archive"
    assert [call.id for call in book.to_review(Verdict.PENDING).calls] == calls[2:], (
        "nobody has heard them there either"
    )


def test_a_call_told_by_the_body_of_an_order_is_waited_for_too(careful):
    order = careful.place(NUMBER)
    careful.run(Lane.SMS)
    says_yes(careful)
    assert careful.state(order) == "confirmed"
    [call] = careful.engine.calls.to_review(Verdict.PENDING).calls
    review(careful, call, passed=True)
    careful.clock.forward(seconds=61)
    careful.run()
    assert careful.state(order) == "notified"


def test_a_call_that_has_left_for_the_archive_is_reviewed_all_the_same_and_leaves_again(desk):
    call, _ = sold(desk)
    desk.move(hours=24 * 3)
    records = desk.engine.store.records
    assert not records.look({Call: [call.id]}).of(Call)
    archived = desk.found(call)
    assert [each.id for each in desk.engine.calls.to_review(Verdict.PENDING).calls] == [call.id]
    assert waiting(desk)[Verdict.PENDING] == Tally(1, archived.over_at)
    assert review(desk, call).verdict is Verdict.CONTESTED
    assert not desk.engine.calls.to_review(Verdict.PENDING).calls
    assert waiting(desk)[Verdict.PENDING] == Tally()
    [live] = records.look({Call: [call.id]}).of(Call).values()
    assert live.version > archived.version
    assert (live.person, live.publics[:-1]) == (archived.person, archived.publics)
    assert [each.id for each in desk.engine.calls.to_review(Verdict.CONTESTED).calls] == [call.id]
    with pytest.raises(SameReviewer):
        review(desk, call, second=True)
    assert review(desk, call, "r-2", passed=True, second=True).verdict is Verdict.PASSED
    desk.move(hours=1)
    assert not records.look({Call: [call.id]}).of(Call)
    assert desk.found(call).verdict is Verdict.PASSED
    assert waiting(desk) == {Verdict.PENDING: Tally(), Verdict.CONTESTED: Tally()}
    assert len(desk.engine.calls.page(CallFilter()).calls) == 1
    [row] = desk.engine.calls.coverage([CHINA.of(call.began.started_at)], "agent")
    assert (row.recorded, row.reviewed, row.failed) == (1, 1, 0)


def test_of_two_reviewers_who_read_the_archive_one_is_heard_however_soon_the_call_would_leave_again(desk):
    """The archive's copy may be the one from before the first verdict: the call in the store says that it was heard."""
    call, order = sold(desk)
    says_yes(desk)
    desk.move()
    desk.move()
    records = desk.engine.store.records
    assert not records.look({Line: [order.line]}).of(Line)[order.line].version, "no line whose version would tell"
    asked = records.commit

    def meanwhile(commits, *, prove=False):
        if commits[0].until is None:
            return asked(commits, prove=prove)
        records.commit = asked
        review(desk, call, "r-2", passed=True)
        desk.clock.forward(STAYS_MS - 2_000)
        desk.run(Lane.TIMER)
        return asked(commits, prove=prove)

    records.commit = meanwhile
    with pytest.raises(AlreadyReviewed):
        review(desk, call)
    desk.clock.forward(2 * STAYS_MS)
    desk.run(Lane.TIMER)
    assert not records.look({Call: [call.id]}).of(Call)
    assert (desk.found(call).verdict, desk.found(call).events[-1].by) == (Verdict.PASSED, "r-2")
