"""Each test has one tier, from one table: `tests/tiers.py`."""

import re
from pathlib import Path

from tests.tiers import FAST, SAMPLED, TIERS, VARIANTS, WHOLE, Tier, asked, tier_of, tiers_in

ROOT = Path(__file__).parents[1]
FILES = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "tests").rglob("test_*.py"))]


def test_each_file_of_tests_has_a_tier():
    assert [file for file in FILES if tier_of(file) is None] == [], "tests/tiers.py names neither it nor its folder"


def test_what_the_table_names_is_there_and_a_line_that_changes_nothing_is_not():
    for name, tier in TIERS.items():
        file, _, function = name.partition("::")
        assert (ROOT / file).exists(), name
        assert not function or re.search(rf"^(?:async )?def {function}\(", (ROOT / file).read_text("utf-8"), re.M), name
        above = tier_of(file) if function else tier_of(f"{file.rpartition('/')[0]}/other")
        assert above is not tier, f"{name} has this tier without a line"
    assert [name for name in (*SAMPLED, *VARIANTS) if not (ROOT / name).exists()] == []


def test_no_mark_of_a_tier_is_given_anywhere_else():
    given = re.compile(rf"\bmark\.({'|'.join(Tier)})\b")
    assert [path.name for path in (ROOT / "tests").rglob("*.py") if given.search(path.read_text("utf-8"))] == []


def test_a_case_that_needs_a_server_of_its_own_is_no_longer_fast():
    assert tier_of("tests/archive/test_archive.py", "test_any", "sqlite") is FAST
    assert tier_of("tests/archive/test_archive.py", "test_any", "much-postgresql") is WHOLE
    assert tiers_in("tests/archive/test_archive.py") == {FAST, WHOLE}


def test_files_are_left_out_only_where_tiers_are_all_that_is_asked_for():
    assert asked("fast") == {FAST}
    assert asked("fast or whole") == {FAST, WHOLE}
    assert asked("") == asked("not searches") == asked("fast and whole") == {*Tier}
