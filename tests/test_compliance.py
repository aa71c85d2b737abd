"""docs/compliance.md: each sentence names its code, a test, and a mutation of this code that the test catches."""

import pytest

from benchmarks.mutations import run
from tests.pages import ROOT, WRITTEN, named, rows

PAGE = (ROOT / "docs" / "compliance.md").read_text("utf-8")
SENTENCES = rows(PAGE)
MUTATIONS = {mutation.name: mutation for mutation in run.mutations()}


def test_there_are_sentences():
    assert len(SENTENCES) >= 11
    assert all(len(row) == 4 for row in SENTENCES)


@pytest.mark.parametrize("row", SENTENCES, ids=lambda row: row[0])
def test_a_sentence_names_code_a_test_and_a_mutation_of_that_code_which_the_test_catches(row):
    _, code, tests, mutation = row
    assert (ROOT / code.strip("`")).is_file()
    assert named(tests)
    assert set(named(tests)) <= WRITTEN
    breaks = MUTATIONS[mutation.strip("`")]
    assert breaks.file == code.strip("`")
    caught_by = {test.partition("::")[2].partition("[")[0] for test in breaks.tests}
    assert caught_by & set(named(tests))
