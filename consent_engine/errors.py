"""Every error of the engine, one tree; the API's status table and the commands' one-liners hang on it.

ConsentError
├── Malformed              input that cannot be read: names the fields, echoes no value
├── Refused                well-formed, but the answer is no
│   ├── PlanUnknown, UnofficialNumber, DisclosureMissing,
│   │   ConfirmationTooLong, LanguageUnavailable, Backdated       (HTTP 422)
│   ├── IdempotencyConflict, PlanNotPublic, DoNotCall, CoolingOff,
│   │   DuplicateOrder, TooLate, NothingParked, NotWaiting,
│   │   CallNotPermitted, CallTooOld, CallMismatch,
│   │   RecordingReused, AlreadyEnded, CallAbandoned,
│   │   NothingProposed, NotActivated, InFlight, EventNotTaken,
│   │   OtherNetwork, ReportDecided, ReportMismatch, RewardNotDue (HTTP 409)
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
│       └── NotOurArchive  the archive that is named belongs to another installation, or the data to another archive
├── IllegalTransition      the lifecycle has no such step
├── BrokenRecord           a stored record that cannot be read
└── SettingsError          a setting is wrong or missing: stops the start
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field. `message` never repeats the value."""

    field: str
    code: str
    message: str


class ConsentError(Exception):
    """Anything this engine raises on purpose. `code` is stable; callers may switch on it."""

    code: ClassVar[str] = "error"


class Malformed(ConsentError):
    """Input that cannot be read, with everything that is wrong with it at once."""

    code = "malformed"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors))
        self.errors = tuple(errors)


class Refused(ConsentError):
    """Well-formed, and the answer is no. `facts` may be shown to the caller."""

    code = "refused"

    def __init__(self, message: str, **facts: str | int) -> None:
        super().__init__(message)
        self.facts = facts


class PlanUnknown(Refused):
    """No such plan in the catalogue."""

    code = "plan_unknown"


class UnofficialNumber(Refused):
    """The call did not come from the carrier's one official outbound number."""

    code = "unofficial_number"


class DisclosureMissing(Refused):
    """The plan lacks a disclosure."""

    code = "disclosure_missing"


class ConfirmationTooLong(Refused):
    """The question has more segments than its gateway carries."""

    code = "confirmation_too_long"


class LanguageUnavailable(Refused):
    """The plan has no words in the language of the order."""

    code = "language_unavailable"


class Backdated(Refused):
    """The plan says that it was public before the store knew it."""

    code = "backdated"


class NothingProposed(Refused):
    """No version of this plan waits for an approval."""

    code = "nothing_proposed"


class IdempotencyConflict(Refused):
    """The key was used for another request."""

    code = "idempotency_conflict"


class PlanNotPublic(Refused):
    """The plan was not public in web hall and app, at the call or now."""

    code = "plan_not_public"


class DoNotCall(Refused):
    """The subscriber refused this carrier, or all."""

    code = "do_not_call"


class CoolingOff(Refused):
    """The subscriber declined this plan before: it is not offered again (yet)."""

    code = "cool_off"


class DuplicateOrder(Refused):
    """The same number has an open order for the same plan."""

    code = "duplicate_order"


class TooLate(Refused):
    """An activation was started, or the order has settled."""

    code = "too_late"


class NothingParked(Refused):
    """Nothing of this order stands on the stuck list."""

    code = "nothing_parked"


class NotActivated(Refused):
    """No service of this order waits for its notification."""

    code = "not_activated"


class InFlight(Refused):
    """A call outside is under way: its end decides."""

    code = "in_flight"


class EventNotTaken(Refused):
    """Something newer is known of this number, or as many events of it are kept as may be."""

    code = "event_not_taken"


class OtherNetwork(Refused):
    """The number is another network's customer: the plan's carrier has nothing to sell there."""

    code = "other_network"


class NotWaiting(Refused):
    """The order does not wait for a reply."""

    code = "not_waiting"


class TooManyResends(Refused):
    """The question was asked again as often as may be."""

    code = "too_many_resends"


class OrderNotFound(Refused):
    """No such order, or none this key may see."""

    code = "order_not_found"


class PlanNotFound(Refused):
    """No such plan."""

    code = "plan_not_found"


class KeyNotFound(Refused):
    """No such API key."""

    code = "key_not_found"


class Unauthenticated(ConsentError):
    """No key, a wrong key, or a signature that does not fit."""

    code = "unauthenticated"


class Forbidden(ConsentError):
    """The role of this key does not allow it."""

    code = "forbidden"


class SameAdmin(Forbidden):
    """Whoever proposed a plan does not approve it."""

    code = "same_admin"


class StoreUnavailable(ConsentError):
    """The store cannot take it now. The same request again is safe."""

    code = "store_unavailable"


class NotDurable(StoreUnavailable):
    """Taken, but not proven on disk in time. The same request again is safe, and proves it."""

    code = "not_durable"


class ArchiveUnavailable(StoreUnavailable):
    """The archive cannot be asked now, and what is asked for may be there. The same request again is safe."""

    code = "archive_unavailable"


class ArchiveGone(ArchiveUnavailable):
    """The archive's file, which was there, is not: mostly a volume that is not mounted. None is made in its place."""

    code = "archive_gone"


class NotOurArchive(ArchiveUnavailable):
    """The archive that is named belongs to another installation, or these data to another archive: nobody waits."""

    code = "not_our_archive"


class IllegalTransition(ConsentError):
    """The lifecycle table has no such step."""

    code = "illegal_transition"


class BrokenRecord(ConsentError):
    """A stored record cannot be read: see `consent doctor`."""

    code = "broken_record"


class SettingsError(ConsentError):
    """A setting is wrong or missing. The message is one line that names it."""

    code = "settings"
