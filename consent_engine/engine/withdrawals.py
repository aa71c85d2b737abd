"""Withdrawals by SMS: the ending of a service is requested before the message is consumed, so that after a crash in
between the same one is requested again.
"""

import logging

from msgspec import UNSET
from msgspec.structs import replace

from consent_engine.domain.call.ending import Cause, Ending, EndingState, Why, ending_id
from consent_engine.domain.decide.decision import A_MINUTE, PARKED, Drop, Put, parking
from consent_engine.domain.effects import WAKE_WITHDRAWN, Millis, Pending
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.inbox import UnreadReply
from consent_engine.domain.interpret.interpret import aside
from consent_engine.domain.interpret.withdrawing import NONE, Withdrawal, may_withdraw, withdrawal
from consent_engine.domain.line.line import Line, Unread
from consent_engine.domain.order.order import Order
from consent_engine.engine.endings import ending_asked, reopening
from consent_engine.engine.recall import recalled
from consent_engine.engine.round_trips import Step, load, load_of, save
from consent_engine.errors import BrokenRecord, NothingParked
from consent_engine.ports import By, Change, Commit, Leased, Owner

log = logging.getLogger(__name__)
WAITS_MS = 24 * 3_600_000
"""How long a message that ends a service holds up those behind it, while the archive is away or an activation that has
begun has not ended. After that it counts as a refusal, and a timer of the line waits for the rest of its meaning.
"""

MOST_WISHES, FIELDS = 8, 7
"""The most wishes that a line's timer keeps, and how many fields each is."""
TOO_MANY = Hitch.TOO_MANY_WISHES.of(MOST_WISHES)


def withdrawing(line: Line, message: Unread, now: Millis) -> Step[Withdrawal | None]:
    """Return what a message says of ending a service, once the ending that it requests exists; None while the message
    waits: the archive must be asked and cannot be, or the service to end is being switched on.

    Raises as `ending_asked` does, and BrokenRecord where an order that may be meant cannot be read.
    """
    if not may_withdraw(line, message) or not isinstance(message.body, UnreadReply):
        return NONE
    found, is_known = yield from _meant(line, message)
    if is_known:
        return found
    if now - message.came < WAITS_MS:
        return None
    return replace(found, put=later(line, message, now).put)


def later(line: Line, message: Unread, now: Millis) -> Withdrawal:
    """Return a message's wish to end a service as a timer of the line, which looks for that service. Beyond MOST_WISHES
    that wait, a message is the refusal that it is in any case, and is read again by a person's retry.
    """
    body, known = message.body, line.effects.get(WAKE_WITHDRAWN, Pending())
    if not may_withdraw(line, message) or not isinstance(body, UnreadReply):
        return NONE
    wishes = (*known.about, *_kept(message, body))
    if len(wishes) > MOST_WISHES * FIELDS:
        log.error("line %s: %d wishes to end a service wait already: one more waits for a person", line.id, MOST_WISHES)
        return Withdrawal(put=(aside(line, message, TOO_MANY),))
    due = PARKED if known.parked else now + A_MINUTE
    return Withdrawal(put=(Put(WAKE_WITHDRAWN, due, replace(known, leased_at=0, about=wishes)),))


def _meant(line: Line, message: Unread) -> Step[tuple[Withdrawal, bool]]:
    """Return what a message says of ending a service, and whether that is known: then the ending exists.

    Raises as `ending_asked` does, and BrokenRecord where an order that may be meant cannot be read.
    """
    body = message.body
    ids = [entry.order for entry in line.entries]
    live = yield from load_of(line, ids)
    archived = yield from recalled(Order, [line.id], By.LINE, whole=False)
    orders = list(({order.id: order for order in archived or ()} | live).values())
    unread = set(ids) - {order.id for order in orders}
    loaded = yield from load({Ending: [ending_id(order.id) for order in orders]})
    names = [ending_id(order.id) for order in archived or ()]
    past = (yield from recalled(Ending, names, whole=False)) if names else []
    if past is None:
        archived, orders = None, list(live.values())
    known = {*loaded.of(Ending), *(each.id for each in past or ())}
    found = withdrawal(line, message, orders, lambda order: ending_id(order.id) in known)
    if found.ends is not None:
        requested = yield from ending_asked(
            found.ends, Why(Cause.WITHDRAWN, "sms", "subscriber", message.key, message.came)
        )
        if requested.is_new or requested.ending.doc.reason == message.key:
            return found, True
        return (yield from _again(found, requested.ending, line, message)), True
    if found.waits or not isinstance(body, UnreadReply) or body.meaning().keyword is not Keyword.WITHDRAW:
        return found, not found.waits
    if unread and archived is not None:
        raise BrokenRecord("an order of this line cannot be read: which service is to end is not known")
    return found, archived is not None


def _again(found: Withdrawal, ending: Ending, line: Line, message: Unread) -> Step[Withdrawal]:
    """Return the meaning of a message that asks once more for an ending. An ending that was given up is taken up again,
    under the same key; where it was given up too long ago for that, a person must see to it.
    """
    op = f"asked:{message.key}"
    if ending.knows(op):  # read before: it is answered as it stood then
        before = next(n for n, each in enumerate(ending.events) if each.op == op)
        return replace(found, again=replace(ending, events=ending.events[:before]))
    if ending.state is not EndingState.GIVEN_UP:
        return replace(found, again=ending)
    try:
        yield from reopening(ending.id, "subscriber", op)
    except NothingParked:
        why = Hitch.ASKS_AGAIN.of(ending.doc.order)
        stuck = parking(WAKE_WITHDRAWN, line.effects.get(WAKE_WITHDRAWN, Pending()), why)
        return replace(found, again=ending, put=(stuck,))
    return replace(found, again=ending)


def _kept(message: Unread, body: UnreadReply) -> tuple[str, ...]:
    """Return a message as the timer of its line keeps it: key, instants, carriers, how it was read, words."""
    said = body.meaning()
    return message.key, str(message.at), str(message.came), body.carriers, said.keyword.value, said.code, body.text


def _read(kept: tuple[str, ...], line: Line) -> Unread:
    key, at, came, carriers, keyword, code, text = kept
    body = UnreadReply("", "", line.msisdn, "", text, None, carriers, "", Keyword(keyword), code, None, 0, 0)
    return Unread(int(at), key, replace(body, came=int(came) if came != at else UNSET))


def retrying_withdrawal(leased: Leased) -> Step[str]:
    """Look again at wishes to end a service: once the archive can be asked and the activation has ended, the ending is
    requested. What a person has seen to is over. Raises BrokenRecord for a timer of another record, and where an order
    that may be meant cannot be read.
    """
    line = leased.of(Line)
    known, left, why = line.effects[leased.effect], tuple[str, ...](), ""
    for n in range(0, len(known.about), FIELDS):
        kept = known.about[n : n + FIELDS]
        found, is_known = yield from _meant(line, _read(kept, line))
        left = left if is_known else (*left, *kept)
        why = next((put.pending.why for put in found.put), why)
    put: tuple[Put, ...] = ()
    if why:
        put = (parking(leased.effect, Pending(about=left), why),)
    elif left:
        put = (Put(leased.effect, leased.at + A_MINUTE, Pending(about=left)),)
    drop = () if put else ((leased.effect, Drop.ANYWAY),)
    yield from save(Commit("", (Change(Owner.LINE, line.id, None, {}, put, drop),), leased.held))
    return "performed"
