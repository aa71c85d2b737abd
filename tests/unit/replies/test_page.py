"""The page that people read (`docs/replies.md`) says what the data say."""

from pathlib import Path

import pytest

from consent_engine.domain.grammar import EDITION, words

PAGE = (Path(__file__).parents[3] / "docs" / "replies.md").read_text("utf-8")


def listed(all_of):
    return " · ".join(f"`{each}`" for each in all_of)


@pytest.mark.parametrize(
    ("head", "table"),
    [
        ("YES", words.YES),
        ("NO", words.NO),
        ("STOP", words.STOP),
        ("HELP", words.HELP),
        ("Registers marketing-free, too", words.MARKETING_FREE),
        ("Never a code", sorted(words.NEVER_CODES)),
    ],
)
def test_the_page_lists_the_words_of_the_data(head, table):
    line = next(each for each in PAGE.splitlines() if each.startswith(f"- **{head}**: "))
    assert line.removeprefix(f"- **{head}**: ").partition("; ")[0] == listed(table)


def test_the_page_names_the_edition_and_the_ends_of_a_yes():
    assert f"edition {EDITION}," in PAGE
    for part in (words.PARTICLES, " ".join(words.SIGNS), " ".join(words.NEGATIVE_SIGNS), listed(words.THANKS)):
        assert part in PAGE
