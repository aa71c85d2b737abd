"""Feeding: posts what happened to orders to the systems of customers, from the log, each feed from its own cursor.

The log is the queue: it has everything, in one order, for good. A post that fails lets its feed stand and nothing else:
it goes on from its cursor, a minute or a month later. An event is posted at least once, always with the same id; those
of one number one after the other, in their order, and those of different numbers side by side. One process posts at a
time. Where two meet all the same, the cursor of one is not kept, and the receiver gets some events twice.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from consent_engine.domain.call.ending import Ending
from consent_engine.domain.effects import Millis
from consent_engine.domain.feed import GONE, MEDIA, Feed, Message, messages, signed
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import Chained, Leaf, newest_of
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Log, Registry
from consent_engine.ports.public_log import Answered, PostEvent
from consent_engine.ports.queries import EvidenceQueries

logger = logging.getLogger(__name__)
TURN, TURN_MS = "feeds", 30_000
"""How long no other process posts after one did."""
WINDOW, AT_ONCE = 200, 16
"""Entries of the log that are read at a time, and posts of one feed under way."""


class Sender(NamedTuple):
    """What posts, and signs. secret: the installation's · source: names the installation in events · holder: names this
    process
    """

    post: PostEvent
    secret: str
    source: str
    holder: str


class Feeding:
    """Posts to all feeds, on one event loop."""

    def __init__(self, log: Log, evidence: EvidenceQueries, registry: Registry, sender: Sender) -> None:
        self._log = log
        self._evidence = evidence
        self._registry = registry
        self._sender = sender
        self._ours_until: Millis = 0
        self._under_way: dict[str, asyncio.Task[bool]] = {}
        self._stood: dict[str, tuple[Feed, set[str]]] = {}
        self._trouble: dict[str, LogOnChange] = {}

    async def look(self, seconds: float | None = None) -> bool:
        """Post what is due, a window of each feed; return whether one of them has more.

        seconds: how long to wait for slow feeds: their posts go on, and hold up no other feed. Raises StoreUnavailable,
        ArchiveUnavailable, and BrokenRecord for a feed that cannot be read.
        """
        now = self._registry.now()
        due = [each for each in self._log.feeds.all() if each.is_due(now) and each.name not in self._under_way]
        if (due or self._under_way) and self._is_our_turn(now):
            self._under_way |= {each.name: asyncio.ensure_future(self._window(each, now)) for each in due}
        if not self._under_way:
            return False
        ended, _ = await asyncio.wait(self._under_way.values(), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        self._under_way = {name: task for name, task in self._under_way.items() if task not in ended}
        more = [task.result() for task in ended]  # each, so that no error is lost behind another feed's success
        return any(more)

    def _is_our_turn(self, now: Millis) -> bool:
        """Whether this process posts. A turn is claimed anew when half of it is over: each claim is proven on disk."""
        if now >= self._ours_until - TURN_MS // 2:
            ours = self._registry.claim_turn(TURN, self._sender.holder, TURN_MS)
            self._ours_until = now + TURN_MS if ours else 0
        return now < self._ours_until

    async def _window(self, feed: Feed, now: Millis) -> bool:
        """Post what the next entries stand for, and keep how far that came; return whether there is more right now."""
        entries = self._log.entries(feed.cursor, WINDOW)
        if not entries:
            return False
        stood, posted = self._stood.pop(feed.name, (None, set[str]()))
        posted = posted if stood == feed else set()  # a person may have asked for them again
        wanted = [(n, each) for n, each in self._messages(entries) if each.type in (feed.types or (each.type,))]
        failure = await self._post(feed, [each for _, each in wanted if each.id not in posted], posted)
        cursor = next((n for n, each in wanted if each.id not in posted), entries[-1][0] + 1)
        after = feed.reached(cursor)
        if failure is not None:
            after = feed.failed(cursor, failure.status, failure.hitch, failure.after, now)
        if self._log.feeds.swap(feed, after):
            self._stood[feed.name] = after, posted & {each.id for n, each in wanted if n >= cursor}
        self._say(feed.name, failure)
        return failure is None and len(entries) == WINDOW

    def _messages(self, entries: Sequence[tuple[int, str, str]]) -> Iterator[tuple[int, Message]]:
        """Yield the events that entries stand for, in their order; none of records past retention, or damaged."""
        leaves = [(n, leaf) for n, entry, _ in entries if (leaf := _read(entry)) is not None]
        orders = self._evidence.logged(Order, [leaf.record for _, leaf in leaves if leaf.of is Chained.ORDER])
        endings = self._evidence.logged(Ending, [leaf.record for _, leaf in leaves if leaf.of is Chained.ENDING])
        for n, leaf in leaves:
            found = orders.get(leaf.record) or endings.get(leaf.record)
            if found is not None:
                record, logged = found
                before = [each.seq for _, entry in logged if (each := _read(entry)) is not None]
                yield from ((n, each) for each in messages(record, leaf, before, n, self._sender.source))

    async def _post(self, feed: Feed, some: Sequence[Message], posted: set[str]) -> Answered | None:
        """Post events, and add the ids of those that were taken to `posted`; return the answer that ended it."""
        lines, failures = dict[str, list[Message]](), list[Answered]()
        for each in some:
            lines.setdefault(each.line, []).append(each)
        # One that failed is tried with a single post.
        places = asyncio.Semaphore(1 if feed.failures else AT_ONCE)

        async def of_line(some: Sequence[Message]) -> None:
            for each in some:
                async with places:
                    if failures:
                        return
                    now = (
                        self._registry.now()
                    )  # of this post: a window of slow ones takes longer than a signature lasts
                    proof = signed(feed.secrets(self._sender.secret, now), each.id, now // 1000, each.body)
                    answer = await self._sender.post(feed.url, each.body, {"Content-Type": MEDIA, **proof})
                    if not answer.taken:
                        failures.append(answer)
                        return
                posted.add(each.id)

        await asyncio.gather(*map(of_line, lines.values()))
        return max(failures, key=lambda each: each.status == GONE) if failures else None

    def _say(self, name: str, failure: Answered | None) -> None:
        trouble = self._trouble.setdefault(name, LogOnChange(logger, f"feed {name} stands"))
        if failure is not None:
            trouble.met(OSError(failure.hitch))
        else:
            trouble.over()


def _read(entry: str) -> Leaf | None:
    try:
        return Leaf.decode(entry)
    except BrokenRecord:  # the audit names it
        return None


def end_of(log: Log) -> int:
    """Return the number that the next entry will have. Raises ArchiveUnavailable."""
    return max((n + 1 for n, _, _ in log.newest(1)), default=0)


class Behind(NamedTuple):
    """How far a feed is behind the log. waiting: entries · oldest: for how long the first of them has waited"""

    feed: Feed
    waiting: int
    oldest: Millis


def behind(log: Log, now: Millis) -> list[Behind]:
    """Return how far each feed is behind. Raises ArchiveUnavailable, and BrokenRecord as `Feeds.all` does."""
    end, found = end_of(log), []
    for feed in log.feeds.all():
        if not feed.removed:
            came = newest_of(entry for _, entry, _ in log.entries(feed.cursor, 1))
            found.append(Behind(feed, max(0, end - feed.cursor), max(0, now - came) if came else 0))
    return found
