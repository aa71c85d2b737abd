"""The parts that every process of the engine needs. Its end: signals are flags, and a child process ends with its
parent, however that dies. Its garbage collector: objects that exist after the start are not scanned again. Its log: one
line per record (time, level, process, message), without personal data and secrets.
"""

import ctypes
import gc
import json
import logging
import os
import re
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import FrameType
from typing import TextIO

from consent_engine.domain.msisdn import hidden
from consent_engine.errors import place_of

THRESHOLDS = (60_000, 20, 20)
"""Python's own threshold (2,000) makes it scan thirty times as often at batches of some hundred orders: a tenth of our
CPU time. 500 orders being placed hold some 23,000 objects: with a threshold of 20,000, it finds nothing in each batch,
for a twelfth of its CPU.
"""


def freeze_objects() -> None:
    """Exempt existing objects from scans: to be called once everything that stays to the end exists."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


_PR_SET_PDEATHSIG = 1
_STOPS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """The request to this process to end.

    The handlers set a flag and write a byte, nothing else: an exception out of a signal handler in the middle of a
    Redis command would leave its answer behind for the next command.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._signals = 0
        self._reads, self._writes = os.pipe()
        os.set_blocking(self._writes, False)

    def set(self) -> None:
        self.is_set = True
        try:
            os.write(self._writes, b"\0")
        except BlockingIOError:  # it is full: that wakes the process already
            return

    def wait(self, seconds: float) -> bool:
        """Wait until the end is requested, for `seconds` at most; return whether it was."""
        poll = select.poll()  # `select` refuses descriptors from 1,024 on
        poll.register(self._reads, select.POLLIN)
        poll.poll(max(seconds, 0.0) * 1_000)
        return self.is_set

    def on_signals(self) -> None:
        """Let SIGTERM and SIGINT set this; a second one ends the process at once."""
        for number in _STOPS:
            signal.signal(number, self._signalled)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, lambda number, frame: self.set())

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals > 1:
            os._exit(128 + number)
        self.set()


def tie(leash: int, end: Callable[[], None], grace_s: float) -> None:
    """Call `end` when the process at the other end of the pipe `leash` is gone; `grace_s` later, exit anyhow.

    On Linux the kernel sends SIGHUP as well, in case this process is too busy to look at the pipe.
    """
    signal.signal(signal.SIGHUP, lambda number, frame: end())
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGHUP), 0, 0, 0)

    def watch() -> None:
        while os.read(leash, 1):
            pass
        end()
        time.sleep(grace_s)
        os._exit(1)

    threading.Thread(target=watch, name="leash", daemon=True).start()


QUIET = ("rq", "uvicorn", "aiohttp", "asyncio", "urllib3", "authlib", "httpx2", "httpcore2")
"""Loggers kept at WARNING: their other messages are not for ops, and may quote what they were given."""

_object = json.JSONEncoder(ensure_ascii=False).encode
"""The encoder, made once: `json.dumps` makes another for each line, which took longer than all the rest of it."""
_HIDDEN = "***"
_SECRETS = (
    ("://", re.compile(r"(://)[^\s/@]*:[^\s/@]*(?=@)")),  # redis://user:password@host
    ("ce_", re.compile(r"()ce_(?<=\bce_)[A-Za-z0-9_\-]{8,}")),  # an API key
    # A webhook's secret path.
    ("/gateways/", re.compile(r"(/gateways/)[^\s/]+/(?!inbound\b|receipts\b)[^\s/?]+")),
)
"""A text that every secret of a kind contains, and the kind's pattern: most lines hold none, and are not searched."""


def redacted(text: str) -> str:
    """Return the text without apparent mobile numbers and secrets. Defence in depth: nobody should log them.

    >>> redacted("order 0ce713800138000138001380 of +86 138-0013-8000"), redacted("redis://:pw@host/0")
    ('order 0ce713800138000138001380 of ***', 'redis://***@host/0')
    """
    for sign, secret in _SECRETS:
        if sign in text:
            text = secret.sub(rf"\1{_HIDDEN}", text)
    return hidden(text, _HIDDEN)


class OneLine(logging.Formatter):
    """A formatter of one line per record; of an exception, its kind and origin: its text may quote a person.

    Its subject (`extra={"about": {...}}`: request, key, order ...) follows, where the message does not name it.
    A record of several subjects (`each`: the subject of each of its lines) is as many lines.
    """

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(self.line(record, said, about) for said, about in _lines(record))

    def line(self, record: logging.LogRecord, said: str, about: Mapping[str, object]) -> str:
        for name, value in about.items():
            said += "" if str(value) in said else f" {name}={_one_line(str(value))}"
        return redacted(f"{_instant(record)} {record.levelname} {self._process}: {said}".rstrip())


class OneObject(OneLine):
    """A formatter of one JSON object per record, with a field for each part of its subject."""

    def line(self, record: logging.LogRecord, said: str, about: Mapping[str, object]) -> str:
        fields: dict[str, object] = dict(about)
        fields |= {"at": _instant(record), "level": record.levelname, "process": self._process, "message": said}
        clean = {name: redacted(value) if isinstance(value, str) else value for name, value in fields.items()}
        return _object(clean)


FORMATS: dict[str, type[OneLine]] = {"text": OneLine, "json": OneObject}


def _lines(record: logging.LogRecord) -> Iterable[tuple[str, Mapping[str, object]]]:
    said = record.getMessage()
    if each := getattr(record, "each", None):
        return zip(said.split("\n"), each, strict=True)
    if record.exc_info and record.exc_info[1] is not None:
        said += f" [{place_of(record.exc_info[1])}]"
    return [(_one_line(said), getattr(record, "about", {}))]


def _one_line(said: str) -> str:
    if said.isprintable():  # line ends are not printable
        return said
    return " | ".join(part.rstrip() for part in said.splitlines() if part.strip())


def _instant(record: logging.LogRecord) -> str:
    return f"{_clock(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(maxsize=1)
def _clock(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def set_up_logs(process: str, stream: TextIO | None = None, *, form: str = "text", level: str = "info") -> None:
    """Log to `stream` (else standard error) as `process`. form: a name in FORMATS · level: the lowest one logged."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(FORMATS[form](process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    # No line holds these; finding them out costs a third of a record (the standard library says how to do without,
    # under "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined] # since Python 3.12
    logging._srcfile = None  # noqa: SLF001 - the documented way
    logging.raiseExceptions = False  # a full disk or a closed terminal must not bring a traceback per line
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("rq.worker", "rq.job", "rq.queue"):  # RQ gives them levels of their own
        logging.getLogger(name).setLevel(logging.WARNING)
