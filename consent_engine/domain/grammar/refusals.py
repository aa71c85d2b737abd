"""The refusal that a piece of a reply is: a word or a sentence, once or repeated, two of them, or one with digits for
letters.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from consent_engine.domain.grammar import words as w
from consent_engine.domain.grammar.meaning import Keyword
from consent_engine.domain.grammar.patterns import NO_SENTENCES, NO_STOP, STOP_SENTENCES, either


def _refusal(
    words: Iterable[str], sentences: Iterable[str], before: Iterable[str], after: Iterable[str]
) -> Callable[[str], re.Match[str] | None]:
    """Return a matcher of texts without blanks that are a refusal of one kind, once or repeated, politely or not."""
    core = "|".join([either(word.replace(" ", "") for word in words), *(f"(?:{each})" for each in sentences)])
    lead, tail = (either(word.replace(" ", "") for word in each) for each in (before, after))
    return re.compile(
        f"(?!.*{NO_STOP}){lead}{{0,2}}(?P<core>{core})[{w.PARTICLES}]*(?:(?P=core)[{w.PARTICLES}]*)*{tail}{{0,2}}"
    ).fullmatch


_is_no = _refusal(w.NO, NO_SENTENCES, (*w.HEARD, *w.BEFORE_NO), w.AFTER)
_is_stop = _refusal(w.STOP, STOP_SENTENCES, (*w.HEARD, *w.BEFORE_STOP), w.AFTER_STOP)
_is_courtesy = re.compile(either(word.replace(" ", "") for word in (*w.BEFORE_NO, *w.AFTER))).fullmatch
_LATIN = re.compile("[a-z]")
_FEW = 2
"""The letters of a word with digits in it, a leading one counted twice: with so few it is not plainly that word."""


def kinds_of(pieces: Iterable[str]) -> set[Keyword | None]:
    """Return the refusals in the pieces of a reply, courtesies aside; None stands for a piece that is none."""
    return {kind_of(piece) for piece in pieces if piece and not _is_courtesy(piece)}


def kind_of(piece: str) -> Keyword | None:
    """Return the refusal that a piece is; if it is none as it stands, try letters for the digits beside its letters."""
    if _is_stop(piece):
        return Keyword.STOP
    if _is_no(piece):
        return Keyword.NO
    if (both := _following(piece)) is not None:
        return both
    if piece.isalpha() or not _LATIN.search(piece):
        return None
    return next(filter(None, (_spelt(piece, letters) for letters in w.LETTERS)), None)


def _following(piece: str) -> Keyword | None:
    """Return the meaning of two refusals with nothing between them (算了不办了, 否td). The first must
    be over before the second: 不要取消 asks to go on, 取消不了 says that it cannot be done.
    """
    over = _OVER.match(piece)
    if over is None:
        return None
    first, rest = piece[: over.end()], piece[over.end() :]
    kinds = {Keyword.STOP if _is_stop(first) else Keyword.NO if _is_no(first) else None, kind_of(rest)}
    if None in kinds:
        return None
    return Keyword.STOP if Keyword.STOP in kinds else Keyword.NO


_OVER = re.compile(f"(?:.{{0,12}}?(?:否|兴趣|[了啦])[{w.PARTICLES}]*|td(?=否)|no?(?=[^a-z0-9]))(?=.)")
"""The beginning of a piece in which a refusal is over: another one may follow."""


def _spelt(piece: str, letters: Mapping[int, int]) -> Keyword | None:
    """Return the refusal that a piece is with letters for its digits. A word without letters is a figure (7, please);
    where letters are few, a person reads a possible STOP (3nd, 7d).
    """
    said = piece.translate(letters)
    stop = _is_stop(said)
    found = stop or _is_no(said)
    if not found:
        return None
    words = [piece[each.start() : each.end()] for each in re.finditer(re.escape(found["core"]), said)]
    if not all(map(_LATIN.search, words)):
        return None
    plain = all(sum(map(str.isalpha, each)) + each[0].isalpha() > _FEW for each in words)
    return (Keyword.STOP if plain else Keyword.HOLD) if stop else Keyword.NO
