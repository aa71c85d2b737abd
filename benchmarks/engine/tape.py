"""A recording of our scripts, and its replay: the bytes are prepared beforehand, and sent by one client or by two."""

import asyncio
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from benchmarks.engine import rates as engine
from benchmarks.states import funnel
from consent_engine import wiring
from consent_engine.adapters.redis.client import PROOF_TIMEOUT_MS, Calls, Wire, connect, script_texts
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.adapters.redis.store import redis_store
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Lane
from consent_engine.domain.lifecycle import State
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Reply

SLICE_S = 5.0
DEPTH = 2
"""How many batches a replaying client has under way."""
READ = 1 << 18


@dataclass(slots=True)
class Batch:
    """The scripts sent together, by name with their arguments, whether they were proven, and the answers."""

    rows: list[tuple[Any, ...]]
    prove: bool
    answers: list[Any]


class Recorder(Wire):
    """A wire that records scripts. Plain commands go through and are not kept: the limit is of scripts."""

    kept: ClassVar[list[Batch]] = []

    def send(self, calls: Calls, *, prove: bool = False, repeat: bool = False) -> list[Any]:
        """Send the calls, and keep the scripts among them."""
        answers = super().send(calls, prove=prove, repeat=repeat)
        scripts = [n for n, row in enumerate(calls.rows) if row[0] == "EVALSHA"]
        if scripts:
            self.kept.append(Batch([calls.rows[n] for n in scripts], prove, [answers[n] for n in scripts]))
        return answers


class NoQueue:
    """A queue that wakes no worker: here one loop does everything, in turn."""

    def __init__(self, *_: object) -> None:
        """Connect to nothing."""

    def wake(self, *_: object) -> None:
        """Wake nobody: nobody sleeps."""

    def room(self) -> None:
        """Check nothing: there is no server."""


CHANGED = {
    "Wire": Recorder,
    "redis_store": partial(redis_store, clock=lambda: time.time_ns() // 1_000_000),  # the instants are arguments
    "RqQueue": NoQueue,
}
"""The parts of our wiring that are replaced during a recording."""


@contextmanager
def changed() -> Iterator[None]:
    """Replace those parts of our wiring within the block."""
    real = {name: getattr(wiring, name) for name in CHANGED}
    try:
        for name, kind in CHANGED.items():
            setattr(wiring, name, kind)
        yield
    finally:
        for name, kind in real.items():
            setattr(wiring, name, kind)


def record(count: int) -> list[Batch]:
    """Record one run of so many orders in this process, without its set-up."""
    with tempfile.TemporaryDirectory() as folder, changed():
        environ = {
            "CONSENT_READING_SPEED": "1000000",
            "CONSENT_DATA_DIR": str(Path(folder) / "data"),
            "CONSENT_DURABILITY": "everysec",
        }
        settings = Settings.load({**environ, "CONSENT_IN_FLIGHT": str(engine.IN_FLIGHT)}, env_file=None)
        with wiring.installation(settings, own=True) as found, asyncio.Runner() as runner:
            ours = found.engine()
            Recorder.kept.clear()
            wanted = engine.requests(0, count)
            for n in range(0, count, engine.BATCH):
                ours.place_many(wanted[n : n + engine.BATCH])
            runner.run(settle(ours, State.AWAITING_REPLY, count))
            sender = settings.senders()["mobile"]
            for n in range(0, count, engine.BATCH):
                numbers = range(engine.FIRST_NUMBER + n, engine.FIRST_NUMBER + min(n + engine.BATCH, count))
                ours.receive([Reply("simulated", f"m{x}", Msisdn(f"+86{x}"), sender, "是") for x in numbers])
            runner.run(settle(ours, State.NOTIFIED, count))
    return list(Recorder.kept)


async def settle(ours: Any, state: State, count: int) -> None:  # noqa: ANN401 - an Engine, of whatever shape
    """Perform lanes in turn until so many orders are in a state."""
    deadline = time.monotonic() + engine.BOUND_S
    while time.monotonic() < deadline:
        for lane in (Lane.INBOUND, Lane.ACTIVATION, Lane.SMS):
            await ours.performer.perform(lane, SLICE_S)
        await ours.performer.land(SLICE_S)
        so_far = len(Recorder.kept)
        there = funnel(ours).get(state, 0)
        del Recorder.kept[so_far:]  # asked for SQL, which a replay does not have
        if there >= count:
            return
    sys.exit(f"recording: not everything came to {state}")


# -- bytes -------------------------------------------------------------------------------------------------------------


def packed(row: Sequence[Any], shas: dict[str, str]) -> bytes:
    """Return a script's call as RESP."""
    parts = [b"EVALSHA", shas[str(row[1])].encode()]
    parts += [value if isinstance(value, bytes) else str(value).encode() for value in row[2:]]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def parsed(file: BinaryIO) -> Any:  # noqa: ANN401 - whatever Redis answers
    """Read one answer."""
    line = file.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"*":
        return [parsed(file) for _ in range(int(rest))]
    if kind == b"$":
        return None if rest == b"-1" else file.read(int(rest) + 2)[:-2].decode()
    return int(rest) if kind == b":" else rest.decode()


@dataclass(slots=True)
class Tape:
    """A recording made ready: per batch the bytes to send, and how many bytes come back."""

    sends: list[bytes] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    keys: int = 0
    """How many keys the server has afterwards."""


class Counting:
    """A file that counts the bytes read from it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.count = file, 0

    def readline(self) -> bytes:
        """Read a line, as a file does."""
        line = self._file.readline()
        self.count += len(line)
        return line

    def read(self, size: int) -> bytes:
        """Read bytes, as a file does."""
        self.count += size
        return self._file.read(size)


def dial(server: EmbeddedServer) -> socket.socket:
    """Open a plain socket to the server."""
    wire = socket.socket(socket.AF_UNIX)
    wire.connect(str(server._socket))  # noqa: SLF001 - its URL quotes the path
    return wire


def loaded(server: EmbeddedServer, names: set[str]) -> dict[str, str]:
    """Load the scripts; return their hashes."""
    client = connect(server.url)
    return {name: str(client.script_load(script_texts()[name])) for name in names}


def made(batches: Sequence[Batch], durability: str) -> tuple[Tape, int]:
    """Make the tape by a first replay; return it, and how many answers were not the recorded ones."""
    tape, differing = Tape(), 0
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer.start(Path(folder) / "data", durability) as server:
        shas = loaded(server, {str(row[1]) for batch in batches for row in batch.rows})
        with dial(server) as wire:
            file: Any = Counting(wire.makefile("rb"))
            for batch in batches:
                proof = batch.prove and durability == "strict"
                bytes_ = b"".join(packed(row, shas) for row in batch.rows)
                tape.sends.append(bytes_ + (PROOF if proof else b""))
                before = file.count
                wire.sendall(tape.sends[-1])
                for wanted in batch.answers:
                    differing += parsed(file) != wanted
                if proof and parsed(file) != [1, 0]:
                    raise SystemExit("the server could not prove it durable")
                tape.lengths.append(file.count - before)
        tape.keys = int(connect(server.url).dbsize())
    return tape, differing


def command(*parts: Any) -> bytes:  # noqa: ANN401 - words and numbers
    """Return a plain command as RESP."""
    raw = [str(part).encode() for part in parts]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in raw)


PROOF = command("WAITAOF", 1, 0, PROOF_TIMEOUT_MS)


# -- replay ------------------------------------------------------------------------------------------------------------


def play(server: EmbeddedServer, sends: Sequence[bytes], lengths: Sequence[int]) -> None:
    """Send every batch, the next while the last is being answered."""
    with dial(server) as wire:
        for n in range(min(DEPTH, len(sends))):
            wire.sendall(sends[n])
        buffer, early = bytearray(READ), 0
        for n, length in enumerate(lengths):
            got = early
            while got < length:
                size = wire.recv_into(buffer)
                if not size:
                    raise RuntimeError("the server hung up")
                got += size
            early = got - length
            if n + DEPTH < len(sends):
                wire.sendall(sends[n + DEPTH])
        if early:
            raise RuntimeError("the server said more than the first time")


@dataclass(frozen=True, slots=True)
class Replay:
    """The figures of a replay."""

    rate: float
    redis_us: float
    commands: float


def replay(tapes: Sequence[Tape], names: set[str], durability: str, n: int) -> Replay:
    """Replay tapes at once on a fresh server. n: orders on each"""
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer.start(Path(folder) / "data", durability) as server:
        loaded(server, names)
        client = connect(server.url)
        before = engine._server(client)  # noqa: SLF001 - of the same package
        threads = [threading.Thread(target=play, args=(server, tape.sends, tape.lengths)) for tape in tapes]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - start
        after, orders = engine._server(client), n * len(tapes)  # noqa: SLF001 - the same
        # Each batch was answered with as many bytes as the first time, and there are as many keys.
        if client.dbsize() != sum(tape.keys for tape in tapes):
            raise SystemExit("a replay did not come to its end")
        return Replay(orders / seconds, (after[3] - before[3]) / orders * 1e6, (after[0] - before[0]) / orders)


def other_space(tape: Tape) -> Tape:
    """Return the same tape in a key space of its own: keys and prefixes begin with `cf:`, as long as before."""
    return Tape([each.replace(b"\r\nce:", b"\r\ncf:") for each in tape.sends], tape.lengths, tape.keys)
