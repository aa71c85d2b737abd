"""What a plan says: money and time as data (Tariff), or in sentences, as plans of an older time do (Sentences).

A field that comes later has a default, and is written only where it says something: what was kept keeps bytes and hash.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

UNITS = {"分钟": "min", "小时": "h", "条": "SMS", "天": "day", "月": "month", "次": "use", "个": "item"}
"""Units that an English text needs no `terms` for."""


class Starts(StrEnum):
    """When a service begins, counted from the confirmation."""

    AT_ONCE = "at_once"
    NEXT_DAY = "next_day"
    NEXT_MONTH = "next_month"
    INSTALLATION = "installation"


class Ends(StrEnum):
    """When a service that its subscriber ends is over."""

    AT_ONCE = "at_once"
    NEXT_DAY = "next_day"
    NEXT_MONTH = "next_month"
    TERM_END = "term_end"


class FirstMonth(StrEnum):
    """How much of its first month is charged."""

    FULL = "full"
    DAILY = "daily"
    HALF = "half"


class Replaces(StrEnum):
    """What becomes of the plan that the subscriber has."""

    CURRENT = "current"
    ADDED = "added"


class Promotion(Struct, frozen=True, omit_defaults=True):
    """A lower price for the first months; the monthly price follows."""

    price: Decimal
    months: int


class Price(Struct, frozen=True, omit_defaults=True):
    """Exactly one of monthly, once and daily. Amounts are of two decimal places."""

    currency: str
    monthly: Decimal | None = None
    once: Decimal | None = None
    daily: Decimal | None = None
    promotion: Promotion | None = None


class Overage(Struct, frozen=True, omit_defaults=True):
    """What more of something costs than is included."""

    what: str
    price: Decimal
    per: str


class SpeedCap(Struct, frozen=True, omit_defaults=True):
    """Above so much, the speed is limited."""

    above: Decimal
    unit: str
    limit: str


class EarlyFee(Struct, frozen=True, omit_defaults=True):
    """What leaving before the term's end costs, and never more than `at_most`."""

    per_remaining_month: Decimal
    at_most: Decimal


class Term(Struct, frozen=True, omit_defaults=True):
    """How long it is taken for: so many months, or so many days."""

    starts: Starts
    months: int = 0
    days: int = 0
    early_fee: EarlyFee | None = None


class Renewal(Struct, frozen=True, omit_defaults=True):
    """Whether it goes on by itself after its term, and how many days before that the subscriber is reminded."""

    automatic: bool
    notice_days: int = 0


class Included(Struct, frozen=True, omit_defaults=True):
    """Something that the price contains."""

    what: str
    amount: Decimal
    unit: str


class Unsubscribe(Struct, frozen=True, omit_defaults=True):
    """How to end it: a word sent to a number, or a call to it where there is no word."""

    to: str
    takes_effect: Ends
    word: str = ""
    fee: Decimal | None = None


class English(Struct, frozen=True, omit_defaults=True):
    """What an English text shows of a plan; terms: of `what`, `unit` and `per`."""

    name: str
    scenario: str
    seller: str = ""
    offered_to: str = ""
    restrictions: tuple[str, ...] = ()
    terms: Mapping[str, str] = {}

    def __hash__(self) -> int:
        """Of what it says; a mapping has none of its own."""
        return hash((self.name, self.scenario, self.restrictions, *self.terms.items()))


class Tariff(Struct, frozen=True, omit_defaults=True, cache_hash=True):
    """What a plan says, field by field."""

    name: str
    price: Price
    term: Term
    renewal: Renewal
    scenario: str
    replaces: Replaces
    unsubscribe: Unsubscribe
    sold_by: tuple[str, ...]
    filing: str = ""
    seller: str = ""
    overage: tuple[Overage, ...] = ()
    speed_cap: SpeedCap | None = None
    includes: tuple[Included, ...] = ()
    first_month: FirstMonth | None = None
    offered_to: str = ""
    restrictions: tuple[str, ...] = ()
    english: English | None = None


class Sentences(Struct, frozen=True):
    """What a plan of an older time says. An empty one can be kept, but such a plan cannot be sold."""

    name: str
    price: str = ""
    scenario: str = ""
    validity: str = ""
    restrictions: str = ""
    unsubscribe: str = ""
