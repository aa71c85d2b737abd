"""Wiring: the only place that chooses adapters and knows the settings on both sides."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit
from uuid import UUID

from consent_engine.adapters.bss import registry as bss
from consent_engine.adapters.bss.simulated import SimulatedBss
from consent_engine.adapters.gateways import registry as gateways
from consent_engine.adapters.gateways.shared_settings import prefix_of, rate
from consent_engine.adapters.gateways.simulated import shadow_of
from consent_engine.adapters.log_folder import LogFolder
from consent_engine.adapters.outbound import certificate_ends, event_poster, poster, stamper
from consent_engine.adapters.redis.client import PATIENCE_S, Wire, connect
from consent_engine.adapters.redis.embedded.server import EmbeddedServer, RunningServer, connect_or_start
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.sharded_store import sharded_store
from consent_engine.adapters.redis.store import redis_store
from consent_engine.adapters.redis.topology import is_cluster, is_sentinel, replicas_known
from consent_engine.adapters.rq_queue import RqQueue
from consent_engine.adapters.spool import Spool
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.queries import SqlQueries
from consent_engine.adapters.traces import traced, tracing
from consent_engine.config.data_folder import LOG_KEY_FILE, keep_name, kept_log_key, kept_name, log_key
from consent_engine.config.settings import SIMULATED, Settings
from consent_engine.config.urls import log_keys as keys_in
from consent_engine.config.values import millis
from consent_engine.config.yaml_files import days_in, plans_from
from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import keyed
from consent_engine.domain.log.checkpoint import Key, PrivateKey
from consent_engine.domain.order.order import Retention
from consent_engine.domain.seal import Seal
from consent_engine.engine import audit
from consent_engine.engine.engine import Engine
from consent_engine.engine.evidence import Hands
from consent_engine.engine.feeding import Feeding, Sender
from consent_engine.engine.metrics import Measures
from consent_engine.engine.publishing import Keys, Publisher
from consent_engine.engine.slice import Pace
from consent_engine.engine.witnessing import Witnessing
from consent_engine.errors import ArchiveUnavailable, NotOurArchive, SettingsError
from consent_engine.ports import Gateway, Outside, Registry, Store
from consent_engine.ports.public_log import PublicLog
from consent_engine.ports.store import claim
from consent_engine.verify import SHADOW

log = logging.getLogger(__name__)
OUTSIDERS_TIMEOUT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Installation:
    """The settings, and the servers they lead to. Every thread that needs an engine makes its own."""

    settings: Settings
    redis_url: str
    rq_url: str
    secret: str
    server: EmbeddedServer | RunningServer | None = None
    archive: SqlArchive | None = None
    """one for all engines of this process"""
    watch: Callable[[], float] = monotonic
    rest: Callable[[float], object] = sleep
    """seconds by a clock that never jumps, and the waiting by it"""
    patience_s: float = PATIENCE_S
    """how long an answer of Redis may take"""

    def engine(self, measures: Measures | None = None) -> Engine:
        """Make an engine on real adapters, with its own clients. measures: those that it adds to; None: its own"""
        settings, secret = self.settings, self.secret
        store, registry, seal = _kept(settings, self.redis_url, secret, self.patience_s)
        archive = self.archive or archive_of(settings)
        archive.seal = archive.seal or seal
        return Engine(
            _archived(store, archive),
            registry,
            RqQueue(self.rq_url),
            traced(outside(settings, secret)) if settings.traces else outside(settings, secret),
            terms(settings, secret),
            secret,
            Pace(
                settings.in_flight,
                (settings.lease - settings.call_timeout).total_seconds(),
                millis(settings.call_timeout),
                self.watch,
                self.rest,
            ),
            hands=partial(hands, settings),
            measures=measures,
        )

    def store(self) -> Store:
        """Make a store with its own clients, and the archive."""
        archive = self.archive or archive_of(self.settings)
        return _archived(_kept(self.settings, self.redis_url, self.secret)[0], archive)

    def publisher(self) -> tuple[Publisher, Witnessing, Callable[[], Millis]]:
        """Make what publishes the log, what asks its witnesses, and their clock, with clients of their own. Raises
        SettingsError for a key that is lost, NotOurArchive, and ArchiveUnavailable.
        """
        settings, archive = self.settings, self.archive or archive_of(self.settings)
        store, registry, _ = _kept(settings, self.redis_url, self.secret)
        _archived(store, archive).bound_archive()
        public = SqlLog(archive).public
        publisher = Publisher(public, log_keys(settings, public, archive.id()), LogFolder(settings.log_folder))
        post = poster(OUTSIDERS_TIMEOUT)
        stamp = stamper(settings.tsa_url, post) if settings.tsa_url else None
        return publisher, Witnessing(public, settings.witnesses or (), post, stamp), registry.now

    def feeding(self, holder: str) -> Feeding:
        """Make what posts to the feeds, with clients of its own. holder: names this process. Raises NotOurArchive, and
        ArchiveUnavailable.
        """
        archive = self.archive or archive_of(self.settings)
        store, registry, seal = _kept(self.settings, self.redis_url, self.secret)
        store, archive.seal = _archived(store, archive), archive.seal or seal
        store.bound_archive()
        post = event_poster(OUTSIDERS_TIMEOUT)
        source = UUID(archive.id()).urn + "#shadow" * self.settings.shadow
        sender = Sender(post, self.secret, source, holder)
        return Feeding(SqlLog(archive), store.queries.evidence, registry, sender)

    def simulated_secret(self) -> str | None:
        """Return the secret of the simulated gateway's webhooks; None if a URL is set, in a shadow, which sends
        nobody anything, or if anything is not simulated.

        Its holder answers for the subscriber: that may switch on nothing real, and show no data of others.
        """
        settings = self.settings.of("SIMULATED")
        outside = {*self.settings.gateways(), self.settings.bss_name()}
        if outside != {SIMULATED} or not self.settings.embedded or self.settings.shadow or settings.get("URL"):
            return None
        return settings.get("SECRET") or keyed(self.secret, "simulated", "SIMULATED")

    def environ(self) -> dict[str, str]:
        """Return the settings by which a child process finds the same servers, so that it never starts its own."""
        routes = {f"CONSENT_GATEWAY_{each.upper()}": ",".join(names) for each, names in self.settings.routes().items()}
        return {
            "CONSENT_REDIS_URL": self.redis_url,
            "CONSENT_RQ_URL": self.rq_url,
            "CONSENT_SECRET": self.secret,
            "CONSENT_DATA_DIR": str(self.settings.data_dir),
            "CONSENT_ARCHIVE_URL": self.settings.archive_address(),
            "CONSENT_BSS": self.settings.bss_name(),
            **routes,
        }


@contextmanager
def installation(
    settings: Settings, progress: Callable[[str], None] | None = None, *, own: bool = False, stocked: bool = True
) -> Iterator[Installation]:
    """Open the data: in the Redis that was named, else in the data folder's own server, started if it does not run.

    own: the folder's server must be its own, not one that a passing command started (for `serve`). Checked before
    anything is written: raises SettingsError when the server cannot keep our promises. stocked: ensure that the plans
    of CONSENT_PLANS exist; ops commands do without, or a wrong file could not be corrected by loading another.
    """
    outside(settings, "")  # an unknown gateway or BSS is reported before any server is asked or started
    with data(settings, progress, own=own) as found, tracing(settings.traces):
        engine = found.engine()
        name = _data_are_there(engine, settings.data_dir) if found.server else ""
        if stocked:
            _is_not_anothers(engine)
        engine.registry.check(
            found.secret, strict=settings.durability == "strict", cells=settings.cells, shadow=settings.shadow
        )
        engine.registry.name_keys(seal_of(settings, found.secret).cipher.names)
        if stocked:  # before plans are written: data whose archive is another's may be lost ones that will be restored
            _check_archive(engine)
        # The bundled sample is a start, not a demand: only a file named in CONSENT_PLANS may stop the start.
        if settings.sells_sample():
            engine.catalogue.stock(plans_from(None))
        elif stocked:
            _sell(engine, settings.plans)
        if stocked:
            _log_is_not_ahead(engine, settings.retention())
            _promotions_lose_nothing(settings)
        if found.server and not name:
            keep_name(settings.data_dir, engine.store.retirement.named(make=True).installation)
        yield found


def _promotions_lose_nothing(settings: Settings) -> None:
    """Warn where Sentinel may promote a replica that lacks acknowledged writes."""
    url = settings.redis_url or ""
    if is_sentinel(url) and settings.durability == "strict" and settings.replicas < (known := replicas_known(url)):
        log.warning(
            "CONSENT_REPLICAS is %d, and any of %d replicas may be promoted: a failover may lose orders and refusals "
            "that were acknowledged; set it to %d: docs/durability.md", settings.replicas, known, known
        )  # fmt: skip


def _sell(engine: Engine, plans: Path | None) -> None:
    """Add the plans of the file in CONSENT_PLANS; without one, keep those that exist. Raises SettingsError."""
    known = engine.catalogue.fresh()

    if plans is not None:
        engine.catalogue.add_missing(plans_from(plans))
    elif not known:
        log.warning("no plan can be sold: consent plans load FILE.yaml, or set CONSENT_PLANS=sample to try it out")


def _data_are_there(engine: Engine, folder: Path) -> str:
    """Return the name of the data that a folder is known to hold; "" if none. Raises SettingsError if they are gone."""
    name = kept_name(folder)
    if name and engine.store.retirement.named().installation != name:
        raise SettingsError(
            f"CONSENT_DATA_DIR {folder}: the data that were in this folder are gone: consent rebuild, or restore "
            "a backup; else subscribers who refused are called again. Did they hold nothing: remove the whole folder"
        )
    return name


def _is_not_anothers(engine: Engine) -> None:
    """Stop the start where these data have no name, and the archive has an owner: nothing was written then to a Redis
    that lost its data, or is the wrong one.
    """
    archive, retirement = engine.store.archive, engine.store.retirement
    if archive is None or retirement.named().installation:
        return
    try:
        if archive.owner():
            claim(archive, retirement)
    except NotOurArchive as error:
        raise SettingsError(f"CONSENT_ARCHIVE_URL: {error}") from error
    except ArchiveUnavailable:
        return


def _check_archive(engine: Engine) -> None:
    """Stop the start where the archive is another installation's; one that cannot be asked is waited for later."""
    try:
        engine.store.bound_archive()
    except NotOurArchive as error:
        raise SettingsError(f"CONSENT_ARCHIVE_URL: {error}") from error
    except ArchiveUnavailable:
        return


def _log_is_not_ahead(engine: Engine, keep: Retention) -> None:
    """Log an error where the records that were sealed last are missing here, or differ; and where the log's own end is
    missing, or its count of entries cannot be right: nothing is sealed then.
    """
    try:
        _, lacking = audit.newest(engine.store, keep.records_before(engine.registry.now()), 100)
        cut = audit.cut(engine.store)
    except ArchiveUnavailable:
        return
    if lacking:
        log.error("these data are older than their archive: the latest refusals may be missing: run `consent doctor`")
    for of, said in cut.items():
        log.error("the archive: %s: %s: run `consent doctor`", of, said)


@contextmanager
def data(settings: Settings, progress: Callable[[str], None] | None, *, own: bool) -> Iterator[Installation]:
    """Reach the servers of an installation, with any data; start the data folder's own where it does not run."""
    secret = settings.secret_for(settings.data_dir)
    with closing(archive_of(settings)) as archive:
        if settings.redis_url is not None:
            rq_url = settings.rq_url or settings.redis_url
            yield Installation(settings, settings.redis_url, rq_url, secret, archive=archive)
            return
        start = EmbeddedServer.start if own else connect_or_start
        with start(settings.data_dir, settings.durability, progress) as server:
            yield Installation(settings, server.url, settings.rq_url or server.url, secret, server, archive)


def _archived(store: Store, archive: SqlArchive) -> Store:
    store = replace(store, archive=archive, log=SqlLog(archive))
    store.queries = SqlQueries(archive, store.bound_archive)
    return store


def archive_of(settings: Settings) -> SqlArchive:
    """Make the archive for settled orders. It connects when it is first asked."""
    return SqlArchive(settings.archive_address(), settings.retention(), shadow=settings.shadow)


def log_keys(settings: Settings, public: PublicLog, archive: str) -> Keys:
    """Return the keys that the log is signed with: those of CONSENT_LOG_KEY, else those in the data folder, where one
    is made for a log that nobody signed yet. archive: its id. Raises SettingsError where they are lost, and
    ArchiveUnavailable.
    """

    def made() -> str:
        if name := public.named():
            raise SettingsError(
                f"the log is signed as {name}, and its key is neither in CONSENT_LOG_KEY nor in {settings.data_dir}: "
                "bring it back; is it lost: consent log anew"
            )
        at = (settings.public_url or "").partition("://")[2]  # where it is served is a name that nobody else has
        return str(PrivateKey.made(f"{at}/log" if at else f"consent-engine/{archive[:12]}"))

    named = settings.log_key.get_secret_value() if settings.log_key else log_key(settings.data_dir, made)
    try:
        return Keys([PrivateKey.decode(each) for each in keys_in(named).split()])
    except ValueError as error:
        raise SettingsError(f"{settings.data_dir / LOG_KEY_FILE}: {error}") from None


def log_as_kept(settings: Settings) -> tuple[LogFolder, list[Key]]:
    """Return the folder of the log, and the keys that are known here: none is made. Raises SettingsError."""
    return LogFolder(settings.log_folder), [each.key for each in _kept_keys(settings)]


def hands(settings: Settings) -> Hands:
    """Return what signs evidence: the keys of the log that are known here. Raises SettingsError."""
    return Hands(_kept_keys(settings), settings.witnesses or ())


def _kept_keys(settings: Settings) -> list[PrivateKey]:
    named = settings.log_key.get_secret_value() if settings.log_key else kept_log_key(settings.data_dir)
    return [PrivateKey.decode(each) for each in named.split()]


def is_archive_of(archive: SqlArchive, meta: Mapping[str, str]) -> bool:
    """Whether an archive belongs to the data that describe themselves so: data are compared with no other log, nothing
    is put into them from one, and no other one is backed up as that one. Raises ArchiveUnavailable.
    """
    return meta.get("archive", archive.id()) == archive.id() and archive.owner() in {"", meta.get("installation")}


def terms(settings: Settings, secret: str) -> Terms:
    """Return the terms that are frozen into orders admitted now."""
    built = _gateways(settings, secret)  # any of a carrier's may get a question: it rests on what all of them can do
    of = {carrier: [built[name] for name in names] for carrier, names in settings.routes().items()}
    sub_numbers = frozenset(carrier for carrier, some in of.items() if all(each.sub_numbers for each in some))
    reports = frozenset(carrier for carrier, some in of.items() if all(each.reports for each in some))
    carried = {carrier: min(each.segments for each in some) for carrier, some in of.items()}
    return Terms(
        settings.policy(), settings.senders(), sub_numbers, carried, millis(settings.permit_lasts),
        settings.permits == "required", settings.calls_a_day, millis(settings.call_age),
        settings.plan_approval == "on", settings.addresses(), reports, settings.reporting(),
        settings.review == "before",
    )  # fmt: skip


def seal_of(settings: Settings, secret: str) -> Seal:
    """Return what seals records, and encrypts persons."""
    return Seal(secret, settings.person_keys.get_secret_value())


def spool_of(settings: Settings) -> Spool | None:
    """Return a process's spool, where a folder is set. Raises SettingsError."""
    cipher = seal_of(settings, settings.secret_for(settings.data_dir)).cipher
    return None if settings.spool is None else Spool(settings.spool, cipher)


def _kept(
    settings: Settings, redis_url: str, secret: str, patience_s: float = PATIENCE_S
) -> tuple[Store, Registry, Seal]:
    """Return the store (one cell, or as many as a cluster is divided into), the registry for all else, and the seal."""

    def wire(cell: Cell) -> Wire:
        client = connect(redis_url, patience_s, tag=str(cell.number))
        return Wire(client, proves=settings.durability == "strict", replicas=settings.replicas)

    clustered = is_cluster(redis_url)
    many, days = settings.cells, days_in(settings.time_zone)
    cells = [Cell(n, alone=not clustered, days=days, share=many) for n in range(many)]
    wires = [wire(cell) for cell in cells]
    lease = millis(settings.lease)
    registry = RedisRegistry(wires[0], prefix=cells[0].shared)
    seal = seal_of(settings, secret)
    keep = settings.retention()
    stores = [
        redis_store(wire, lease_ms=lease, cell=cell, seal=seal, keep=keep)
        for wire, cell in zip(wires, cells, strict=True)
    ]
    return (stores[0] if len(stores) == 1 else sharded_store(stores)), registry, seal


def outside(settings: Settings, secret: str) -> Outside:
    """Make the gateways, by name and by carrier, and the BSS: of a shadow those that have no way out. Their settings
    are read all the same, and must be right.
    """
    timeout, called = settings.call_timeout, settings.bss_name()
    made, asked = bss.build(called, settings.of, timeout), bss.look_up(called, settings.of, timeout)
    return Outside(
        gateways=_gateways(settings, secret),
        routes=settings.routes(),
        senders=settings.senders(),
        bss=SimulatedBss(made.name, SHADOW) if settings.shadow else made,
        subscribers=None if settings.shadow else asked,
        rates=rates_in(settings),
    )


def rates_in(settings: Settings) -> dict[str, int]:
    """Return the rate of each gateway that has one; each cell has its share. Raises SettingsError."""
    found = {}
    for name in settings.gateways():
        prefix = prefix_of(name)
        found[name] = most = rate(prefix, settings.of(name.replace(":", "_").upper()))
        if 0 < most < settings.cells:
            raise SettingsError(f"{prefix}RATE must be at least CONSENT_CELLS: each cell has its share of it")
    return {name: most for name, most in found.items() if most}


def _gateways(settings: Settings, secret: str) -> dict[str, Gateway]:
    """Make a gateway for each name. In a shadow it is the shadow of it. A simulated one without a secret
    gets one made from CONSENT_SECRET.
    """

    def raw(prefix: str) -> Mapping[str, str]:
        derived = {"SECRET": keyed(secret, "simulated", prefix)} if prefix.startswith("SIMULATED") else {}
        return {**derived, **settings.of(prefix)}

    names, timeout = sorted(settings.gateways()), settings.call_timeout
    built = {name: gateways.build(name, raw, timeout, settings.naming(name)) for name in names}
    return {name: shadow_of(each) for name, each in built.items()} if settings.shadow else built


def call_bound(settings: Settings) -> timedelta:
    """Return how long a call in flight may still last."""
    return settings.call_timeout + timedelta(seconds=1)


def certificates(settings: Settings) -> dict[str, float]:
    """Return when the certificates that operators renew end, in seconds since 1970: of CONSENT_PUBLIC_URL (`public`),
    and of a Redis at rediss:// (`orders`). A server that shows none is left out.
    """
    found = {}
    for name, url, scheme, port in (
        ("public", settings.public_url, "https", 443), ("orders", settings.redis_url, "rediss", 6379),
    ):  # fmt: skip
        parts = urlsplit(url or "")
        if parts.scheme == scheme and (ends := certificate_ends(parts.hostname or "", parts.port or port)):
            found[name] = ends
    return found
