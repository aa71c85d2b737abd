"""The material for deciding a report: the calls to its number around it with their permits, the restrictions of its
line, and the SMS that its reporter was sent, or would be.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.permit import Permit, read
from consent_engine.domain.call.report import Decided, Report, ReportClass, Reward
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.decide.report_texts import Telling, found, paid, received
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.holder import has_changed
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import Restriction
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.texts.render import of_report
from consent_engine.engine.report import Reports
from consent_engine.errors import ArchiveUnavailable, BrokenRecord
from consent_engine.ports import Store

MOST_CALLS = 20
WITHIN_MS = 31 * 86_400_000
"""Greatest distance of a shown call from the reported instant."""
FORWARDED = "{forwarded}"
"""Placeholder in texts not written yet: the recipient that the trace would be forwarded to."""
CALLER = "{caller}"
"""Placeholder in every text for the number that was shown: it may be a private one, and staff read these texts."""


class CallNear(Struct, frozen=True):
    """A call to the number, with the permit that it named if this installation gave it."""

    call: Call
    permit: Permit | None


class Written(Struct, frozen=True):
    """An SMS to the reporter. at: when it was put · waits: it is not sent yet · stuck: it waits for a person."""

    text: str
    at: Millis
    waits: bool = False
    stuck: bool = False


class Around(Struct, frozen=True):
    """A report with all that is known around it.

    calls: the nearest in time, newest first; None: the archive cannot be asked · silent: the reporter is not notified,
    for the number has another holder, or is not known any more · written: SMS to the reporter · would: the SMS that
    would be written, by class and reward, while the report is undecided
    """

    report: Report
    now: Millis
    calls: Sequence[CallNear] | None
    standing: Sequence[Restriction]
    silent: bool
    written: Sequence[Written]
    would: Mapping[tuple[ReportClass, Reward], str]


def around(report: Report, now: Millis, store: Store, by: Reports) -> Around:
    """Collect what is around a report. Raises StoreUnavailable, and BrokenRecord for a line that cannot be read."""
    line = store.records.look(lines=[report.line]).lines.get(report.line)
    if line is None:
        raise BrokenRecord("a line's record cannot be read")
    number = report.person.msisdn or line.msisdn
    silent = not number or has_changed(line.history, report.received.received_at)
    to = Telling(report.received.carrier, line.version, by.terms.days, now)
    would = {} if report.decided or silent else dict(_would(report, line, by, to))
    return Around(
        report, now, _near(report, number, by), line.restrictions, silent, _written(report, line, to), would
    )  # fmt: skip


def _near(report: Report, number: str, by: Reports) -> list[CallNear] | None:
    """Return the calls around the reported instant, the newest first; None while the archive cannot be asked."""
    at = report.received.called_at

    def apart(call: Call) -> Millis:
        return abs(call.began.started_at - at)

    try:
        calls = by.calls_of(Msisdn(number)) if number else ()
    except ArchiveUnavailable:
        return None
    near = sorted((call for call in calls if apart(call) <= WITHIN_MS), key=apart)[:MOST_CALLS]
    near.sort(key=lambda call: (call.began.started_at, call.id), reverse=True)
    return [CallNear(call, read(by.secret, call.began.permit) if call.began.permit else None) for call in near]


def _would(report: Report, line: Line, by: Reports, to: Telling) -> Iterator[tuple[tuple[ReportClass, Reward], str]]:
    """Yield the SMS of each decision to its reporter: with the proposed reward first."""
    for kind in ReportClass:
        due = not by.terms.not_rewarded(report, kind, line.reported, to.at)
        for reward in (Reward.ELIGIBLE, Reward.GRANTED, Reward.NONE) if due else (Reward.NONE,):
            amount = by.terms.amount(report.received.carrier, reward)
            said = Decided(to.at, "", "", kind, reward, amount, "", FORWARDED, 0)
            yield (kind, reward), _text(found(report.with_events(said)[0], to), report)


def _written(report: Report, line: Line, to: Telling) -> list[Written]:
    """Return the SMS that were written to the reporter, the oldest first."""
    puts = [(report.received.received_at, received(report, to))]
    for each in report.events:
        if isinstance(each, Decided):
            puts.append((each.at, found(report, to)))
        elif each.reward is Reward.PAID:
            puts.append((each.at, paid(report, each.amount, to)))
    left = {pending.about: pending for pending in line.effects.values() if pending.about}
    rows = []
    for at, put in puts:
        waits = left.get(put.pending.about)
        stuck = waits.parked > 0 if waits else False
        rows.append(Written(_text(put, report), at, waits is not None, stuck))
    return rows


def _text(put: Put, report: Report) -> str:
    carrier, *about = put.pending.about
    return of_report(carrier, [CALLER if each and each == report.person.caller else each for each in about])
