"""Addresses where a plan says that it can be read: on our own `/tariffs`, at a host that may be asked, or in an app."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from urllib.parse import urlsplit

from msgspec import Struct

from consent_engine.domain.offer.plan import Plan, Publication
from consent_engine.domain.offer.versions import Version
from consent_engine.errors import FieldError


class Template(Struct, frozen=True):
    """The rules for reading the pages of one host.

    within: the id of the element that shows the tariff; nothing else on a page counts · charset: of pages that do not
    say theirs · beside: the address of the plan's JSON, with {code} and {hash} in it, where a page names none ·
    items: the path of the plans in that JSON, names with dots between · fields: its names, mapped to those of a plan
    """

    within: str = ""
    charset: str = ""
    beside: str = ""
    items: str = ""
    fields: Mapping[str, str] = {}

    def json_of(self, code: str, hashed: str) -> str:
        """The address of a plan's JSON; '' where the template names none."""
        return self.beside.replace("{code}", code).replace("{hash}", hashed)


PLAIN = Template()
"""The template of our own pages."""
EVERYTHING = Template.__struct_fields__
"""The names of all fields of a template."""


_OWN = re.compile(r"/tariffs(?:\.json|/(?P<code>[A-Za-z0-9._-]+?)(?:/(?P<version>[1-9]\d{0,8}))?(?:\.json)?)?")
_FETCHED = ("https", "http")


class Kind(StrEnum):
    """The proof that a page shows a plan: the engine's own page, a look at the page, or the word of an admin."""

    OWN = "own"
    FETCHED = "fetched"
    ATTESTED = "attested"


class OwnPage(Struct, frozen=True):
    """One of our own pages. code: '' for all plans · version: 0 for the newest"""

    code: str = ""
    version: int = 0


class Addresses(Struct, frozen=True):
    """The addresses that may be published.

    checked: whether their pages are fetched, or the admin's word is taken · public_url: the address of our own pages,
    '' where it is not known · hosts: host that may be asked, as in an address (`www.10086.cn`, `hall.example:8443`) ->
    the scheme to ask it by; https is always allowed · templates: host -> how its pages are read
    """

    checked: bool = True
    public_url: str = ""
    hosts: Mapping[str, str] = {}
    templates: Mapping[str, Template] = {}

    def template_of(self, url: str) -> Template:
        """The template for reading the page at an address."""
        return self.templates.get(urlsplit(url).netloc.lower(), PLAIN)

    def own(self, url: str) -> OwnPage | None:
        """Our own page that an address leads to; None where it leads elsewhere."""
        if self.public_url and url.startswith(self.public_url + "/"):
            url = url.removeprefix(self.public_url)
        found = _OWN.fullmatch(re.split("[?#]", url, maxsplit=1)[0])
        return OwnPage(found["code"] or "", int(found["version"] or 0)) if found else None

    def kind(self, published: Publication) -> Kind:
        """The kind of proof that this channel shows the plan."""
        if self.own(published.url) is not None:
            return Kind.OWN
        return Kind.FETCHED if self.fetched(published) else Kind.ATTESTED

    def fetched(self, published: Publication) -> str:
        """The address to fetch; '' where there is none: an app's own address cannot be fetched."""
        if published.api:
            return published.api
        return published.url if published.url.partition("://")[0].lower() in _FETCHED else ""

    def may_be_asked(self, url: str) -> bool:
        """Whether the host of an address may be asked, by the address's scheme."""
        try:
            parts = urlsplit(url)
            allowed = self.hosts.get(parts.netloc.lower())
        except ValueError:
            return False
        return allowed is not None and parts.scheme in {allowed, "https"}


def unfit(plan: Plan, addresses: Addresses, versions: tuple[Version, ...]) -> Iterator[FieldError]:
    """Errors for addresses that cannot show this plan as the version after these, each with the address to write."""
    if not addresses.checked:
        return
    number = versions[-1].number + 1 if versions else 1
    for n, each in enumerate(plan.published):
        own = addresses.own(each.url)
        if own is not None:
            if wrong := _shows_another(own, plan, versions, number):
                yield FieldError(f"published.{n}.url", "shows_another", wrong)
        elif url := addresses.fetched(each):
            if not addresses.may_be_asked(url):
                field = "api" if each.api else "url"
                message = "is at a host that the engine may not fetch pages from: add the host to CONSENT_TARIFF_HOSTS"
                yield FieldError(f"published.{n}.{field}", "host_not_allowed", message)
        elif each.url.startswith("/"):
            message = f"is not a page of this engine: write /tariffs/{plan.code}/{number}"
            yield FieldError(f"published.{n}.url", "no_such_page", message)


def _shows_another(own: OwnPage, plan: Plan, versions: tuple[Version, ...], number: int) -> str:
    """The error of one of our own pages that shows something else than this version of the plan; '' where it fits."""
    same = {number, *(each.number for each in versions if each.plan.hash == plan.hash)}
    if own.code in {"", plan.code} and (not own.version or own.version in same):
        return ""
    return f"shows another plan or version: write /tariffs/{plan.code}/{number}"
