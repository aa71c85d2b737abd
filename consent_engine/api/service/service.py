"""Front: the layer between the event loop and the engine. Placing, receiving and asking have threads of their own."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from time import monotonic
from typing import TypeVar, cast

from msgspec.structs import replace
from starlette.requests import Request

from consent_engine import errors
from consent_engine.adapters.spool import Spool
from consent_engine.api.coalescing.group_commit import Batcher, EnginePool
from consent_engine.api.coalescing.ttl_cache import Recent
from consent_engine.api.http.bodies import Bounds
from consent_engine.api.http.problems import GatewayNotFound, NotReady
from consent_engine.api.schemas.views import AsOf, instant
from consent_engine.api.service.callers import Callers
from consent_engine.api.service.door import Admission, DoorLookUp
from consent_engine.api.service.spooling import Spooling
from consent_engine.api.service.watches import Streams
from consent_engine.config.settings import Settings
from consent_engine.config.yaml_files import days_in
from consent_engine.domain.admission.call_request import CallEnd, CallStart
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.clocks import Clocks
from consent_engine.domain.effects import Millis
from consent_engine.domain.sms import Reply
from consent_engine.engine.call import CallTaken
from consent_engine.engine.engine import Engine
from consent_engine.engine.place import Placed
from consent_engine.engine.receive import Incoming, RefusalAsked
from consent_engine.engine.round_trips import or_raised
from consent_engine.engine.scribe import as_of_now
from consent_engine.ports import Acknowledgement, Stored, WebhookCall

log = logging.getLogger(__name__)
EVERY_S = 60.0
PROOF, CLOCK, FORM = "proof", "clock", "form"
MEAN = {
    PROOF: "signature or password does not fit: has one side another secret?",
    CLOCK: "signed more than 5 min off the store's clock: which clock is wrong?",
    FORM: "cannot be read: has the gateway's format changed?",
}


class PostsSeen:
    """Counts posts. refused: by gateway and reason, for those in use from 0 on, so that an alert sees the first one ·
    repeated: replies that were stored before, by gateway · rejected: unreadable messages, by gateway and field
    """

    def __init__(self, gateways: Iterable[str], clock: Callable[[], float] = monotonic) -> None:
        self.repeated: Counter[str] = Counter()
        self.rejected: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter(dict.fromkeys(product(gateways, MEAN), 0))
        self._clock = clock
        self._warned_at: dict[tuple[str, str], float] = {}

    def refuse(self, gateway: str, error: errors.Unauthenticated | errors.Malformed) -> None:
        """Count a refused post. One warning a minute at most: anybody can post to a webhook."""
        key = gateway, FORM if isinstance(error, errors.Malformed) else CLOCK if error.genuine else PROOF
        self.refused[key] += 1
        now = self._clock()
        if now - self._warned_at.get(key, now - EVERY_S) >= EVERY_S:
            self._warned_at[key] = now
            log.warning("posts of gateway %s are refused (%d so far): %s", gateway, self.refused[key], MEAN[key[1]])


T = TypeVar("T")
ASKERS = 4
MOST_PLACING = 1_000
"""Far fewer than the requests that the edge lets in at once: however many orders come, a gateway's post has a place."""
MOST_CALLING = 5_000
MOST_RECEIVING = 50_000
MOST_WAITING = 1_000
BYTES_A_MESSAGE = 200
"""Bytes that count as one message when a webhook's body is weighed before it is parsed."""
HEARD_WITHIN_MS = 15_000
FRESH_S = 1.0
ARCHIVE_S, ARCHIVE_FRESH_S = 1.0, 5.0
NOBODY = "0" * 28
"""The id of no order."""
MOST_WAITS_S = 2.0
"""How long a list waits at most until SQL has the changes answered before."""


@dataclass(frozen=True, slots=True)
class Post:
    """A request to one of a gateway's webhooks. reports: it brings delivery reports, not replies · came: as in them"""

    gateway: str
    call: WebhookCall
    reports: bool
    came: Millis = 0


Inbound = Post | RefusalAsked
Received = Acknowledgement | Stored | errors.ConsentError
Storing = Callable[[Engine, Sequence[Incoming]], Sequence[Stored | errors.StoreUnavailable]]


class Front:
    """The engine, for many callers at once. engines: makes one for each thread · spool: for when the store is away"""

    def __init__(self, engines: Callable[[], Engine], settings: Settings, bounds: Bounds, spool: Spool | None) -> None:
        self.bounds = bounds
        self.defects: Counter[str] = Counter()
        self.posts = PostsSeen(settings.gateways())
        self._settings = settings
        self.shadow = settings.shadow
        self.zone = settings.time_zone
        self.days = days_in(self.zone)
        pools = ["place", "receive", "call", "long", "catch-up", "watch", "keep", "spool", "ask"]
        self._pools = [EnginePool(engines, ASKERS if name == "ask" else 1, name) for name in pools]
        placers, receivers, callers, self._patient, late, watchers, keepers, spoolers, self._askers = self._pools
        self._placing: Batcher[Placing, Placed | errors.ConsentError] = Batcher(
            placers, lambda engine, wanted: engine.place_many(wanted), most=MOST_PLACING, defects=self.defects
        )
        self._calling: Batcher[CallStart | CallEnd, CallTaken | errors.ConsentError] = Batcher(
            callers, lambda engine, wanted: engine.calls.record_many(wanted), most=MOST_CALLING, defects=self.defects
        )
        # Replies and refusals never wait behind orders.
        self.spool = None if spool is None else Spooling(spool, spoolers)
        storing: Storing = partial(store, Clocks())
        self._receiving, self._keeping = (
            Batcher[Inbound, Received](
                pool,
                partial(receive, seen=self.posts, store=by),
                most=MOST_RECEIVING,
                defects=self.defects,
                weigh=weigh,
            )
            for pool, by in ((receivers, storing), (keepers, storing if self.spool is None else self.spool.keep))
        )
        self._catching_up: Batcher[None, None] = Batcher(late, _caught_up, most=MOST_WAITING, defects=self.defects)
        self._admission = Admission(self.ask, settings, bounds.lanes_s)
        self.subscribers = DoorLookUp(self.ask, bounds)
        self.streams = Streams(watchers, self.defects, bounds)
        self.callers = Callers(self._askers, bounds.known_s)
        self.recent = Recent()

    async def place(self, wanted: Placing) -> Placed:
        """Take an order. Raises the door's errors, and Busy while its question could not be sent in time."""
        async with self._admission:
            seen = await self.subscribers.of(wanted.msisdn)
            return or_raised(await self._placing.put(wanted if seen is None else replace(wanted, subscriber=seen)))

    async def call(self, wanted: CallStart | CallEnd) -> CallTaken:
        """Record that a call began, or ended. Returns only once that is durable."""
        return or_raised(await self._calling.put(wanted))

    async def receive(self, post: Post) -> Acknowledgement:
        """Store the messages of a gateway's post. Returns only once they are durable, in the store or in the spool."""
        if self.spool is None or not self.spool.spool.waiting:
            try:
                return cast("Acknowledgement", or_raised(await self._receiving.put(post)))
            except errors.StoreUnavailable:
                if self.spool is None:
                    raise
        answer = await self._keeping.put(Post(post.gateway, post.call, post.reports, post.call.now))
        await asyncio.sleep(self.spool.in_force - monotonic())
        return cast("Acknowledgement", or_raised(answer))

    async def refuse(self, asked: RefusalAsked) -> Stored:
        """Store a subscriber's refusal of calls. Returns only once it is durable."""
        return cast("Stored", or_raised(await self._receiving.put(asked)))

    async def ask(self, work: Callable[[Engine], T]) -> T:
        """Do any other work, in one of a few threads."""
        return await self._askers.ask(work)

    async def listed(self, work: Callable[[Engine, AsOf], T], *, waits: bool = False, long: bool = False) -> T:
        """Do work that reads records in SQL. It is given the instant as of which they are there: all that was committed
        before, and maybe more.

        waits: only once they are there as of now, MOST_WAITS_S at most: what was answered before is among them ·
        long: it may take minutes
        """
        if waits:
            await self._catching_up.put(None)

        def worked(engine: Engine) -> T:
            as_of = engine.store.journal.waiting().as_of  # first: what is committed meanwhile may be missing
            return work(engine, instant(as_of) if as_of else None)

        return await (self.ask_long if long else self.ask)(worked)

    async def ask_long(self, work: Callable[[Engine], T]) -> T:
        """Do work that may take minutes, one piece after the other: it must not delay the look-up of keys."""
        return await self._patient.ask(work)

    async def now(self) -> Millis:
        """Return the store's time (ms): asked once a second, by the spool too, in between by a clock without jumps."""
        known = self.spool.offset if self.spool is not None else 0.0
        return int(monotonic() * 1000 + (known or await self.recent.of("clock", FRESH_S, self._offset)))

    async def _offset(self) -> float:
        before = monotonic()
        now = await self.ask(lambda engine: engine.registry.now())
        return now - (before + monotonic()) / 2 * 1000

    async def ready(self) -> int:
        """Return how many workers are heard from. Raises NotReady."""
        try:
            return await self.recent.of("ready", FRESH_S, lambda: self.ask(self._ready))
        except NotReady:
            raise
        except errors.StoreUnavailable:
            raise NotReady(["the store cannot be reached, or takes no writes"]) from None

    async def archive_answers(self) -> bool:
        """Whether the archive answers, within ARCHIVE_S; all but lists and old records goes on without it."""
        try:
            async with asyncio.timeout(ARCHIVE_S):
                return await self.recent.of("archive", ARCHIVE_FRESH_S, lambda: self.ask(archive_answers))
        except (errors.StoreUnavailable, TimeoutError):
            return False

    def _ready(self, engine: Engine) -> int:
        settings = self._settings
        try:
            secret = settings.secret_for(settings.data_dir)
            engine.registry.check(
                secret, strict=settings.durability == "strict", cells=settings.cells, shadow=settings.shadow
            )
            workers = len(engine.registry.workers(HEARD_WITHIN_MS))
        except errors.SettingsError as error:
            raise NotReady([str(error)]) from None
        if not workers:
            raise NotReady([f"no worker was heard from within {HEARD_WITHIN_MS // 1000} s"])
        return workers

    def close(self) -> None:
        """Let work under way end."""
        for pool in self._pools:
            pool.close()


def _caught_up(engine: Engine, asked: Sequence[None]) -> Sequence[None]:
    with suppress(
        errors.StoreUnavailable, errors.BrokenRecord
    ):  # a list then says itself as of when it is, or why there is none
        as_of_now(engine.store, MOST_WAITS_S)
    return asked


def archive_answers(engine: Engine) -> bool:
    """Whether the archive answers, and is the one these data belong to. Raises StoreUnavailable."""
    try:
        engine.lookup.versions([NOBODY])  # not in the store, so the archive is asked
    except errors.ArchiveUnavailable:
        return False
    return True


def front_of(request: Request) -> Front:
    return cast("Front", request.app.state.front)


def weigh(item: Inbound) -> int:
    """Return about how many messages an item has."""
    return 1 + len(item.call.body) // BYTES_A_MESSAGE if isinstance(item, Post) else 1


def receive(engine: Engine, items: Sequence[Inbound], seen: PostsSeen, store: Storing) -> list[Received]:
    """Receive posts and refusals in one go; return an answer for each. A post without a valid signature stores nothing.

    A post is acknowledged when all of it is stored; its repeat stores the messages that were not.
    """
    opened = [_open(engine, item, seen) for item in items]
    messages = [message for each in opened if not isinstance(each, errors.ConsentError) for message in each.messages]
    stored = iter(store(engine, messages))
    return [
        each if isinstance(each, errors.ConsentError) else _answer(each, list(islice(stored, len(each.messages))))
        for each in opened
    ]


@dataclass(frozen=True, slots=True)
class _Opened:
    messages: Sequence[Incoming]
    answer: Callable[[list[Stored]], Received]


def _answer(opened: _Opened, results: Sequence[Stored | errors.StoreUnavailable]) -> Received:
    failed = next((each for each in results if isinstance(each, errors.StoreUnavailable)), None)
    return failed or opened.answer([each for each in results if isinstance(each, Stored)])


def store(clocks: Clocks, engine: Engine, messages: Sequence[Incoming]) -> Sequence[Stored | errors.StoreUnavailable]:
    """Store messages, and note by new replies how far each gateway's clock is behind; its failure is no post's."""
    results = engine.receive_many(messages)
    new = [
        (message, each.at)
        for message, each in zip(messages, results, strict=True)
        if isinstance(message, Reply) and isinstance(each, Stored) and each.is_new
    ]
    heard = clocks.heard(new)
    if heard:
        try:
            engine.registry.note_lags(heard)
        except errors.ConsentError as error:
            log.warning("gateways' clocks could not be noted: %s", type(error).__name__)
    return results


def _open(engine: Engine, item: Inbound, seen: PostsSeen) -> _Opened | errors.ConsentError:
    if isinstance(item, RefusalAsked):
        return _Opened([item], lambda stored: stored[0])
    gateway = engine.outside.gateways.get(item.gateway)
    if gateway is None:
        return GatewayNotFound("no gateway of this name is in use")
    try:
        webhooks = gateway.webhooks
        parsed = webhooks.reports(item.call) if item.reports else webhooks.replies(item.call)
    except (errors.Unauthenticated, errors.Malformed) as error:
        seen.refuse(item.gateway, error)
        return error
    messages = [replace(message, came=item.came) for _, message in parsed.messages]

    def answer(stored: list[Stored]) -> Received:
        if not item.reports:
            seen.repeated[item.gateway] += sum(not each.is_new for each in stored)
        if parsed.malformed is not None:
            seen.refuse(item.gateway, parsed.malformed)
            return parsed.malformed.beside(len(stored))
        seen.rejected.update(
            (item.gateway, why.partition(":")[0] if ":" in why else "item") for _, why in parsed.rejected
        )
        return webhooks.acknowledge(len(messages), parsed.rejected)

    return _Opened(messages, answer)
