"""SMS that belong to no order: a line's own answers, how often they are sent, and its own questions."""

from collections.abc import Iterable, Sequence

from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import Millis, Pending, Purpose, sms_effect
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import SUSPICION_LASTS_MS
from consent_engine.domain.order.order import Order
from consent_engine.domain.texts.confirmation_fields import elements
from consent_engine.domain.texts.words import CHINESE, ENGLISH

REFUSING = frozenset({Keyword.STOP, Keyword.HOLD})
"""Keywords that restrict the number: they mean every open order."""
A_DAY_MS = 24 * 3_600_000
AN_HOUR_MS = 3_600_000
ASKING = (f"sms.{Purpose.CLARIFICATION}.", f"sms.{Purpose.HELP}.")
_PURPOSES = {Keyword.STOP: Purpose.OPTED_OUT, Keyword.HOLD: Purpose.HELD, Keyword.HELP: Purpose.HELP}


def answered(line: Line, keyword: Keyword, carrier: str, at: Millis) -> dict[str, str]:
    """Return the line's field that records this answer; empty where nothing is to be answered (again).

    STOP and HOLD once a day and carrier: phones answer automatically. After a STOP no SMS says that a person still has
    to read something. HELP once an hour.
    """
    if keyword is Keyword.HELP:
        return {"a:help": str(at)} if at - line.answered.get("help", 0) >= AN_HOUR_MS else {}
    if keyword not in REFUSING:
        return {}
    names = [f"stop:{carrier}"] + ([f"hold:{carrier}"] if keyword is Keyword.HOLD else [])
    lately = any(at - line.answered[name] < A_DAY_MS for name in names if name in line.answered)
    settled = keyword is Keyword.HOLD and line.refusal(carrier) is not None
    return {} if lately or settled else {f"a:{names[-1]}": str(at)}


def language_of(orders: Iterable[Order]) -> str:
    """Return the language of a number's newest order; Chinese where there is none."""
    newest = max(orders, key=lambda order: order.doc.placed_at, default=None)
    return newest.doc.offer.language if newest is not None else CHINESE


def of_the_line(line: Line, keyword: Keyword, carrier: str, language: str, at: Millis) -> Put:
    """Return the answer to a message that no order answers."""
    until = (str(at + SUSPICION_LASTS_MS),) if keyword is Keyword.HOLD else ()
    return Put(sms_effect(_PURPOSES[keyword], line.version), at, Pending(about=(carrier, language, *until)))


def registered(line: Line, carrier: str, language: str, at: Millis) -> Put:
    """Return the answer to the marketing-free word."""
    return Put(sms_effect(Purpose.MARKETING_FREE, line.version), at, Pending(about=(carrier, language)))


def which_one(line: Line, orders: Sequence[Order], at: Millis) -> Put:
    """Ask once which order was meant, listing codes: in the newest one's language, if all plans have words in it."""
    docs, language = [order.doc for order in orders], language_of(orders)
    if any(language == ENGLISH and doc.offer.tariff.english is None for doc in docs):
        language = CHINESE
    names = (elements(doc.carrier, doc.offer.tariff, language).name for doc in docs)
    choices = (f"{doc.code} {name}" for doc, name in zip(docs, names, strict=True))
    return Put(
        sms_effect(Purpose.CLARIFICATION, line.version), at, Pending(about=(docs[0].carrier, language, *choices))
    )


def asking(line: Line) -> tuple[tuple[str, Drop], ...]:
    """Return the line's own questions that have not gone out, to drop them."""
    return tuple((effect, Drop.ANYWAY) for effect in line.effects if effect.startswith(ASKING))
