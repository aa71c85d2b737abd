"""The meaning of a delivery report: for the order that sent the SMS, or for the line whose own SMS it is."""

from collections.abc import Iterator, Mapping

from msgspec import UNSET
from msgspec.structs import replace

from consent_engine.domain.decide.decision import Drop
from consent_engine.domain.effects import Accepted, Purpose, is_sms, sms_parts
from consent_engine.domain.inbox import SmsReports, UnreadReport, forgotten
from consent_engine.domain.interpret.correlate import TOO_MANY, Reading
from consent_engine.domain.line.entries import Unread
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.deliveries import parts_known, reported, unanswered
from consent_engine.domain.order.facts import Ended, Reported
from consent_engine.domain.order.order import MOST_EVENTS, Order
from consent_engine.domain.sms import Delivery

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
