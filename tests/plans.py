"""Plans that tests change, and the page that shows one."""

from decimal import Decimal
from functools import cache

from msgspec.structs import replace

from consent_engine.api.schemas.examples import PLAN as EXAMPLE
from consent_engine.config.yaml_files import plans_from
from consent_engine.domain.offer.plan import Plan, Price
from consent_engine.domain.offer.plan_form import plan_from
from consent_engine.domain.offer.versions import Sale
from consent_engine.domain.texts.confirmation_fields import disclosures

PLAN = EXAMPLE | {"published": [{"channel": channel, "url": "/tariffs"} for channel in ("web_hall", "app")]}
"""The contract's own plan, at an address that shows every plan, in whichever version is in force."""


@cache
def sample() -> tuple[Plan, ...]:
    """Return the bundled plans; reading their file takes a third of an engine's start."""
    return tuple(plans_from(None))


def in_fields(code="p", **changes):
    """Return the contract's own plan as JSON, with changes; None leaves a field out."""
    told = {**PLAN, "code": code, **changes}
    return {name: value for name, value in told.items() if value is not None}


def plan(code="p", **changes) -> Plan:
    """Return the contract's own plan, with changes."""
    return plan_from(in_fields(code, **changes))


def priced(of: Plan, monthly: str) -> Plan:
    """Return a plan at another price."""
    return of.saying(price=Price("CNY", monthly=Decimal(monthly)))


def undated(of: Plan) -> Plan:
    """Return a plan that is public from its publication on, at an address that shows whichever version is in force."""
    return replace(of, published=tuple(replace(each, url="/tariffs", since=None) for each in of.published))


def known_since_ever(engine, of: Plan) -> Plan:
    """Make a plan the newest version of its code, as if the store had always known it."""
    newest = engine.plan(of.code).newest
    of = replace(of, version=newest.number + 1)
    engine.registry.publish(of, Sale.ON_SALE, newest, known_at=0)
    return of


def page(of, *, without=(), head="", body=""):
    """Return a plan as a web hall's page shows it, in a layout of its own; `without` some of it, by name."""
    told = {"name": of.name, **disclosures(of)["zh"]}
    rows = "".join(f"<tr><th>{name}<td>\n  {words}\n" for name, words in told.items() if name not in without)
    shown = "" if "hash" in without else f"<p>{of.hash[:32]}{of.hash[32:]}"
    return f"<!doctype html><head>{head}<title>t</title><body><table>{rows}</table>{shown}{body}".encode()
