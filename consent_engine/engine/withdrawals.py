"""Withdrawals by SMS: the ending of a service is requested before the message is consumed, so that after a crash in
between the same one is requested again.
"""

from consent_engine.domain.call.ending import Cause, Why, ending_id
from consent_engine.domain.effects import Millis
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.inbox import UnreadReply
from consent_engine.domain.interpret.withdrawing import NONE, Withdrawal, may_withdraw, withdrawal
from consent_engine.domain.line.entries import Unread
from consent_engine.domain.line.line import Line
from consent_engine.engine.endings import MOST_ORDERS, ending_asked
from consent_engine.engine.round_trips import archived_endings, load, orders_of_line
from consent_engine.engine.store_requests import Step

WAITS_MS = 24 * 3_600_000
"""How long a message that ends a service waits for the archive, or for the end of an activation that has begun; after
that it only counts as a refusal."""


def withdrawing(line: Line, message: Unread, now: Millis) -> Step[Withdrawal | None]:
    """Return what a message says of ending a service, once the ending that it requests exists; None while the message
    waits: the archive must be asked and cannot be, or the service to end is being switched on.

    Raises what `ending_asked` does.
    """
    if not may_withdraw(message) or not isinstance(message.body, UnreadReply):
        return NONE
    ids = [entry.order for entry in line.entries]
    live = dict((yield from load(ids)).orders) if ids else {}
    archived = yield from orders_of_line(line.id, MOST_ORDERS)
    orders = list(({order.id: order for order in archived or ()} | live).values())
    loaded = yield from load(endings=[ending_id(order.id) for order in orders])
    past = (yield from archived_endings([ending_id(order.id) for order in archived])) if archived else {}
    if past is None:
        archived, orders = None, list(live.values())
    known = {*loaded.endings, *(past or ())}
    found = withdrawal(line, message, orders, lambda order: ending_id(order.id) in known)
    if found.ends is not None:
        yield from ending_asked(found.ends, Why(Cause.WITHDRAWN, "sms", "subscriber", message.key, message.came))
        return found
    unknown = archived is None and message.body.meaning().keyword is Keyword.WITHDRAW
    return None if (unknown or found.waits) and now - message.came < WAITS_MS else found
