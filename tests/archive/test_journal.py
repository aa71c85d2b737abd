"""The journal: an order's sealed events are in it by the very commit, and in the log once, numbered densely."""

from base64 import urlsafe_b64encode
from dataclasses import replace
from random import Random
from threading import Thread

import pytest

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.sharded_store import sharded_store
from consent_engine.adapters.redis.store import redis_store
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.api.service.prometheus import of_store
from consent_engine.doctor.findings import Level
from consent_engine.doctor.journal import journal
from consent_engine.domain.effects import Lane
from consent_engine.domain.hashing import digest
from consent_engine.domain.log.merkle import published
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.event import chain
from consent_engine.domain.seal import Chained, Leaf, mark_of
from consent_engine.engine.scribe import write_out
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, StoreUnavailable
from consent_engine.ports import Piece, Waiting
from tests.archive.house import LogThrough, append, standing
from tests.conftest import NUMBER
from tests.memory import a_store
from tests.waiting import HANGS_S

MOST_BYTES = 120
"""The most bytes that one event may take in a journal."""


def of_orders(town):
    """The entries of orders, without those of their calls."""
    return [entry for entry in standing(town) if Leaf.decode(entry).of is Chained.ORDER]


def logged(town):
    return town.engine.store.log.entries(0, 1_000_000)


def sealed(town):
    return write_out(town.engine.store, "one")


# -- the entries of a commit -------------------------------------------------------------------------------------------


def test_every_commit_of_an_order_leaves_its_leaf_and_the_chain_can_be_checked_against_it(small):
    order = small.settled()
    leaves = [Leaf.decode(entry) for entry in of_orders(small)]
    assert {(leaf.of, leaf.record) for leaf in leaves} == {(Chained.ORDER, order.id)}
    assert [leaf.seq for leaf in leaves] == list(range(len(order.events) + 1))
    for leaf in leaves:
        assert leaf.head == chain("", order.publics[: leaf.seq + 1]), "an evidence file holds these"
        assert leaf.at == (order.events[leaf.seq - 1].at if leaf.seq else order.doc.placed_at)
    assert leaves[-1] == Leaf.of_record(order)


def test_a_commit_of_several_events_has_one_leaf_which_covers_them(small):
    order = small.place()
    small.say("是")
    small.run(Lane.INBOUND)
    small.run(Lane.SMS)
    shown = small.engine.show(order.id)
    seqs = [Leaf.decode(entry).seq for entry in of_orders(small)]
    assert (seqs[-1], seqs) == (len(shown.events), sorted(set(seqs)))


def test_what_writes_no_event_and_what_loses_its_race_leaves_nothing(small):
    small.place()
    first = standing(small)
    assert {Leaf.decode(entry).of for entry in first} == {Chained.ORDER, Chained.CALL}
    assert small.engine.store.lanes.lease(Lane.SMS, 1)
    small.another().performer  # noqa: B018 - another engine looks, and writes nothing
    assert standing(small) == first


def test_no_number_and_no_text_stands_in_a_leaf(small):
    small.settled()
    told = "\n".join(standing(small))
    assert told.isascii()
    assert NUMBER.removeprefix("+86") not in told


def test_an_entry_is_named_in_the_log_by_what_is_published_of_it():
    entry = Leaf(Chained.ORDER, "a" * 28, 3, 1_764_000_000_123, "h" * 43).entry
    assert entry == f"o {'a' * 28} 3 1764000000123 {'h' * 43}"
    assert digest(entry) == urlsafe_b64encode(published(entry)).decode().rstrip("=")
    assert Leaf.decode(entry).entry == entry


@pytest.mark.parametrize("entry", ["", "o a 1 2", "x a 1 2 " + "h" * 43, "o a 01 2 " + "h" * 43, "o a 1 2 " + "h" * 44])
def test_what_is_no_leaf_is_not_read_as_one(entry):
    with pytest.raises(BrokenRecord):
        Leaf.decode(entry)


def test_an_event_takes_no_more_than_it_may_in_the_journal(real):
    for n in range(40):
        real.settled(msisdn=parse(f"138{n:08d}"), key=f"k{n}")
    entries = standing(real)
    assert real.client.memory_usage(real.cell.journal, samples=0) / len(entries) <= MOST_BYTES


# -- bringing the journal to the log -----------------------------------------------------------------------------------


def test_what_was_sealed_is_numbered_once_in_its_order_and_leaves_the_journal(town):
    town.settled()
    entries = standing(town)
    assert sealed(town) == len(entries) == town.engine.store.log.ends()[1]
    assert logged(town) == [(n, entry, digest(entry)) for n, entry in enumerate(entries)]
    assert standing(town) == []
    assert sealed(town) == 0
    town.settled(msisdn=parse("13900139000"), key="another")
    more = standing(town)
    assert sealed(town) == len(more)
    assert [(n, entry) for n, entry, _ in logged(town)] == list(enumerate(entries + more))


class Dies(BaseException):
    """The process is gone."""


def dying(town, at):
    """A store whose scribe dies before its n-th step, or after it was done and before the answer: 2n, 2n + 1."""
    count = [-1]

    def mortal(step):
        def stepped(*args):
            count[0] += 2
            if count[0] - 1 == at:
                raise Dies
            answer = step(*args)
            if count[0] == at:
                raise Dies
            return answer

        return stepped

    class Journal:
        read, lines, prove, drop = (
            staticmethod(mortal(getattr(town.engine.store.journal, name)))
            for name in ("read", "lines", "prove", "drop")
        )

    def through(append, entries):
        return mortal(append)(entries)

    return replace(town.engine.store, journal=Journal(), log=LogThrough(town.engine.store.log, through))


def test_whenever_a_scribe_dies_everything_is_in_the_log_once_and_densely(small):
    points = 0
    while True:
        small.settled(key=f"k{points}", msisdn=parse(f"138{points:08d}"))
        was, entries = [entry for _, entry, _ in logged(small)], standing(small)
        try:
            write_out(dying(small, points), f"dies-{points}", most=2)  # several pieces
            break
        except Dies:
            points += 1
        small.clock.forward(seconds=11)
        assert len({*was, *entries}) == len(was) + len(entries)
        sealed(small)
        assert [(n, entry) for n, entry, _ in logged(small)] == list(enumerate(was + entries))
        assert standing(small) == []
        small.clock.forward(seconds=11)
    assert points >= 12


def test_what_comes_while_the_last_piece_is_sealed_is_sealed_the_next_time(small):
    small.settled()
    entries = standing(small)

    def meanwhile(append, brought):
        small.place(msisdn=parse("13900139000"), key="another")
        return append(brought)

    assert write_out(replace(small.engine.store, log=LogThrough(small.engine.store.log, meanwhile)), "one") == len(
        entries
    )
    assert standing(small) != []


def test_one_reads_a_cell_at_a_time_until_it_is_silent(small):
    small.place()
    small.engine.store.bound_archive()
    kept = small.engine.store.journal
    assert [piece.first for piece in kept.read(9, "one", small.archive.id())] == [0]
    assert kept.read(9, "another", small.archive.id()) == []
    small.clock.forward(seconds=10)
    assert len(kept.read(9, "another", small.archive.id())) == 1


def test_whoever_was_slow_takes_nothing_out_that_he_did_not_bring(small):
    small.place()
    small.engine.store.bound_archive()
    kept = small.engine.store.journal
    [slow] = kept.read(9, "slow", small.archive.id())
    small.clock.forward(seconds=11)
    assert sealed(small) == 2
    small.settled(msisdn=parse("13900139000"), key="another")
    was = standing(small)
    assert (kept.drop(slow), standing(small)) == (False, was)
    assert kept.drop(Piece(0, 1, ["x"] * (len(was) + 1), 0)) is False
    assert [piece.first for piece in kept.read(9, "one", small.archive.id())] == [2], (
        "the index is dense, whatever was taken out"
    )


def test_several_who_append_at_once_number_every_entry_once(archive, url):
    entries = [Leaf(Chained.ORDER, f"{n:028x}", 0, 1, "h" * 43).entry for n in range(300)]
    logs = [SqlLog(archive), SqlLog(archive), SqlLog(SqlArchive(url)), SqlLog(SqlArchive(url))]

    def bring(log, mine):
        for n in range(0, len(mine), 20):
            append(log, mine[n : n + 20])

    threads = [Thread(target=bring, args=(log, entries[n * 50 : n * 50 + 150])) for n, log in enumerate(logs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANGS_S)
    found = logs[0].entries(0, 1_000)
    assert [n for n, _, _ in found] == list(range(300))
    assert sorted(entry for _, entry, _ in found) == entries
    assert logs[0].ends() == (300, 300)


def test_while_the_archive_is_away_the_journal_grows_and_says_so(real):
    assert (sealed(real), beat := real.clock.now) == (0, real.clock.now)
    real.clock.forward(seconds=1)
    real.settled()
    entries, waits = standing(real), real.client.llen(real.cell.journal)

    def away(_append, _entries):
        raise ArchiveUnavailable("the archive cannot be reached")

    with pytest.raises(ArchiveUnavailable):
        write_out(replace(real.engine.store, log=LogThrough(real.engine.store.log, away)), "one")
    assert standing(real) == entries
    real.clock.forward(seconds=300)
    assert real.engine.store.journal.waiting() == Waiting(waits, beat, real.clock.now)
    told = {family.name: family.samples[0].value for family in of_store(real.engine) if family.samples}
    assert told["consent_journal_waiting"] == waits
    assert told["consent_journal_oldest_seconds"] >= 300
    [finding] = journal(real.engine.store.journal, real.engine.store.log)
    assert (finding.level, finding.what.partition(",")[0]) == (
        Level.BAD, f"{waits} entries of the journal are not in SQL yet",
    )  # fmt: skip
    sealed(real)
    [finding] = journal(real.engine.store.journal, real.engine.store.log)
    assert finding.what == f"the journal is sealed: {len(entries)} entries in the log, 0 on their way"


def test_a_log_that_is_brought_what_it_has_in_another_order_numbers_only_what_is_new(archive):
    log = SqlLog(archive)
    assert [append(log, each) for each in (["a", "b"], ["b", "c", "a", "c"], [], ["d", "a", "e"])] == [2, 1, 0, 2]
    assert [(n, entry) for n, entry, _ in log.entries(1, 9)] == [(1, "b"), (2, "c"), (3, "d"), (4, "e")]


def test_every_cell_is_brought_to_the_one_log(small):
    client = a_store()
    cells = [Cell(n) for n in range(2)]
    for cell in cells:
        client.rpush(cell.journal, *(f"{cell.number} {n}" for n in range(3)))
    stores = [
        redis_store(Wire(client, proves=False, replicas=0), lease_ms=1, cell=cell, clock=small.clock) for cell in cells
    ]
    store = sharded_store(stores)
    store.retirement.bind_archive("a")
    assert store.journal.read(2, "one", "a")[1].cell == 1
    assert [store.journal.drop(piece) for piece in store.journal.read(2, "one", "a")] == [True, True]
    assert [client.llen(cell.journal) for cell in cells] == [1, 1]


class Away(Wire):
    """A wire to a server that does not answer."""

    def ask(self, *commands, prove=False):
        raise StoreUnavailable("the store cannot be reached")


def test_lists_are_as_of_the_cell_that_is_furthest_behind_and_while_one_is_away_nobody_can_say(small):
    client, clock = a_store(), small.clock
    cells = [
        redis_store(wire(client, proves=False, replicas=0), lease_ms=1, cell=Cell(n), clock=clock)
        for n, wire in enumerate((Wire, Wire, Away))
    ]
    store = sharded_store(cells[:2])
    store.retirement.bind_archive("a")
    store.journal.read(9, "one", "a")
    looked = clock.now
    clock.forward(seconds=5)
    client.rpush(Cell(1).journal, mark_of(Chained.ORDER, "1"))
    assert store.journal.waiting() == Waiting(1, looked, clock.now)
    assert sharded_store(cells).journal.waiting() == Waiting(1, 0, clock.now)


@pytest.mark.parametrize("seed", range(8))
def test_all_that_was_committed_before_the_instant_as_of_which_sql_is_is_there(small, seed):
    """Whoever reads how much, and whoever dies: only what a reader dropped is known to be in SQL."""
    drawn, clock, kept = Random(seed), small.clock, small.engine.store.journal  # noqa: S311 - which story
    small.engine.store.bound_archive()
    committed, there, before, read = dict[str, int](), set[str](), 0, dict[str, list[Piece]]()
    for n in range(400):
        clock.forward(drawn.choice((0, 1, 700)))
        step = drawn.choice(("commit", "commit", "commit", "read", "write", "dies"))
        reader = drawn.choice(("one", "another"))
        if step == "commit":  # decided some moments before, as a leaf or without one
            leaf = f"n 0ce7{n:024x} 0 {clock.now - drawn.choice((0, 3, 900))} {'h' * 43}"
            entry = drawn.choice((leaf, mark_of(Chained.ORDER, f"{n}")))
            small.client.rpush(small.cell.journal, entry)
            committed[entry] = clock.now
        elif step == "read":
            read[reader] = kept.read(drawn.choice((1, 3, 50)), reader, small.archive.id())
        elif step == "write":
            for piece in read.pop(reader, []):
                there.update(piece.entries)
                kept.drop(piece)
        else:
            read.pop(reader, None)
        told = kept.waiting()
        assert told.as_of <= told.now == clock.now
        assert {entry for entry, at in committed.items() if at < told.as_of} <= there
        before += bool(told.as_of)
    assert before > 100, "known for most of the time"
    clock.forward(seconds=11)
    for piece in kept.read(500, "one", small.archive.id()):  # whoever held the cell holds it no more
        kept.drop(piece)
    clock.forward(seconds=60)
    assert kept.waiting() == Waiting(0, clock.now, clock.now)
    assert not kept.read(500, "one", small.archive.id())
    last = clock.now
    clock.forward(5)
    small.client.rpush(small.cell.journal, mark_of(Chained.ORDER, "new"))
    assert kept.waiting() == Waiting(1, last, clock.now), "as of the last look, though nothing waited then"


class Interrupted(Wire):
    """A wire after whose first look at a journal somebody else removes entries."""

    meanwhile = None

    def ask(self, *commands, prove=False):
        found = super().ask(*commands, prove=prove)
        if self.meanwhile and any(command[0] == "LRANGE" for command in commands):
            once, self.meanwhile = self.meanwhile, None
            once()
        return found


def test_no_waiting_entry_is_passed_over_because_a_scribe_takes_others_out_meanwhile(small):
    entries = [f"n 0ce7{n:024x} 0 1 {'h' * 43}" for n in range(2_500)]
    small.client.rpush(small.cell.journal, *entries)
    small.engine.store.bound_archive()
    kept = small.engine.store.journal
    wire = Interrupted(small.client, proves=False, replicas=0)
    wire.meanwhile = lambda: kept.drop(kept.read(700, "one", small.archive.id())[0])
    waiting = redis_store(wire, lease_ms=1, clock=small.clock, cell=small.cell).journal
    assert waiting.among(set(entries[700:])) == set(entries[700:])
    wire.meanwhile = lambda: kept.drop(kept.read(700, "one", small.archive.id())[0])
    assert {leaf.record for leaf in waiting.refusals()} >= {entry.split()[1] for entry in entries[1_400:]}
