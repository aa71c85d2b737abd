"""The order that a reply means, and the rule by which it was found. Never guess.

1 selectors name an order: the sub-number the reply was sent to, the code in it. All that are there must name the same
one order; a sub-number that no question came from, a code that no order has, or two that disagree name none. 2 without
selectors, the only order *asked* of that number and carrier within its window + 48 h, open or settled (a second yes to
a finished order must never confirm the next one). 3 otherwise none: ask once, listing codes.
"""

from collections.abc import Callable, Container, Mapping, Sequence

from msgspec import Struct, field

from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import Millis
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.line.entries import Entry
from consent_engine.domain.order.facts import Fact, Rule

TOO_MANY = "too_many"


class Reading(Struct, frozen=True):
    """The result of reading a message: facts about orders, SMS of the line's own, or nothing (`unmatched` says why)."""

    facts: tuple[tuple[str, Fact], ...] = ()
    put: tuple[Put, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[tuple[str, Drop], ...] = ()
    unmatched: str = ""


class Meaning(Struct, frozen=True):
    """The orders that a reply concerns. `orders` is empty for a reply that belongs to none."""

    keyword: Keyword
    rule: Rule
    orders: tuple[str, ...]
    candidates: tuple[str, ...]


def remembered(entries: Sequence[Entry], carriers: Sequence[str], at: Millis) -> list[Entry]:
    """Return the orders of `carriers` that a message received at `at` may mean: settled first, the newest last."""
    found = [entry for entry in entries if entry.carrier in carriers and entry.remembered(at)]
    return sorted(found, key=lambda entry: (entry.is_open, entry.until)) if len(found) > 1 else found


def sub_number(to: str, senders: Mapping[str, str]) -> str:
    """Return the digits after our own number in the number a message was sent to; '' if there are none."""
    digits = to.lstrip("+")
    sender = max((s for s in senders.values() if digits.startswith(s)), key=len, default=None)
    return digits[len(sender) :] if sender else ""


def correlate(
    keyword: Keyword,
    code: str,
    sub: str,
    entries: Sequence[Entry],
    was_asked: Callable[[str], bool],
    which_asked: Callable[[str], Keyword | None],
    doubtful: Container[str] = (),
) -> Meaning:
    """Return the order that a reply means among `entries` (remembered, of its carriers, the last asked at the end).

    was_asked: whether the question of an order was handed over, or may have left us · which_asked: the answer that made
    us ask "which one?" about an order · doubtful: codes that name no order, because they stand in a text for another
    reason
    """
    if keyword in {Keyword.STOP, Keyword.HOLD}:
        orders = tuple(entry.order for entry in entries if entry.is_open)
        return Meaning(keyword, Rule.EVERY_OPEN, orders, orders)
    by_sub = [entry.order for entry in entries if entry.sub == sub]
    by_code = [entry.order for entry in entries if entry.code == code and code not in doubtful]
    selected = [named for selector, named in ((sub, by_sub), (code, by_code)) if selector]
    if not selected:
        return _only(keyword, entries, was_asked)
    return _named(keyword, code, sub, selected, entries, which_asked)


def _named(
    keyword: Keyword,
    code: str,
    sub: str,
    selected: Sequence[list[str]],
    entries: Sequence[Entry],
    which_asked: Callable[[str], Keyword | None],
) -> Meaning:
    """Return the one order that every selector names, or none: a wrong selector is never replaced by a guess."""
    everyone = tuple(entry.order for entry in entries)
    first = selected[0]
    if len(first) != 1 or any(named != first for named in selected):
        waiting = tuple(entry.order for entry in entries if entry.is_open)
        return Meaning(keyword if keyword is Keyword.HELP else Keyword.UNKNOWN, Rule.AMBIGUOUS, waiting, everyone)
    order = first[0]
    # The code alone counts only as an answer to our own question.
    meant = which_asked(order) if keyword is Keyword.UNKNOWN and code else None
    if meant is not None:
        return Meaning(meant, Rule.WHICH_ONE, (order,), everyone)
    return Meaning(keyword, Rule.SUB_NUMBER if sub else Rule.CODE, (order,), everyone)


def _only(keyword: Keyword, entries: Sequence[Entry], was_asked: Callable[[str], bool]) -> Meaning:
    """Return the only order that was asked, where a reply names none."""
    asked = [entry for entry in entries if was_asked(entry.order)]
    # A no needs no question: it declines what is open, as long as that is one order.
    fits = asked or [entry for entry in entries if entry.is_open]
    if len(fits) == 1:
        return Meaning(keyword, Rule.ONLY_ORDER, (fits[0].order,), tuple(entry.order for entry in entries))
    candidates = tuple(entry.order for entry in (asked or entries) if entry.is_open)
    return Meaning(keyword, Rule.AMBIGUOUS, candidates, candidates)
