"""Labelled replies: no text is wrongly read as a yes, every refusal is recognised, nothing harmless is held."""

import pytest

from consent_engine.domain.grammar import Keyword, read
from tests.unit.replies.corpus import answers, label, labelled

CORPUS = labelled()
REFUSALS_SENT, HARMLESS_SENT = answers("refusals"), answers("harmless")
UNHEARD = ["out", "iie", "没那闲钱", "哪凉快哪呆着", "爬"]
"""Refusals that no rule hears: they stay unclear, and are asked about once."""
REFUSALS = {"STOP", "NO", "HOLD", "WITHDRAW"}


def keyword(label):
    return label.partition("/")[0]


def test_there_are_enough_of_every_kind():
    kinds = [keyword(each) for each, _ in CORPUS]
    assert len(dict.fromkeys(text for _, text in CORPUS)) == len(CORPUS) >= 2_900
    least = {"YES": 200, "UNKNOWN": 1_200, "NO": 600, "STOP": 340, "HOLD": 400, "HELP": 50, "WITHDRAW": 18}
    assert {kind: kinds.count(kind) >= n for kind, n in least.items()} == dict.fromkeys(least, True)


def test_nothing_is_a_yes_that_was_not_labelled_one():
    assert [text for each, text in CORPUS if keyword(each) != "YES" and read(text).keyword is Keyword.YES] == []


def test_every_refusal_is_heard():
    refusals = [(text, read(text).keyword) for each, text in CORPUS if keyword(each) in REFUSALS]
    assert len(refusals) > 1_000
    assert [text for text, found in refusals if found not in REFUSALS] == []


def test_nothing_harmless_is_held_or_stops_anything():
    harmless = [text for each, text in CORPUS if keyword(each) in {"UNKNOWN", "HELP", "YES"}]
    assert [text for text in harmless if read(text).keyword in REFUSALS] == []


@pytest.mark.parametrize("kind", list(Keyword))
def test_each_is_read_as_it_was_labelled(kind):
    wrong = {text: label(read(text)) for each, text in CORPUS if keyword(each) == kind and label(read(text)) != each}
    assert wrong == {}


def test_the_answers_written_for_doubt_are_many_and_stand_nowhere_else():
    every = [*REFUSALS_SENT, *HARMLESS_SENT, *(text for _, text in CORPUS)]
    assert len(set(every)) == len(every)
    assert len(REFUSALS_SENT) >= 1_000
    assert len(HARMLESS_SENT) >= 1_200


def test_every_refusal_sent_to_a_question_is_heard_but_those_named_here():
    assert [text for text in REFUSALS_SENT if str(read(text).keyword) not in REFUSALS] == UNHEARD


def test_of_harmless_answers_one_in_fifty_is_held_at_most_and_none_is_a_yes():
    known = [text for each, text in CORPUS if keyword(each) in {"UNKNOWN", "HELP", "YES"}]
    for texts in (HARMLESS_SENT, known):
        held = [text for text in texts if str(read(text).keyword) in REFUSALS]
        assert len(held) * 50 <= len(texts), held
        doubtful = [text for text in held if read(text).is_doubtful]
        assert len(doubtful) * 500 <= len(texts), doubtful
    assert [text for text in (*REFUSALS_SENT, *HARMLESS_SENT) if read(text).keyword is Keyword.YES] == []
