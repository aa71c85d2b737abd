"""`consent doctor`: everything wrong with an installation that can be reached, and the command to type for it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from shlex import quote
from time import monotonic

from redis.exceptions import AuthenticationError, RedisError

from consent_engine.adapters.redis.client import Wire, connect, unreached
from consent_engine.adapters.redis.embedded.server import connect_or_start
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.registry import RedisRegistry, with_keys
from consent_engine.adapters.redis.sharded_store import sharded_store
from consent_engine.adapters.redis.store import redis_store
from consent_engine.adapters.redis.topology import is_cluster, is_sentinel, master_at, replicas_known
from consent_engine.adapters.rq_queue import connect_rq
from consent_engine.adapters.sql.archive import MOST_COUNTED, SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.queries import SqlQueries
from consent_engine.config.data_folder import kept_name
from consent_engine.config.settings import Settings
from consent_engine.config.values import millis
from consent_engine.config.yaml_files import days_in
from consent_engine.doctor import findings, journal, records, server, setup, work
from consent_engine.doctor.findings import Finding, Level, bad, failed, good, redis_cli, warn
from consent_engine.doctor.records import Wanted
from consent_engine.domain.admission.admit import limits
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.seal import Seal
from consent_engine.engine.api_keys import Keys
from consent_engine.engine.undeliverable import Undeliverable
from consent_engine.errors import (
    ArchiveGone,
    ArchiveUnavailable,
    BrokenRecord,
    ConsentError,
    SettingsError,
    StoreUnavailable,
)
from consent_engine.ports import Endpoint, Outside, Store
from consent_engine.ports.registry import BSS, GATEWAY
from consent_engine.ports.store import lost
from consent_engine.wiring import certificates, is_archive_of, log_as_kept, rates_in, seal_of, terms

__all__ = ["Finding", "Level", "Wanted", "examine", "findings"]


@dataclass(frozen=True, slots=True)
class _Patient:
    """An installation as far as it can be reached: without the checks that would keep an engine from starting."""

    settings: Settings
    redis_url: str
    rq_url: str
    secret: str
    wanted: Wanted
    tell: Callable[[str], None]
    cells: Sequence[tuple[Wire, Cell]]
    archive: SqlArchive
    """one for all looks: a database that does not answer is waited for once"""

    @property
    def registry(self) -> RedisRegistry:
        wire, cell = self.cells[0]
        return RedisRegistry(wire, prefix=cell.shared)

    @property
    def seal(self) -> Seal:
        return seal_of(self.settings, self.secret)

    @property
    def store(self) -> Store:
        lease = millis(self.settings.lease)
        stores = [redis_store(wire, lease_ms=lease, cell=cell, seal=self.seal) for wire, cell in self.cells]
        return stores[0] if len(stores) == 1 else sharded_store(stores)

    @property
    def first(self) -> RedisSurvey:
        """The survey of the first cell, which has the data that belong to no cell."""
        return RedisSurvey(*self.cells[0])

    @property
    def survey(self) -> RedisSurvey:
        first, *others = self.cells
        return RedisSurvey(*first, *others)

    @property
    def whole(self) -> Store:
        """The store with all that is in SQL; without it where SQL cannot be asked, or is not that of these data."""
        meta, archive = self.first.meta(), self.archive
        archive.must_stand = "archive" in meta  # none is created where the data name the archive they belong to
        with suppress(ArchiveUnavailable):
            if is_archive_of(archive, meta):
                return replace(self.store, archive=archive, log=SqlLog(archive), queries=SqlQueries(archive))
        return self.store

    @property
    def cli(self) -> str:
        """Return the command that reaches the Redis server from a terminal."""
        return redis_cli(self.redis_url, "CONSENT_REDIS_URL")


def examine(settings: Settings, wanted: Wanted, tell: Callable[[str], None] = print) -> Iterator[Finding]:
    """Check everything that can endanger a promise. Reads only, unless `wanted.mend`. tell: reports progress."""
    yield from setup.versions()
    with ExitStack() as stack:
        try:
            secret = settings.secret_for(settings.data_dir)
        except SettingsError as error:
            yield bad(str(error), "consent doctor, once the secret is back")
            return
        yield from setup.settings_of(settings, secret)
        url = settings.redis_url
        if url is None:
            try:
                embedded = connect_or_start(settings.data_dir, settings.durability, tell)
                stack.callback(embedded.stop)
                url = embedded.url
            except SettingsError as error:
                yield bad(str(error), f"tail {quote(str(settings.data_dir / 'redis.log'))}")
                return
        try:
            archive = stack.enter_context(closing(SqlArchive(settings.archive_address(), shadow=settings.shadow)))
        except SettingsError as error:
            yield bad(str(error), "set it, then start again")
            return
        archive.seal = seal_of(settings, secret)
        cells = _cells(settings, url, wanted)
        patient = _Patient(settings, url, settings.rq_url or url, secret, wanted, tell, cells, archive)
        yield from _looks(patient)


def _looks(patient: _Patient) -> Iterator[Finding]:
    """Make all checks. Where the server is away, or the data cannot be read, only RQ's follows: each other one would
    wait for the same server as long again, or judge, and mend, what it cannot read.
    """
    away, over = set[str](), False
    for look in (_server, _number, _data, _rq, _work, _catalogue, _archive, _journal, _reports, _dead, _records):
        if (over and look is not _rq) or (look is _work and patient.wanted.stopped):
            continue
        try:
            for found in look(patient):
                over = over or (look is _data and found.level is Level.BAD)
                yield found
        except Exception as error:  # noqa: BLE001 - the edge: an unreadable part is a finding, not the end
            if isinstance(error, StoreUnavailable) and str(error) in away:
                continue  # reported once: later checks use the same store
            away.add(str(error))
            over = over or (look is _server and isinstance(error, StoreUnavailable))
            yield failed(look.__name__.strip("_"), error, patient.cli)


def _cells(settings: Settings, url: str, wanted: Wanted) -> list[tuple[Wire, Cell]]:
    """Return the cells, as many as the data record: with another number every record would seem missing."""
    proves = wanted.mend and settings.durability == "strict"

    def wire(n: int) -> Wire:
        return Wire(connect(url, tag=str(n)), proves=proves, replicas=settings.replicas)

    def cell(n: int, share: int) -> Cell:
        return Cell(n, alone=not is_cluster(url), days=days_in(settings.time_zone), share=share)

    first = wire(0)
    try:
        many = int(RedisSurvey(first, cell(0, 1)).meta().get("cells", settings.cells))
    except (ConsentError, RedisError, ValueError):  # reported by the check of that server
        many = settings.cells
    return [(each, cell(n, many)) for n, each in enumerate([first, *map(wire, range(1, many))])]


def _server(patient: _Patient) -> Iterator[Finding]:
    """Check the server, or the master of each cell. One that is away is a finding, and the others are still checked."""
    if not is_cluster(patient.redis_url):
        known = replicas_known(patient.redis_url) if is_sentinel(patient.redis_url) else None
        yield from server.server(patient.first.server(), patient.settings, patient.cli, known)
    else:
        yield from _masters(patient)
    yield from setup.host(patient.settings, patient.registry.now)
    yield from setup.gateway_clocks(patient.registry.lags())
    yield from setup.certified(certificates(patient.settings), time.time())


def _masters(patient: _Patient) -> Iterator[Finding]:
    seen, cli, ahead = set(), patient.cli, dict[str, Millis]()
    for wire, cell in patient.cells:
        try:
            if (at := master_at(wire.client)) in seen:
                continue
            seen.add(at)
            cli = "redis-cli -h {} -p {}".format(*at.rsplit(":", 1))
            for found in server.server(RedisSurvey(wire, cell).server(), patient.settings, cli, 0):
                yield replace(found, what=f"{at}: {found.what}")
            before, now = monotonic(), RedisRegistry(wire).now()
            ahead[at] = now - round((before + monotonic()) * 500)
        except (StoreUnavailable, RedisError) as error:
            yield failed(f"the master of cell {cell.number}", error, cli)
    yield from setup.masters(ahead)


def _number(patient: _Patient) -> Iterator[Finding]:
    """Check the number of cells. With a wrong one all else is looked at, in as many cells as the data have."""
    yield from setup.cells(patient.settings.cells, patient.first.meta().get("cells", ""))


def _data(patient: _Patient) -> Iterator[Finding]:
    """Check that these are our data: schema, cells, secret."""
    meta, settings = patient.first.meta(), patient.settings
    if settings.redis_url is None and (name := kept_name(settings.data_dir)) and meta.get("installation") != name:
        yield bad("the data that were in this folder are gone, and all refusals with them", "consent rebuild")
        return
    if "schema" not in meta:
        yield warn("no engine has ever started on these data", "consent api, and python -m workers; or consent serve")
        return
    try:
        # check() writes only fields that are missing, and none is.
        patient.registry.check(patient.secret, strict=False, cells=len(patient.cells), shadow=settings.shadow)
        with_keys(meta["secret"], patient.seal.cipher.names)
    except SettingsError as error:
        if "CONSENT_REDIS_URL" not in str(error):  # troubles of the server itself are reported already
            yield bad(str(error), "correct this first: nothing else can be judged before")
        return
    many = f" in {meta['cells']} cells" if len(patient.cells) > 1 else ""
    yield good(f"schema {meta['schema']}{many}, and the secret these data were written with")


def _rq(patient: _Patient) -> Iterator[Finding]:
    """Check RQ's Redis. Of one that holds the orders too, another check says that it is away; its data must be kept."""
    try:
        connect_rq(patient.rq_url).ping()
    except (RedisError, OSError) as error:
        if patient.settings.rq_url is None:
            return
        do = f"{redis_cli(patient.rq_url, 'CONSENT_RQ_URL')} PING: start it; it may be empty"
        if isinstance(error, AuthenticationError):
            do = "it is up and refuses user or password: correct them in CONSENT_RQ_URL"
        yield warn(f"RQ's Redis: {unreached(error)}: the workers' clocks go on without it, some seconds slower", do)
    else:
        yield good("RQ's Redis answers")


def _work(patient: _Patient) -> Iterator[Finding]:
    settings = patient.settings
    targets = [Endpoint(GATEWAY, name) for name in sorted(settings.gateways())]
    targets.append(Endpoint(BSS, settings.bss_name()))
    targets += setup.look_up(settings)
    try:
        rates = rates_in(settings)
    except SettingsError:  # reported by settings_of
        rates = {}
    outside = Outside({}, settings.routes(), rates=rates)
    yield from work.work(
        patient.store, patient.registry, patient.survey, targets, millis(settings.call_timeout), outside
    )


def _catalogue(patient: _Patient) -> Iterator[Finding]:
    registry = patient.registry
    keys, days = Keys(registry, patient.secret), days_in(patient.settings.time_zone)
    try:
        wrong = limits(terms(patient.settings, patient.secret))
    except SettingsError:  # reported by settings_of: the limits of these gateways are not known
        yield from setup.catalogue(registry, keys, registry.now(), addresses=patient.settings.addresses(), days=days)
        return
    yield from setup.catalogue(registry, keys, registry.now(), wrong, patient.settings.addresses(), days)


def _archive(patient: _Patient) -> Iterator[Finding]:
    """Check that the archive answers, and that it is the one these data belong to."""
    meta, archive = patient.first.meta(), patient.archive
    archive.must_stand = "archive" in meta
    try:
        known = archive.check()
        owner = archive.owner()
        bound = meta.get("archive", archive.id())
    except ArchiveUnavailable as error:
        do = "is its database up and writable, and is CONSENT_ARCHIVE_URL right?"
        if isinstance(error, ArchiveGone):
            do = "mount it, restore it from its database's own backup, or correct CONSENT_ARCHIVE_URL"
        yield bad(f"{error}: settled orders wait, nothing is lost", do)
        return
    if bound != archive.id():
        yield bad(
            "this archive is not the one that these data belong to",
            "correct CONSENT_ARCHIVE_URL; is their own lost: restore it from its database's own backup",
        )
        return
    if owner and owner != meta.get("installation"):
        yield bad(
            f"the archive belongs to another installation ({owner})",
            "give each its own: CONSENT_ARCHIVE_URL. If the data in Redis are lost: consent rebuild",
        )
        return
    if "archive" in meta and (cells := patient.store.retirement.emptied(archive.id())):
        yield bad(str(lost(cells)), "stop APIs and workers; consent rebuild")
        return
    more = " or more" if known == MOST_COUNTED else ""
    yield good(f"the archive answers: {known:,} orders{more}")
    now, ask, first = patient.registry.now(), SqlQueries(archive), patient.settings.review == "before"
    yield from work.reviews(ask.restrictions.tally(Kind.REVIEW), ask.calls.waiting(), now, review_first=first)
    yield from work.backups(archive.last_backup(), now)


def _journal(patient: _Patient) -> Iterator[Finding]:
    now, store = patient.registry.now(), patient.whole
    kept_since = patient.settings.retention().records_before(now)
    yield from journal.sealed(store, kept_since, mend=patient.wanted.mend)
    with suppress(ArchiveUnavailable, BrokenRecord):  # reported by the checks before
        if store.log is not None:
            folder, keys = log_as_kept(patient.settings)
            yield from journal.public(store.log, folder, keys, patient.settings.witnesses or (), now)
            yield from journal.feeds(store.log, now)


def _reports(patient: _Patient) -> Iterator[Finding]:
    yield from work.reports(patient.whole, patient.settings.reporting(), patient.registry.now())


def _dead(patient: _Patient) -> Iterator[Finding]:
    """Find sales that died of one cause."""
    now, secret = patient.registry.now, patient.secret
    with suppress(ArchiveUnavailable, SettingsError):
        store, asked = patient.whole, terms(patient.settings, secret)  # what fails is a finding already
        found = Undeliverable(store, now, asked, secret, lambda _: [], lambda _: []).dead()
        yield from work.dead(found, now())


def _records(patient: _Patient) -> Iterator[Finding]:
    lease_ms, plans = millis(patient.settings.lease), patient.registry.catalogue
    kept_since = patient.settings.retention().records_before(patient.registry.now())
    yield from records.records(patient.whole, patient.survey, lease_ms, patient.wanted, patient.tell, plans, kept_since)
