"""The `consent` command: what went wrong is one line on standard error that says what to do, never a traceback."""

import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import typer

from consent_engine.cli.commands import app
from consent_engine.cli.tables import lost, printing
from consent_engine.domain.forms import in_our_words
from consent_engine.errors import ArchiveUnavailable, ConsentError, StoreUnavailable

FAILED, USAGE, SIGNALLED = 1, 2, 128
INTERRUPTED = SIGNALLED + signal.SIGINT
_ENDS = (signal.SIGTERM, signal.SIGHUP)
_ADVICE = {
    "order_not_found": "`consent stuck` and the API show ids",
    "plan_not_found": "`consent plans list` shows the plans",
    "key_not_found": "`consent keys list` shows the keys",
    "broken_record": "`consent doctor --all` names the record, the runbook the remedy",
    "nothing_parked": "`consent show ORDER` tells what it waits for",
    "not_durable": "run the command again",
}
# Typer bundles click or depends on it, depending on its version: the bases of its class are click's errors either way.
_UsageError, _ClickError = typer.BadParameter.__mro__[1:3]


def main() -> NoReturn:
    for number in _ENDS:
        if signal.getsignal(number) is signal.SIG_DFL:  # ignored under nohup
            signal.signal(number, _end)
    sys.exit(run(sys.argv[1:]))


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End as Ctrl-C does, so that whatever a command tidies away is tidied away; once, or a repeat would stop that."""
    for each in _ENDS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(SIGNALLED + number)


def run(arguments: Sequence[str], command: Callable[..., object] | None = None) -> int:
    """Run one command; return the exit status."""
    _streams()
    plain = [argument for argument in arguments if argument != "--json"]
    try:
        with printing(as_json=len(plain) < len(arguments)):
            command = command or app(plain)
            result = command(args=plain or ["--help"], prog_name="consent", standalone_mode=False)
        status = result if isinstance(result, int) else 0
    except KeyboardInterrupt:
        status = INTERRUPTED
    except SystemExit as ended:  # a signal; or a reader that left, of which some releases of Typer say this
        status = ended.code if isinstance(ended.code, int) else FAILED
    except BrokenPipeError:
        status = FAILED
    except UnicodeEncodeError as error:
        typed = any("\udc80" <= character <= "\udcff" for argument in arguments for character in argument)
        status = _fail("an argument is not text in UTF-8: type it again", USAGE) if typed else _fail(*_line(error))
    except Exception as error:  # noqa: BLE001 - the edge: people get one line for any error
        status = _fail(*_line(error))
    return _closed(_fail("interrupted", status) if status > SIGNALLED else status)


def _closed(status: int) -> int:
    """Flush standard output; return the exit status, which is not 0 where that cannot be written."""
    unwritten = lost(sys.stdout)
    if unwritten and not status:
        status = FAILED
        if not isinstance(unwritten, BrokenPipeError):  # a reader that has seen enough
            _fail(f"done, but its output cannot be written: {unwritten.strerror}", FAILED)
    lost(sys.stderr)
    return status


def _streams() -> None:
    """Open what a caller closed (`>&-`), and let a terminal that lacks a character show its number instead."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115 - open as long as the process
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _line(error: Exception) -> tuple[str, int]:
    """Return the message for an error, and the exit status."""
    if isinstance(error, _ClickError):
        is_usage = isinstance(error, _UsageError)
        return _usage(error), USAGE if is_usage else FAILED
    if isinstance(error, ConsentError):
        advice = _advice(error)
        return f"{error}{f': {advice}' if advice else ''}", FAILED
    if isinstance(error, OSError):
        return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part), FAILED
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: install the engine again, with all its dependencies", FAILED
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"
    return f"a defect of Consent Engine: {type(error).__name__} at {where}: please report it", FAILED


def _advice(error: ConsentError) -> str:
    """Return the remedy for an error; "" where its message says it."""
    if "takes no writes" in str(error):  # it is full, a replica, or its disk fails
        return "`consent doctor` says why"
    if not isinstance(error, StoreUnavailable) or not error.named_by:
        return _ADVICE.get(error.code, "")
    if "AuthenticationError" in str(error):  # the server is up
        return f"correct user and password in its address, {error.named_by}"
    if "certificate" in str(error):
        return f"renew it, or correct ssl_ca_certs in its address, {error.named_by}"
    if isinstance(error, ArchiveUnavailable):
        return f"is its database up, or its disk full? See {error.named_by}"
    return f"is its Redis up? See {error.named_by}"


def _usage(error: Exception) -> str:
    """Return click's own message, and where to read more."""
    said = in_our_words(getattr(error, "format_message", lambda: str(error))())
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "consent"
    return f"{said.rstrip('.')}: see `{command} --help`"


def _fail(message: str, status: int) -> int:
    line = " ".join(message.split())
    with suppress(OSError):
        sys.stderr.write(f"consent: {line}\n")
    return status
