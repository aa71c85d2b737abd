"""The page for people about replies (`docs/replies.md`) says what the data say."""

import runpy
from pathlib import Path

from consent_engine.domain.grammar import words

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "replies.md").read_text("utf-8")
WRITTEN = runpy.run_path(str(DOCS / "replies.py"))


def test_the_page_lists_the_words_of_the_data_and_names_their_edition():
    assert WRITTEN["drawn"](PAGE) == PAGE, "run: make written"
    for table in (words.YES, words.HELP, words.MARKETING_FREE, sorted(words.NEVER_CODES)):
        assert f"**: {WRITTEN['listed'](table)}" in PAGE
    for table in (words.NO, words.STOP):
        assert f"**: {len(table)} texts: {WRITTEN['listed'](table[:12])} …" in PAGE


def test_the_page_names_the_ends_of_a_yes():
    for part in (words.PARTICLES, " ".join(words.SIGNS), " ".join(words.NEGATIVE_SIGNS)):
        assert part in PAGE
    assert WRITTEN["listed"](words.THANKS) in PAGE
