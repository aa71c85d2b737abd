"""The `consent` command: what went wrong is one line on standard error that says what to do, never a traceback."""

import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import typer

from consent_engine.cli.commands import app
from consent_engine.cli.tables import printing
from consent_engine.errors import ConsentError

FAILED, USAGE = 1, 2
_ADVICE = {
    "order_not_found": "`consent stuck` and the API show ids",
    "plan_not_found": "`consent plans list` shows the plans",
    "key_not_found": "`consent keys list` shows the keys",
    "broken_record": "`consent doctor --all` names the record, the runbook the remedy",
    "nothing_parked": "`consent show ORDER` tells what it waits for",
    "store_unavailable": "is its Redis up? See CONSENT_REDIS_URL",
    "not_durable": "run the command again",
}
# Typer bundles click or depends on it, depending on its version: the bases of its class are click's errors either way.
_UsageError, _ClickError = typer.BadParameter.__mro__[1:3]


def main() -> NoReturn:
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str], command: Callable[..., object] = app) -> int:
    """Run one command; return the exit status."""
    _streams()
    plain = [argument for argument in arguments if argument != "--json"]
    try:
        with printing(as_json=len(plain) < len(arguments)):
            status = command(args=plain or ["--help"], prog_name="consent", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python reports it at exit
        return FAILED
    except UnicodeEncodeError as error:
        typed = any("\udc80" <= character <= "\udcff" for argument in arguments for character in argument)
        return _fail("an argument is not text in UTF-8: type it again", USAGE) if typed else _fail(*_line(error))
    except Exception as error:  # noqa: BLE001 - the edge: people get one line for any error
        return _fail(*_line(error))


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
        refused = "AuthenticationError" in str(error)  # the server is up
        advice = (
            "correct user and password in its address, CONSENT_REDIS_URL" if refused else _ADVICE.get(error.code, "")
        )
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


def _usage(error: Exception) -> str:
    """Return click's own message, and where to read more."""
    said = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "consent"
    return f"{said.rstrip('.')}: see `{command} --help`"


def _fail(told: str, status: int) -> int:
    line = " ".join(told.split())
    sys.stderr.write(f"consent: {line}\n")
    return status
