"""A Redis client that never repeats a command automatically, and the one round trip that all scripts go through."""

import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import (
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import TimeoutError as SilentServer

from consent_engine.adapters.redis.hiredis_guard import answers as answers_of
from consent_engine.adapters.redis.hiredis_guard import in_main_thread, packed, spoken
from consent_engine.adapters.redis.topology import is_cluster, is_sentinel, master_of, owner_of, unrepeated
from consent_engine.errors import NotDurable, SettingsError, StoreUnavailable

CERTIFICATE = "the server's certificate is not accepted"


def unreached(error: Exception) -> str:
    """Return the kind of an error of a connection; where TLS is in the way, its reason. redis-py wraps these."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"{CERTIFICATE}: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"no TLS with this server: {(cause.reason or type(cause).__name__).lower().replace('_', ' ')}"
    if isinstance(cause, FileNotFoundError):
        return "a file that its address names is not there (ssl_ca_certs, or a socket)"
    return type(error).__name__


NAMED_BY = "CONSENT_REDIS_URL"
"""The setting that names the Redis, where no option does."""
PATIENCE_S = 5.0
"""How long an answer may take, where no caller waits for it."""
PROOF_TIMEOUT_MS = 2_000
ASK_AGAIN_MS = (10, 50, 200)
"""The first waits (ms) after which a replica that said "not yet" is asked again."""
_TRIES = 3
GROUP, LEAST = 128, 4
"""The largest group of scripts that the server runs in one go, and the smallest number worth grouping. Where every
write is on disk before its answer, the server syncs its file after each piece of input it reads (16 KB, five orders).
So scripts that are sent together run together, for some milliseconds in which no other client is answered.
"""
SCANNED = 500
"""How many keys or members the server looks at for one answer of SCAN: about a millisecond of its time."""
_MULTI, _EXEC = ("MULTI",), ("EXEC",)
_NOT_NOW = (OutOfMemoryError, ReadOnlyError, ClusterDownError, TryAgainError)
"""Errors for which redis-py has types of its own; it cuts their first word off the message."""
_NOT_NOW_WORDS = {"MISCONF", "NOREPLICAS", "BUSY", "UNBLOCKED"}


class MayNotConnect(SettingsError, code="may_not_connect"):
    """No connection can be made with this address: a permission is missing, or its database."""


def connect(url: str, timeout_s: float = PATIENCE_S, tag: str = "0") -> "Redis":
    """Make a client that sends nothing again: a lost answer is an error on which the caller decides.

    tag: in a cluster, the hash tag of the keys it is for
    """
    made = partial(owner_of, tag=tag) if is_cluster(url) else master_of if is_sentinel(url) else Redis.from_url
    return made(
        url,
        decode_responses=True,
        encoding_errors="surrogateescape",  # bytes that are no text make their own record unreadable, no other answer
        **unrepeated(timeout_s, 2.0),
        **spoken(),
    )


@dataclass(slots=True)
class Calls:
    """The calls of one round trip: scripts by name, and plain commands. gathered: each script does as much as a group
    would, so none is formed · alone: the index of the call that the proof is for; each error is then the answer to its
    own call, and the other calls keep their answers
    """

    rows: list[tuple[object, ...]] = field(default_factory=list)
    gathered: bool = False
    alone: int | None = None

    def script(self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> None:
        """Add a call of a script."""
        self.rows.append(("EVALSHA", name, len(keys), *keys, *args))

    def plain(self, *command: str | int) -> None:
        self.rows.append(command)


class Wire:
    """A sender of calls to one Redis, in one pipeline, proven durable on request. Calls in a group are independent.

    named_by: the setting or option that the server comes from, as its errors name it
    """

    def __init__(
        self,
        client: "Redis",
        *,
        proves: bool,
        replicas: int,
        proof_ms: int = PROOF_TIMEOUT_MS,
        named_by: str = NAMED_BY,
    ) -> None:
        self.client = client
        self._named_by = named_by
        self._proves = proves
        self._replicas = replicas
        self._proof_ms = proof_ms
        self._sha: dict[str, str] = {}
        self._texts = script_texts()
        self._understood: dict[str, Any] = dict(client.response_callbacks)
        self._made_in_main_thread = in_main_thread()
        self._gathers = proves
        self.round_trips = 0

    def send(self, calls: Calls, *, prove: bool = False, repeat: bool = False) -> list[Any]:
        """Return the answers, in order. Raises StoreUnavailable, or NotDurable when `prove` asked for a proof in vain.

        repeat: send everything again when the connection broke; only for calls that recognise their own repeat. A
        server that does not answer in time is not asked again
        """
        if not calls.rows:
            return []
        for attempt in range(_TRIES if repeat else 1):
            try:
                return self._send(calls, prove=prove)
            except (ResponseError, NotDurable):
                raise
            except (RedisError, OSError) as error:
                silent = isinstance(error, SilentServer | TimeoutError)
                if silent or attempt + 1 == (_TRIES if repeat else 1):
                    said = f"store cannot be reached: {unreached(error)}"
                    raise StoreUnavailable(said, named_by=self._named_by, silent=silent) from error
        raise AssertionError("unreachable")

    def ask(self, *commands: tuple[str | int, ...], prove: bool = False) -> list[Any]:
        """Return the answers to plain commands that may safely be sent again. Raises as `send` does."""
        return self.send(Calls([*commands]), prove=prove, repeat=True)

    def scanned(self, command: Sequence[str], *more: str, piece: int = SCANNED) -> Iterator[Sequence[Any]]:
        """Yield all that SCAN, or ZSCAN of a key, finds, in pieces that cost the server about `piece` entries each."""
        cursor: Any = "0"
        while True:
            [(cursor, found)] = self.ask((*command, str(cursor), *more, "COUNT", piece))
            yield found
            if not int(cursor):
                return

    def _send(self, calls: Calls, *, prove: bool) -> list[Any]:
        answers = self._once(calls, prove=prove)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            # A restarted server has an empty script cache. Only scripts that were not found did not run: send these.
            self._sha.clear()
            missing = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            alone = missing.index(calls.alone) if calls.alone in missing else None
            again = self._once(Calls([calls.rows[i] for i in missing], calls.gathered, alone), prove=prove)
            for i, answer in zip(missing, again, strict=True):
                answers[i] = answer
        for i, answer in enumerate(answers):
            if isinstance(answer, ResponseError):
                answers[i] = _translated(answer, self._named_by)
                if calls.alone is None:
                    raise answers[i]
        return answers

    def _once(self, calls: Calls, *, prove: bool) -> list[Any]:
        if in_main_thread() and not self._made_in_main_thread:
            raise AssertionError("this client was made for another thread than the main one")
        rows = [(row[0], self._script(str(row[1])), *row[2:]) if row[0] == "EVALSHA" else row for row in calls.rows]
        groups = [rows] if calls.gathered else self._gathered(rows)
        proofs = _proofs(self._replicas, self._proof_ms) if prove and self._proves else []
        groups.append([("WAITAOF", *proof) for proof in proofs])
        self.round_trips += 1
        answers = self._exchanged(groups)
        if proofs:
            try:
                self._check_proof(answers[-1])
            except NotDurable as error:
                if calls.alone is None:
                    raise
                answers[calls.alone] = error
        return answers[: len(calls.rows)]

    def _gathered(self, rows: list[tuple[object, ...]]) -> list[list[tuple[object, ...]]]:
        """Split commands into groups that the server runs in one go each (`GROUP`). Too few, or plain: one list."""
        if not self._gathers or len(rows) < LEAST or any(row[0] != "EVALSHA" for row in rows):
            return [rows]
        return [[_MULTI, *rows[n : n + GROUP], _EXEC] for n in range(0, len(rows), GROUP)]

    def _exchanged(self, groups: Sequence[Sequence[tuple[object, ...]]]) -> list[Any]:
        """Send commands together and return their answers; an error is the answer to its own command.

        The same as redis-py's pipeline, without its cost for every single command.
        """
        pool: Any = self.client.connection_pool
        try:
            connection = pool.get_connection()
        except ResponseError as error:  # the server lets nobody in that way: a database that it does not have
            raise MayNotConnect(f"{self._named_by}: the server refuses the connection: {error}") from error
        try:
            connection.send_packed_command(packed(connection, [row for group in groups for row in group]))
            came = iter(answers_of(connection, sum(map(len, groups))))
            read = [[self._understand(str(row[0]), next(came)) for row in group] for group in groups]
        except BaseException:
            connection.disconnect()  # answers still unread must not be taken for those of the next call
            raise
        else:
            gathered = [bool(group) and group[0] is _MULTI for group in groups]
            if any(isinstance(answers[-1], ResponseError) for answers, was in zip(read, gathered, strict=True) if was):
                connection.disconnect()  # the transaction may still be open on it
            return [
                answer for answers, was in zip(read, gathered, strict=True)
                for answer in (self._of_group(answers) if was else answers)
            ]  # fmt: skip
        finally:
            pool.release(connection)

    def _of_group(self, answers: list[Any]) -> list[Any]:
        """Return the answers to the commands between MULTI and EXEC."""
        begun, *queued, done = answers
        if isinstance(begun, NoPermissionError):  # an ACL older than groups forbids MULTI: each ran by itself
            self._gathers = False
            return queued
        if isinstance(done, ResponseError):  # the server could not queue one of them: none of them ran
            refused = next((each for each in (begun, *queued) if isinstance(each, ResponseError)), done)
            return [refused] * len(queued)
        return list(done)

    def _understand(self, command: str, answer: Any) -> Any:  # noqa: ANN401 - redis-py's
        understood = self._understood.get(command)
        return understood(answer) if understood and not isinstance(answer, ResponseError) else answer

    def _check_proof(self, proof: Any) -> None:  # noqa: ANN401 - redis-py's answer
        refused = isinstance(proof, ResponseError)  # a replica, or a server whose AOF was switched off
        local, replicas = (0, 0) if refused else proof
        if local < 1 or replicas < self._replicas:
            raise NotDurable(
                "the store wrote it but could not prove it durable in time: the same request again is safe"
            )

    def _script(self, name: str) -> str:
        if name not in self._sha:
            self._sha[name] = str(self.client.script_load(self._texts[name]))
        return self._sha[name]


@cache
def script_texts() -> dict[str, str]:
    """Return the scripts' texts by name. Read at once: while an upgrade replaces the files, a process keeps its own."""
    here = files("consent_engine.adapters.redis")
    shared, scripts = here.joinpath("shared.lua").read_text(encoding="utf-8"), here.joinpath("lua").iterdir()
    return {each.name.removesuffix(".lua"): shared + each.read_text(encoding="utf-8") for each in scripts}


def _proofs(replicas: int, most_ms: int) -> list[tuple[int, int, int]]:
    """Return the arguments of each WAITAOF: how many local disks, how many replicas' disks, and how long to wait (ms).

    A replica reports how far its disk is when it is asked, and once a second. Asked at the moment it gets the write, it
    says "not yet", and the caller would wait for the next second. So it is asked once the master's own disk has the
    write, and again soon after. All on one connection: a proof covers the writes of its own connection only.
    """
    if not replicas:
        return [(1, 0, most_ms)]
    half = most_ms // 2
    return [(1, 0, half), *((1, replicas, wait) for wait in (*ASK_AGAIN_MS, half - sum(ASK_AGAIN_MS)))]


_FORBIDDEN = "ACL failure in script"
"""In the error of a script whose Redis user may not run one of the script's commands."""


def _translated(error: ResponseError, named_by: str) -> Exception:
    """Return the exception for a server's error: StoreUnavailable where it only cannot now, SettingsError for a missing
    permission; any other error is a defect and stays what it is.
    """
    word = str(error).split(" ", 1)[0].strip("-")
    if isinstance(error, _NOT_NOW) or word in _NOT_NOW_WORDS:
        kind = word if word in _NOT_NOW_WORDS else type(error).__name__
        refused = StoreUnavailable(f"the store takes no writes now: {kind}")
        refused.__cause__ = error
        return refused
    if isinstance(error, NoPermissionError) or _FORBIDDEN in str(error):
        return SettingsError(f"{named_by}: this user lacks a permission: see deploy/redis/users.acl and ACL LOG")
    return error
