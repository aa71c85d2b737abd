"""One outside call: the request of a leased effect to a gateway or to the BSS, and how it ended."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from consent_engine.domain.call.ending import NO_NUMBER, Ending
from consent_engine.domain.decide.sms_texts import text_of
from consent_engine.domain.effects import (
    ACTIVATE,
    DEACTIVATE,
    Accepted,
    Outcome,
    Pending,
    Purpose,
    Rejected,
    Uncertain,
    Untaken,
    sms_parts,
)
from consent_engine.domain.hashing import digest
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.line.proof_code import LASTS_MS
from consent_engine.domain.offer.policy import UNDELIVERED_MS
from consent_engine.domain.order.order import Order
from consent_engine.domain.texts.of_endings import ended, withdraw_ask
from consent_engine.domain.texts.render import held, helped, of_report, proof, registered, stopped, which_one
from consent_engine.domain.texts.report_words import read_name
from consent_engine.domain.texts.segments import segments
from consent_engine.domain.texts.words import CODE
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Activation, Deactivation, Endpoint, Leased, Outside, Sms, needed
from consent_engine.ports.endpoints import BSS, GATEWAY


def pending_of(leased: Leased) -> Pending:
    """Return the effect as it was leased. Raises BrokenRecord for one without its record."""
    record = leased.order or leased.line or leased.ending
    if record is None:
        raise BrokenRecord("an effect without its record")
    return record.effects[leased.effect]


def known_outcome(leased: Leased) -> Outcome | None:
    """Return the outcome known without a call. Raises BrokenRecord for an effect without its record."""
    refused = pending_of(leased).refused
    if refused is not None:  # no call was made under this lease, nor is one now
        return Rejected(refused)
    return Uncertain("lease lost") if leased.lost else None  # a started call may be done


class CallResult(NamedTuple):
    """How a call ended, and its target; None where no call was made."""

    outcome: Outcome
    target: Endpoint | None = None


async def call(outside: Outside, leased: Leased, unless: Outcome | None = None) -> CallResult:
    """Carry out a leased effect. Bounded by the adapter's own timeout.

    unless: the outcome of an activation that must not begin; the result of earlier attempts is asked all the same
    """
    if leased.effect == ACTIVATE and leased.order is not None:
        return await _activate(outside, leased.order, unless)
    if leased.effect == DEACTIVATE and leased.ending is not None:
        return await _deactivate(outside, leased.ending)
    if _is_worth_nothing(leased):
        return CallResult(Rejected("the code's time is over"))
    carrier, sms = _sms(leased.order, leased.effect) if leased.order else _line_sms(outside, leased)
    name = outside.routes[carrier]
    gateway = outside.gateways[name]
    if (parts := segments(sms.text)) > gateway.segments:  # it would be cut, yet reported as accepted
        return CallResult(Rejected(f"a text of {parts} segments: the gateway carries {gateway.segments}"))
    outcome = await gateway.send(sms)
    if leased.order is not None and isinstance(outcome, Accepted):  # the text is written anew where it is shown again
        outcome = replace(outcome, text=digest(sms.text))
    return CallResult(outcome, Endpoint(GATEWAY, name))


async def _activate(outside: Outside, order: Order, unless: Outcome | None) -> CallResult:
    yes = order.last(Trigger.SAID_YES)
    if order.state is not State.CONFIRMED or yes is None:  # no consent, no service: whatever led here
        raise BrokenRecord("an activation that nobody confirmed")
    if outside.bss is None:
        return CallResult(Rejected("no BSS is set up"))
    target = Endpoint(BSS, outside.bss.name)
    if order.effects[ACTIVATE].in_doubt:
        known = await outside.bss.ask(order.id)
        if known is not None:
            return CallResult(known, target)
    if unless is not None:
        return CallResult(unless)
    doc, head = order.doc, order.head_at(Trigger.SAID_YES)
    outcome = await outside.bss.activate(
        Activation(order.id, order.person.msisdn, doc.plan, doc.offer.plan_version, doc.offer.plan_hash, yes.at, head)
    )
    return CallResult(outcome, target)


async def _deactivate(outside: Outside, ending: Ending) -> CallResult:
    if ending.is_over:
        raise BrokenRecord("an ending that is over")
    if outside.bss is None:
        return CallResult(Rejected("no BSS is set up"))
    target = Endpoint(BSS, outside.bss.name)
    nameless = not ending.person.msisdn  # it cannot be requested, but a person may have had it done under its id
    if nameless or ending.effects[DEACTIVATE].in_doubt:
        known = await outside.bss.ask_ending(ending.id)
        if nameless and (known is None or isinstance(known, Untaken)):
            return CallResult(Rejected(NO_NUMBER))
        if known is not None:
            return CallResult(known, target)
    doc = ending.doc
    wanted = Deactivation(
        ending.id, doc.order, doc.activation, ending.person.msisdn, doc.plan, doc.cause, doc.asked_at, bool(doc.free)
    )  # fmt: skip
    return CallResult(await outside.bss.deactivate(wanted), target)


def _sms(order: Order, effect: str) -> tuple[str, Sms]:
    purpose, n = sms_parts(effect)
    doc = order.doc
    ref = f"{order.id}.{purpose}.{n}"
    valid_for = doc.policy.reply_window if purpose in _ASKING else 0
    if purpose is Purpose.CONFIRMATION and doc.policy.reports:  # its reply window begins on the handset
        valid_for = UNDELIVERED_MS
    return doc.carrier, Sms(
        ref, doc.offer.sender + doc.sub, order.person.msisdn, text_of(order, purpose), purpose, valid_for
    )


_ASKING = frozenset({Purpose.CONFIRMATION, Purpose.REMINDER, Purpose.CLARIFICATION, Purpose.RESUMED, Purpose.PROVE})
"""Purposes whose SMS are worth nothing once the reply window is over."""


def _line_sms(outside: Outside, leased: Leased) -> tuple[str, Sms]:
    line = needed(leased.line)
    purpose, n = sms_parts(leased.effect)
    carrier, *choices = line.effects[leased.effect].about
    text = (
        _of_report(outside, line.id, carrier, choices)
        if purpose in _OF_REPORTS
        else _OF_LINES[purpose](carrier, choices)
    )
    valid_for = LASTS_MS if purpose is Purpose.CODE else 0
    return carrier, Sms(f"{line.id}.{purpose}.{n}", outside.senders[carrier], line.msisdn, text, purpose, valid_for)


def _is_worth_nothing(leased: Leased) -> bool:
    """Whether this is a code that proves nothing any more: it waited too long, or another was requested."""
    line = leased.line
    if line is None or sms_parts(leased.effect)[0] is not Purpose.CODE:
        return False
    return line.code is None or line.code.is_over(leased.at) or line.code.seed not in line.effects[leased.effect].about


def _of_report(outside: Outside, line: str, carrier: str, about: Sequence[str]) -> str:
    """Return the text for a reporter; a code is made here from its stored seed. Raises BrokenRecord."""
    if not about or read_name(about[0])[0] != CODE or outside.code_of is None:
        return of_report(carrier, about)
    key, seed, *more = about
    return of_report(carrier, (key, outside.code_of(line, seed), *more))


_OF_REPORTS = frozenset({Purpose.REPORT, Purpose.REWARD, Purpose.CODE})
_OF_LINES: Mapping[Purpose, Callable[[str, Sequence[str]], str]] = {
    Purpose.CLARIFICATION: lambda carrier, values: which_one(carrier, values[0], values[1:]),
    Purpose.OPTED_OUT: lambda carrier, values: stopped(carrier, values[0]),
    Purpose.HELP: lambda carrier, values: helped(carrier, values[0]),
    Purpose.HELD: lambda carrier, values: held(carrier, values[0], int(values[1])),
    Purpose.PROVE: lambda carrier, _: proof(carrier),
    Purpose.MARKETING_FREE: lambda carrier, values: registered(carrier, values[0]),
    Purpose.ENDED: lambda carrier, values: ended((carrier, *values)),
    Purpose.WITHDRAW_ASK: lambda carrier, values: withdraw_ask((carrier, *values)),
}
