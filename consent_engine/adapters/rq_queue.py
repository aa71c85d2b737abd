"""The Queue on RQ: one RQ queue for each lane, with at most two waiting jobs. A job is a wake-up: no order needs it."""

import logging
from collections.abc import Sequence
from secrets import token_hex
from time import monotonic

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError, WatchError
from rq import Queue
from rq.serializers import JSONSerializer

from consent_engine.adapters.redis.hiredis_guard import spoken
from consent_engine.adapters.redis.inspection import disk_free
from consent_engine.adapters.redis.topology import is_sentinel, master_of, unrepeated
from consent_engine.domain.effects import Lane
from consent_engine.ports import Queue as WakeUps
from consent_engine.ports import ServerMemory
from consent_engine.ports.lanes import ASKED

log = logging.getLogger(__name__)

JOB = "workers.jobs.perform"
"""The one function a worker runs, by name: this package must not import the workers above it."""
MOST_QUEUED = 2
MUCH = 32
"""More effects due than this are work for two jobs; up to it (as `perform.FEW`) a second job would find nothing."""
RESULT_TTL_S = 300
FAILURE_TTL_S = 86_400
QUEUED_TTL_S = 3_600
"""How long a waiting job lives: one whose queue was deleted expires, and a worker skips an id whose job is gone."""
NO_TIMEOUT = -1
"""RQ's own timeout is off: it ends a job by an exception from a signal handler. Our jobs' calls are bounded anyway."""
AWAKE = "rq:awake"
"""The promises to be awake: for each lane, until which instant of this server (ms), and by which process (`BY`). A
hash, written and read by commands that the Redis users of every installation may use."""
BY = ":by"
PROMISE_S = 0.2
SOONER_MS = 5
"""How much earlier a promise ends for the processes that rely on it."""
PAUSE_S = 0.5
"""How long RQ's Redis is not asked after it failed; the workers' clocks do without wake-ups meanwhile."""
TOLD_S = 10.0


def connect_rq(url: str, timeout_s: float = 2.0) -> "Redis":
    """Make a client for RQ: it returns bytes, as RQ needs, and repeats nothing: a repeated enqueue is a second job."""
    made = master_of if is_sentinel(url) else Redis.from_url
    return made(url, decode_responses=False, **unrepeated(timeout_s, 1.0), **spoken(python=True))


def lane_queue(lane: Lane, connection: "Redis") -> Queue:
    """Return the RQ queue of a lane; how jobs are serialised is set here alone."""
    return Queue(lane.value, connection=connection, serializer=JSONSerializer, default_timeout=NO_TIMEOUT)


def _lasts(now: int, until: int) -> int:
    """Return how long (ms) a promise still holds. One longer than PROMISE_S counts as none: the clock was set back."""
    left = until - now
    return left if 0 < left <= PROMISE_S * 1000 else 0


def _ms(time: tuple[int, int]) -> int:
    """Return the instant in an answer to TIME, in ms."""
    return time[0] * 1000 + time[1] // 1000


class RqQueue(WakeUps):
    """The Queue on RQ. It never raises: errors are logged and counted in `failures`; the workers' clocks do without."""

    def __init__(self, url: str) -> None:
        self._connection = connect_rq(url)
        self._queues = {lane: lane_queue(lane, self._connection) for lane in Lane}
        self._name = token_hex(4).encode()
        self.failures = 0
        self._again_at = 0.0
        self._warned_at = -TOLD_S
        self._awake = dict.fromkeys(Lane, 0.0)

    def wake(self, lane: Lane, due: int, *, more: bool = False) -> None:
        if (now := monotonic()) < self._again_at or (not more and now < self._awake[lane]):
            return
        try:
            self._wake(lane, due, more=more)
        except WatchError as error:
            # A job was queued or taken at this moment: either will see the effects that we made due. Or the connection
            # broke, for which redis-py raises the same error.
            if isinstance(error.__context__, RedisError | OSError):
                self._failed(error)
        except (RedisError, OSError, ValueError) as error:
            self._failed(error)

    def stays(self, lanes: Sequence[Lane]) -> bool:
        if monotonic() < self._again_at:
            return False
        try:
            now, last, by = self._promise(lanes[0])
            if by not in {None, self._name} and _lasts(now, last):
                return False
            until = now + int(PROMISE_S * 1000)
            promise = [each for lane in lanes for each in (lane.value, until, lane + BY, self._name)]
            self._connection.hset(AWAKE, items=promise)
        except (RedisError, OSError, ValueError) as error:
            self._failed(error)
            return False
        return True

    def leaves(self, lanes: Sequence[Lane]) -> None:
        try:
            self._connection.hdel(AWAKE, *(lane + BY for lane in lanes))
        except (RedisError, OSError, ValueError) as error:
            self._failed(error)

    def room(self) -> ServerMemory | None:
        try:
            info = self._connection.execute_command(*ASKED)  # type: ignore[no-untyped-call]
            return ServerMemory.of(info, disk_free(info))
        except (RedisError, OSError, ValueError):
            return None

    def _wake(self, lane: Lane, due: int, *, more: bool) -> None:
        queue = self._queues[lane]
        # Checked twice: under load the first check nearly always finds enough jobs, and costs one round trip.
        enough = MOST_QUEUED if due > MUCH else 1
        if self._connection.llen(queue.key) >= enough:
            return
        if not more and self._is_awake(lane):
            return
        with self._connection.pipeline() as pipe:
            pipe.watch(queue.key)  # type: ignore[no-untyped-call]
            if pipe.llen(queue.key) >= enough:  # while it watches, a pipeline answers at once
                return
            pipe.multi()
            self._enqueue(queue, due, pipe)
            pipe.execute()

    def _is_awake(self, lane: Lane) -> bool:
        """Whether a worker promised to be awake for a lane; until the promise ends it is relied on, not read again."""
        asked = monotonic()
        now, until, _ = self._promise(lane)
        if left := _lasts(now, until - SOONER_MS):
            self._awake[lane] = asked + left / 1000
        return bool(left)

    def _promise(self, lane: Lane) -> tuple[int, int, bytes | None]:
        """Return the server's time (ms), the end of the newest promise to be awake (ms), and its process's name."""
        with self._connection.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hget(AWAKE, lane.value)
            pipe.hget(AWAKE, lane + BY)
            now, until, by = pipe.execute()
        return _ms(now), int(until or 0), by

    def _enqueue(self, queue: Queue, due: int, pipe: "Pipeline") -> None:
        queue.enqueue_call(
            JOB,
            args=[queue.name],
            timeout=NO_TIMEOUT,
            result_ttl=RESULT_TTL_S,
            failure_ttl=FAILURE_TTL_S,
            ttl=QUEUED_TTL_S,
            description=f"{queue.name}: {due} due",
            pipeline=pipe,
        )

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        now = monotonic()
        self._again_at = now + PAUSE_S
        if now - self._warned_at >= TOLD_S:
            self._warned_at = now
            log.warning("wake-ups fail (%d so far), the clocks do without: %s", self.failures, type(error).__name__)
