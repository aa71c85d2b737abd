"""Plan: a published tariff, versioned by its content, with its disclosures and the channels that show it. Its content
is money and time as data, the rest in sentences.

A field is written only where it differs from its default: a default stands in neither bytes nor hash.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any

from msgspec import Struct, convert, to_builtins
from msgspec.json import encode
from msgspec.structs import replace

from consent_engine.domain.carriers import Carrier
from consent_engine.domain.days import CHINA, millis
from consent_engine.domain.effects import Millis

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
    months: for how long; left out: for the plan's term again · reminded_by: the sender of reminders, which confirmed
    that it reminds; left out: none, and no text says that anybody does
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
    """The plan's words in English texts. terms: translations of every `what`, and of units that only Chinese
    readers know
    """

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
    """The content of a plan: money and time as data, the rest in sentences."""

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


CHANNELS = ("web_hall", "app")
"""The channels that show a plan: it is public while all of them do."""

_OWN = frozenset({"code", "carrier", "published", "version"})


class Publication(Struct, frozen=True, omit_defaults=True):
    """A channel that shows a plan, from `since` on (left out: from now on; a stored plan has it) and before `until`.

    api: where a program reads the channel's content, for an app whose own address cannot be fetched
    """

    channel: str
    url: str
    since: datetime | None = None
    until: datetime | None = None
    api: str = ""

    def covers(self, at_ms: Millis) -> bool:
        """Whether this channel shows the plan at an instant."""
        if self.since is None or at_ms < _millis(self.since):
            return False
        return self.until is None or at_ms < _millis(self.until)


class Plan(Struct, frozen=True, dict=True):
    """A tariff as it was published."""

    code: str
    carrier: Carrier
    tariff: Tariff
    published: tuple[Publication, ...] = ()
    version: int = 1

    @classmethod
    def decode(cls, kept: Mapping[str, Any]) -> "Plan":
        """Read a stored plan. Raises ValueError."""
        fields = {name: value for name, value in kept.items() if name not in _OWN}
        return cls(
            convert(kept.get("code"), str),
            convert(kept.get("carrier"), Carrier),
            convert(fields, Tariff),
            convert(kept.get("published", ()), tuple[Publication, ...]),
            convert(kept.get("version", 1), int),
        )

    def encode(self) -> str:
        """The plan as stored: JSON whose amounts are texts."""
        return encode(self.as_json()).decode()

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code, "carrier": self.carrier.value, **to_builtins(self.tariff),
            "published": to_builtins(self.published), "version": self.version,
        }  # fmt: skip

    @property
    def name(self) -> str:
        """The plan's name for people, in Chinese."""
        return self.tariff.name

    @cached_property
    def hash(self) -> str:
        """SHA-256, in hex, of the whole plan except its version and the instants of its publications.

        So a page that is to carry the hash can be made before the plan is on sale.
        """
        content = {name: value for name, value in self.as_json().items() if name != "version"}
        content["published"] = [[p.channel, p.url, *([p.api] if p.api else ())] for p in self.published]
        canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def repeated_by(self, wanted: "Plan") -> bool:
        """Whether `wanted` is the same plan again; where a publication has no `since` there, any `since` fits."""
        if self.hash != wanted.hash:
            return False
        pairs = zip(self.published, wanted.published, strict=True)
        return all(_span(w) == _span(p if w.since else replace(p, since=None)) for p, w in pairs)

    def since(self, now: Millis) -> "Plan":
        """The plan with `now` as `since` of each publication that has none."""
        return replace(self, published=tuple(replace(p, since=p.since or CHINA.at(now)) for p in self.published))

    @cached_property
    def begins(self) -> Millis | None:
        """The first instant at which both channels show it, by its own dates; None where one of them never does."""
        shown = [[_millis(p.since) for p in self.published if p.channel == each and p.since] for each in CHANNELS]
        return max(map(min, shown)) if all(shown) else None

    def dated_before(self, now: Millis) -> list[str]:
        """The paths of the `since` fields that lie before `now`."""
        dated = enumerate(self.published)
        return [f"published.{n}.since" for n, p in dated if p.since is not None and _millis(p.since) < now]

    def public_at(self, at_ms: Millis) -> bool:
        """Whether web hall and app both show this plan at an instant."""
        shown = {publication.channel for publication in self.published if publication.covers(at_ms)}
        return shown.issuperset(CHANNELS)

    def saying(self, **changes: Any) -> "Plan":  # noqa: ANN401 - a tariff's fields
        """The plan with some of its content changed, unchecked; its hash is made anew."""
        return replace(self, tariff=replace(self.tariff, **changes))


def _span(published: Publication) -> tuple[Millis | None, ...]:
    return tuple(None if at is None else _millis(at) for at in (published.since, published.until))


_millis = lru_cache(4_096)(millis)
