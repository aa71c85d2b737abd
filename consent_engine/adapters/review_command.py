"""The operator's review command: a process for each call, JSON in and out, without our settings, killed at the end."""

import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
from collections.abc import Mapping
from typing import Literal

import msgspec

from consent_engine.domain.msisdn import hidden
from consent_engine.ports.outside import CommandFailed, Heard, ReviewCommand

TIMEOUT_S = 30.0
MOST_SAID = 64 * 1024
"""The largest answer, in bytes, that is read."""
MOST_REASONS, MOST_NOTE = 20, 500
_NAME, _REASON = re.compile("[A-Za-z0-9._+-]{1,40}"), re.compile("[a-z][a-z0-9_]{0,39}")


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    version: str
    verdict: Literal["pass", "fail"]
    reasons: tuple[str, ...] = ()
    note: str = ""


class ProcessCommand(ReviewCommand):
    """The review command, from a command line as it is typed: split as a shell does, but not run by a shell."""

    def __init__(self, line: str, timeout_s: float = TIMEOUT_S) -> None:
        self._arguments = shlex.split(line)
        self._timeout_s = timeout_s
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}

    async def hear(self, description: Mapping[str, object]) -> Heard:
        """Run the command as the port says. Its standard error is discarded: it may hold a subscriber's words."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL, env=self._environ, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise CommandFailed(f"CONSENT_REVIEW_COMMAND cannot be started: {type(error).__name__}") from None
        try:
            said = await asyncio.wait_for(_asked(process, json.dumps(description).encode()), self._timeout_s)
        except TimeoutError:
            raise CommandFailed(f"CONSENT_REVIEW_COMMAND did not end within {self._timeout_s:g} s") from None
        finally:
            await _ended(process)
        return read(said)


async def _asked(process: asyncio.subprocess.Process, description: bytes) -> bytes:
    """Return the command's answer. Raises CommandFailed where it fails, or answers too much."""
    if process.stdin is None or process.stdout is None:
        raise CommandFailed("CONSENT_REVIEW_COMMAND has no standard input or output")
    with contextlib.suppress(ConnectionError):  # the command does not read its input: its answer counts all the same
        process.stdin.write(description)
        await process.stdin.drain()
        process.stdin.close()
    said = b""
    while piece := await process.stdout.read(MOST_SAID):
        said += piece
        if len(said) > MOST_SAID:
            raise CommandFailed("CONSENT_REVIEW_COMMAND says too much")
    if status := await process.wait():
        raise CommandFailed(f"CONSENT_REVIEW_COMMAND ended with {status}")
    return said


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Kill the command with everything in its process group, and wait for its end."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def read(said: bytes) -> Heard:
    """Read the verdict in an answer. Raises CommandFailed for any other answer; the error repeats none of it."""
    try:
        found = msgspec.json.decode(said, type=_Said)
    except msgspec.DecodeError:
        raise CommandFailed("CONSENT_REVIEW_COMMAND did not say a verdict: docs/reviews.md") from None
    named = _NAME.fullmatch(found.name) and _NAME.fullmatch(found.version)
    sound = len(found.reasons) <= MOST_REASONS and all(map(_REASON.fullmatch, found.reasons))
    if not named or not sound or len(found.note) > MOST_NOTE or (found.verdict == "fail" and not found.reasons):
        raise CommandFailed("CONSENT_REVIEW_COMMAND did not say a verdict: docs/reviews.md")
    return Heard(found.name, found.version, found.verdict == "pass", found.reasons, hidden(found.note))
