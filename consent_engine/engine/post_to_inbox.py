"""Replies on their way into a line's inbox: read, with the restrictions that they make."""

from collections.abc import Mapping

from consent_engine.domain.carriers import carrier_of_sender
from consent_engine.domain.decide.sms_texts import text_of
from consent_engine.domain.effects import OF_ORDERS
from consent_engine.domain.grammar import Keyword, Read, counted
from consent_engine.domain.grammar.words import YES_OF
from consent_engine.domain.inbox import UnreadReply, encode_message
from consent_engine.domain.interpret.correlate import sub_number
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import Kind, name_of, names_barring
from consent_engine.domain.offer.policy import LATE_MARGIN
from consent_engine.domain.order.event import storable
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import REPEATED, Reply
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Outside, Posted


def posted_reply(outside: Outside, line: str, key: str, reply: Reply, said: Read) -> Posted:
    """Make a reply a message for a line's inbox, under its key. said: its meaning; its restrictions hold at once."""
    carriers = carriers_of(outside, reply.gateway, reply.to)
    body = UnreadReply(
        gateway=reply.gateway,
        id=storable(reply.message_id),
        sender=reply.msisdn,
        to=storable(reply.to),
        text=storable(reply.text),
        written_at=reply.written_at,
        carriers=" ".join(carriers),
        sub=sub_number(reply.to, outside.senders),
        keyword=said.keyword,
        code=said.code,
        reason=said.reason,
        marketing_free=int(said.marketing_free),
        edition=said.edition,
    )
    kinds = {Keyword.STOP: Kind.REFUSED, Keyword.HOLD: Kind.SUSPECTED}
    kind = kinds.get(counted(said.keyword)) if said.restricts else None
    makes = tuple(name_of(kind, carrier) for carrier in carriers) if kind else ()
    if kind is Kind.REFUSED and said.marketing_free:
        makes += tuple(name_of(Kind.MARKETING_FREE, carrier) for carrier in carriers)
    barring = tuple(dict.fromkeys(name for carrier in carriers for name in names_barring(carrier)))
    return Posted(
        line, reply.msisdn, key, encode_message(body), makes, "sms", body.id,
        reason=said.reason.value if said.reason else "", words=body.text, barring=barring,
        repeated=REPEATED,
        same_for=None if reply.written_at is not None else LATE_MARGIN,
    )  # fmt: skip


def carriers_of(outside: Outside, gateway: str, to: str) -> tuple[str, ...]:
    """Return the carriers a message may be meant for: by our number, else the gateway's only one, else all."""
    known = carrier_of_sender(to.lstrip("+"), outside.senders)
    if known:
        return (known,)
    served = tuple(carrier for carrier, name in outside.routes.items() if name == gateway)
    return served if len(served) == 1 else tuple(outside.senders)


def yes_of(outside: Outside, gateway: str, to: str) -> tuple[str, ...]:
    """Return the additional words for YES of the carrier, where a message can be meant for only one carrier."""
    carriers = carriers_of(outside, gateway, to) if YES_OF else ()
    return YES_OF.get(carriers[0], ()) if len(carriers) == 1 else ()


def texts_sent(line: Line, orders: Mapping[str, Order]) -> tuple[str, ...]:
    """Return the texts that the orders of a line may have sent."""
    asked = [orders[entry.order] for entry in line.entries if entry.order in orders]
    return tuple(text for order in asked for text in _texts(order))


def _texts(order: Order) -> tuple[str, ...]:
    try:
        return tuple(text_of(order, purpose) for purpose in OF_ORDERS)
    except BrokenRecord:  # a newer program placed it, with texts unknown here: its question stands in it
        return (order.text,)
