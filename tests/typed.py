"""`consent ...` as it is typed: in a process of its own, which is a fork of one that has loaded the program.

To load it takes four fifths of most commands' time. What a process must be from its first instruction on (a signal at
its start, a closed output, other libraries) is tried with one that starts from nothing.
"""

import os
import sys
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(["consent_engine.cli", "consent_engine.doctor", "consent_engine.wiring"])


def typed(
    *arguments: str,
    environ: Mapping[str, str],
    folder: Path = ROOT,
    seconds: float = 60,
    out: Path | None = None,
    err: Path | None = None,
) -> CompletedProcess[str]:
    """Run `consent` with these arguments in that folder, with that environment and no input, and await its end.

    out, err: files it writes to, like a device that is full, of which nothing is read. Raises TimeoutExpired.
    """
    with TemporaryDirectory() as kept:
        told, erred = Path(kept, "out"), Path(kept, "err")
        process = _FORKS.Process(
            target=_command, args=(arguments, dict(environ), str(folder), str(out or told), str(err or erred))
        )
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutExpired(["consent", *arguments], seconds)
        status = process.exitcode
        process.close()
        said = [each.read_text("utf-8") if each.exists() else "" for each in (told, erred)]
        return CompletedProcess(["consent", *arguments], status, *said)


def _command(arguments: list[str], environ: dict[str, str], folder: str, *files: str) -> None:
    """Be the process that a shell would have started."""
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    for number, name in enumerate(files, 1):
        given = os.open(name, os.O_WRONLY | os.O_CREAT)
        os.dup2(given, number)
        os.close(given)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    sys.argv = ["consent", *arguments]
    from consent_engine import __main__ as consent  # noqa: PLC0415 - loaded only where it runs

    if not Path(consent.__file__).resolve().is_relative_to(ROOT.resolve()):
        sys.exit(f"the program of another checkout was loaded: {consent.__file__}")
    consent.main()
