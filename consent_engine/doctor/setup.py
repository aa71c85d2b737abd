"""Checks of the set-up: versions, settings, the secret, plans, keys, gateways and BSS, the host."""

import re
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import chain
from shlex import quote

from consent_engine import DISTRIBUTION
from consent_engine.adapters.bss import registry as bss
from consent_engine.adapters.redis.registry import wrong_cells
from consent_engine.config.settings import SIMULATED, Settings, warnings
from consent_engine.doctor.findings import Finding, bad, good, warn
from consent_engine.domain.clocks import Lag
from consent_engine.domain.days import CHINA, Days
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import TOLERANCE_S
from consent_engine.domain.hitch import in_words
from consent_engine.domain.offer.address import Addresses, Kind
from consent_engine.domain.offer.offer import FASTEST
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.versions import PATIENCE_MS, Listed, PageSeen, Sale, Version
from consent_engine.domain.roles import Role
from consent_engine.engine.api_keys import Keys
from consent_engine.engine.catalogue import Catalogue
from consent_engine.errors import FieldError, SettingsError
from consent_engine.ports import Endpoint, Registry
from consent_engine.ports.records import CLOCKS_APART_MS
from consent_engine.ports.registry import BSS
from consent_engine.wiring import outside

OVERDUE_MS = 5 * 60_000
"""A check of a page that is overdue by this much shows that no worker makes it."""
SHOW = "consent plans show"
SOON_DAYS = 14
"""Certificates that end sooner are to be renewed now."""


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
    where, why = f"plan {code}: {published.channel}", in_words(seen.why)
    if not seen.public:
        kind = addresses.kind(published)
        do = f"consent plans attest {code} --channel {published.channel} --reason ..." if kind is Kind.ATTESTED else ""
        text = f"{where} does not show it since {days.instant(seen.failing)}: {why}; it is not sold"
        yield bad(text, do or f"{SHOW} {code}; mend the page")
    elif seen.why:
        until = days.instant(seen.good + PATIENCE_MS)
        text = f"{where} cannot be looked at since {days.instant(seen.failing)}: {why}; it is sold until {until}"
        yield warn(text, f"{SHOW} {code}; the page's host")
    elif not seen.by and addresses.kind(published) is Kind.FETCHED and now - seen.due > OVERDUE_MS:
        yield warn(f"{where} was last looked at {days.instant(seen.at)}", "python -m workers")


SKEW_MS = 5_000
LEAST_DISK = 1 << 30
USUAL = Addresses()
PINNED = ("redis", "hiredis", "rq", "transitions")
"""Packages the promises were tested with: other versions may behave differently where no test looks."""


def versions(
    bounds: Callable[[str], list[str] | None] = requires, there_is: Callable[[str], str] = version
) -> Iterator[Finding]:
    """Check Python and the pinned packages. bounds: a distribution's requirements · there_is: a package's version"""
    yield good(f"Python {sys.version.split()[0]}")
    try:
        wanted = bounds(DISTRIBUTION) or []
    except PackageNotFoundError:  # run from source
        return
    for name in PINNED:
        rule = next((row for row in wanted if re.match(rf"{name}\b(?!-)", row)), "")
        there = there_is(name)
        if not fits(there, rule.removeprefix(name)):
            yield bad(f"{name} {there} is not {rule}", f"pip install --constraint constraints.txt '{rule}'")
        else:
            yield good(f"{name} {there}")


def fits(there: str, rule: str) -> bool:
    """Return whether a version is within bounds.

    >>> fits("3.0.1", "<3.1,>=3.0"), fits("3.1.0", "<3.1,>=3.0"), fits("7.4", "<9,>=8"), fits("8.1.0", "<9,>=8")
    (True, False, False, True)
    """

    def parts(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", text))

    bounds = re.findall(r"(<|>=)([\d.]+)", rule.partition(";")[0])
    return all(parts(there) >= parts(at) if sign == ">=" else parts(there) < parts(at) for sign, at in bounds)


def settings_of(settings: Settings, secret: str) -> Iterator[Finding]:
    """Check settings that are allowed but dangerous, and whether gateways and BSS can be built from them."""
    for warning in warnings(settings):
        yield warn(warning, "see docs/settings.md")
    try:
        outside(settings, secret)
    except SettingsError as error:
        yield bad(str(error), "set it, then start again")
    routes = settings.routes()
    outsiders = {**routes, "the BSS": (settings.bss_name(),)}
    is_trial = settings.embedded and {*chain(*outsiders.values())} == {SIMULATED}
    for subject in (subject for subject, names in outsiders.items() if SIMULATED in names and not is_trial):
        yield bad(
            f"{subject} is simulated: nothing reaches subscribers", "CONSENT_GATEWAY and CONSENT_BSS: name real ones"
        )
    for carrier, sender in settings.senders().items():
        yield good(f"{carrier}: {', else '.join(routes[carrier])}, from {sender}")
    yield from _holders(settings)
    yield from _quick_yeses(settings)
    if settings.public_url is None and not settings.embedded:
        yield warn(
            "CONSENT_PUBLIC_URL is not set: the address for gateways' reports is taken from the request",
            "CONSENT_PUBLIC_URL=https://...",
        )


def look_up(settings: Settings) -> list[Endpoint]:
    """Return the BSS's look-up of a number's holder, if it has one, as a target; wrong settings are another finding."""
    try:
        asked = bss.look_up(settings.bss_name(), settings.of, settings.call_timeout)
    except SettingsError:
        return []
    return [Endpoint(BSS, asked.name)] if asked is not None else []


def _holders(settings: Settings) -> Iterator[Finding]:
    """Report how a number's change to another holder becomes known."""
    if look_up(settings):
        yield good("the BSS is asked for a number's holder when an order is placed and before each activation")
    else:
        yield good("the BSS is not asked for a number's holder: the carrier reports changes to POST /v1/lines/events")


def _quick_yeses(settings: Settings) -> Iterator[Finding]:
    """Warn if a yes that no person can have written is accepted."""
    if settings.suspect_replies == "off":
        yield warn("a yes that no person can have written counts as a yes", "CONSENT_SUSPECT_REPLIES=code")
    elif settings.reading_speed > FASTEST:
        text = f"nobody reads {settings.reading_speed:,} characters a second: speed and cadence make no yes suspect"
        yield warn(text, "CONSENT_READING_SPEED=60")
    elif not settings.cadence:
        yield warn("no yes is suspect for the same cadence as those of other numbers", "CONSENT_CADENCE=5")


def masters(ahead: Mapping[str, Millis]) -> Iterator[Finding]:
    """Check that the masters' clocks agree as far as commits need it. ahead: by how much each is ahead of one clock"""
    slow, fast = min(ahead, key=ahead.__getitem__, default=""), max(ahead, key=ahead.__getitem__, default="")
    apart = ahead[fast] - ahead[slow] if ahead else 0
    if apart > CLOCKS_APART_MS:
        text = f"the clocks of {slow} and {fast} differ by {apart:,} ms, and only {CLOCKS_APART_MS:,} are allowed for"
        yield bad(
            f"{text}: a reservation may be taken over from a process that still saves", "chronyc tracking on both"
        )


def host(settings: Settings, now: Callable[[], Millis]) -> Iterator[Finding]:
    """Check this host's clock and disk, and the readers of the secret."""
    before, at, after = time.time(), now(), time.time()
    skew = at / 1000 - (before + after) / 2
    text, do = f"this host's clock differs from the server's by {skew:.0f} s", "chronyc tracking on both"
    if abs(skew) > TOLERANCE_S:
        yield bad(
            text, f"{do}: while the server's is wrong, gateways' signed posts are answered 401, replies among them"
        )
    elif abs(skew) * 1000 > SKEW_MS + (after - before) * 500:
        yield warn(text, do)
    else:
        yield good("clocks agree")
    folder = settings.data_dir
    if settings.secret is None and (folder / "secret").exists():
        mode = stat.S_IMODE((folder / "secret").stat().st_mode)
        if mode & 0o077:
            yield bad("other users can read the secret", f"chmod 600 {quote(str(folder / 'secret'))}")
    if settings.embedded:
        free = shutil.disk_usage(folder).free
        text = f"{free >> 20} MiB free in the data folder"
        yield bad(text, f"df -h {quote(str(folder))}: make room") if free < LEAST_DISK else good(text)


def certified(ends: Mapping[str, float], now: float) -> Iterator[Finding]:
    """Name certificates that expire soon, while gateways and engine still accept them. now: seconds since 1970"""
    for server, at in ends.items():
        of = "CONSENT_PUBLIC_URL" if server == "public" else "Redis"
        days = int((at - now) // 86_400)
        said = f"the certificate of {of} expires in {days} days" if at > now else f"the certificate of {of} has expired"
        if days < SOON_DAYS:
            yield bad(said, "renew it where it was made, and have its server read it again")
        else:
            yield good(said)


def gateway_clocks(lags: Mapping[str, Lag]) -> Iterator[Finding]:
    """Warn of gateways whose clocks void quick yeses, or let a yes from before the question answer it."""
    for gateway, lag in sorted(lags.items()):
        prefix, seconds = gateway.upper().replace(":", "_"), abs(lag.behind) // 1000
        if lag.voids:
            yield warn(
                f"{gateway}: its clock is {seconds} s behind, or it delays replies; {lag.allowed // 1000} s are "
                "allowed: a yes that comes at once seems older than its question, which is asked again",
                f"chronyc tracking there; or CONSENT_{prefix}__SKEW={seconds + 1}s, if the clock cannot be corrected",
            )
        elif lag.ahead:
            yield warn(
                f"{gateway}: its clock is {seconds} s ahead: a yes from before the question may seem to answer it",
                "chronyc tracking there",
            )


def catalogue(
    registry: Registry,
    keys: Keys,
    now: Millis,
    wrong: Callable[[Plan], list[FieldError]] = lambda _: [],
    addresses: Addresses = USUAL,
    days: Days = CHINA,
) -> Iterator[Finding]:
    """Check which plans can be sold, and that a key may sell them. wrong: the texts about a plan that are too long ·
    addresses: where plans may be published · days: the business's
    """
    roles = {key.role for key in keys.all()}
    if not roles & {Role.AGENT, Role.ADMIN}:
        yield warn("no API key of an agent: nobody can place an order", "consent keys add NAME --role agent")
    plans = Catalogue(registry, addresses=addresses).fresh()
    yield from publication(plans, addresses, now, days)
    on_sale = 0
    for code, listed in plans.items():
        if listed.sale is Sale.ON_SALE and not listed.plan.public_at(now):
            yield warn(f"plan {code} is on sale but not public", "consent plans load FILE.yaml")
        else:
            for each in wrong(listed.plan) if listed.sale is Sale.ON_SALE else ():
                yield warn(f"plan {code}: its {each.field} {each.message}", "shorten it: consent plans load FILE.yaml")
            on_sale += listed.sale is Sale.ON_SALE
    if on_sale:
        yield good(f"{on_sale} of {len(plans)} plans can be sold")
    else:
        yield bad("no plan can be sold", "consent plans load FILE.yaml")


def cells(wanted: int, kept: str) -> Iterator[Finding]:
    """Compare the number of cells that is set with the one that the data were written with. kept: as they record it"""
    if kept and kept != str(wanted):
        yield bad(wrong_cells(wanted, kept), "correct this first: otherwise no number is found")
