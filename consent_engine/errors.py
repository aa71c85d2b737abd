"""All errors of the engine, in one tree; the API's status codes and the commands' one-line messages follow it.

ConsentError
├── Malformed              input that cannot be read: names the fields, echoes no value
├── Refused                well-formed, but the answer is no
│   ├── PlanUnknown, UnofficialNumber, DisclosureMissing,
│   │   ConfirmationTooLong, LanguageUnavailable, Backdated       (HTTP 422)
│   ├── IdempotencyConflict, PlanNotPublic, DoNotCall, CoolingOff,
│   │   DuplicateOrder, TooLate, NothingParked, NotWaiting,
│   │   CallNotPermitted, CallTooOld, CallMismatch,
│   │   RecordingReused, AlreadyEnded, CallAbandoned,
│   │   NothingProposed, ProposalChanged, ProposalReplaced,
│   │   NotActivated, InFlight, EventNotTaken, OtherNetwork,
│   │   ReportDecided, ReportMismatch, RewardNotDue             (HTTP 409)
│   ├── CodeWrong                                                 (HTTP 422)
│   ├── TooManyResends, TooManyCodes, CodesUsedUp                 (HTTP 429)
│   └── OrderNotFound, CallNotFound, ReportNotFound, PlanNotFound,
│       KeyNotFound                                               (HTTP 404)
├── Unauthenticated        no key, a wrong key, a wrong signature (HTTP 401)
├── Forbidden              the role does not allow it             (HTTP 403)
│   └── SameAdmin          it takes another admin                 (HTTP 403)
├── StoreUnavailable       the store cannot take it now           (HTTP 503)
│   ├── NotDurable         taken, but not proven on disk          (HTTP 503)
│   └── ArchiveUnavailable what is asked for may be in the archive, which cannot be asked now (HTTP 503)
│       ├── ArchiveGone    the archive's file is missing, or its database empty
│       └── NotOurArchive  the archive that is named belongs to another installation, or the data to another archive
├── IllegalTransition      the lifecycle has no such step
├── BrokenRecord           a stored record that cannot be read
│   └── LogForked          the log is not the one that was signed before: nothing more is signed
└── SettingsError          a setting is wrong or missing: stops the start
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field. `message` never repeats the value."""

    field: str
    code: str
    message: str


class ConsentError(Exception):
    """Anything this engine raises on purpose. `code` is stable; callers may switch on it. It is set beside the name of
    the class; a class that sets none has its parent's.
    """

    code: ClassVar[str] = "error"
    refusals_kept = 0
    """How many refusals of the subscriber were kept, although the request that brought them is refused."""

    def beside(self, refusals: int) -> Self:
        """Return this error, which says how many refusals were kept before the rest of the request was judged."""
        self.refusals_kept = refusals
        return self

    def __init_subclass__(cls, *, code: str = "") -> None:
        cls.code = code or cls.code


class Malformed(ConsentError, code="malformed"):
    """Input that cannot be read, with all its faults at once."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors))
        self.errors = tuple(errors)


class Refused(ConsentError, code="refused"):
    """A well-formed request whose answer is no. `facts` may be shown to the caller."""

    def __init__(self, message: str, **facts: str | int) -> None:
        super().__init__(message)
        self.facts = facts


class PlanUnknown(Refused, code="plan_unknown"):
    """No such plan in the catalogue."""


class UnofficialNumber(Refused, code="unofficial_number"):
    """The call did not come from the carrier's one official outbound number."""


class DisclosureMissing(Refused, code="disclosure_missing"):
    """The plan is described in sentences, so that fields are missing."""


class ConfirmationTooLong(Refused, code="confirmation_too_long"):
    """The question has more segments than its gateway carries."""


class LanguageUnavailable(Refused, code="language_unavailable"):
    """The plan has no words in the language of the order."""


class Backdated(Refused, code="backdated"):
    """The plan says that it was public before the store knew it."""


class NothingProposed(Refused, code="nothing_proposed"):
    """No version of this plan waits for an approval."""


class ProposalChanged(Refused, code="proposal_changed"):
    """Another version of this plan was proposed since it was read."""


class ProposalReplaced(Refused, code="proposal_replaced"):
    """This admin proposed this very plan before, and a newer proposal took its place."""


class IdempotencyConflict(Refused, code="idempotency_conflict"):
    """The key was used for another request."""


class PlanNotPublic(Refused, code="plan_not_public"):
    """The plan was not public in web hall and app, at the call or now."""


class DoNotCall(Refused, code="do_not_call"):
    """The subscriber refused this carrier, or all."""


class CoolingOff(Refused, code="cool_off"):
    """The subscriber declined this plan before: it is not offered again (yet)."""


class DuplicateOrder(Refused, code="duplicate_order"):
    """The same number has an open order for the same plan."""


class TooLate(Refused, code="too_late"):
    """An activation was started, or the order has settled."""


class NothingParked(Refused, code="nothing_parked"):
    """Nothing of this order stands on the stuck list."""


class NotActivated(Refused, code="not_activated"):
    """No service of this order waits for its notification."""


class InFlight(Refused, code="in_flight"):
    """An outside call is under way: its end decides."""


class EventNotTaken(Refused, code="event_not_taken"):
    """The most events allowed are kept of this number."""


class OtherNetwork(Refused, code="other_network"):
    """The number is another network's customer: the plan's carrier has nothing to sell there."""


class NotWaiting(Refused, code="not_waiting"):
    """The order does not wait for a reply."""


class TooManyResends(Refused, code="too_many_resends"):
    """The question was sent again as often as allowed."""


class OrderNotFound(Refused, code="order_not_found"):
    """No such order, or none this key may see."""


class PlanNotFound(Refused, code="plan_not_found"):
    """No such plan."""


class KeyNotFound(Refused, code="key_not_found"):
    """No such API key."""


class Unauthenticated(ConsentError, code="unauthenticated"):
    """No key, a wrong key, or a signature that does not fit."""

    genuine = False
    """Whether only the instant of a signature is wrong: counted for the operator, not named to the sender."""


class Forbidden(ConsentError, code="forbidden"):
    """The role of this key does not allow it."""


class SameAdmin(Forbidden, code="same_admin"):
    """The admin who proposed a plan does not approve it."""


class StoreUnavailable(ConsentError, code="store_unavailable"):
    """The store cannot take it now. The same request again is safe. named_by: the setting or option whose address leads
    nowhere; "" where the address is not the reason · silent: it was asked, and did not answer in time: any other
    question would wait as long
    """

    def __init__(self, *message: object, named_by: str = "", silent: bool = False) -> None:
        super().__init__(*message)
        self.named_by, self.silent = named_by, silent


class NotDurable(StoreUnavailable, code="not_durable"):
    """Taken, but not proven on disk in time. The same request again is safe, and proves it."""


class ArchiveUnavailable(StoreUnavailable, code="archive_unavailable"):
    """The archive cannot be asked now, and what is asked for may be there. The same request again is safe."""


class ArchiveGone(ArchiveUnavailable, code="archive_gone"):
    """The archive's file existed, and is missing, mostly a volume that is not mounted; or nothing is in it or in its
    database. None is made in its place.
    """


class NotOurArchive(ArchiveUnavailable, code="not_our_archive"):
    """The named archive belongs to another installation, or these data to another archive: waiting does not help."""


class IllegalTransition(ConsentError, code="illegal_transition"):
    """The lifecycle table has no such step."""


class BrokenRecord(ConsentError, code="broken_record"):
    """A stored record cannot be read: see `consent doctor`."""


class LogForked(BrokenRecord, code="log_forked"):
    """The log is not the one that was signed before, or another key signs it: nothing more is signed."""


class SettingsError(ConsentError, code="settings"):
    """A setting is wrong or missing. The message is one line that names it."""


OURS = ("consent_engine", "workers")


def place_of(error: BaseException) -> str:
    """The type of an error, and the engine's file and line that raised it or called the code that did. Never its text,
    which may quote a person.
    """
    trace, found = error.__traceback__, None
    while trace is not None:
        path = PurePath(trace.tb_frame.f_code.co_filename)
        found = (path, trace.tb_lineno) if found is None or set(OURS) & set(path.parts) else found
        trace = trace.tb_next
    return f"{type(error).__name__}{f' at {found[0].name}:{found[1]}' if found else ''}"
