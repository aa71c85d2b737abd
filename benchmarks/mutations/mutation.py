"""A mutation and its verdict. `benchmarks/mutations/mutation.py`."""

import ast
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
LISTS = sorted(Path(__file__).parent.glob("*.toml"))


@dataclass(frozen=True, slots=True)
class Mutation:
    """One way to break the code. text: occurs once in the file · put: replaces it · tests: one must fail."""

    name: str
    file: str
    text: str
    put: str
    tests: tuple[str, ...]

    def applied(self, source: str) -> str:
        """Return the broken source; raises ValueError when the text does not occur there exactly once."""
        if (found := source.count(self.text)) != 1:
            raise ValueError(f"{self.file}: the text stands there {found} times, not once")
        return source.replace(self.text, self.put)

    def wrong(self, root: Path) -> list[str]:
        """Return why this mutation can no longer be tried; nothing when it can."""
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
    """The result of a mutation. by: the test that failed, or why there was none."""

    mutation: Mutation
    caught: bool
    by: str
    seconds: float


def mutations() -> list[Mutation]:
    """Return all mutations, in the order of their lists."""
    rows = [row for each in LISTS for row in tomllib.loads(each.read_text("utf-8"))["mutation"]]
    return [Mutation(**{**row, "tests": tuple(row["tests"])}) for row in rows]


def exists(root: Path, test: str) -> bool:
    """Return whether a test is defined where its id says; only a run can tell which cases it has."""
    path, _, name = test.partition("::")
    return name.partition("[")[0] in _tests_in(root / path)


@cache
def _tests_in(path: Path) -> frozenset[str]:
    source = path.read_text("utf-8") if path.is_file() else ""
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)\(", source, re.M))
