"""Logs of our processes: one line per record (time, level, process, message), without personal data and secrets."""

import json
import logging
import re
import sys
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TextIO

from consent_engine.domain.msisdn import hidden
from consent_engine.errors import place_of

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
        """Return the object, on one line."""
        fields: dict[str, object] = dict(about)
        fields |= {"at": _instant(record), "level": record.levelname, "process": self._process, "message": said}
        clean = {name: redacted(value) if isinstance(value, str) else value for name, value in fields.items()}
        return _object(clean)


FORMATS: dict[str, type[OneLine]] = {"text": OneLine, "json": OneObject}


def _lines(record: logging.LogRecord) -> Iterable[tuple[str, Mapping[str, object]]]:
    """Return each line of a record, with its subject."""
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


def set_up(process: str, stream: TextIO | None = None, *, form: str = "text", level: str = "info") -> None:
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
