"""Pages of docs/ whose tables name tests: their rows, and the tests that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
WRITTEN = {
    name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)\(", path.read_text("utf-8"))
}


def rows(page):
    """The rows of a page's tables, as cells."""
    lines = [line for line in page.splitlines() if re.match(r"\| (?!Scenario|Sentence|#)", line)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def named(page):
    """The tests that it names."""
    return sorted(set(re.findall(r"`(test_\w+(?:\[[^]`]+\])?)`", page)))
