"""Which order a reply means, and by which rule. Never guess.

1 the sub-number it was sent to; 2 the code in it; 3 the only order *asked* of that number and carrier within its
window + 48 h, open or settled (a second yes to a finished order must never confirm the next one); 4 else none: ask
once, listing codes.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.facts import Rule
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.line import Entry


class Meaning(Struct, frozen=True):
    """Which orders a reply concerns. `orders` is empty when it answered nothing."""

    keyword: Keyword
    rule: Rule
    orders: tuple[str, ...]
    candidates: tuple[str, ...]


def remembered(entries: Sequence[Entry], carriers: Sequence[str], at: Millis) -> list[Entry]:
    """The orders of `carriers` that a message received at `at` may mean: settled ones first, the newest last."""
    found = [entry for entry in entries if entry.carrier in carriers and entry.remembered(at)]
    return sorted(found, key=lambda entry: (entry.is_open, entry.until))


def sub_number(to: str, senders: Mapping[str, str]) -> str:
    """The digits after our own number in what a message was sent to; '' if there are none."""
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
) -> Meaning:
    """Say what a reply means among `entries` (those remembered, of its carriers; those asked last at the end).

    was_asked: whether the question of an order was handed over, or may have left us ·
    which_asked: what the subscriber had said when we asked "which one?" about an order
    """
    if keyword is Keyword.STOP:
        orders = tuple(entry.order for entry in entries if entry.is_open)
        return Meaning(keyword, Rule.EVERY_OPEN, orders, orders)
    everyone = tuple(entry.order for entry in entries)
    by_sub = [entry for entry in entries if sub and entry.sub == sub]
    if len(by_sub) == 1:
        return Meaning(keyword, Rule.SUB_NUMBER, (by_sub[0].order,), everyone)
    if code:
        return _by_code(keyword, code, entries, everyone, which_asked)
    asked = [entry for entry in entries if was_asked(entry.order)]
    if len(asked) == 1:
        return Meaning(keyword, Rule.ONLY_ORDER, (asked[0].order,), everyone)
    if not asked:
        # A no needs no question: it declines what is open, as long as that is one order.
        waiting = [entry.order for entry in entries if entry.is_open]
        if len(waiting) == 1:
            return Meaning(keyword, Rule.ONLY_ORDER, (waiting[0],), everyone)
    candidates = tuple(entry.order for entry in (asked or entries) if entry.is_open)
    return Meaning(keyword, Rule.AMBIGUOUS, candidates, candidates)


def _by_code(
    keyword: Keyword,
    code: str,
    entries: Sequence[Entry],
    everyone: tuple[str, ...],
    which_asked: Callable[[str], Keyword | None],
) -> Meaning:
    """A code means the order that has it, or nothing: a wrong code is never replaced by a guess."""
    named = [entry for entry in entries if entry.code == code]
    if len(named) != 1:
        waiting = tuple(entry.order for entry in entries if entry.is_open)
        return Meaning(Keyword.UNKNOWN, Rule.AMBIGUOUS, waiting, everyone)
    order = named[0].order
    if keyword is not Keyword.UNKNOWN:
        return Meaning(keyword, Rule.CODE, (order,), everyone)
    meant = which_asked(order)
    if meant is None:
        return Meaning(Keyword.UNKNOWN, Rule.CODE, (order,), everyone)
    return Meaning(meant, Rule.WHICH_ONE, (order,), everyone)
