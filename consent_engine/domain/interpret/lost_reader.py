"""A message whose readers all died: what counts of it without reading it once more."""

from collections.abc import Mapping

from consent_engine.domain.grammar import Keyword, counted
from consent_engine.domain.inbox import UnreadRefusal, UnreadReply
from consent_engine.domain.interpret.correlate import Meaning, remembered
from consent_engine.domain.interpret.interpret import is_of_holder, nothing_asked, replied, understand
from consent_engine.domain.interpret.line_answers import answered, asking
from consent_engine.domain.interpret.reading import Reading
from consent_engine.domain.line.entries import Unread
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.facts import Rule
from consent_engine.domain.order.order import Order

LOST_READER = "lost_reader"
"""The reason of an unmatched message that lost every reader."""


def without_reader(line: Line, orders: Mapping[str, Order], message: Unread) -> Reading:
    """Return what counts of a message whose readers all died: a refusal, as the door read it, ends what is open.
    Nothing else of it is looked at, for that may be what they died of.
    """
    body = message.body
    if isinstance(body, UnreadRefusal):
        return understand(line, orders, message, waits=False)
    if not isinstance(body, UnreadReply) or counted(body.keyword or Keyword.UNKNOWN) is not Keyword.STOP:
        return Reading(unmatched=LOST_READER)
    said = body.meaning()
    entries = remembered(line.entries, body.scope, message.came)
    open_ = tuple(
        e.order for e in entries if e.is_open and e.order in orders and is_of_holder(line, e, orders[e.order])
    )
    if not open_:
        return nothing_asked(line, message, body, said, LOST_READER)
    fields = answered(line, Keyword.STOP, body.scope[0], message.came)
    meaning = Meaning(Keyword.STOP, Rule.EVERY_OPEN, open_, open_)
    facts = tuple(
        (o, replied(meaning, message, body, said, answer=bool(fields) and o == open_[0], barred=False, in_call=False))
        for o in open_
    )
    return Reading(facts, (), fields, asking(line))
