"""The scribe of a worker process: a thread that goes on sealing, whatever went wrong before."""

from dataclasses import replace
from threading import Event

from consent_engine.engine.scribe import write_out
from consent_engine.errors import ArchiveUnavailable, StoreUnavailable
from tests.archive.house import LogThrough
from tests.conftest import OTHER
from tests.waiting import HANGS_S, until
from workers.ticking import Scribe, is_due


def test_what_could_not_be_sealed_is_sealed_once_it_can_be(small, caplog):
    small.settled()
    there, tried = small.engine.store.log, []
    done = Event()

    def comes(append, entries):
        tried.append(entries)
        if len(tried) == 1:
            raise ArchiveUnavailable("the archive cannot be reached")
        if len(tried) == 2:
            raise ZeroDivisionError
        new = append(entries)
        done.set()
        return new

    scribe = Scribe(lambda: replace(small.engine.store, log=LogThrough(there, comes)), "w", tick_s=0.01)
    scribe.start()
    assert done.wait(HANGS_S)
    scribe.stop()
    scribe.join(HANGS_S)
    assert not scribe.is_alive()
    assert there.ends()[1] == len(tried[0])
    assert small.client.llen(small.cell.journal) == 0
    told = [record.message for record in caplog.records if record.name == "workers.ticking"]
    assert told[0].startswith("the journal waits: the archive cannot be reached")


def test_a_store_that_cannot_be_had_at_first_is_asked_for_again(small, caplog):
    small.settled()
    asked, done = [], Event()

    def make():
        asked.append(1)
        if len(asked) == 1:
            raise StoreUnavailable("the store cannot be reached")
        return replace(small.engine.store, log=LogThrough(small.engine.store.log, tells))

    def tells(append, entries):
        new = append(entries)
        done.set()
        return new

    scribe = Scribe(make, "w", tick_s=0.01)
    scribe.start()
    assert done.wait(HANGS_S)
    scribe.stop()
    scribe.join(HANGS_S)
    assert len(asked) == 2
    assert small.client.llen(small.cell.journal) == 0
    assert "the store cannot be reached" in caplog.text


def test_of_many_workers_one_brings_a_beat_and_the_others_leave_what_came_since(small):
    store = small.engine.store
    small.place()
    assert is_due(store, 1)  # nobody knows how far SQL is
    write_out(store, "one")
    small.clock.now += 300
    small.place(OTHER)
    assert not is_due(store, 1)
    small.clock.now += 500
    assert is_due(store, 1)


class Watched:
    """A journal that counts how often it is asked how much waits."""

    def __init__(self, inner):
        self._inner, self.looks = inner, 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def waiting(self):
        self.looks += 1
        return self._inner.waiting()


def test_trouble_is_not_over_because_another_process_reads_the_journal_in_vain(small, caplog):
    small.settled()
    tried, journal = [], Watched(small.engine.store.journal)

    def away(_, entries):
        tried.append(entries)
        raise ArchiveUnavailable("the archive cannot be reached")

    store = replace(small.engine.store, log=LogThrough(small.engine.store.log, away), journal=journal)
    assert store.bound_archive()
    scribe = Scribe(lambda: store, "w", tick_s=0.01)
    scribe.start()
    until("it failed", lambda: tried)

    def another_reads():
        small.clock.forward(seconds=60)  # whoever had the cell has it no more
        return small.engine.store.journal.read(1, "another", store.archive.id())

    until("another process has its turn", another_reads)
    seen = journal.looks
    until("it looked again", lambda: journal.looks > seen + 4)
    scribe.stop()
    scribe.join(HANGS_S)
    told = [record.message for record in caplog.records if record.name == "workers.ticking"]
    assert len(told) == 1, told
    assert small.client.llen(small.cell.journal) > 0


def test_trouble_is_over_once_another_process_has_brought_all_that_waited(small, caplog):
    """In a quiet night nothing comes after it: the journal is empty, and stays so."""
    small.settled()
    tried = []

    def away(_, entries):
        tried.append(entries)
        raise ArchiveUnavailable("the archive cannot be reached")

    store = replace(small.engine.store, log=LogThrough(small.engine.store.log, away))
    assert store.bound_archive()
    scribe = Scribe(lambda: store, "w", tick_s=0.01)
    scribe.start()
    until("it failed", lambda: tried)

    def another_brings():
        small.clock.forward(seconds=60)  # whoever had the cell has it no more
        write_out(small.engine.store, "another")
        return not small.client.llen(small.cell.journal)

    until("another process has its turn", another_brings)
    until("it is over", lambda: "the journal waits: over" in caplog.text)
    scribe.stop()
    scribe.join(HANGS_S)
