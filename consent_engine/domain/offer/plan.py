"""Plan: a published tariff, versioned by its content, with its disclosures and the channels that show it."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

from msgspec import Struct, convert, to_builtins
from msgspec.json import encode
from msgspec.structs import replace

from consent_engine.domain.carriers import Carrier
from consent_engine.domain.days import CHINA, millis
from consent_engine.domain.effects import Millis
from consent_engine.domain.offer.tariff import Tariff

CHANNELS = ("web_hall", "app")
"""The channels that show a plan: it is public while all of them do."""

_OWN = frozenset({"code", "carrier", "published", "version"})


class Publication(Struct, frozen=True, omit_defaults=True):
    """A channel that shows a plan, from `since` on and before `until`. In a stored plan `since` is set.

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
        """The whole plan, as JSON values."""
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
