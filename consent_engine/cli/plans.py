"""`consent plans`: the tariff catalogue."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from consent_engine.cli.opening import by, opened
from consent_engine.cli.tables import instant, record, table, tell
from consent_engine.config.settings import Settings
from consent_engine.config.yaml_files import plans_from
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.days import millis
from consent_engine.domain.hitch import Hitch, in_words
from consent_engine.domain.offer.address import Addresses, Kind
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.offer.plan import Plan, Publication
from consent_engine.domain.offer.versions import Listed, PageSeen, Proposal, Sale
from consent_engine.domain.texts.confirmation_fields import disclosures, price_of
from consent_engine.domain.texts.sheet import MOST, Shown, of_carrier, of_plan, which_ones
from consent_engine.engine.publication import found_at
from consent_engine.errors import FieldError, Malformed, PlanNotFound
from consent_engine.ports.outside import TariffPages

_FETCH = typer.Option("--fetch", help="Check the pages where the plans are published, too.")
_OVER = "The hash of a newer proposal, which a plan that was proposed before it may replace."
app = typer.Typer(help="The tariff catalogue: check, load, list, show, withdraw.")


@app.command()
def load(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Plans in YAML. A changed plan is a new version.")],
    over: Annotated[list[str] | None, typer.Option(help=_OVER)] = None,
) -> None:
    """Publish plans, or none of them if a text about one is too long to be sent; orders under way keep the version
    they were asked with. With CONSENT_PLAN_APPROVAL plans are proposed: another person types `consent plans approve`.
    \f
    Raises Malformed for a plan that our own page would not show completely.
    """
    from consent_engine.api.routes.tariffs import not_shown

    plans = plans_from(file)
    if wrong := [FieldError(plan.code, "not_shown", ", ".join(lacks)) for plan in plans if (lacks := not_shown(plan))]:
        raise Malformed(wrong)
    with opened() as engine:
        engine.catalogue.check(plans)
        known = {code: listed.newest.number for code, listed in engine.catalogue.fresh().items()}
        rows = []
        for plan in plans:
            now = engine.catalogue.offer(plan, by(), over or ())
            if isinstance(now, Proposal):
                rows.append((plan.code, known.get(plan.code, 0) + 1, "proposed"))
            else:
                rows.append((now.code, now.version, "as it was" if known.get(now.code) == now.version else "new"))
    table(("plan", "version", ""), rows, "no plans in this file")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Plans in YAML. Nothing is loaded.")],
    sheet: Annotated[Path | None, typer.Option(help="Write the texts to this file, for readers (Markdown).")] = None,
    fetch: Annotated[bool, _FETCH] = False,  # noqa: FBT002
) -> None:
    """Show every text that their subscribers may read, with its segments; exit 1 if one is too long, and, with
    --fetch, if a page does not show its plan.

    Texts are shown at their longest: with a code, and with the default reply window.
    """
    plans = plans_from(file)
    found = [(plan.code, each) for plan in plans for each in of_plan(plan, Policy().reply_window)]
    found += [(carrier, each) for carrier in CARRIERS for each in _of_carrier(plans, carrier)]
    rows: list[tuple[object, ...]] = []
    rows += [(code, t.name, t.language, t.segments, t.most, t.text.replace("\n", " / ")) for code, t in found]
    looked = looked_at(plans) if fetch else []
    rows += [(each.code, f"page {each.channel}", "-", "-", "-", f"{each.url}: {each.found}") for each in looked]
    if sheet is not None:
        _write(sheet, found)
    table(("plan", "text", "language", "segments", "at most", "as it is read"), rows, "no plans in this file")
    longer = [(code, t) for code, t in found if t.segments > t.most and t.name in MOST]
    for code, each in longer:
        problem = f"its {each.name} ({each.language}) takes {each.segments} segments, {each.most} are the most"
        tell(f"{code}: {problem}: the plan is not loaded")
    if longer or not all(each.shows for each in looked):
        raise typer.Exit(1)


def _of_carrier(plans: list[Plan], carrier: str) -> Iterator[Shown]:
    """Return the texts that name no plan, or several, of a carrier that sells one of these."""
    own = [plan for plan in plans if plan.carrier == carrier]
    yield from (*which_ones(own), *of_carrier(carrier)) if own else ()


def _write(sheet: Path, found: list[tuple[str, Shown]]) -> None:
    try:
        sheet.write_text(_sheet(found), "utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{sheet}: {error.strerror}: name another file", param_hint="--sheet") from None


def _sheet(found: list[tuple[str, Shown]]) -> str:
    """Return every text in a section of its own (Markdown), for people who judge the wording."""
    rows = ["# Every text, as it is read", ""]
    for code, shown in found:
        rows += [f"## {code}: {shown.name}, {shown.language} ({shown.segments} segments of at most {shown.most})", ""]
        rows += [shown.text, ""]
    return "\n".join(rows)


@app.command()
def withdraw(code: Annotated[str, typer.Argument(metavar="CODE", help="As `consent plans list` shows it.")]) -> None:
    """Take a plan off sale: no new orders; a yes to an open order still counts. A new version puts it on sale again."""
    with opened() as engine:
        listed = engine.catalogue.set_sale(code, Sale.WITHDRAWN)
    record([("plan", listed.plan.code), ("version", listed.plan.version), ("sale", listed.sale)])


@app.command()
def proposed() -> None:
    """List plans that wait for approval: code, who proposed it, when, name, price, hash."""
    with opened() as engine:
        waits = engine.catalogue.proposals()
    rows = [(code, p.by, instant(p.at), p.plan.name, price_of(p.plan), p.plan.hash) for code, p in waits.items()]
    table(("plan", "by", "at", "name", "price", "hash"), rows, "nothing is proposed")


@app.command()
def approve(
    code: Annotated[str, typer.Argument(metavar="CODE", help="As `consent plans proposed` shows it.")],
    seen: Annotated[str, typer.Option("--hash", help="Of the proposal that was read: another one is refused.")] = "",
) -> None:
    """Put a plan on sale that another admin proposed; both names are kept."""
    with opened() as engine:
        plan = engine.catalogue.approve(code, by(), seen)
    record([("plan", plan.code), ("version", plan.version), ("hash", plan.hash)])


@app.command()
def attest(
    code: Annotated[str, typer.Argument(metavar="CODE", help="As `consent plans list` shows it.")],
    channel: Annotated[str, typer.Option(help="web_hall or app.")],
    reason: Annotated[str, typer.Option(help="Which page was looked at, and how.")],
) -> None:
    """Attest that a channel that no program can look at shows the newest version; kept with name, time and reason."""
    with opened() as engine:
        listed = engine.catalogue.attest(code, channel, by(), reason)
    record([("plan", code), ("version", listed.newest.number), ("channel", channel), ("attested by", by())])


@app.command("list")
def show_all() -> None:
    """List the plans: code, carrier, version, sale, name, price."""
    with opened() as engine:
        listed = sorted(engine.catalogue.fresh().items())
    rows = [(code, p.plan.carrier, p.plan.version, p.sale, p.plan.name, price_of(p.plan)) for code, p in listed]
    table(("plan", "carrier", "version", "sale", "name", "price"), rows, "no plans: `consent plans load FILE.yaml`")


@app.command()
def show(
    code: Annotated[str, typer.Argument(metavar="CODE", help="As `consent plans list` shows it.")],
    version: Annotated[int | None, typer.Option(help="A former version; default: the one in force.")] = None,
) -> None:
    """Show a plan in full, as subscribers and the public read it, and the period in which each version counts.
    \f
    Raises PlanNotFound for a version that the plan never had.
    """
    with opened() as engine:
        listed = engine.plan(code)
    known = listed.version(version or listed.plan.version)
    if known is None:
        raise PlanNotFound(f"plan {code} has no version {version}; the newest is {listed.newest.number}")
    plan = known.plan
    facts: list[tuple[object, ...]] = [("code", plan.code), ("carrier", plan.carrier), ("name", plan.name)]
    shown = disclosures(plan)
    facts += [(f"{name} ({language})", text) for language, each in shown.items() for name, text in each.items()]
    facts += [("version", plan.version), ("hash", plan.hash), ("sale", listed.standing(plan.version))]
    for n, where in enumerate(plan.published):
        facts.append((f"published {where.channel}", where.url, *map(_of, (where.since, where.until))))
        if n in known.seen:
            facts.append((f"seen {where.channel}", *_seen(known.seen[n])))
    facts += [(f"version {each.number}", *_span(listed, each.number)) for each in listed.versions]
    record(facts)


def _of(at: datetime | None) -> str:
    return instant(millis(at)) if at else "-"


def _seen(seen: PageSeen) -> tuple[str, ...]:
    """Return a channel's cells: public or not, since when, the fault, the page's hash; the admin, the reason."""
    shown = "public" if seen.public else "not public"
    return shown, instant(seen.since), in_words(seen.why) or "-", seen.hash or "-", seen.by or "-", seen.reason or "-"


def _span(listed: Listed, number: int) -> tuple[str, ...]:
    """Return a version's cells: standing, from when, until when; proposer and approver, where that took two."""
    begins, ends = listed.span(number) or (0, None)
    version = listed.version(number)
    return listed.standing(number).value, instant(begins), instant(ends or 0), *(version.by if version else ())


AT_ONCE = 16
"""How many pages are fetched at a time."""


class Looked(NamedTuple):
    """The result for one address of one plan. found: a few words; shows: whether it shows the plan, if known"""

    code: str
    channel: str
    url: str
    found: str
    shows: bool


def looked_at(plans: Sequence[Plan]) -> list[Looked]:
    """Check every address of the plans, in order, by this installation's settings. Raises SettingsError."""
    from consent_engine.adapters.tariff_pages import HttpTariffPages

    addresses = Settings.load().addresses()
    return asyncio.run(look(plans, addresses, HttpTariffPages(addresses)))


async def look(plans: Sequence[Plan], addresses: Addresses, pages: TariffPages) -> list[Looked]:
    """Check all addresses, a few at a time."""
    free = asyncio.Semaphore(AT_ONCE)
    looks = [_one(plan, each, addresses, pages, free) for plan in plans for each in plan.published]
    return list(await asyncio.gather(*looks))


async def _one(
    plan: Plan, published: Publication, addresses: Addresses, pages: TariffPages, free: "asyncio.Semaphore"
) -> Looked:
    from consent_engine.api.routes.tariffs import not_shown

    kind = addresses.kind(published)
    url = addresses.fetched(published) if kind is Kind.FETCHED else published.url
    if kind is Kind.ATTESTED:
        advice = f"no program can look: consent plans attest {plan.code} --channel {published.channel} --reason ..."
        return Looked(plan.code, published.channel, url, advice, shows=True)
    if kind is Kind.OWN:
        lacks = not_shown(plan)
        return Looked(
            plan.code, published.channel, url, _result(Hitch.LACKS.of(",".join(lacks)) if lacks else ""), not lacks
        )
    async with free:
        why = (await found_at(pages, plan, url, addresses.template_of(url))).why
    return Looked(plan.code, published.channel, url, _result(why), not why)


def _result(why: str) -> str:
    return in_words(why) or "shows the plan"
