"""A message whose readers all died: the part of it that counts unread, and the wait of the rest for a person."""

from collections.abc import Mapping

from msgspec.structs import replace

from consent_engine.domain.decide.decision import Put, parking
from consent_engine.domain.effects import WAKE_ASIDE, Pending
from consent_engine.domain.grammar import Keyword, counted
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.inbox import UnreadRefusal, UnreadReply, decode_message, encode_message
from consent_engine.domain.interpret.correlate import Meaning, Reading, remembered
from consent_engine.domain.interpret.interpret import doubting, is_of_holder, nothing_asked, replied, understand
from consent_engine.domain.interpret.withdrawing import answered, asking, language_of
from consent_engine.domain.line.entries import Unread
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.facts import Rule
from consent_engine.domain.order.order import Order
from consent_engine.errors import BrokenRecord

LOST_READER = "lost_reader"
"""The reason of an unmatched message that lost every reader."""
SET_ASIDE = Hitch.SET_ASIDE.of()
_FIELDS = 4
"""How many fields of the timer each message is."""


def is_refusal(message: Unread) -> bool:
    """Whether a message refuses, as the door read it: then no more of it has to be read."""
    body = message.body
    if isinstance(body, UnreadReply):
        return counted(body.keyword or Keyword.UNKNOWN) is Keyword.STOP
    return isinstance(body, UnreadRefusal)


def aside(line: Line, message: Unread, why: str = SET_ASIDE) -> Put:
    """Return the timer of a line that keeps a message, on the stuck list, until a person has it read once more."""
    known = line.effects.get(WAKE_ASIDE, Pending())
    row = (message.key, str(message.at), " ".join(message.barred), encode_message(message.body))
    about = known.about if message.key in known.about[::_FIELDS] else (*known.about, *row)
    return parking(WAKE_ASIDE, replace(known, about=about), why)


def set_aside(kept: Pending) -> tuple[Unread, Pending]:
    """Return the oldest message that such a timer keeps, and the timer without it. Raises BrokenRecord."""
    try:
        key, at, barred, body = kept.about[:_FIELDS]
        message = Unread(int(at), key, decode_message(body), tuple(barred.split()))
    except ValueError:
        raise BrokenRecord("a message that was set aside cannot be read") from None
    return message, Pending(about=kept.about[_FIELDS:])


def without_reader(line: Line, orders: Mapping[str, Order], message: Unread) -> Reading:
    """Return the facts in a message whose readers all died: a refusal, as read on arrival, ends open orders, and a
    doubt bars it. Nothing else of it is looked at, for that may be what they died of.
    """
    body = message.body
    if isinstance(body, UnreadRefusal):
        return understand(line, orders, message, waits=False)
    if not isinstance(body, UnreadReply):
        return Reading(unmatched=LOST_READER)
    said, unread = body.meaning(), Reading(unmatched=LOST_READER)
    if not is_refusal(message):
        return doubting(line, orders, message, body, unread) if said.is_doubtful else unread
    entries = remembered(line.entries, body.scope, message.came)
    open_ = tuple(
        e.order for e in entries if e.is_open and e.order in orders and is_of_holder(line, e, orders[e.order])
    )
    if not open_:
        return nothing_asked(line, message, body, said, LOST_READER, language_of(orders.values()))
    fields = answered(line, Keyword.STOP, body.scope[0], message.came)
    meaning = Meaning(Keyword.STOP, Rule.EVERY_OPEN, open_, open_)
    facts = tuple(
        (o, replied(meaning, message, body, said, answer=bool(fields) and o == open_[0], barred=False, in_call=False))
        for o in open_
    )
    return Reading(facts, (), fields, asking(line))
