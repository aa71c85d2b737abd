"""tests/acceptance/points.md: each point that was required of the pages has a test that exists."""

from tests.pages import ROOT, WRITTEN, named, rows

POINTS = 18


def test_each_point_of_the_pages_names_tests_that_are_there():
    page = (ROOT / "tests" / "acceptance" / "points.md").read_text("utf-8").partition("## Looked at")[0]
    assert {row[0].partition(".")[0] for row in rows(page)} - {"Point", "---"} == {str(n) for n in range(1, POINTS + 1)}
    assert [name for name in named(page) if name not in WRITTEN] == []
