"""Reports of calls: receipt and decision.

A report is a record of its own in its number's cell. It is a refusal, too, which is in force, by the one way of all
refusals, before the report is written. Its commit names the line's version that it was judged on.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from secrets import token_hex

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.admission.report_request import ReportDecision, ReportMade
from consent_engine.domain.call.call import Call, ReportDecided, ReportMismatch, RewardNotDue
from consent_engine.domain.call.report import (
    OF_OTHERS,
    Decided,
    Report,
    ReportClass,
    ReportPerson,
    ReportReceived,
    ReportTerms,
    Reward,
    Rewarded,
    begun,
    proposed,
    report_id,
)
from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.decide.sms_texts import Telling, found, paid, received
from consent_engine.domain.effects import WAKE_ARCHIVE, WAKE_LINE, WAKE_PERSON, Lane, Millis
from consent_engine.domain.inbox import UnreadRefusal, encode_message
from consent_engine.domain.line.holder import has_changed
from consent_engine.domain.line.line import STRANGER_MS, Line, ReportedCall, keyed, line_id
from consent_engine.domain.line.restriction import Kind, name_of
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.offer.offer import LATE_MARGIN
from consent_engine.domain.order.order import Evidence, Retention
from consent_engine.engine.recall import AWAY, changing, proven, recalled
from consent_engine.engine.round_trips import Stale, Step, load, post, prove, save, saving, transact
from consent_engine.errors import ArchiveUnavailable, Malformed
from consent_engine.ports import Change, Commit, Leased, Posted

log = logging.getLogger(__name__)
LOOK_EVERY_MS = 86_400_000
"""How often it is looked whether the retention of a person part has passed: settings may shorten it."""
DOOR = "report"
CallsOf = Callable[[Msisdn], Sequence[Call]]
"""Finds the calls to a number, in the store and the archive."""


class ReportTaken(Struct, frozen=True):
    """The report, and whether this request made it."""

    report: Report
    is_new: bool


class Reports(Struct, frozen=True):
    """The terms and look-ups by which reports are taken and decided. plans: those of a carrier, by code and name."""

    terms: ReportTerms
    secret: str
    calls_of: CallsOf
    plans: Callable[[str], Collection[str]]


def reporting(made: ReportMade, by: Reports) -> Step[ReportTaken]:
    """Take a report; its refusal is in force before this returns, and before anything else of it is judged. A repeat
    gives the same report.

    Raises Malformed for impossible instants, which says that the refusal was kept, ArchiveUnavailable where the calls
    to the number, or its earlier reports, cannot be searched, StoreUnavailable.
    """
    about, line_key = made.about, line_id(by.secret, made.msisdn)
    own_id = report_id(by.secret, made.msisdn, about.carrier, about.caller, about.called_at)
    loaded = yield from load({Report: [own_id]})
    if own_id not in loaded.of(Report):
        yield from post(_refusal(made, own_id, line_key, by.secret))
    if wrong := made.request.late_errors(loaded.now):
        raise Malformed(wrong).beside(1)

    @transact
    def taken() -> Step[ReportTaken]:
        loaded = yield from load({Line: [line_key], Report: [own_id]})
        if own_id in loaded.of(Report):
            if not (yield from prove(own_id, Report)):
                raise Stale
            return ReportTaken(loaded.of(Report)[own_id], is_new=False)
        if (past := (yield from recalled(Report, [own_id]))) is None:
            raise ArchiveUnavailable(AWAY)
        if past:
            return ReportTaken(past[0], is_new=False)
        line, now = loaded.line(line_key), loaded.now
        report, fields = _begun(made, own_id, line, by, now)
        change = Change.of(report, fields)
        named = _named_on(line, report, made.msisdn, now)
        telling = received(report, Telling(about.carrier, line.version, by.terms.days, now))
        records = (change, replace(named, put=(*named.put, telling)))
        yield from saving(Commit("report", records, wakes=frozenset({Lane.SMS})), prove=True)
        log.info("report %s: from %s, proposed class %s", own_id, made.door.value, report.received.proposed.value)
        return ReportTaken(replace(report, version=1), is_new=True)

    return (yield from taken())


def _refusal(made: ReportMade, report: str, line: str, secret: str) -> Posted:
    """Return the refusal that a report implies: no further calls. Every refusal takes this one way."""
    carrier = made.about.carrier
    return Posted(
        line, made.msisdn, keyed(secret, "refused by report", report),
        encode_message(UnreadRefusal(carrier, DOOR, made.by)), (name_of(Kind.REFUSED, carrier),), DOOR, report,
        once=True,
    )  # fmt: skip


def _begun(made: ReportMade, own_id: str, line: Line, by: Reports, now: Millis) -> tuple[Report, dict[str, str]]:
    """Return the report as it begins, with its proposed class, and the fields written once."""
    about, door, terms, asked = made.about, made.door, by.terms, made.request
    # The refusal by this very report stands since now: it forbade no earlier call.
    standing = [each for each in line.restrictions if each.ref != own_id]
    proposal = proposed(about, by.calls_of(made.msisdn), standing, by.plans(about.carrier))
    why = terms.no_reward(
        about.carrier, proposal.found, own_id, proposal.call, about.called_at, line.reported, now
    )  # fmt: skip
    doc = ReportReceived(
        id=own_id, received_at=now, by=made.by, door=door, person="", carrier=about.carrier,
        official=int(about.official), called_at=about.called_at, ref=asked.ref, proposed=proposal.found,
        reasons=proposal.reasons, call=proposal.call, answer_by=terms.answer_by(door, now),
        forward_by=terms.forward_by(door, made.lodged_at), reward=Reward.NONE if why else Reward.ELIGIBLE, why=why,
        language=asked.language,
    )  # fmt: skip
    return begun(doc, ReportPerson(made.msisdn, about.caller, about.what), line.id, token_hex(16))


def _named_on(line: Line, report: Report, msisdn: Msisdn, now: Millis, granted_at: Millis = 0) -> Change:
    """Return the line's change with its report, and when the reward of that was granted."""
    doc = report.received
    row = ReportedCall(report.id, doc.received_at, doc.called_at, doc.carrier, doc.call, granted_at)
    fields = {**dict.fromkeys(line.aged, ""), "msisdn": str(msisdn), "seen": str(max(line.seen, now))}
    put = () if line.version else (Put(WAKE_LINE, now + STRANGER_MS),)
    return Change.of(line, {**fields, row.field: row.encode()}, put)


def deciding(wanted: ReportDecision, by: Reports) -> Step[ReportTaken]:
    """Decide the class of a report, or its reward; its reporter is notified, and no later holder of the number. A
    repeat changes nothing.

    Raises ReportNotFound, ReportDecided for another class than was decided, ReportMismatch for one that its number
    rules out, RewardNotDue, StoreUnavailable, and ArchiveUnavailable for one that may be archived.
    """
    op = wanted.request.fingerprint()

    def decided(report: Report, now: Millis) -> Step[ReportTaken]:
        if report.knows(op) or _says_nothing_new(report, wanted):
            return ReportTaken((yield from proven(report)), is_new=False)
        line = (yield from load({Line: [report.line]})).line(report.line)
        commit, after = _decision(report, wanted, line, by.terms, now, op)
        yield from saving(commit, prove=True)
        log.info("report %s: %s, reward %s", after.id, after.found.value, after.reward.value)
        return ReportTaken(replace(after, version=report.version + 1), is_new=True)

    return (yield from changing(Report, wanted.report, decided))


def _says_nothing_new(report: Report, wanted: ReportDecision) -> bool:
    same = report.decided is not None and report.found is wanted.request.found
    return same and wanted.reward in {None, report.reward}


def _decision(
    report: Report, wanted: ReportDecision, line: Line, terms: ReportTerms, now: Millis, op: str
) -> tuple[Commit, Report]:
    """Return the commit of a decision, and the report after it."""
    asked, carrier = wanted.request, report.received.carrier
    if report.decided is not None and report.found is not asked.found:
        raise ReportDecided("this report was decided before, with another result", found=report.found.value)
    official = bool(report.received.official)
    if asked.found in OF_OTHERS and official:
        raise ReportMismatch("our own number was shown: without a call of ours it is ours_unrecorded or ours_spoofed")
    if asked.found is ReportClass.OURS_SPOOFED and (not official or report.received.call):
        why = "a call of ours is recorded" if official else "another number was shown"
        raise ReportMismatch(f"ours_spoofed is a call that showed our number and was not ours; here {why}")
    reward = _reward(report, wanted, line, terms, now)
    amount = _amount(report, reward, terms)
    to = Telling(carrier, line.version, terms.days, now)
    if report.decided is not None:
        after, fields = report.with_events(Rewarded(now, op, wanted.by, reward, amount))
        puts = (paid(after, amount, to),) if reward is Reward.PAID else ()
    else:
        decided = Decided(
            now, op, wanted.by, asked.found, reward, amount, asked.note, asked.forwarded, terms.tell_by(report, now)
        )
        after, fields = report.with_events(decided)
        puts = (found(after, to),)
    granted_at = _granted_at(line, report, reward, now)
    number = line.msisdn or report.person.msisdn  # an empty line was deleted: then the report has the number
    named = _named_on(line, report, Msisdn(number), now, granted_at)
    silent = not number or has_changed(line.history, report.received.received_at)
    line_change = named if silent else replace(named, put=(*named.put, *puts))
    wakes = frozenset({Lane.SMS}) if line_change.put else frozenset[Lane]()
    change = Change.of(after, fields, _leaving(report, after, now))
    return Commit(op, (change, line_change), wakes=wakes), after


def _leaving(before: Report, after: Report, now: Millis) -> tuple[Put, ...]:
    """Return the timers that a decision begins: of the person part, from the first one on; of the whole report, once
    it is over.
    """
    person = () if before.decided else (Put(WAKE_PERSON, now + LOOK_EVERY_MS),)
    return (*person, Put(WAKE_ARCHIVE, after.over_at + LATE_MARGIN)) if after.over_at else person


def _amount(report: Report, reward: Reward, terms: ReportTerms) -> str:
    """Return the amount of a reward, where it is granted or paid. A promise is paid, whatever the settings are
    since.
    """
    if reward not in {Reward.GRANTED, Reward.PAID}:
        return ""
    promised = report.events[-1].amount if report.events else ""
    return promised or terms.amount(report.received.carrier, reward)


def _granted_at(line: Line, report: Report, reward: Reward, now: Millis) -> Millis:
    """Return when the reward was granted, as the line keeps it; 0 for one that was taken back."""
    if reward in {Reward.GRANTED, Reward.NONE}:
        return now if reward is Reward.GRANTED else 0
    return next((each.granted_at for each in line.reported if each.report == report.id), 0)


def _reward(report: Report, wanted: ReportDecision, line: Line, terms: ReportTerms, now: Millis) -> Reward:
    """Return the reward's state after a decision. Raises RewardNotDue."""
    before, asked = report.reward, wanted.reward
    why = terms.not_rewarded(report, wanted.request.found, line.reported, now)
    if report.decided is None and asked in {None, Reward.ELIGIBLE}:
        if asked is Reward.ELIGIBLE and why:
            raise RewardNotDue("no reward is due for this report", reason=why)
        return Reward.NONE if why else Reward.ELIGIBLE
    may = {
        Reward.GRANTED: before is Reward.ELIGIBLE or report.decided is None,
        Reward.PAID: before is Reward.GRANTED,
        Reward.NONE: before is not Reward.PAID,
    }
    if asked is None or not may.get(asked, False):
        raise RewardNotDue("the reward cannot be changed in this way", reason=before.value)
    if asked is Reward.GRANTED and why:
        raise RewardNotDue("no reward is due for this report", reason=why)
    return asked


def erasing(leased: Leased, keep: Retention) -> Step[str]:
    """Delete the person part of a decided report once its retention has passed; until then look again a day later.

    One whose reward is not over then leaves the store when the rest of it need not be kept any longer, either.
    """
    report, now = leased.of(Report), leased.at
    came = report.received.received_at
    put: tuple[Put, ...] = ()
    if came >= keep.persons_before(Evidence.NO_SERVICE, now):
        change = Change.of(report, put=(Put(WAKE_PERSON, now + LOOK_EVERY_MS),))
    else:
        if WAKE_ARCHIVE not in report.effects:
            put = (Put(WAKE_ARCHIVE, came + now - keep.records_before(now)),)
        gone = ((WAKE_PERSON, Drop.ANYWAY),)
        change = Change.of(report, {"who": ""}, put, gone)
    yield from save(Commit("", (change,), leased.held))
    return "performed"
