"""Jobs as our workers take them: one function by name, one lane, nothing else. All other jobs are refused, unrun."""

import json
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, cast

from rq.job import Job
from rq.utils import decode_redis_hash

from consent_engine.adapters.rq_queue import FAILURE_TTL_S, JOB, NO_TIMEOUT, QUEUED_TTL_S, RESULT_TTL_S
from consent_engine.domain.effects import Lane
from workers import jobs

MOST_BYTES = 4_096
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NEEDED = frozenset({
    "created_at", "data", "description", "enqueued_at", "origin", "status", "started_at", "ended_at", "last_heartbeat",
    "worker_name",
})  # fmt: skip
_REWRITTEN = frozenset({"timeout", "result_ttl", "failure_ttl", "ttl", "exc_info"})
"""Fields that a job may carry and we set ourselves. A job with a value in any other is refused: callbacks, webhooks,
retries, dependencies, groups, rate limits, meta - and whatever a later RQ adds."""


class JobRefused(Exception):
    """The job is no wake-up. The text says why and repeats nothing of the job."""


def known_id(raw: bytes) -> str | None:
    """Return a job's id as it stands in a queue; None for a text that no worker of the engine makes as an id."""
    text = raw.decode("ascii", "replace")
    return text if _ID.fullmatch(text) else None


class WakeJob(Job):
    """A wake-up. Nothing in it is imported, unpickled, called back or sent anywhere."""

    @property
    def func(self) -> Callable[[str], jobs.Result]:
        """The one function that is called, for any job."""
        return jobs.perform

    @property
    def lane(self) -> Lane:
        return Lane(self.args[0])

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Read a job's hash. Raises JobRefused for anything that is not exactly one of our own."""
        try:
            fields = self._sound(decode_redis_hash(cast(dict[bytes | str, Any], raw_data)))
            super().restore(fields)
        except JobRefused:
            raise
        except Exception:  # noqa: BLE001 - the edge: there is no telling what garbage makes RQ's parser raise
            raise JobRefused("its hash cannot be read") from None
        self.timeout, self.ttl = NO_TIMEOUT, QUEUED_TTL_S
        self.result_ttl, self.failure_ttl = RESULT_TTL_S, FAILURE_TTL_S

    def _sound(self, fields: Mapping[str, bytes]) -> dict[str, bytes]:
        if any(len(value) > MOST_BYTES for name, value in fields.items() if name != "exc_info"):
            raise JobRefused("it is larger than a wake-up")
        if any(value for name, value in fields.items() if name not in _NEEDED | _REWRITTEN):
            raise JobRefused("it has fields that a wake-up does not have")
        if not _is_wake_up(_unpacked(fields.get("data", b""))):
            raise JobRefused("it calls another function than the engine's")
        return {name: value for name, value in fields.items() if name in _NEEDED}


def _unpacked(data: bytes) -> bytes:
    """Return a job's call, unpacked no further than the call of a wake-up can be long."""
    inflating = zlib.decompressobj()
    try:
        return inflating.decompress(data, MOST_BYTES) if data[:1] == b"\x78" else b""
    except zlib.error:
        return b""


def _is_wake_up(call: bytes) -> bool:
    try:
        named: Any = json.loads(call)
    except ValueError:
        return False
    return any(named == [JOB, None, [lane.value], {}] for lane in Lane)
