"""Views of plans: their published forms, and how they read in words."""

from datetime import datetime
from typing import Annotated, Any

from msgspec.structs import replace
from pydantic import Field

from consent_engine.api.schemas.examples import Eg
from consent_engine.api.schemas.views import At, View, instant
from consent_engine.domain.days import CHINA
from consent_engine.domain.offer.plan import Publication
from consent_engine.domain.offer.versions import OURS, Listed, PageSeen, Proposal, Version
from consent_engine.domain.texts.confirmation_fields import disclosures


class PublicationView(View):
    """A place where a plan can be read, since when, and the result of the last look."""

    channel: str
    url: str
    since: str | None = None
    until: str | None = None
    api: str = ""
    public: bool | None = Field(
        default=None, description="whether it shows the plan; left out: our own page, or taken at the admin's word"
    )
    why: str = Field(
        default="", description="what is wrong with the page, as a code and its arguments; `unchecked:`: not seen yet"
    )
    looked_at: str | None = Field(default=None, description="when it was last looked at, or attested")
    seen: str = Field(default="", description="SHA-256 of the content seen then")


_Fields = dict[str, Any]


class PlanView(View):
    """A plan in one version: the form it was published with, and how it reads in words. Amounts are texts."""

    code: str
    carrier: str
    name: str
    filing: str = ""
    seller: str = ""
    price: _Fields
    overage: list[_Fields] | None = None
    speed_cap: _Fields | None = None
    term: _Fields | None = None
    renewal: _Fields | None = None
    includes: list[_Fields] | None = None
    first_month: str | None = None
    scenario: str
    offered_to: str = ""
    restrictions: list[str] | None = None
    replaces: str | None = None
    unsubscribe: _Fields
    sold_by: list[str] | None = None
    english: _Fields | None = None
    published: list[PublicationView]
    version: int
    hash: str
    sale: str = Field(
        description="on_sale, withdrawn or revoked; superseded by a later version; waiting: not yet in force"
    )
    in_force_from: str | None = Field(default=None, description="left out: the version is older than this record")
    in_force_until: str | None = Field(default=None, description="left out: no end is known")
    reads: dict[str, dict[str, str]] = Field(
        description="by language (zh, and en if the plan has English texts): each field in words"
    )

    @classmethod
    def of(cls, listed: Listed, version: Version | None = None) -> "PlanView":
        """Show the plan as everybody may see it. version: any of its versions; without it, the one in force."""
        known = version or listed.version(listed.plan.version) or listed.newest
        plan = known.plan
        fields = {name: value for name, value in plan.as_json().items() if name != "published"}
        published = [
            PublicationView(channel=p.channel, url=p.url, **_published(p, known.seen.get(n)))
            for n, p in enumerate(plan.published)
        ]
        named = zip(("in_force_from", "in_force_until"), listed.span(known.number) or (), strict=False)
        span: dict[str, Any] = {name: instant(at) for name, at in named if at}
        return cls(
            **fields, published=published, hash=plan.hash, sale=listed.standing(known.number).value,
            **span, reads=disclosures(plan),
        )  # fmt: skip


def _published(publication: Publication, seen: PageSeen | None) -> _Fields:
    """The optional fields of a publication, and the last look at it."""
    span = ("since", publication.since), ("until", publication.until)
    fields: _Fields = {name: _offset(at) for name, at in span if at is not None}
    fields |= {"api": publication.api} if publication.api else {}
    if seen is not None and seen != OURS:
        looked = {"looked_at": instant(seen.at)} if seen.at else {}
        fields |= {"public": bool(seen.public), "why": seen.why, "seen": seen.hash, **looked}
    return fields


def _offset(at: datetime) -> str:
    return at.astimezone(CHINA.zone).isoformat(timespec="milliseconds" if at.microsecond else "seconds")


class ProposalView(View):
    """A plan that one admin wants to put on sale; it is on sale once another admin approves it."""

    by: Annotated[str, Eg("head-bj")] = Field(description="the admin who proposed it; another one must approve it")
    at: At
    plan: PlanView = Field(description="with the version number that it would get, and sale: proposed")

    @classmethod
    def of(cls, proposal: Proposal, newest: int) -> "ProposalView":
        """Show the plan as proposed. newest: its newest version now, 0 for none"""
        plan = replace(proposal.plan, version=newest + 1)
        shown = PlanView.of(Listed(plan)).model_copy(update={"sale": "proposed"})
        return cls.shown(proposal, plan=shown)


class PlanList(View):
    """The catalogue."""

    items: list[PlanView]
