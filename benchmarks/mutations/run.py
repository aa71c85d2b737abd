"""Proof that the checks can fail: the code broken on purpose. `benchmarks/mutations/run.py`.

Each mutation (in a `.toml` beside this file) is a piece of text of one file, what is put in its place, and the tests
that must fail then. The checkout is copied to a temporary folder without what is nobody's source; there the tests are
run once as they are, then with one mutation at a time. Status 1 when a mutation is not caught, or cannot be
applied any more.

    nice python -m benchmarks.mutations.run
    nice python -m benchmarks.mutations.run --page docs/compliance.md
"""

import argparse
import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).parents[2]
LISTS = sorted(Path(__file__).parent.glob("*.toml"))
AT_ONCE = 2
WAIT_S, SOUND_WAIT_S = 180, 1_800
"""For the tests of one mutation, and for all of them as they are."""
PASSED, FAILED = 0, 1
"""What pytest's exit status says; any other (nothing collected, a broken import) proves nothing."""
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "var", "build", "dist", "htmlcov")


@dataclass(frozen=True, slots=True)
class Mutation:
    """One way to break the code. text: stands once in the file · put: instead of it · tests: one must fail."""

    name: str
    file: str
    text: str
    put: str
    tests: tuple[str, ...]

    def applied(self, source: str) -> str:
        """The source as broken; raises ValueError when the text does not stand there exactly once."""
        if (found := source.count(self.text)) != 1:
            raise ValueError(f"{self.file}: the text stands there {found} times, not once")
        return source.replace(self.text, self.put)

    def wrong(self, root: Path) -> list[str]:
        """Why this mutation can no longer be tried; nothing when it can."""
        told = [f"{test}: there is no such test" for test in self.tests if not exists(root, test)]
        told += [] if self.tests else ["no test is named"]
        try:
            broken = self.applied((root / self.file).read_text("utf-8"))
            told += ["it changes nothing"] if self.put == self.text else []
            if self.file.endswith(".py"):
                ast.parse(broken)
        except (OSError, ValueError, SyntaxError) as error:
            told.append(str(error))
        return told


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a mutation. by: the test that failed, or why there was none."""

    mutation: Mutation
    caught: bool
    by: str
    seconds: float


def mutations() -> list[Mutation]:
    """All there are, in the order of their lists."""
    rows = [row for each in LISTS for row in tomllib.loads(each.read_text("utf-8"))["mutation"]]
    return [Mutation(**{**row, "tests": tuple(row["tests"])}) for row in rows]


def exists(root: Path, test: str) -> bool:
    """Whether a test is defined where its id says; which cases it has only a run can tell."""
    path, _, name = test.partition("::")
    return name.partition("[")[0] in _tests_in(root / path)


@cache
def _tests_in(path: Path) -> frozenset[str]:
    source = path.read_text("utf-8") if path.is_file() else ""
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)\(", source, re.M))


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the working tree to break."""
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        copy = Path(folder) / "checkout"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT, symlinks=True)
        yield copy


def run(copy: Path, tests: Sequence[str], wait_s: float = WAIT_S) -> tuple[int, str]:
    """Run tests of a copy on the code of that copy: pytest's status, and what it said; -1 where they took too long."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    running = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
        cwd=copy, env=environ | {"PYTHONPATH": str(copy)}, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        said, _ = running.communicate(timeout=wait_s)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        said, _ = running.communicate()
        return -1, said
    return running.returncode, said


def tried(mutation: Mutation, copy: Path) -> Verdict:
    """Break the copy, run the tests that must see it, and mend the copy again."""
    began, path = time.monotonic(), copy / mutation.file
    try:
        sound = path.read_text("utf-8")
        _write(path, mutation.applied(sound))
    except (OSError, ValueError) as error:
        return Verdict(mutation, caught=False, by=str(error), seconds=0.0)
    try:
        status, said = run(copy, mutation.tests)
    finally:
        _write(path, sound)
    failed = re.search(r"^FAILED (.+?)(?: - |$)", said, re.M)
    caught = status == FAILED and failed is not None
    return Verdict(mutation, caught, failed[1] if caught and failed else _why(status, said), time.monotonic() - began)


def _write(path: Path, source: str) -> None:
    """Write it, and forget what Python compiled: two versions of one second and one length look the same to it."""
    path.write_text(source, "utf-8")
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        compiled.unlink()


def _why(status: int, said: str) -> str:
    lines = said.strip().splitlines()
    if status == PASSED:
        return f"SURVIVED: {lines[-1]}"
    return f"NO PROOF, status {status}: {' / '.join(lines[-3:])}"


def all_tried(wanted: Sequence[Mutation]) -> Iterator[Verdict]:
    """Try mutations, a few at a time, each in a copy that nobody else breaks meanwhile."""
    free: SimpleQueue[Path] = SimpleQueue()

    def one(mutation: Mutation) -> Verdict:
        copy = free.get()
        try:
            return tried(mutation, copy)
        finally:
            free.put(copy)

    with copied() as first, copied() as second, ThreadPoolExecutor(AT_ONCE) as pool:
        for copy in (first, second):
            free.put(copy)
        yield from pool.map(one, wanted)


def sound(wanted: Sequence[Mutation]) -> str:
    """What fails without any mutation: a test that fails anyway catches nothing. Empty when all pass."""
    with copied() as copy:
        status, said = run(copy, sorted({test for mutation in wanted for test in mutation.tests}), SOUND_WAIT_S)
    return "" if status == PASSED else said


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Break the code on purpose; see which test says so.")
    parser.add_argument("--only", metavar="NAME", help="those whose name contains this")
    parser.add_argument("--page", metavar="FILE", type=Path, help="those that a page names, as docs/compliance.md does")
    parser.add_argument("--list", action="store_true", help="tell them, and try none")
    asked = parser.parse_args()
    page = asked.page.read_text("utf-8") if asked.page else ""
    wanted = [
        mutation
        for mutation in mutations()
        if (asked.only or "") in mutation.name and (not asked.page or f"`{mutation.name}`" in page)
    ]
    if not wanted:
        parser.error("no mutation has such a name")
    if asked.list:
        for mutation in wanted:
            print(f"{mutation.name} | {mutation.file} | {', '.join(mutation.tests)}")
        return 0
    return _told(wanted)


def _told(wanted: Sequence[Mutation]) -> int:
    if wrong := [f"{mutation.name}: {why}" for mutation in wanted for why in mutation.wrong(ROOT)]:
        print(*wrong, sep="\n", file=sys.stderr)
        return 1
    began = time.monotonic()
    if fails := sound(wanted):
        print(f"these tests fail on the code as it is:\n{fails}", file=sys.stderr)
        return 1
    print(f"without a mutation every test named here passes ({time.monotonic() - began:.0f} s)", flush=True)
    print("| Mutation | Caught by | Seconds |\n|---|---|---|", flush=True)
    survived = 0
    for verdict in all_tried(wanted):
        survived += not verdict.caught
        print(f"| {verdict.mutation.name} | {verdict.by} | {verdict.seconds:.1f} |", flush=True)
    print(
        f"{len(wanted)} mutations, {len(wanted) - survived} caught, {survived} not ({time.monotonic() - began:.0f} s)"
    )
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
