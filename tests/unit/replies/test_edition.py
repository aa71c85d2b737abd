"""An edition names one way to read: the words, the patterns and what is read with them are frozen by its number."""

import re
from collections.abc import Iterator
from hashlib import sha256

from consent_engine.domain.grammar import EDITION, doubt, patterns, read, takes_back, words
from consent_engine.verify import YES
from tests.unit.replies.corpus import labelled

FROZEN = {4: "bb3bc0d48497c34193dcd621f3d8b938", 5: "08f2761a599d6e74b4cfd0299a21cd64"}
"""By edition, the digest of what it reads by, and how. A row is never changed once its edition was released: what reads
otherwise is the next edition, with a row here and in the verifier.
"""
AROUND = (
    "{}",
    " {}。",
    "{}，谢谢",
    "您好，{}！",
    "{}？",
    "{}…",
    "{}吗",
    "{}吧",
    "{}234",
    "234 {}",
    "（{}）",
    "👍{}",
    "好的{}",
)


def test_what_reads_otherwise_is_another_edition():
    assert digest() == FROZEN[EDITION], "raise EDITION, give it a row here and in the verifier, and leave older rows"
    assert list(FROZEN) == list(range(4, EDITION + 1))
    assert set(FROZEN) <= set(YES)


def digest() -> str:
    return sha256("\n".join([*sorted(set(constants())), *readings()]).encode()).hexdigest()[:32]


def constants() -> Iterator[str]:
    """Yield the values of these modules. Their names are left out: what is called otherwise reads the same."""
    for module in (words, patterns, doubt):
        for name, value in vars(module).items():
            if not name.startswith("__") and (told := plainly(value)):
                yield told


def plainly(value: object) -> str:
    """Return how a value is written, the same in every process; '' for what is none: functions, modules, types."""
    match value:
        case re.Pattern():
            return f"{value.pattern!a} {value.flags}"
        case str() | int():
            return ascii(value)
        case tuple() | list():
            return f"({','.join(map(plainly, value))})"
        case frozenset() | set():
            return f"{{{','.join(sorted(map(plainly, value)))}}}"
        case dict():
            return f"{{{','.join(sorted(f'{plainly(key)}:{plainly(kept)}' for key, kept in value.items()))}}}"
    matcher = getattr(value, "__self__", None)
    return plainly(matcher) if isinstance(matcher, re.Pattern) else ""


def readings() -> Iterator[str]:
    """Yield what every word of the tables means with each thing around it, and every text of the corpus alone."""
    tables = (*words.YES, *words.NO, *words.STOP, *words.HELP, "等一下", "再考虑一下", "我老公不同意", "wait")
    texts = [around.format(word) for word in tables for around in AROUND]
    for text in (*texts, *(text for _, text in labelled())):
        said = read(text)
        reason = said.reason.value if said.reason else ""
        yield f"{said.keyword.value} {said.code} {reason} {said.marketing_free} {takes_back(text)}"
