"""Checks of where plans on sale are published: which channel does not show one, since when, and why."""

from collections.abc import Iterator, Mapping

from consent_engine.doctor.findings import Finding, bad, good, warn
from consent_engine.domain.days import CHINA, Days
from consent_engine.domain.effects import Millis
from consent_engine.domain.offer.address import Addresses, Kind
from consent_engine.domain.offer.versions import PATIENCE_MS, Listed, PageSeen, Sale, Version

OVERDUE_MS = 5 * 60_000
"""A check of a page that is overdue by this much shows that no worker makes it."""
SHOW = "consent plans show"


def publication(
    listed: Mapping[str, Listed], addresses: Addresses, now: Millis, days: Days = CHINA
) -> Iterator[Finding]:
    """Check the channels other than our own pages. listed: as kept, with what was seen · days: the business's"""
    if not addresses.checked:
        yield warn("CONSENT_PUBLICATION is stated: no page is checked for showing its plan", "leave the setting out")
        return
    wrong = [each for one in listed.values() for each in _of(one, addresses, now, days)]
    yield from wrong
    if not wrong:
        yield good("every plan on sale is shown on each of its pages")


def _of(listed: Listed, addresses: Addresses, now: Millis, days: Days) -> Iterator[Finding]:
    version = listed.version(listed.plan.version)
    if version is None or listed.sale is not Sale.ON_SALE or not listed.begun:
        return
    code, elsewhere = version.plan.code, [p for p in version.plan.published if addresses.kind(p) is not Kind.OWN]
    if elsewhere and not version.seen:
        yield warn(
            f"plan {code}: version {version.number} is older than the check of pages: its admin's word is taken",
            f"consent plans load FILE.yaml, published at /tariffs/{code}/{listed.newest.number + 1} or on a host of "
            "CONSENT_TARIFF_HOSTS",
        )
    for n, seen in version.seen.items():
        yield from _channel(version, n, seen, addresses, now, days)


def _channel(
    version: Version, n: int, seen: PageSeen, addresses: Addresses, now: Millis, days: Days
) -> Iterator[Finding]:
    published, code = version.plan.published[n], version.plan.code
    where = f"plan {code}: {published.channel}"
    if not seen.public:
        kind = addresses.kind(published)
        do = f"consent plans attest {code} --channel {published.channel} --reason ..." if kind is Kind.ATTESTED else ""
        text = f"{where} does not show it since {days.instant(seen.failing)}: {seen.why}; it is not sold"
        yield bad(text, do or f"{SHOW} {code}; mend the page")
    elif seen.why:
        until = days.instant(seen.good + PATIENCE_MS)
        text = f"{where} cannot be looked at since {days.instant(seen.failing)}: {seen.why}; it is sold until {until}"
        yield warn(text, f"{SHOW} {code}; the page's host")
    elif not seen.by and addresses.kind(published) is Kind.FETCHED and now - seen.due > OVERDUE_MS:
        yield warn(f"{where} was last looked at {days.instant(seen.at)}", "python -m workers")
