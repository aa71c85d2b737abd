"""Proof that the checks can fail: the code broken on purpose. `benchmarks/mutations/run.py`.

Each mutation (in a `.toml` beside this file) is a piece of text of one file, its replacement, and the tests
that must fail then. The checkout is copied to temporary folders without files that are no source; there the tests are
run once as they are, then with one mutation at a time, the quick ones first. A verdict names the test that failed, and
its tier (`tests/tiers.py`). Status 1 when a mutation is not caught, or cannot be applied any more. Each verdict is kept
at once (`kept.py`): `--resume` goes on where a run was stopped.

    nice python -m benchmarks.mutations.run
    nice python -m benchmarks.mutations.run --resume
    nice python -m benchmarks.mutations.run --page docs/compliance.md
"""

import argparse
import math
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from benchmarks.mutations.kept import Kept, fingerprint
from benchmarks.mutations.mutation import ROOT, Mutation, Verdict, mutations
from benchmarks.mutations.nest import Nest
from tests.tiers import Tier, tier_of_test

T = TypeVar("T")
R = TypeVar("R")
KEPT = ROOT / ".bench" / "mutations.jsonl"
AT_ONCE = 2
WAIT_S = 600
"""How long the tests of one mutation, or of one file, may take: also on a machine that has much else to do."""
PASSED, FAILED = 0, 1
"""Meanings of pytest's exit status; any other (nothing collected, a broken import) proves nothing."""
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "var", "build", "dist", "htmlcov")


@contextmanager
def nests() -> Iterator[SimpleQueue[Nest]]:
    """Make copies of the working tree to break, each with a process that runs its tests."""
    with ExitStack() as stack:
        free: SimpleQueue[Nest] = SimpleQueue()
        for _ in range(AT_ONCE):
            copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutations-"))) / "checkout"
            shutil.copytree(ROOT, copy, ignore=LEFT_OUT, symlinks=True)
            free.put(stack.enter_context(closing(Nest(copy))))
        yield free


def shared(free: SimpleQueue[Nest], does: Callable[[Nest, T], R], things: Sequence[T]) -> Iterator[R]:
    """Yield the results as they come: a few at a time, each in a copy that no other mutation breaks meanwhile."""

    def one(thing: T) -> R:
        nest = free.get()
        try:
            return does(nest, thing)
        finally:
            free.put(nest)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in as_completed([pool.submit(one, thing) for thing in things]):
            yield done.result()


def tried(nest: Nest, mutation: Mutation) -> Verdict:
    """Break the copy, run the tests that must notice, and mend the copy again."""
    began, path = time.monotonic(), nest.checkout / mutation.file
    try:
        sound = path.read_text("utf-8")
        _write(path, mutation.applied(sound))
    except (OSError, ValueError) as error:
        return Verdict(mutation, caught=False, by=str(error), seconds=0.0)
    try:
        ended = nest.run(["-x", *sorted(mutation.tests, key=_last)], WAIT_S)
    finally:
        _write(path, sound)
    failed = re.search(r"^FAILED (.+?)(?: - |$)", ended.said, re.M)
    caught = ended.status == FAILED and failed is not None
    by = failed[1] if caught and failed else _why(ended.status, ended.said)
    return Verdict(mutation, caught, by, time.monotonic() - began)


def _last(test: str) -> int:
    """Return the place of a test's tier: what `make test` runs is tried first."""
    return [*Tier].index(tier_of_test(test) or Tier.SEARCHES)


def _write(path: Path, source: str) -> None:
    """Write a file, and remove its bytecode: Python cannot tell two versions of one second and one length apart."""
    path.write_text(source, "utf-8")
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        compiled.unlink()


def _why(status: int, said: str) -> str:
    lines = said.strip().splitlines()
    if status == PASSED:
        return f"SURVIVED: {lines[-1]}"
    return f"NO PROOF, status {status}: {' / '.join(lines[-3:])}"


def all_tried(wanted: Sequence[Mutation]) -> Iterator[Verdict]:
    """Try mutations; the verdicts come in any order."""
    with nests() as free:
        yield from shared(free, tried, wanted)


def unsound(free: SimpleQueue[Nest], wanted: Sequence[Mutation]) -> dict[str, str]:
    """Return the tests that fail without any mutation, with their output, file by file: they catch nothing."""
    files: dict[str, set[str]] = {}
    for test in (test for mutation in wanted for test in mutation.tests):
        files.setdefault(test.partition("::")[0], set()).add(test)

    def fails(nest: Nest, tests: set[str]) -> dict[str, str]:
        ended = nest.run(sorted(tests), WAIT_S)
        if ended.status == PASSED:
            return {}
        named = set(re.findall(r"^(?:FAILED|ERROR) (\S+)", ended.said, re.M))
        bad = {test for test in tests if test in named or test in {name.partition("[")[0] for name in named}}
        return dict.fromkeys(bad or tests, ended.said)

    return {test: said for found in shared(free, fails, list(files.values())) for test, said in found.items()}


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Break the code on purpose; see which test says so.")
    parser.add_argument("--only", metavar="NAME", help="those whose name contains this")
    parser.add_argument("--page", metavar="FILE", type=Path, help="those that a page names, as docs/compliance.md does")
    parser.add_argument("--list", action="store_true", help="tell them, and try none")
    parser.add_argument("--kept", metavar="FILE", type=Path, default=KEPT, help="where the verdicts are kept")
    parser.add_argument(
        "--resume", action="store_true", help="leave out what was caught before, as it and its tests are now"
    )
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
    return _told(wanted, Kept(asked.kept), resumed=asked.resume)


def _told(wanted: Sequence[Mutation], kept: Kept, *, resumed: bool) -> int:
    if wrong := [f"{mutation.name}: {why}" for mutation in wanted for why in mutation.wrong(ROOT)]:
        print(*wrong, sep="\n", file=sys.stderr)
        return 1
    left = sorted((each for each in wanted if not (resumed and kept.caught(each))), key=kept.seconds)
    if before := len(wanted) - len(left):
        print(f"{before} of {len(wanted)} were caught before", flush=True)
    if not left:
        return 0
    began = time.monotonic()
    with nests() as free:
        caught = _printed(free, left, kept)
    took, survived = time.monotonic() - began, len(left) - caught.total()
    tiers = ", ".join(f"{caught[tier]} by {tier}" for tier in Tier)
    print(f"{len(left)} mutations, {caught.total()} caught ({tiers}), {survived} not ({took:.0f} s)")
    return 1 if survived else 0


def _printed(free: SimpleQueue[Nest], left: Sequence[Mutation], kept: Kept) -> Counter[str]:
    """Print a line for each verdict as it comes; return how many were caught, by the tier of the test that failed."""
    began, of = time.monotonic(), {mutation.name: fingerprint(mutation) for mutation in left}
    fails = unsound(free, left)
    for test, said in fails.items():
        print(f"fails on the code as it is, and catches nothing: {test}\n{said}", file=sys.stderr, flush=True)
    provable = [mutation for mutation in left if not fails.keys() & set(mutation.tests)]
    print(f"without a mutation {len(fails)} of the tests named here fail ({time.monotonic() - began:.0f} s)")
    print("| Of | Left | Mutation | Caught by | Tier | Seconds |\n|---|---|---|---|---|---|", flush=True)
    began, caught = time.monotonic(), Counter[str]()
    for done, verdict in enumerate(shared(free, tried, provable), 1):
        kept.add(verdict, of[verdict.mutation.name])
        tier = (tier_of_test(verdict.by) or "") if verdict.caught else ""
        caught.update([tier] if verdict.caught else [])
        minutes = math.ceil((time.monotonic() - began) / done * (len(provable) - done) / 60)
        told = f"{verdict.mutation.name} | {verdict.by} | {tier} | {verdict.seconds:.1f}"
        print(f"| {done} of {len(provable)} | {minutes} min | {told} |", flush=True)
    return caught


if __name__ == "__main__":
    sys.exit(main())
