"""Verdicts on mutations, kept from run to run. `benchmarks/mutations/kept.py`.

One line of JSON a verdict, added at the end: a run killed in the middle has lost only what was under way, and a last
line without its end is ignored. A verdict counts as long as neither the mutation nor the file that it breaks nor those
of its tests have changed since.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

import msgspec

from benchmarks.mutations.mutation import ROOT, Mutation, Verdict


class Line(msgspec.Struct):
    """A verdict as kept. of: the fingerprint it was reached on · commit: HEAD then."""

    mutation: str
    of: str
    commit: str
    caught: bool
    by: str
    seconds: float


class Kept:
    """The verdicts in a file; the newest of a mutation counts."""

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_bytes().split(b"\n")[:-1] if file.is_file() else []  # behind the last line end: torn
        self._last = {line.mutation: line for line in (msgspec.json.decode(each, type=Line) for each in lines)}
        self._commit = _head()

    def caught(self, mutation: Mutation) -> bool:
        """Return whether the mutation was caught, as it, its file and its tests are now."""
        line = self._last.get(mutation.name)
        return line is not None and line.caught and line.of == fingerprint(mutation)

    def seconds(self, mutation: Mutation) -> float:
        """Return how long it took the last time; 0.0 when it was not tried yet: new mutations come first."""
        line = self._last.get(mutation.name)
        return line.seconds if line else 0.0

    def add(self, verdict: Verdict, of: str) -> None:
        """Keep a verdict. of: the mutation's fingerprint when the checkout was copied."""
        line = Line(verdict.mutation.name, of, self._commit, verdict.caught, verdict.by, round(verdict.seconds, 1))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a+b") as file:
            file.truncate(self._file.read_bytes().rfind(b"\n") + 1)
            file.write(msgspec.json.encode(line) + b"\n")


def fingerprint(mutation: Mutation) -> str:
    """Return a hash of the mutation, of the file that it breaks, and of the files of its tests."""
    told = hashlib.sha256()
    for word in (mutation.text, mutation.put, *mutation.tests):
        told.update(word.encode() + b"\0")
    for path in sorted({mutation.file, *(test.partition("::")[0] for test in mutation.tests)}):
        told.update((ROOT / path).read_bytes() + b"\0")
    return told.hexdigest()[:16]


def _head() -> str:
    """Return the commit that is checked out; "" where it cannot be found out."""
    git = shutil.which("git")
    if git is None:
        return ""
    said = subprocess.run([git, "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return said.stdout.strip()
