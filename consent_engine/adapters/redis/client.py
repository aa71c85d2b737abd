"""A Redis client that never repeats a command by itself, and the one round trip all our scripts go through."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
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
from redis.exceptions import ConnectionError as Unreachable

from consent_engine.adapters.redis.hiredis_guard import answers as answers_of
from consent_engine.adapters.redis.hiredis_guard import in_main_thread, packed, spoken
from consent_engine.adapters.redis.topology.cluster import is_cluster, owner_of
from consent_engine.adapters.redis.topology.options import unrepeated
from consent_engine.adapters.redis.topology.sentinel import is_sentinel, master_of
from consent_engine.errors import NotDurable, SettingsError, StoreUnavailable

PROOF_TIMEOUT_MS = 3_000
ASK_AGAIN_MS = (10, 50, 200)
"""How long a replica's "not yet" is believed, the first times."""
_TRIES = 3
GROUP, LEAST = 128, 4
"""Where every write is on disk before its answer, the server syncs its file after each piece of what it reads: 16 KB,
five orders. So scripts that are sent together are done together, in groups of at most so many, for some milliseconds in
which nobody else is answered; fewer than the least are not worth it.
"""
_MULTI, _EXEC = ("MULTI",), ("EXEC",)
_NOT_NOW = (OutOfMemoryError, ReadOnlyError, ClusterDownError, TryAgainError)
"""redis-py makes a type of its own of these words, and cuts them off the text."""
_NOT_NOW_WORDS = {"MISCONF", "NOREPLICAS", "BUSY", "UNBLOCKED"}


class Fenced(Unreachable):
    """To redis-py a server that cannot be reached: the data there are being moved, or were moved away."""


def connect(url: str, timeout_s: float = 5.0, tag: str = "0", fence: str = "") -> "Redis":
    """A client for our own use: a lost answer is an error to decide on, not a reason to send again.

    tag: in a cluster, the hash tag of the keys it is for. fence: a key; while it is there no connection is made, so
    that a process that was cut off during a move, however long, cannot go on where the data are no more.
    """
    fenced: dict[str, Any] = {"redis_connect_func": partial(_outside, fence)} if fence else {}
    made = partial(owner_of, tag=tag) if is_cluster(url) else master_of if is_sentinel(url) else Redis.from_url
    return made(
        url,
        decode_responses=True,
        encoding_errors="surrogateescape",  # bytes that are no text break the record they stand in, and no other answer
        **unrepeated(timeout_s, 2.0),
        **fenced,
        **spoken(),
    )


def _outside(fence: str, connection: Any) -> None:  # noqa: ANN401 - redis-py's, of any kind
    """Log in, then ask whether there is a fence: in every new connection, before anything else is said in it."""
    connection.on_connect()
    connection.send_command("EXISTS", fence, check_health=False)
    try:
        if connection.read_response():
            raise Fenced
    except NoPermissionError:
        raise Unreachable("this user may not ask whether the data are being moved: allow it (ACL +exists)") from None


@dataclass(slots=True)
class Calls:
    """What one round trip asks: scripts by name, and plain commands. gathered: its scripts do as much in one go each as
    a group does. alone: the number of the call that the proof is for, where each error is the answer of its own call,
    and no other loses its answer by it
    """

    rows: list[tuple[object, ...]] = field(default_factory=list)
    gathered: bool = False
    alone: int | None = None

    def script(self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> None:
        """Ask for a script."""
        self.rows.append(("EVALSHA", name, len(keys), *keys, *args))

    def plain(self, *command: str | int) -> None:
        """Ask for a command."""
        self.rows.append(command)


class Wire:
    """Sends calls in one pipeline, and proves them when asked to. In a group, none depends on another."""

    def __init__(self, client: "Redis", *, proves: bool, replicas: int, proof_ms: int = PROOF_TIMEOUT_MS) -> None:
        self.client = client
        self._proves = proves
        self._replicas = replicas
        self._proof_ms = proof_ms
        self._sha: dict[str, str] = {}
        self._understood: dict[str, Any] = dict(client.response_callbacks)
        self._made_in_main_thread = in_main_thread()
        self._gathers = proves
        self.round_trips = 0

    def send(self, calls: Calls, *, prove: bool = False, repeat: bool = False) -> list[Any]:
        """The answers, in order. Raises StoreUnavailable, or NotDurable when `prove` could not be had.

        repeat: send everything again when the connection broke; only for calls that recognise themselves.
        """
        if not calls.rows:
            return []
        for attempt in range(_TRIES if repeat else 1):
            try:
                return self._send(calls, prove=prove)
            except Fenced:
                raise StoreUnavailable(
                    "the data were moved away from this server, or are being moved: set CONSENT_REDIS_URL and "
                    "CONSENT_CELLS to where they are, or give the move up with `consent cells stay`"
                ) from None
            except (ResponseError, NotDurable):
                raise
            except (RedisError, OSError) as error:
                if attempt + 1 == (_TRIES if repeat else 1):
                    raise StoreUnavailable(f"store cannot be reached: {type(error).__name__}") from error
        raise AssertionError("unreachable")

    def ask(self, *commands: tuple[str | int, ...], prove: bool = False) -> list[Any]:
        """The answers to plain commands that do no harm when they are sent again. Raises as `send`."""
        return self.send(Calls([*commands]), prove=prove, repeat=True)

    def _send(self, calls: Calls, *, prove: bool) -> list[Any]:
        answers = self._once(calls, prove=prove)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            # A restarted server has an empty script cache. Only what was not found was not done: send just that.
            self._sha.clear()
            missing = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            alone = missing.index(calls.alone) if calls.alone in missing else None
            again = self._once(Calls([calls.rows[i] for i in missing], calls.gathered, alone), prove=prove)
            for i, answer in zip(missing, again, strict=True):
                answers[i] = answer
        for i, answer in enumerate(answers):
            if isinstance(answer, ResponseError):
                answers[i] = _translated(answer)
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
        """Commands in groups, each of which the server is to do in one go (`GROUP`). One group means one by one."""
        if not self._gathers or len(rows) < LEAST or any(row[0] != "EVALSHA" for row in rows):
            return [rows]
        return [[_MULTI, *rows[n : n + GROUP], _EXEC] for n in range(0, len(rows), GROUP)]

    def _exchanged(self, groups: Sequence[Sequence[tuple[object, ...]]]) -> list[Any]:
        """The answers to commands sent together; an error is the answer of the command that it belongs to.

        What redis-py's pipeline does, without the part of it that is paid for every single command.
        """
        pool: Any = self.client.connection_pool
        connection = pool.get_connection()
        try:
            connection.send_packed_command(packed(connection, [row for group in groups for row in group]))
            came = iter(answers_of(connection, sum(map(len, groups))))
            read = [[self._understand(str(row[0]), next(came)) for row in group] for group in groups]
        except BaseException:
            connection.disconnect()  # whatever is still to be read belongs to nobody
            raise
        else:
            gathered = [bool(group) and group[0] is _MULTI for group in groups]
            if any(isinstance(answers[-1], ResponseError) for answers, was in zip(read, gathered, strict=True) if was):
                connection.disconnect()  # it may still be gathering
            return [
                answer for answers, was in zip(read, gathered, strict=True)
                for answer in (self._of_group(answers) if was else answers)
            ]  # fmt: skip
        finally:
            pool.release(connection)

    def _of_group(self, answers: list[Any]) -> list[Any]:
        """The answers of the commands between MULTI and EXEC."""
        begun, *queued, done = answers
        if isinstance(begun, NoPermissionError):  # by an ACL from before there were groups: each was done by itself
            self._gathers = False
            return queued
        if isinstance(done, ResponseError):  # one could not be queued, for the server's reasons: nothing was done
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
            raise NotDurable("the store took it but could not prove it durable in time: the same request again is safe")

    def _script(self, name: str) -> str:
        if name not in self._sha:
            text = files("consent_engine.adapters.redis").joinpath(f"lua/{name}.lua").read_text(encoding="utf-8")
            self._sha[name] = str(self.client.script_load(text))
        return self._sha[name]


def _proofs(replicas: int, most_ms: int) -> list[tuple[int, int, int]]:
    """What WAITAOF is asked: how many disks of the master's, of replicas, and for how long (ms).

    A replica tells how far its disk is when it is asked, and once a second. Asked in the same breath as it is told to
    write, it says "not yet", and everybody waits for the second to pass. So it is asked once the master's own disk has
    it, and soon again. On one connection: a proof is of its own connection's writes only.
    """
    if not replicas:
        return [(1, 0, most_ms)]
    half = most_ms // 2
    return [(1, 0, half), *((1, replicas, wait) for wait in (*ASK_AGAIN_MS, half - sum(ASK_AGAIN_MS)))]


_FORBIDDEN = "ACL failure in script"
"""The error of a script whose Redis user may not run one of its commands."""


def _translated(error: ResponseError) -> Exception:
    """What the server refuses for its own reasons is "not now"; anything else is a defect and stays what it is."""
    word = str(error).split(" ", 1)[0].strip("-")
    if isinstance(error, _NOT_NOW) or word in _NOT_NOW_WORDS:
        kind = word if word in _NOT_NOW_WORDS else type(error).__name__
        return StoreUnavailable(f"the store takes no writes now: {kind}")
    if isinstance(error, NoPermissionError) or _FORBIDDEN in str(error):
        return SettingsError("CONSENT_REDIS_URL: this user may not do that: see deploy/redis/users.acl and ACL LOG")
    return error
