"""The tests that docs/security.md names for each control exist."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TEXT = (TESTS.parent / "docs" / "security.md").read_text("utf-8")
NAMED = re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(test_\w+))?`", TEXT)


def where(name):
    name = name.removeprefix("tests/")
    return next(path for path in (TESTS / "security" / name, TESTS / name) if path.is_file())


def test_every_test_that_shows_a_control_exists():
    assert len(NAMED) > 30
    for file, test in NAMED:
        assert f"def {test}(" in where(file).read_text("utf-8") or not test, f"{file}::{test}"


def test_tests_named_alone_stand_in_the_file_named_before_them():
    for file, first, second in re.findall(r"`((?:\w+/)*test_\w+\.py)::(test_\w+)`, `(test_\w+)`", TEXT):
        text = where(file).read_text("utf-8")
        assert f"def {first}(" in text
        assert f"def {second}(" in text


def test_every_file_it_links_to_exists():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (TESTS.parent / "docs" / target).is_file(), target
