"""Conversations, one per file, with the end that they must have. Written by hand, never regenerated."""

import pytest

from tests.scenarios import FILES, Play

KNOWN: dict[str, str] = {}
"""Conversations that still end wrongly, and why."""


def conversations():
    for path in FILES:
        reason = KNOWN.get(path.stem)
        marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
        yield pytest.param(path, id=path.stem.replace("_", " "), marks=marks)


@pytest.mark.parametrize("path", list(conversations()))
def test_a_conversation_ends_as_it_must(path):
    play = Play()
    for number, written in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = written.partition("#")[0].strip()
        if line:
            try:
                play.line(line)
            except AssertionError as error:
                raise AssertionError(f"{path.name}:{number}: {line}\n{error}") from error
    play.world.runner.close()


def test_every_conversation_is_played():
    assert len(FILES) >= 25
    assert {path.stem for path in FILES} >= set(KNOWN)
