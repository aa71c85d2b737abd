"""What is wrong with this installation, and what to type: `consent doctor`. It looks at everything it can reach."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from redis.exceptions import NoPermissionError, RedisError

from consent_engine.adapters.redis_client import Wire, connect
from consent_engine.adapters.redis_registry import RedisRegistry
from consent_engine.adapters.redis_sentinel import is_sentinel
from consent_engine.adapters.redis_server import connect_or_start
from consent_engine.adapters.redis_store import RedisStore
from consent_engine.adapters.redis_survey import RedisSurvey
from consent_engine.adapters.rq_queue import connect_rq
from consent_engine.doctor import findings, records, server, setup, work
from consent_engine.doctor.findings import Finding, Level, bad, good, warn
from consent_engine.doctor.records import Wanted
from consent_engine.durations import millis
from consent_engine.errors import SettingsError, StoreUnavailable
from consent_engine.keys import Keys
from consent_engine.settings import PREFIX, Settings

__all__ = ["Finding", "Level", "Wanted", "examine", "findings", "sources"]

HIDDEN = ("SECRET", "PASSWORD", "TOKEN", "URL")


@dataclass(frozen=True, slots=True)
class _Patient:
    """An installation as far as it can be reached: without the checks that would keep an engine from starting."""

    settings: Settings
    redis_url: str
    rq_url: str
    secret: str
    wanted: Wanted
    tell: Callable[[str], None]

    @property
    def wire(self) -> Wire:
        proves = self.wanted.mend and self.settings.durability == "strict"
        return Wire(connect(self.redis_url), proves=proves, replicas=self.settings.replicas)

    @property
    def cli(self) -> str:
        """How to reach its server at a terminal; a password is not repeated."""
        if self.redis_url.startswith("unix:"):
            return f"redis-cli -s {unquote(urlsplit(self.redis_url).path)}"
        if is_sentinel(self.redis_url):
            return "redis-cli -h MASTER"
        return 'redis-cli -u "$CONSENT_REDIS_URL"'


def examine(settings: Settings, wanted: Wanted, tell: Callable[[str], None] = print) -> Iterator[Finding]:
    """Look at everything that can endanger a promise. Reads only, unless `wanted.mend`. tell: how far it is."""
    yield from setup.versions()
    with ExitStack() as stack:
        secret = settings.secret_for(settings.data_dir)
        yield from setup.settings_of(settings, secret)
        url = settings.redis_url
        if url is None:
            try:
                embedded = connect_or_start(settings.data_dir, settings.durability, tell)
                stack.callback(embedded.stop)
                url = embedded.url
            except SettingsError as error:
                yield bad(str(error), f"tail {settings.data_dir / 'redis.log'}")
                return
        patient = _Patient(settings, url, settings.rq_url or url, secret, wanted, tell)
        for look in (_server, _data, _rq, _work, _catalogue, _records):
            try:
                yield from look(patient)
            except Exception as error:  # noqa: BLE001 - the edge: what nobody can read is a finding, not an end
                yield _failed(look.__name__.strip("_"), error, patient.cli)


def _failed(look: str, error: Exception, cli: str) -> Finding:
    """An error of ours says what it is; another's text may hold what a person said."""
    told = f"{look}: {error if isinstance(error, StoreUnavailable) else type(error).__name__}"
    if isinstance(error, NoPermissionError | SettingsError):
        return bad(told, "this user of Redis may not do it: deploy/redis/users.acl says what it needs")
    if isinstance(error, StoreUnavailable | RedisError | OSError):
        return bad(told, f"{cli} PING: is it up and reachable?")
    return bad(f"{told}: something stored cannot be read", "keep the data, and report it: this must not be")


def _server(patient: _Patient) -> Iterator[Finding]:
    yield from server.server(RedisSurvey(patient.wire).server(), patient.settings, patient.cli)
    yield from setup.host(patient.settings, RedisRegistry(patient.wire).now)


def _data(patient: _Patient) -> Iterator[Finding]:
    """Are these our data: schema, cells, secret?"""
    meta = RedisSurvey(patient.wire).meta()
    if "schema" not in meta:
        yield warn("no engine has ever started on these data", "consent serve")
        return
    try:
        # It writes only what is not there, and all of it is.
        RedisRegistry(patient.wire).check(patient.secret, strict=False, cells=patient.settings.cells)
    except SettingsError as error:
        if "CONSENT_REDIS_URL" not in str(error):  # what is wrong with the server was told already
            yield bad(str(error), "nothing else first: with the wrong one no number is found")
        return
    yield good(f"schema {meta['schema']}, and the secret these data were written with")


def _rq(patient: _Patient) -> Iterator[Finding]:
    client = connect_rq(patient.rq_url)
    try:
        client.ping()
    except (RedisError, OSError) as error:
        yield warn(
            f"RQ's Redis: {type(error).__name__}: the workers' clocks go on without, slower by ticks",
            'redis-cli -u "$CONSENT_RQ_URL" PING: start it, empty if need be',
        )
    else:
        yield good("RQ's Redis answers")


def _work(patient: _Patient) -> Iterator[Finding]:
    yield from work.work(_store(patient), RedisRegistry(patient.wire), RedisSurvey(patient.wire))


def _catalogue(patient: _Patient) -> Iterator[Finding]:
    registry = RedisRegistry(patient.wire)
    yield from setup.catalogue(registry, Keys(registry, patient.secret), registry.now())


def _records(patient: _Patient) -> Iterator[Finding]:
    lease_ms = millis(patient.settings.lease)
    yield from records.records(_store(patient), RedisSurvey(patient.wire), lease_ms, patient.wanted, patient.tell)


def _store(patient: _Patient) -> RedisStore:
    return RedisStore(patient.wire, lease_ms=millis(patient.settings.lease))


def sources(settings: Settings, environ: Mapping[str, str] = os.environ) -> Iterator[tuple[str, str, str]]:
    """Every setting: its variable, its value (secrets hidden), and where that came from."""
    kept = dotenv_values(".env", interpolate=False) if Path(".env").is_file() else {}
    for field in type(settings).model_fields:
        if field in {"adapters", "unknown"}:
            continue
        name = PREFIX + field.upper()
        source = "environment" if environ.get(name) else ".env" if kept.get(name) else "default"
        yield name, _shown(name, getattr(settings, field)), source
    for prefix, values in sorted(settings.adapters.items()):
        for key, value in sorted(values.items()):
            name = f"{PREFIX}{prefix}__{key}"
            yield name, _shown(name, value), "environment" if environ.get(name) else ".env"


def _shown(name: str, value: object) -> str:
    if value is None or value == "":
        return "-"
    if any(word in name for word in HIDDEN) and name != f"{PREFIX}PUBLIC_URL":
        return "(set)"
    return str(value)
