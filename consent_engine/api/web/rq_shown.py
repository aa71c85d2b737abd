"""RQ's jobs as the dashboard shows them: read as JSON or not at all. A writer of RQ's Redis must not run code here.

The dashboard fetches single jobs with RQ's default serializer, which is pickle: looking at such a job, deleting or
requeueing it would run code that its writer chose. And one unreadable job would break the whole list.
"""

import zlib
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, cast

import rq_dashboard  # type: ignore[import-untyped]
from flask import Flask, Response, jsonify
from redis.exceptions import ResponseError
from rq import Queue, Worker, serializers
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.utils import now

UNREADABLE = "cannot be read: not one of ours"
_KNOWN = frozenset({
    b"created_at", b"data", b"description", b"enqueued_at", b"origin", b"status", b"started_at", b"ended_at",
    b"last_heartbeat", b"worker_name", b"timeout", b"result_ttl", b"failure_ttl", b"ttl",
})  # fmt: skip
"""The fields of a wake-up job. All other fields of a job are ignored."""
MOST_BYTES = 4_096


def _is_small(packed: bytes) -> bool:
    """Whether a value is small, packed and unpacked; it is unpacked no further than MOST_BYTES."""
    inflating = zlib.decompressobj()
    try:
        inflating.decompress(packed[:MOST_BYTES], MOST_BYTES)
    except zlib.error:
        return len(packed) <= MOST_BYTES  # not packed at all
    return len(packed) <= MOST_BYTES and not inflating.unconsumed_tail


class ShownJob(Job):
    """A job as the dashboard reads it. An unreadable job is shown as unreadable."""

    def __init__(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 - as RQ has it
        super().__init__(*args, **{**more, "serializer": JSONSerializer})

    def refresh(self) -> None:
        """Read the job. Raises NoSuchJobError if there is none."""
        try:
            kept: Mapping[bytes, bytes] = self.connection.hgetall(self.key)  # type: ignore[assignment] # redis-py's union
        except ResponseError:
            self._make_unreadable()
            return
        if not kept:
            raise NoSuchJobError
        self.restore(kept)

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Take the fields of a wake-up job."""
        kept = {name: value for name, value in raw_data.items() if name in _KNOWN}
        if not all(map(_is_small, kept.values())):
            self._make_unreadable()
            return
        try:
            super().restore(kept)
            self.description = self.description or self.get_call_string()
        except Exception:  # noqa: BLE001 - the edge: there is no telling what garbage makes RQ's parser raise
            self._make_unreadable()

    def _make_unreadable(self) -> None:
        self.enqueued_at = self.started_at = self.ended_at = None
        self.created_at = now()
        self.origin, self.description, self._status = "", UNREADABLE, JobStatus.FAILED
        self._data, self._func_name, self._instance, self._args, self._kwargs = b"", "unreadable", None, (), {}

    def _fetch_status(self) -> JobStatus:
        return self._status or JobStatus.FAILED  # as it was read

    def get_meta(self, refresh: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - RQ's
        """Return no meta: wake-up jobs have none."""
        return {}

    def latest_result(self, timeout: int = 0) -> Result | None:
        """Return the job's result, if it can be read."""
        try:
            rows = cast(list[Any], self.connection.xrevrange(Result.get_key(self.id), count=1))  # type: ignore[no-untyped-call]
            told = rows[0][1] if rows else {}
            small = all(len(each) <= MOST_BYTES for each in told.values())
            return super().latest_result() if small and _is_small(b64decode(told.get(b"exc_string", b""))) else None
        except Exception:  # noqa: BLE001 - the same
            return None


class ShownQueue(Queue):
    """A queue of such jobs."""

    job_class = ShownJob

    def compact(self) -> None:
        """Do nothing: workers skip an id whose job is gone, and RQ's own way can lose jobs that come meanwhile."""


class ShownWorker(Worker):
    """A worker as the dashboard lists it, with its job."""

    job_class = ShownJob

    @classmethod
    def all(cls, *args: Any, **more: Any) -> list[Any]:  # noqa: ANN401 - as RQ has it
        return Worker.all(*args, **{**more, "serializer": JSONSerializer, "job_class": ShownJob})


def _requeue(job_id: str, connection: Any) -> Job:  # noqa: ANN401 - a client of redis-py
    job = ShownJob.fetch(job_id, connection=connection)
    try:
        return job.requeue()
    except InvalidJobOperation:  # not one of ours: it stays there, and the others are requeued all the same
        return job


def _none(_error: Exception) -> tuple[Response, int]:
    return jsonify(status="ERROR"), 404


def install(app: Flask) -> None:
    """Make the dashboard read RQ in this way, and no code in this process unpickle a job."""
    # RQ's default serializer: we name ours everywhere, but the dashboard and RQ's own helpers use the default.
    serializers.PickleSerializer = JSONSerializer  # type: ignore[assignment] # that is the point
    serializers.SERIALIZER_ALIASES["pickle"] = JSONSerializer
    web = rq_dashboard.web
    web.config.serializer = JSONSerializer
    web.Job, web.Queue, web.Worker, web.requeue_job = ShownJob, ShownQueue, ShownWorker, _requeue
    app.register_error_handler(NoSuchJobError, _none)
