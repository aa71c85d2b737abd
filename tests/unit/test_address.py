"""Addresses where a plan may be published: pages that show just this version, and hosts that may be asked."""

import pytest

from consent_engine.domain.offer.address import Addresses, Kind, OwnPage, unfit
from consent_engine.domain.offer.plan import Publication
from consent_engine.domain.offer.versions import Version
from tests.plans import plan

OURS = Addresses(public_url="https://ours.example", hosts={"hall.example": "https", "hall.example:8080": "http"})


def at(url, code="p", **more):
    return plan(code, published=[{"channel": channel, "url": url, **more} for channel in ("web_hall", "app")])


@pytest.mark.parametrize(("url", "page"), [
    ("/tariffs", OwnPage()), ("/tariffs.json", OwnPage()), ("/tariffs#p", OwnPage()), ("/tariffs?lang=en", OwnPage()),
    ("/tariffs/p", OwnPage("p")), ("/tariffs/p/12", OwnPage("p", 12)), ("/tariffs/p/12.json", OwnPage("p", 12)),
    ("/tariffs/p.json", OwnPage("p")), ("https://ours.example/tariffs/p/1", OwnPage("p", 1)),
    ("/tariff/p", None), ("/tariffs/p/0", None), ("/tariffs/p/1/2", None), ("https://hall.example/tariffs/p", None),
    ("https://ours.example.evil.example/tariffs/p/1", None), ("app://tariffs/p", None),
])  # fmt: skip
def test_our_own_pages_are_known_by_their_address(url, page):
    assert OURS.own(url) == page


@pytest.mark.parametrize(("url", "api", "kind"), [
    ("/tariffs/p", "", Kind.OWN), ("https://hall.example/p", "", Kind.FETCHED), ("app://p", "", Kind.ATTESTED),
    ("app://p", "https://hall.example/p.json", Kind.FETCHED),
])  # fmt: skip
def test_who_can_say_whether_a_page_shows_the_plan(url, api, kind):
    assert OURS.kind(Publication("app", url, api=api)) is kind


@pytest.mark.parametrize("url", [
    "https://hall.example/p", "http://hall.example:8080/p", "https://hall.example:8080/p", "https://HALL.example/p",
    "app://p", "/tariffs/p/3", "/tariffs/p/1", "/tariffs/p", "/tariffs",
])  # fmt: skip
def test_an_address_that_can_show_this_version_is_taken(url):
    kept = tuple(Version(replaced) for replaced in (versioned(at(url), 1), versioned(plan(), 2)))
    assert list(unfit(at(url), OURS, kept)) == []


def versioned(of, number):
    return type(of)(of.code, of.carrier, of.tariff, of.published, number)


@pytest.mark.parametrize(("url", "code"), [
    ("https://evil.example/p", "host_not_allowed"), ("http://hall.example/p", "host_not_allowed"),
    ("https://hall.example:444/p", "host_not_allowed"), ("https://user@hall.example/p", "host_not_allowed"),
    ("https://[hall.example/p", "host_not_allowed"), ("/hall/p", "no_such_page"),
    ("/tariffs/other/3", "shows_another"), ("/tariffs/p/2", "shows_another"), ("/tariffs/p/4", "shows_another"),
])  # fmt: skip
def test_an_address_that_cannot_is_refused_with_what_to_write_instead(url, code):
    kept = tuple(Version(versioned(plan(), number)) for number in (1, 2))
    found = list(unfit(at(url), OURS, kept))
    assert [(each.field, each.code) for each in found] == [(f"published.{n}.url", code) for n in (0, 1)]
    assert all("CONSENT_TARIFF_HOSTS" in each.message or "/tariffs/p/3" in each.message for each in found)
    assert list(unfit(at(url), Addresses(checked=False), kept)) == []


def test_where_a_program_reads_an_apps_page_is_looked_at_like_any_address():
    [found, _] = unfit(at("app://p", api="https://evil.example/p"), OURS, ())
    assert (found.field, found.code) == ("published.0.api", "host_not_allowed")
