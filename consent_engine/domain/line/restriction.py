"""Restrictions on a line, which bar calls, orders or activations: one concept, and one table of its kinds.

A restriction is a field of its line, `r:<carrier>` for a refusal and `r:<kind>:<carrier>` for the others (`*` for every
carrier; `<carrier>/<plan>` for one plan), so that the scripts read and write the very rows that the door, dialling and
lifting use.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.canonical_json import Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import legible

EVERY_CARRIER = "*"
SUSPICION_LASTS_MS = 24 * 3_600_000
"""How long a suspected refusal waits for a person; undecided after that, it is a refusal."""
MOST_WORDS = 2_000
"""The characters of a suspicion's words after which only the newest is kept; `receive.lua`: 4,000 encrypted bytes."""


class Kind(StrEnum):
    """The reason why something is barred."""

    REFUSED = "refused"
    """The subscriber wants no more calls. Open orders end."""
    SUSPECTED = "suspected"
    """A reply that a person must read may be a refusal. Open orders wait."""
    MARKETING_FREE = "marketing_free"
    """The subscriber is registered as marketing-free. Open orders go on."""
    COOL_OFF = "cool_off"
    """The subscriber declined this plan: it is not offered again. Open orders are not touched."""
    CALL = "call"
    """The call of one order has not ended with its recording: the order's activation waits for that."""
    NUMBER_CHANGED = "number_changed"
    """The number has no holder, or left the carrier: a carrier that this bars neither calls it nor sells to it."""
    MINOR = "minor"
    """The number's holder is a minor, as the BSS says: it is not called, sold to, or activated."""
    STALE_HOLDER = "stale_holder"
    """One order was asked of the previous holder: it is not activated."""
    SUSPENDED = "suspended"
    """The number is suspended: nothing is activated on it until it is resumed."""
    REVIEW = "review"
    """The call of one order has not passed its review: the order's activation waits for that, or a second look."""


_PREFIX: Mapping[Kind, str] = MappingProxyType(
    {kind: "" if kind is Kind.REFUSED else f"{kind.value}:" for kind in Kind}
)
_RANKS: Mapping[Kind, int] = MappingProxyType({kind: n for n, kind in enumerate(Kind)})
OF_ORDERS = frozenset({Kind.CALL, Kind.STALE_HOLDER, Kind.REVIEW})
"""The kinds that are about one order, and name it in the place of a carrier. They bar its activation alone."""
OF_ACTIVATIONS = OF_ORDERS | {Kind.SUSPENDED}
"""The kinds that bar an activation alone: the others bar dialling and new orders."""
LASTING = (Kind.REFUSED, Kind.MARKETING_FREE)
"""The kinds that only the subscriber's own act lifts: the log has when one without an end begins, and is lifted."""
CONSENT = (Kind.REFUSED, Kind.SUSPECTED)
"""The kinds that bar a yes and an activation, too; others outside `OF_ACTIVATIONS` bar neither."""


class Restriction(Struct, frozen=True):
    """A restriction as it stands on a line.

    carrier: the one it bars, `*` for all; for `OF_ORDERS` the order · plan: the one that it is about, '' where it is
    about all; of a doubtful suspicion the one order: that is no plan's code, so it bars no call · since: when it began
    to stand · door, ref: how it came, and its id there · last: the newest act of the subscriber that means the same ·
    reason, text: of a suspicion, why, and the words · left_out, newest_text: where the words would be too many, how
    many messages are not kept, and the newest one · until: when it ends; 0: never
    """

    kind: Kind
    carrier: str
    plan: str
    since: Millis
    door: str
    ref: str
    last: Millis = 0
    reason: str = ""
    text: str = ""
    left_out: int = 0
    newest_text: str = ""
    until: Millis = 0

    @property
    def words(self) -> str:
        """The words of a suspicion, a message a line; a line `…` stands for messages that are not kept here."""
        return "\n".join((self.text, *["…"] * bool(self.left_out), *[self.newest_text] * bool(self.newest_text)))

    def again(self, at: Millis, text: str) -> "Restriction":
        """Return the suspicion after more words, as a new act; the same where it has these words."""
        if text in self.words.split("\n"):
            return self
        last = max(at, self.newest + 1)  # a decision names the newest act that was seen
        if not self.newest_text and len(self.text) < MOST_WORDS:
            return replace(self, last=last, text=f"{self.text}\n{text}")
        left_out = self.left_out + bool(self.newest_text)
        return replace(self, last=last, left_out=left_out, newest_text=text)

    @property
    def is_doubtful(self) -> bool:
        """Whether it is a suspicion of one order alone."""
        return self.kind is Kind.SUSPECTED and bool(self.plan)

    @property
    def name(self) -> str:
        """The restriction's name on the line: `mobile`, `*`, `suspected:mobile`, `cool_off:mobile/5g-smart-199`."""
        return name_of(self.kind, self.carrier, self.plan)

    @property
    def rank(self) -> tuple[int, Millis]:
        """The rank by which one of several is named as the reason: the gravest, then the oldest, has the least."""
        return _RANKS[self.kind], self.since

    def is_over(self, now: Millis) -> bool:
        return 0 < self.until <= now

    @property
    def newest(self) -> Millis:
        """The instant of the subscriber's newest act behind this restriction."""
        return max(self.since, self.last)

    def bars(self, carrier: str | None, plan: str | None = None) -> bool:
        """Whether it stands against `carrier` (None: any) and `plan` (None: then only if it is about all)."""
        if self.kind in OF_ACTIVATIONS:
            return False
        return (carrier is None or self.carrier in {carrier, EVERY_CARRIER}) and self.plan in {"", plan}

    @classmethod
    def decode(cls, name: str, kept: str) -> "Restriction":
        """Read a restriction from its field, without the `r:`. Raises ValueError."""
        kind, _, scope = name.rpartition(":")
        carrier, _, plan = scope.partition("/")
        return _ROWS.decode(kept, Kind(kind) if kind else Kind.REFUSED, carrier, plan)

    def encode(self) -> str:
        return _ROWS.encode(self)


_ROWS = Rows(Restriction, least=3, named=3)


def name_of(kind: Kind, carrier: str, plan: str = "") -> str:
    return f"{_PREFIX[kind]}{carrier}/{plan}" if plan else f"{_PREFIX[kind]}{carrier}"


def receipt_of(line: str, name: str) -> str:
    """Return the number of the receipt of a refusal or registration, which its subscriber is given."""
    return legible(f"refusal:{line}:{name}")


def is_lasting(name: str) -> bool:
    """Whether a restriction's name is of a kind in `LASTING`."""
    return name.rpartition(":")[0] in _LASTING


_LASTING = frozenset(_PREFIX[kind].rstrip(":") for kind in LASTING)


def names_barring(carrier: str, plan: str = "", order: str = "") -> tuple[str, ...]:
    """Return the names of all that bars a yes to `carrier` about `plan`; with an `order`: its activation.

    With `{}`, `[]` and `<>` for them, the result is the pattern of the names.
    """
    names = _barring_all(carrier, plan)
    if not order:
        return names
    own = [f"{prefix}{order}" for prefix in _OF_ONE_ORDER]
    return (*names, *_OF_THE_NUMBER, *own, name_of(Kind.SUSPECTED, carrier, order))


OF_A_MINOR = name_of(Kind.MINOR, EVERY_CARRIER)
"""The name of the restriction on a minor's number."""
_OF_THE_NUMBER = (name_of(Kind.SUSPENDED, EVERY_CARRIER), OF_A_MINOR)
_OF_ONE_ORDER = tuple(_PREFIX[kind] for kind in sorted(OF_ORDERS))


@lru_cache(maxsize=1024)  # called for every reply and every yes
def _barring_all(carrier: str, plan: str) -> tuple[str, ...]:
    names = tuple(name_of(kind, scope) for kind in CONSENT for scope in (EVERY_CARRIER, carrier))
    return (*names, name_of(Kind.REFUSED, carrier, plan)) if plan else names


BARRING = names_barring("{}", "[]", "<>")
