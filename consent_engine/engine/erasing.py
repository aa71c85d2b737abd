"""Erasing a person: all that is known of a number goes, and what must stay is named, with the reason.

The person parts of records stand in fields of their own, of which the chains have salted hashes alone: so every proof
holds without them. What is settled leaves the store first, as it would by itself later; of its line only what bars it
stays, under the keyed hash that names it. Then SQL deletes the person parts, and the records come back without
them for as long as what was read in SQL before may come back (`recall`): so it finds them here, and is refused. Each
step may be repeated: an erasure that was interrupted, or met a message that came meanwhile, is the same request again.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.call.call import Call, CallState
from consent_engine.domain.call.ending import Ending, ending_id
from consent_engine.domain.call.report import Report
from consent_engine.domain.call.review import UNDECIDED
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.decide.leaving import wants_more
from consent_engine.domain.effects import WAKE_ARCHIVE, WAKE_LINE, Millis
from consent_engine.domain.line.line import STRANGER_MS, Line, line_id
from consent_engine.domain.line.restriction import OF_ORDERS, Kind
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Evidence, Order
from consent_engine.engine.leave import LEFT, reserved
from consent_engine.engine.recall import brought_back, pieces
from consent_engine.engine.round_trips import Stale, Step, drive, or_raised, saving, transact
from consent_engine.engine.scribe import as_of_now, let_go
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, Refused
from consent_engine.ports import (
    KINDS,
    Archive,
    By,
    Change,
    Commit,
    CommitResult,
    Kept,
    Owner,
    Recorded,
    Snapshot,
    Store,
    by_kind,
)
from consent_engine.ports.archive import MOST_OF_A_LINE, BackupMade, Erasure
from consent_engine.ports.records import EVERY_MESSAGE

log = logging.getLogger(__name__)
STAYS: Mapping[str, str] = {
    "refusals": "what bars this number stays under a keyed hash of it, without the number: it is never called again",
    "records": "states, instants, decisions and hashes stay until their retention ends: they prove that nothing was "
    "done without a consent, and name no person",
    "log": "the public log has hashes alone, and is never changed: every proof given before holds",
    "evidence": "evidence files and receipts that were handed out before are with those who have them",
    "outside": "gateways, BSS, and the store of recordings keep data of their own: have them erased there",
    "replicas": "replicas of Redis and of SQL rewrite their files by themselves; PostgreSQL overwrites deleted rows at "
    "its next VACUUM, and its write-ahead log ages out",
}
"""What an erasure leaves, and why."""
MOST_AT_ONCE = 1_000
"""Most records that one commit brings back."""

ERASED: Mapping[Owner, str] = {
    Owner.ORDER: "orders", Owner.CALL: "calls", Owner.ENDING: "endings", Owner.REPORT: "reports",
}  # fmt: skip
"""The names of the kinds of records, in a report."""


class StillOpen(Refused, code="still_open"):
    """Something of the number is not over: an order, an ending, a call, a report, a reply; `open` says what."""


class Erased(Struct, frozen=True):
    """The report of an erasure.

    erased: how many records had a person part, by kind · messages: unmatched ones that were deleted · file: why the
    server did not write its append-only file anew, "" where it did · backups: those that were made here before, and
    still have the person · stays: see `STAYS`
    """

    at: Millis
    by: str
    ground: str
    erased: Mapping[Owner, int]
    messages: int
    file: str
    backups: Sequence[BackupMade]
    stays: Mapping[str, str]


class _Whole(NamedTuple):
    """A line with all of its records that the store has, and its fields as the store has them."""

    line: Line
    records: Sequence[Recorded]
    fields: Mapping[str, str]
    now: Millis


class Eraser:
    """Erases persons from one store. now: the store's clock"""

    def __init__(self, store: Store, secret: str, now: Callable[[], Millis]) -> None:
        self._store = store
        self._secret = secret
        self._now = now

    def erase(self, msisdn: Msisdn, ground: str, by: str) -> Erased:
        """Erase the person who has a number; proven durable before this returns.

        Raises StillOpen while anything of the number is not over; StoreUnavailable, and ArchiveUnavailable, also where
        SQL is behind: the same request again is safe.
        """
        line, store = line_id(self._secret, msisdn), self._store
        as_of_now(store)
        if (archive := store.bound_archive()) is None:
            raise ArchiveUnavailable("there is no archive to erase from")
        erasure, erased = Erasure(self._now(), line, by, ground), Counter[Owner]()

        @transact
        def emptied() -> Step[None]:
            yield from self._emptied(line, archive)
            as_of_now(store)  # the line is written out as it is now
            erased.update(archive.erase(erasure))
            yield from self._nameless(line, archive)

        or_raised(drive(store, [emptied()]).results[0])
        messages = store.inbox.forget(line, str(msisdn).removeprefix("+86"))
        file = store.retirement.rewrite(line)
        log.info("line %s: erased by %s", line, by)
        return Erased(erasure.at, by, ground, erased, messages, file, archive.backups(), STAYS)

    def _emptied(self, line: str, archive: Archive) -> Step[None]:
        """Have the store let go of a line's records, and of all that it says of the person. Raises as `_whole` does."""
        whole = self._whole(line, archive)
        if not (whole.fields or whole.records):
            return
        if len(let_go(self._store, archive, whole.records)) < len(whole.records):
            raise ArchiveUnavailable("SQL does not take a record of this number: see consent doctor")
        leaves = [Change.leave(each) for each in whole.records]
        yield from saving(Commit(LEFT, (_rest(whole), *leaves), guard=EVERY_MESSAGE), prove=True)
        if keys := [(key, each.id, "") for each in whole.records for key in reserved(each)]:
            self._store.reservations.release(keys)

    def _nameless(self, line: str, archive: Archive) -> Step[None]:
        """Have the store hold a line's records without the person. Raises as `_whole` does, and Stale where a late fact
        brought one back before SQL had lost that.
        """
        now = self._now()
        for some in pieces([each for _, each in _in_sql(line, archive) if each.record is not None], MOST_AT_ONCE):
            if (yield from brought_back(some, now)) is not CommitResult.OK:
                raise Stale
        left = self._whole(line, archive)
        if left.line.msisdn or any(each.person.msisdn for each in left.records):
            raise Stale

    def _whole(self, line: str, archive: Archive) -> _Whole:
        """Read a line with its records. Raises StillOpen, and Stale where another write came in between."""
        kept = _in_sql(line, archive)
        orders = [each.record for _, each in kept if isinstance(each.record, Order)]
        served = {order.doc.call_id for order in orders if _on(order)}
        ended = [(Owner.ENDING, ending_id(order.id)) for order in orders]  # SQL may not have them yet
        names = by_kind([(Owner.LINE, line), *ended, *((owner, each.id) for owner, each in kept)])
        fields = self._store.journal.lines([line])[line]
        found = self._store.records.look(names)
        here, records = found.line(line), _records(found)
        if found.unreadable:
            raise BrokenRecord("a record of this number cannot be read: see consent doctor")
        stands = {*(_open(each, served) for each in records), *_of_line(here, fields.unread)} - {""}
        if said := ", ".join(sorted(stands)):
            raise StillOpen(f"this is not over yet: {said}: erase the person once it is, or end it first", open=said)
        if here.version != int(fields.fields.get("v", 0)):
            raise Stale
        return _Whole(here, records, fields.fields, found.now)


def _in_sql(line: str, archive: Archive) -> list[tuple[Owner, Kept[Recorded]]]:
    """Return a line's records as SQL has them, also those that cannot be read there: the store may have them, too."""
    found = list[tuple[Owner, Kept[Recorded]]]()
    for owner, kind in KINDS.items():
        kept: Sequence[Kept[Recorded]] = archive.recall(kind, [line], By.LINE).get(line, [])
        if len(kept) > MOST_OF_A_LINE:
            raise BrokenRecord(f"this number has more than {MOST_OF_A_LINE} records of a kind: see to it by hand")
        found += [(owner, each) for each in kept]
    return found


def _records(found: Snapshot) -> list[Recorded]:
    return [each for kind in KINDS.values() for each in found.of(kind).values()]


def _on(order: Order) -> bool:
    """Whether an order switched a service on."""
    return Evidence.of(order) is Evidence.SERVICE


def _open(record: Recorded, served: Set[str]) -> str:
    """Return what is not over, "" where this record is. served: the calls in which a service was sold: should one fail
    its review, the service is taken back, for which the number is needed
    """
    more = wants_more(record.effects, WAKE_ARCHIVE)
    match record:
        case Order():
            return "an order" if more or not record.state.settled else ""
        case Ending():
            return "the ending of a service" if more or not record.is_over else ""
        case Call():
            reviewed = record.verdict not in UNDECIDED or record.id not in served
            return "a call" if more or record.state is CallState.UP else "" if reviewed else "the review of a call"
        case Report():
            return "a report" if more or not record.over_at else ""


def _of_line(line: Line, unread: Sequence[str]) -> list[str]:
    """Return what of the line itself is not over."""
    held = any(each.kind is Kind.SUSPECTED for each in line.restrictions)
    said = {"an unread message": bool(unread), "a reply that a person must read": held}
    said["work that is due"] = wants_more(line.effects, WAKE_LINE)
    return [noun for noun, stands in said.items() if stands]


def _rest(whole: _Whole) -> Change:
    """Return the line without the person: with what bars it, its chain, and the rewards that were granted; none where
    nothing of that stands.
    """
    line = whole.line
    kept = [each for each in (*line.restrictions, *line.ended) if each.kind not in OF_ORDERS]
    rewarded = {each.field for each in line.reported if each.granted_at}
    if not (kept or rewarded or line.publics):
        return Change.leave(line)
    named = {f"r:{each.name}": each for each in kept}
    stays = {"v", "seen", "mac", *rewarded, *named, *(f"e{n}" for n in range(len(line.publics)))}
    fields = {name: "" for name in whole.fields if name not in stays and name[:2] != "f:"}
    wordless = {name: replace(each, text="", left_out=0, newest_text="") for name, each in named.items() if each.text}
    fields |= {name: each.encode() for name, each in wordless.items()}
    ends = any(each.until for each in kept) or bool(rewarded)
    put = (Put(WAKE_LINE, whole.now + STRANGER_MS),) if ends and WAKE_LINE not in line.effects else ()
    return Change.of(line, fields, put)
