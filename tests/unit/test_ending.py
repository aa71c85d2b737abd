"""An ending as it is kept: what was read is written again, byte by byte."""

import pytest
from msgspec.structs import replace

from consent_engine.domain.call.ending import MOST_EVENTS, Cause, Ending, EndingState, Failed, Notified, ending_id
from consent_engine.domain.decide.endings import on_end_outcome, on_give_up, on_reopen, on_retry
from consent_engine.domain.effects import DEACTIVATE, WAKE_ARCHIVE, Pending, Rejected, Unavailable
from consent_engine.domain.hashing import digest
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.order.event import chain
from consent_engine.domain.order.facts import Ended
from consent_engine.errors import BrokenRecord

ORDER = "0ce7000000000000000000000000"
KEPT = {
    "v": "4", "line": "0ce7222222222222222222222222", "state": "ended",
    "head": "HEAD",
    "doc": '["0ce74f8e8a18b3b0ef8e5a4c1fd0","0ce7000000000000000000000000",1764000000000,"withdrawn","hotline","ops-1",'
    '"wants it no more","mobile","5g-smart-199",1,"00","act-1",1763990000000,0,1763980000000,"zh",'
    '"5G智享套餐199元档","7K3M9Q2P",'
    '"DIGEST"]',
    "who": '{"msisdn":"+8613800138000","salt":"00112233"}',
    "e1": '["failed",1764000001000,"deactivate#1","engine","timeout, 5 times"]',
    "e2": '["retried",1764000002000,"retry:1","ops-1"]',
    "e3": '["switched_off",1764000003000,"deactivate#2","bss","off-1","2025-12-01",2,5,'
    '["320.00","35.00","2025-12-31","yes"]]',
    "e4": '["switched_off_again",1764000004000,"deactivate#1","bss","off-2"]',
    "e5": '["told",1764000005000,"wake.notice#1","engine","sms.ended.7",""]',
    "f:deactivate": "[]",
}  # fmt: skip


def kept():
    fields = dict(KEPT, doc=KEPT["doc"].replace("DIGEST", digest(KEPT["who"])))
    publics = [fields["doc"], *(fields[f"e{n}"] for n in range(1, 6))]
    return fields | {"head": chain("", publics)}


def test_what_was_kept_is_read_and_written_again_byte_by_byte():
    fields = kept()
    ending = Ending.decode(fields)
    assert (ending.state, ending.doc.cause, ending.off.stops) == (EndingState.ENDED, Cause.WITHDRAWN, "2025-12-01")
    assert (ending.doc.order, ending.person.msisdn, ending.over_at) == (ORDER, "+8613800138000", 1764000003000)
    before = Ending.decode(kept())
    after, written = Ending(
        before.doc, before.person, before.line, 1, "", (), {}, before.publics[:1]
    ).with_events(*before.events)  # fmt: skip
    assert written == {f"e{n}": fields[f"e{n}"] for n in range(1, 6)}
    assert after.state is EndingState.ENDED


def test_one_that_was_free_says_so():
    fields = kept()
    free = fields["doc"].removesuffix("]") + ",1]"
    assert Ending.decode(fields).doc.free == 0
    read = Ending.decode(fields | {"doc": free, "head": chain("", [free, *(fields[f"e{n}"] for n in range(1, 6))])})
    assert (read.doc.free, read.publics[0]) == (1, free)


@pytest.mark.parametrize("change", [
    {"state": "ending"}, {"head": "x"}, {"doc": "[]"}, {"e1": '["else",1,"","",""]'}, {"who": "{}"}, {"v": "x"},
    {"who": KEPT["who"].replace("8000", "9000")},
])  # fmt: skip
def test_what_was_changed_is_not_read(change):
    with pytest.raises(BrokenRecord):
        Ending.decode(kept() | change)


def test_where_it_stands_follows_from_its_events():
    ending = Ending.decode(kept())
    assert Ending(ending.doc, ending.person, "", 1, "", ending.events[:1], {}, ()).state is EndingState.ENDING_FAILED
    assert Ending(ending.doc, ending.person, "", 1, "", ending.events[:2], {}, ()).state is EndingState.ENDING
    assert isinstance(ending.events[0], Failed)
    assert all(not Ending(ending.doc, ending.person, "", 1, "", ending.events[:n], {}, ()).is_over for n in (1, 2))
    assert isinstance(ending.events[-1], Notified)


def test_what_was_given_up_is_read_and_written_again_byte_by_byte_and_counts_until_it_is_off():
    fields = {name: value for name, value in kept().items() if name not in {"e3", "e4", "e5"}}
    fields["e3"] = '["given_up",1764000003500,"give-up:1","ops-1","switched off by hand"]'
    fields |= {"head": chain("", [fields["doc"], fields["e1"], fields["e2"], fields["e3"]]), "state": "given_up"}
    ending = Ending.decode(fields)
    assert (ending.state, ending.is_over, ending.over_at) == (EndingState.GIVEN_UP, True, 1764000003500)
    bare = Ending(ending.doc, ending.person, "", 1, "", (), {}, ending.publics[:1])
    assert bare.with_events(*ending.events)[1]["e3"] == fields["e3"]
    off, _ = ending.with_events(Ending.decode(kept()).off)
    assert (off.state, off.over_at) == (EndingState.ENDED, 1764000003000)


def test_one_order_has_one_ending_by_construction_in_its_own_slot():
    assert ending_id(ORDER) == ending_id(ORDER) != ending_id(ORDER[:-1] + "1")
    assert ending_id(ORDER)[:4] == ORDER[:4]
    assert len(ending_id(ORDER)) == len(ORDER)


def test_its_history_ends_somewhere_and_a_retry_is_done_all_the_same():
    ending = Ending.decode(kept())
    ending = replace(ending, events=(), effects={DEACTIVATE: Pending(attempts=1, leased_at=1, parked=0)})
    for n in range(1, 400):
        failed = on_end_outcome(ending, Ended(DEACTIVATE, 1, Rejected("no")), Policy(), n)
        [put] = failed.put
        assert put.pending.parked, "it stands on the stuck list every time"
        ending = replace(ending.with_events(*failed.events)[0], effects={DEACTIVATE: put.pending})
        assert ending.state is EndingState.ENDING_FAILED
        again = on_retry(ending, f"retry:{n}", "ops-1", n)
        [put] = again.put
        assert not put.pending.parked, "and is done again every time"
        ending = ending.with_events(*again.events)[0]
        ending = replace(ending, effects={DEACTIVATE: replace(put.pending, leased_at=1)})
    assert len(ending.events) <= MOST_EVENTS - 3


def test_what_is_taken_up_counts_its_attempts_on_so_that_the_answer_to_one_before_ends_none_after():
    tried = Pending(attempts=7, leased_at=3, doubts=4, first_at=1, last_at=3)
    ending = replace(Ending.decode(kept()), events=(), effects={DEACTIVATE: tried})
    failed = on_end_outcome(ending, Ended(DEACTIVATE, 7, Rejected("no")), Policy(), 4)
    ending = replace(ending, events=failed.events, effects={DEACTIVATE: failed.put[0].pending})
    given = on_give_up(ending, "give-up:1", "ops-1", "by hand", 5)
    ending = replace(ending, events=(*ending.events, *given.events), effects={WAKE_ARCHIVE: given.put[0].pending})
    [again] = on_reopen(ending, "retry:1", "ops-2", 6).put
    assert (again.pending, again.due) == (Pending(attempts=7, doubts=4, first_at=1, last_at=3), 6)
    assert again.pending.in_doubt, "the BSS is asked first, as it would have been"
    taken = replace(again.pending, attempts=8, leased_at=7)
    ending = replace(
        ending, events=(*ending.events, *on_reopen(ending, "r", "o", 6).events), effects={DEACTIVATE: taken}
    )
    assert on_end_outcome(ending, Ended(DEACTIVATE, 7, Unavailable("late")), Policy(), 8).is_void
