"""The hardened RQ worker: takes wake-ups from its lanes in turn, in one process, and trusts nothing it reads."""

import logging
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import cast

from redis import Redis
from redis.exceptions import RedisError, ResponseError
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty
from rq.utils import current_timestamp, now
from rq.worker import DequeueStrategy, WorkerStatus
from rq.worker_registration import clean_worker_registry

from consent_engine.adapters.rq_queue import FAILURE_TTL_S, RESULT_TTL_S, lane_queue
from consent_engine.domain.effects import Lane
from consent_engine.process import Stop
from workers.jobs import SliceError
from workers.wake_job import JobRefused, WakeJob, known_id

log = logging.getLogger(__name__)

BLOCK_S = 1
"""How long the worker waits for a job at a time; it takes no longer to notice that it is to stop."""
WORKER_TTL_S = 60
MAINTENANCE_S = 30
BEAT_S = 10.0
BACKOFF_S, MOST_BACKOFF_S = 0.2, 5.0


class NoPenalty(BaseDeathPenalty):
    """A timeout that does nothing: RQ's ends a long job by raising in a signal handler. Slices end by themselves."""

    def setup_death_penalty(self) -> None:
        """Set no alarm."""

    def cancel_death_penalty(self) -> None:
        """Do nothing: no alarm was set."""


class LaneWorker(SimpleWorker):
    """The worker that takes jobs of its lanes round robin.

    Of RQ's own loop it keeps the bookkeeping that dashboards read. It leaves out signal handlers, pub/sub commands
    (anyone who can publish could stop a job or the worker), the scheduler, callbacks, webhooks, dependents, retries,
    and cleaning that reads foreign jobs. A lost job is a lost wake-up, nothing more.
    """

    job_class = WakeJob
    death_penalty_class = NoPenalty

    def __init__(self, lanes: Sequence[Lane], connection: "Redis", name: str) -> None:
        super().__init__(
            [lane_queue(lane, connection) for lane in lanes],
            name=name,
            connection=connection,
            serializer=JSONSerializer,
            job_class=WakeJob,
            worker_ttl=WORKER_TTL_S,
            maintenance_interval=MAINTENANCE_S,
            log_job_description=False,
        )
        self._dequeue_strategy = DequeueStrategy.ROUND_ROBIN
        self._beat_at = self._tidy_at = 0.0

    @property
    def dequeue_timeout(self) -> int:
        """The longest blocking pop, from which RQ derives its socket timeout."""
        return BLOCK_S

    @property
    def connection_timeout(self) -> int:
        """How long an answer may take; a blocking pop takes BLOCK_S of it."""
        return BLOCK_S + 4

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Return a short time, as slices are short: RQ's seven minutes would show dead jobs as running."""
        return WORKER_TTL_S

    def listen(self, stop: Stop) -> None:
        """Take jobs until asked to stop. Raises when RQ's Redis fails."""
        self.register_birth()  # type: ignore[no-untyped-call]
        try:
            while not stop.is_set:
                self.do_next()
        finally:
            with suppress(RedisError, OSError):
                self.register_death()  # type: ignore[no-untyped-call]

    def do_next(self) -> None:
        """Wait a moment for a job, and do it."""
        self._beat()
        keys = {queue.key.encode(): queue for queue in self._ordered_queues}
        try:
            popped = self.connection.blpop(list(keys), BLOCK_S)
        except ResponseError:
            self._mend(list(keys))
            return
        if popped is None:
            return
        key, job_id = cast(tuple[bytes, bytes], popped)
        self.reorder_queues(keys[key])
        self._do(keys[key], job_id)

    def _do(self, queue: Queue, raw_id: bytes) -> None:
        job_id = known_id(raw_id)
        if job_id is None:
            log.warning("%s: an entry that is not a job id was discarded", queue.name)
            return
        job = WakeJob(job_id, connection=self.connection, serializer=JSONSerializer)
        try:
            kept = self._kept(job)
            if not kept:
                return  # it expired, or was deleted
            job.restore(kept)
        except JobRefused as refused:
            self._refuse(queue, job_id, str(refused))
            return
        job.origin = queue.name
        self.execute_job(job, queue)

    def _kept(self, job: WakeJob) -> dict[bytes, bytes]:
        try:
            return cast(dict[bytes, bytes], self.connection.hgetall(job.key))
        except ResponseError:
            raise JobRefused("its key is not a hash") from None

    def _refuse(self, queue: Queue, job_id: str, why: str) -> None:
        """Put a failed job in its place: its content is deleted unread, and ops see that it was there."""
        log.warning("%s: a job was refused: %s", queue.name, why)
        sign = Job.create(
            "refused",
            id=job_id,
            connection=self.connection,
            serializer=JSONSerializer,
            origin=queue.name,
            description=f"refused: {why}",
            failure_ttl=FAILURE_TTL_S,
            status=JobStatus.FAILED,
        )
        with self.connection.pipeline() as pipe:
            results: str = Result.get_key(job_id)  # type: ignore[no-untyped-call]
            pipe.delete(sign.key, sign.dependents_key, sign.dependencies_key, results)
            self.increment_failed_job_count(pipe)
            sign._handle_failure(f"refused: {why}", pipe, worker_name=self.name)  # noqa: SLF001 - as RQ's workers do
            pipe.execute()

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a job, and record its result: three round trips instead of RQ's thirty."""
        execution = self._begin(job)
        try:
            result = job.func(*job.args)
        except SliceError as error:
            self._end(job, execution, None, str(error))
        else:
            self._end(job, execution, result, "")

    def _begin(self, job: Job) -> Execution:
        with self.connection.pipeline() as pipe:
            execution = Execution.create(job, self.get_heartbeat_ttl(job), pipeline=pipe, worker_name=self.name)
            self.executions[execution.id] = execution
            self.set_state(WorkerStatus.BUSY, pipeline=pipe)
            job.prepare_for_execution(self.name, pipeline=pipe)
            pipe.expire(job.key, FAILURE_TTL_S)  # RQ would keep it for ever if we died now
            pipe.execute()
        return execution

    def _end(self, job: Job, execution: Execution, result: dict[str, int] | None, failed: str) -> None:
        job.ended_at = now()
        job._result = result  # noqa: SLF001 - as RQ's workers do
        about = {
            "worker_name": self.name,
            "execution_id": execution.id,
            "execution_started_at": execution.created_at,
            "execution_ended_at": job.ended_at,
        }
        with self.connection.pipeline() as pipe:
            self.increment_total_working_time(job.ended_at - execution.created_at, pipe)
            if failed:
                self.increment_failed_job_count(pipe)
                job.set_status(JobStatus.FAILED, pipeline=pipe)
                job._handle_failure(failed, pipe, **about)  # type: ignore[arg-type] # noqa: SLF001
            else:
                self.increment_successful_job_count(pipe)
                job._handle_success(RESULT_TTL_S, pipe, **about)  # type: ignore[arg-type] # noqa: SLF001
                job.cleanup(RESULT_TTL_S, pipeline=pipe, remove_from_queue=False)
            self.cleanup_execution(job, pipe, execution)
            self.set_state(WorkerStatus.IDLE, pipeline=pipe)
            pipe.execute()

    def _beat(self) -> None:
        """Announce this worker, again if RQ's keys were lost; and tidy RQ's registries without reading their jobs."""
        at = monotonic()
        if at >= self._beat_at:
            self._beat_at = at + BEAT_S
            if not self.connection.hexists(self.key, "birth"):
                self.connection.delete(self.key)
                self.register_birth()  # type: ignore[no-untyped-call]
            self.heartbeat()
        if at >= self._tidy_at:
            self._tidy_at = at + MAINTENANCE_S * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            self._tidy()

    def _tidy(self) -> None:
        for queue in self.queues:
            with self.connection.pipeline() as pipe:
                for registry in (queue.finished_job_registry, queue.failed_job_registry, queue.started_job_registry):
                    pipe.zremrangebyscore(registry.key, 0, current_timestamp())
                pipe.execute()
            clean_worker_registry(queue)

    def _mend(self, keys: Sequence[bytes]) -> None:
        """Delete keys in the place of queues that are none: they would keep every lane from being served."""
        wrong = [key for key in keys if self.connection.type(key) not in {b"list", b"none"}]
        if not wrong:
            raise RedisError("RQ's Redis refuses a blocking pop")
        log.warning("%d keys of queues were not lists: deleted", len(wrong))
        self.connection.delete(*wrong)


def listen_on(make: Callable[[int], LaneWorker], stop: Stop) -> None:
    """Listen until asked to stop. After any error of RQ's loop it is begun again; the clock goes on meanwhile."""
    tries, backoff = 0, BACKOFF_S
    while not stop.is_set:
        began = monotonic()
        try:
            make(tries).listen(stop)
        except Exception as error:  # noqa: BLE001 - the edge: whatever RQ's keys make it raise, the process stays
            if monotonic() - began > MOST_BACKOFF_S:
                backoff = BACKOFF_S
            log.warning("RQ's loop ended (%s): it restarts in %.1f s; the clock goes on", type(error).__name__, backoff)
            stop.wait(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            tries, backoff = tries + 1, min(backoff * 2, MOST_BACKOFF_S)
