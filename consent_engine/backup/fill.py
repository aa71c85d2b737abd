"""Filling an emptied Redis from SQL: it must be empty, the data's own, and no worker may work on it."""

import hmac
from contextlib import closing

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.registry import RedisRegistry, proof_of
from consent_engine.adapters.redis.topology import is_cluster
from consent_engine.adapters.sql.whole import SqlWhole
from consent_engine.backup.manifest import Tell
from consent_engine.config.data_folder import keep_name, kept_name
from consent_engine.config.settings import Settings
from consent_engine.domain.seal import Seal
from consent_engine.engine.rebuild import Rebuilt, rebuild
from consent_engine.errors import ArchiveUnavailable, SettingsError
from consent_engine.wiring import data

HEARD_MS = 15_000
"""A worker that said something so lately is at work."""


def fill(settings: Settings, tell: Tell) -> Rebuilt:
    """Fill the Redis that is set, or those cells of it that lost their data, from SQL. Raises SettingsError before
    anything is written where it is not empty, or another's; StoreUnavailable and ArchiveUnavailable.
    """
    with data(settings, tell, own=False) as found, closing(connect(found.redis_url)) as client:
        archive, store = found.archive, found.store()
        if archive is None:
            raise ArchiveUnavailable("there is no archive")
        archive.must_stand = True
        known, owner = archive.id(), archive.owner()
        archive.seal, whole = Seal(found.secret), SqlWhole(archive)
        proof = whole.secret()
        if not (owner and proof):
            raise SettingsError("CONSENT_ARCHIVE_URL: nothing was ever written out to this database")
        if not hmac.compare_digest(proof_of(found.secret), proof):
            raise SettingsError("CONSENT_SECRET is not the one these data were written with: set that one")
        named = {kept_name(settings.data_dir)} if found.server else set()
        if not named <= {"", owner} or store.retirement.archive_bound() not in {"", known}:
            raise SettingsError(
                "CONSENT_ARCHIVE_URL leads to another installation's database than this Redis': correct it"
            )
        if not store.retirement.emptied(known):
            raise SettingsError("nothing is to be rebuilt: Redis has its data")
        wire = Wire(client, proves=False, replicas=0)
        registry = RedisRegistry(wire, prefix=Cell(alone=not is_cluster(found.redis_url)).shared)
        if registry.workers(HEARD_MS):
            raise SettingsError("workers are at work on this Redis: stop APIs and workers, then type it again")
        registry.check(found.secret, strict=settings.durability == "strict", cells=settings.cells)
        done = rebuild(store, whole, owner, known, tell)
        if found.server:
            keep_name(settings.data_dir, owner)
        return done
