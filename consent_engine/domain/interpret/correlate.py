"""The order that a message means, and the rule by which it was found. Never guess.

Of a reply: 1 selectors name an order: the sub-number the reply was sent to, the code in it. All that are there must
name the same one order; a sub-number that no question came from, a code that no order has, or two that disagree name
none. 2 without selectors, the only order *asked* of that number and carrier within its window + 48 h, open or settled
(a second yes to a finished order must never confirm the next one). 3 otherwise none: ask once, listing codes.

A delivery report is for the order that sent the SMS, or for the line whose own SMS it is.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence

from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from consent_engine.domain.carriers import as_dialled
from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import Accepted, Millis, Purpose, is_sms, sms_parts
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.inbox import SmsReports, UnreadReport, forgotten
from consent_engine.domain.line.line import Entry, Line, Unread
from consent_engine.domain.order.facts import Ended, Fact, Reported, Rule
from consent_engine.domain.order.history import belongs, parts_known, reported, unanswered
from consent_engine.domain.order.order import MOST_EVENTS, Order
from consent_engine.domain.sms import Delivery

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
    digits = as_dialled(to)
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
    *,
    to_us: bool = True,
) -> Meaning:
    """Return the order that a reply means among `entries` (remembered, of its carriers, the last asked at the end).

    was_asked: whether the question of an order was handed over, or may have left us · which_asked: the answer that made
    us ask "which one?" about an order · doubtful: codes that name no order, because they stand in a text for another
    reason · to_us: whether it is known to which carrier it was sent; a yes to a number that is not ours may answer
    another's question
    """
    if keyword in {Keyword.STOP, Keyword.HOLD}:
        orders = tuple(entry.order for entry in entries if entry.is_open)
        return Meaning(keyword, Rule.EVERY_OPEN, orders, orders)
    by_sub = [entry.order for entry in entries if entry.sub == sub]
    by_code = [entry.order for entry in entries if entry.code == code and code not in doubtful]
    selected = [named for selector, named in ((sub, by_sub), (code, by_code)) if selector]
    if not selected:
        return _only(keyword, entries, was_asked, to_us=to_us)
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


def _only(
    keyword: Keyword, entries: Sequence[Entry], was_asked: Callable[[str], bool], *, to_us: bool
) -> Meaning:  # fmt: skip
    """Return the only order that was asked, where a reply names none."""
    asked = [entry for entry in entries if was_asked(entry.order)]
    # A no needs no question: it declines what is open, as long as that is one order.
    fits = asked or [entry for entry in entries if entry.is_open]
    if len(fits) == 1 and (to_us or keyword is not Keyword.YES):
        return Meaning(keyword, Rule.ONLY_ORDER, (fits[0].order,), tuple(entry.order for entry in entries))
    candidates = tuple(entry.order for entry in (asked or entries) if entry.is_open)
    return Meaning(keyword, Rule.AMBIGUOUS, candidates, candidates)


NOBODYS = Reading(unmatched="no_such_sms")


def report(line: Line, orders: Mapping[str, Order], message: Unread, body: UnreadReport, *, waits: bool) -> Reading:
    """Return the facts in a report. waits: replies behind it in the inbox are still unread."""
    if not is_sms(body.effect):
        return NOBODYS
    order = orders.get(body.owner)
    if order is None:
        return _of_the_line(line, message, body)
    if len(order.events) >= MOST_EVENTS:
        return Reading(unmatched=TOO_MANY)
    named = parts_known(order).get(body.id)
    if named is not None:
        body = replace(body, id=named.attempt, segment=named.n, segments=named.of, alone=UNSET)
    if not belongs(order, body.effect, body.id):
        return NOBODYS
    early = named is None and not body.alone and unanswered(order, body.effect, message.at)
    if body.segments == 1 or early:  # the gateway's answer will tell whether it is about a part
        return Reading(((order.id, _fact(message, body, body.status, body.segment, body.segments, waits=waits)),))
    fields, new = _counted(line, message, body, tuple(_before(order, body)))
    if new is None:
        return Reading(fields=fields)
    lost = new is Delivery.FAILED
    part, of = (body.segment, body.segments) if lost else (1, 1)
    return Reading(((order.id, _fact(message, body, new, part, of, waits=waits, whole=not lost)),), fields=fields)


def _of_the_line(line: Line, message: Unread, body: UnreadReport) -> Reading:
    """Read a report on an SMS of no order: a proven hand-over settles a doubt, all else is ignored. Reports on the SMS
    that proves a gateway are counted as long as a person waits for it.
    """
    waits, proves = body.effect in line.effects, sms_parts(body.effect)[0] is Purpose.PROVE
    if body.owner != line.id or not (waits or (proves and _name(body) in line.reports)):
        return NOBODYS
    new: Delivery | None = body.status
    fields: dict[str, str] = {}
    if body.segments > 1 or proves:
        fields, new = _counted(line, message, body)
    # For the SMS that proves a gateway, the answer is waited for: it may give the ids of the parts.
    settles = waits and new not in {None, Delivery.FAILED} and not (proves and line.effects[body.effect].leased_at)
    if settles and not proves:
        fields = dict.fromkeys(fields, "")
    return Reading(drop=((body.effect, Drop.ANYWAY),) if settles else (), fields=fields)


def _counted(
    line: Line, message: Unread, body: UnreadReport, before: tuple[tuple[Delivery, int], ...] = ()
) -> tuple[dict[str, str], Delivery | None]:
    """Return the line's fields with one more report, and the news about the whole SMS."""
    name = _name(body)
    known = dict(line.reports)
    counted, new = SmsReports.decode(known.get(name, ""), message.came).heard(body, before)
    gone = forgotten(known, name, message.came)
    return {**{f"d:{each}": "" for each in gone}, f"d:{name}": counted.encode()}, new


def parts_named(line: Line, ended: Ended) -> dict[str, str]:
    """Return the line's fields once its gateway has given the ids of the parts of the SMS that proves it; other SMS are
    not counted.
    """
    name = f"{line.id}.{ended.effect.removeprefix('sms.')}"
    counted = dict(line.reports).get(name)
    if counted is None or not isinstance(ended.outcome, Accepted) or not ended.outcome.parts:
        return {}
    return {f"d:{name}": SmsReports.decode(counted, 0).named(ended.outcome.parts).encode()}


def _name(body: UnreadReport) -> str:
    return f"{body.owner}.{body.effect.removeprefix('sms.')}"


def _before(order: Order, body: UnreadReport) -> Iterator[tuple[Delivery, int]]:
    """Yield the reports on single parts of this attempt in the history: those that came before the gateway's answer."""
    for part, report in reported(order):
        if report.effect == body.effect and (part.attempt, part.of) == (body.id, body.segments):
            yield report.status, part.n


def _fact(
    message: Unread, body: UnreadReport, status: Delivery, segment: int, segments: int, *, waits: bool,
    whole: bool = False,
) -> Reported:  # fmt: skip
    return Reported(
        op=message.key,
        at=message.at,
        gateway=body.gateway,
        effect=body.effect,
        message_id=body.id,
        status=status,
        segment=segment,
        segments=segments,
        error=body.error,
        waits=waits,
        whole=whole,
        stamp=body.at,
    )
