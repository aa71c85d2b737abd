"""The list of mutations stays valid: each still applies, and the command works. All: `benchmarks/mutations/run.py`."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.mutations import run
from benchmarks.mutations.kept import Kept, fingerprint
from tests.tiers import FAST, tier_of_test

ROOT = Path(__file__).parents[1]
CHEAP = (
    "grammar: 不同意 is a yes",
    "rule 2: over open orders only",
)


@pytest.fixture(scope="module")
def cheap():
    """Return the mutations of CHEAP, in its order."""
    known = {mutation.name: mutation for mutation in run.mutations()}
    return [known[name] for name in CHEAP]


def test_every_mutation_can_still_be_tried():
    listed = run.mutations()
    assert len(listed) >= 30
    assert len({mutation.name for mutation in listed}) == len(listed)
    assert [f"{mutation.name}: {why}" for mutation in listed for why in mutation.wrong(ROOT)] == []


def test_make_test_catches_nineteen_of_twenty_mutations():
    """Of those that it does not catch, the tests that do are in another tier."""
    others = [each.name for each in run.mutations() if FAST not in map(tier_of_test, each.tests)]
    assert len(others) <= len(run.mutations()) / 20, others


def test_what_can_no_longer_be_tried_is_said(cheap):
    moved, *_ = cheap
    assert replace(moved, text="no such text").wrong(ROOT) == [f"{moved.file}: the text stands there 0 times, not once"]
    assert replace(moved, file="consent_engine/none.py").wrong(ROOT)
    assert replace(moved, put="(").wrong(ROOT)
    assert replace(moved, put=moved.text).wrong(ROOT) == ["it changes nothing"]
    assert replace(moved, tests=()).wrong(ROOT) == ["no test is named"]
    assert replace(moved, tests=("tests/unit/replies/test_corpus.py::test_none",)).wrong(ROOT)


def test_only_a_test_that_fails_has_caught_a_mutation(cheap):
    """The change of one mutation is undone, else the others could not end as they do."""
    breaks_the_import = replace(cheap[0], put=f"{cheap[0].text}; raise ImportError")
    no_such_test = replace(cheap[1], tests=("tests/unit/test_correlate.py::test_none",))
    harmless = replace(cheap[1], put=f"{cheap[1].text}  # nothing")
    wanted = [breaks_the_import, no_such_test, cheap[0], harmless]
    verdicts = {id(verdict.mutation): verdict for verdict in run.all_tried(wanted)}
    broken, gone, caught, survived = (verdicts[id(mutation)] for mutation in wanted)
    assert [verdict.caught for verdict in (broken, gone, caught, survived)] == [False, False, True, False]
    assert [verdict.by.partition(",")[0] for verdict in (broken, gone)] == ["NO PROOF"] * 2
    assert caught.by.partition("[")[0] == cheap[0].tests[0]
    assert survived.by.startswith("SURVIVED: 1 passed")


def test_a_run_that_was_stopped_goes_on_with_what_was_not_caught_as_it_is_now(cheap, tmp_path):
    first, second = cheap
    for mutation, caught in zip(cheap, (True, False), strict=True):
        Kept(tmp_path / "kept").add(run.Verdict(mutation, caught, "a test", 2.5), fingerprint(mutation))
    kept = Kept(tmp_path / "kept")
    assert [kept.caught(first), kept.caught(second), kept.seconds(first)] == [True, False, 2.5]
    assert not kept.caught(replace(first, put="another"))
    assert not kept.caught(replace(first, tests=second.tests))
    assert [kept.seconds(replace(first, name="new")), kept.caught(replace(first, name="new"))] == [0.0, False]


@pytest.mark.parametrize(
    "torn", [b'{"mutation":"x","of"', b'{"mutation":"x","of":"","commit":"","caught":true,"by":"","seconds":1}']
)
def test_a_last_line_that_was_torn_is_passed_over_and_written_over(cheap, tmp_path, torn):
    file = tmp_path / "kept"
    Kept(file).add(run.Verdict(cheap[0], True, "a test", 2.5), fingerprint(cheap[0]))  # noqa: FBT003 - a verdict
    file.write_bytes(file.read_bytes() + torn)
    kept = Kept(file)
    assert kept.caught(cheap[0])
    kept.add(run.Verdict(cheap[1], True, "a test", 2.5), fingerprint(cheap[1]))  # noqa: FBT003 - a verdict
    assert [Kept(file).caught(each) for each in cheap] == [True, True]
    assert file.read_bytes().count(b"\n") == 2


def test_a_test_that_fails_anyway_proves_nothing(cheap):
    broken, _ = cheap
    with run.nests() as free:
        for nest in [free.get() for _ in range(run.AT_ONCE)]:
            source = nest.checkout / broken.file
            source.write_text(broken.applied(source.read_text("utf-8")), "utf-8")
            free.put(nest)
        assert [*run.unsound(free, cheap)] == [*broken.tests]
