"""The content of a plan: money and time as data, the rest in sentences.

A field is written only where it differs from its default: a default stands in neither bytes nor hash.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

UNITS = {"分钟": "min", "小时": "h", "条": "SMS", "天": "day", "月": "month", "次": "use", "个": "item"}
"""Units in English; a plan's `terms` need not translate these."""


class Starts(StrEnum):
    """When a service begins, counted from the confirmation."""

    AT_ONCE = "at_once"
    NEXT_DAY = "next_day"
    NEXT_MONTH = "next_month"
    INSTALLATION = "installation"


class Ends(StrEnum):
    """When a service stops that its subscriber ends."""

    AT_ONCE = "at_once"
    NEXT_DAY = "next_day"
    NEXT_MONTH = "next_month"
    TERM_END = "term_end"


class FirstMonth(StrEnum):
    """The charge for the first month."""

    FULL = "full"
    DAILY = "daily"
    HALF = "half"


class Replaces(StrEnum):
    """Whether the plan replaces the one that the subscriber has, or is added to it."""

    CURRENT = "current"
    ADDED = "added"


class Promotion(Struct, frozen=True, omit_defaults=True):
    """A lower price for the first months; the monthly price follows."""

    price: Decimal
    months: int


class Price(Struct, frozen=True, omit_defaults=True):
    """The price of a plan: exactly one of monthly, once and daily. Amounts have two decimal places."""

    currency: str
    monthly: Decimal | None = None
    once: Decimal | None = None
    daily: Decimal | None = None
    promotion: Promotion | None = None


class Overage(Struct, frozen=True, omit_defaults=True):
    """The price of use beyond what is included."""

    what: str
    price: Decimal
    per: str


class SpeedCap(Struct, frozen=True, omit_defaults=True):
    """The limit of the speed above an amount of use."""

    above: Decimal
    unit: str
    limit: str


class EarlyFee(Struct, frozen=True, omit_defaults=True):
    """The fee for leaving before the term's end, never more than `at_most`."""

    per_remaining_month: Decimal
    at_most: Decimal


class Term(Struct, frozen=True, omit_defaults=True):
    """The term of a plan: so many months, or so many days."""

    starts: Starts
    months: int = 0
    days: int = 0
    early_fee: EarlyFee | None = None


class RemindedBy(StrEnum):
    """The sender of reminders of a renewal."""

    BSS = "bss"


class Renewal(Struct, frozen=True, omit_defaults=True):
    """The renewal of a plan at its price, after any promotion.

    automatic: whether it renews by itself · notice_days: how many days before it the subscriber is to be reminded ·
    months: for how long; 0: for the plan's term again · reminded_by: the sender of reminders; None: none, and no text
    says that anybody does
    """

    automatic: bool
    notice_days: int = 0
    months: int = 0
    reminded_by: RemindedBy | None = None


class Included(Struct, frozen=True, omit_defaults=True):
    """An amount of something that the price includes."""

    what: str
    amount: Decimal
    unit: str


class Unsubscribe(Struct, frozen=True, omit_defaults=True):
    """The way to end the service: a word sent to a number, or a call to it where there is no word."""

    to: str
    takes_effect: Ends
    word: str = ""
    fee: Decimal | None = None


class English(Struct, frozen=True, omit_defaults=True):
    """The plan's words in English texts. terms: translations of `what`, `unit` and `per`"""

    name: str
    scenario: str
    seller: str = ""
    offered_to: str = ""
    restrictions: tuple[str, ...] = ()
    terms: Mapping[str, str] = {}

    def __hash__(self) -> int:
        """Hash the content; a mapping has no hash of its own."""
        return hash((self.name, self.scenario, self.restrictions, *self.terms.items()))


class Tariff(Struct, frozen=True, omit_defaults=True, cache_hash=True):
    """The content of a plan, field by field."""

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
