"""The registry on Redis: plans, API keys, pauses, reveals, live workers and counts; and what a server must promise."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace
from redis.exceptions import ResponseError

from consent_engine.adapters.redis.client import Calls, MayNotConnect, Wire
from consent_engine.adapters.redis.codec import pairs, scored
from consent_engine.adapters.redis.of_cell import Clock
from consent_engine.adapters.redis.records import LOOK_BACK
from consent_engine.domain.canonical_json import Reader, compact
from consent_engine.domain.clocks import Heard, Lag, lately
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.proof_code import Counted, Shares
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.versions import PageSeen, Proposal, Sale, Version, versions_of
from consent_engine.errors import ProposalChanged, SettingsError, StoreUnavailable
from consent_engine.ports import ApiKey, Registry
from consent_engine.ports.registry import (
    NOTHING,
    Acts,
    Endpoint,
    EndpointKnown,
    FlowStep,
    Import,
    Pause,
    PauseEvent,
    Pauses,
    Reveal,
    WorkerReport,
)
from consent_engine.ports.store import other_mode, schema_of


def proof_of(secret: str) -> str:
    """Return the check value of a secret, by which data recognise the secret they were written with."""
    return hmac.new(secret.encode(), b"ce:meta", hashlib.sha256).hexdigest()[:32]


def with_keys(kept: str, names: Sequence[str]) -> str:
    """Return the check value of data whose persons are encrypted under the first of these keys from now on. kept: the
    one that they have: the secret's, and the names of keys. Raises SettingsError where one of those is not among these.
    """
    if lost := {*kept.split()[1:]}.difference(names):
        raise SettingsError(f"CONSENT_PERSON_KEYS lacks the key {min(lost)}, under which persons stand here: add it")
    return " ".join(dict.fromkeys((*kept.split(), *names[:1])))


def proposed_of(proposal: Proposal) -> str:
    """Return a proposal as it is kept: the admin, the instant, the plan, and the one it replaced, if any."""
    row = [proposal.by, proposal.at, json.loads(proposal.plan.encode()), *[proposal.before] * bool(proposal.before)]
    return json.dumps(row, ensure_ascii=False, sort_keys=True)


def proposal_of(row: str) -> Proposal:
    """Read a proposal as it is kept."""
    by, at, plan, *before = json.loads(row)
    return Proposal(Plan.decode(plan), by, at, *map(tuple, before))


PAUSED, HAPPENED = "ce:{0}:paused", "ce:{0}:pauses"
MOST_KEPT = 10_000
_PAUSE = msgspec.json.Decoder(Pause)
_KNOWN, _REPORT = msgspec.json.Decoder(EndpointKnown), Reader(WorkerReport)
_EVENT = msgspec.json.Decoder(PauseEvent)


class RedisPauses(Pauses):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def standing(self) -> Mapping[Endpoint, Pause]:
        [kept] = self._wire.ask(("HGETALL", PAUSED))
        rows = ((name.split("|", 1), row) for name, row in kept.items())
        return {Endpoint(to, name): _PAUSE.decode(row) for (to, name), row in rows}

    def announce(self, target: Endpoint, pause: Pause | None) -> None:
        name = "|".join(target)
        self._wire.ask(("HDEL", PAUSED, name) if pause is None else ("HSET", PAUSED, name, compact(pause)), prove=True)

    def change(self, event: PauseEvent) -> bool:
        calls, target = Calls(), f"{event.to}|{event.name}"
        kept = compact(Pause(event.at, event.by, event.reason)) if event.paused else ""
        once = secrets.token_hex(8)
        calls.script("pause", [PAUSED, HAPPENED], [target, kept, compact(event), MOST_KEPT, once, LOOK_BACK])
        [was] = self._wire.send(calls, prove=True, repeat=True)
        return bool(was) != event.paused

    def happened(self, most: int) -> list[PauseEvent]:
        [rows] = self._wire.ask(("XREVRANGE", HAPPENED, "+", "-", "COUNT", most))
        return [_EVENT.decode(fields["m"] if isinstance(fields, Mapping) else fields[1]) for _, fields in rows]


REVEALED, IMPORTED = "ce:{0}:revealed", "ce:{0}:imported"
MOST_ACTS = 200_000
_A = TypeVar("_A", Reveal, Import)


class RedisActs(Acts[_A]):
    """The acts of one kind, as a stream of Redis."""

    def __init__(self, wire: Wire, key: str, kind: type[_A]) -> None:
        self._wire = wire
        self._key = key
        self._kind: type[_A] = kind

    def note(self, act: _A) -> None:
        calls = Calls()
        calls.script("keep_entry", [self._key], [compact(act), LOOK_BACK, MOST_ACTS])
        self._wire.send(calls, prove=True, repeat=True)

    def newest(self, most: int) -> list[_A]:
        [rows] = self._wire.ask(("XREVRANGE", self._key, "+", "-", "COUNT", most))
        return [msgspec.json.decode(fields["m"], type=self._kind) for _, fields in rows]


SCHEMA = "5"
"""The one format mark that data carry. Raised by every change of a kept format; no other one is read."""
FLOW = "ce:{0}:flow:"
FORGOTTEN_MS = 3_600_000
"""How long (ms) a silent worker is remembered."""
_HOUR_S = 3600
REPLACED = "another version of this plan was proposed just now: read it, then try again"
CHANGED = "this plan was changed by somebody else just now: look at it, then try again"
_NAME = "name:"
"""The beginning of the fields that keep which key was given a name; it is never given again."""
_ASKED = "asked"
"""The field that counts an hour's codes: the users of `deploy/redis/users.acl` may count in hashes alone."""


def _report_of(kept: str) -> WorkerReport:
    """Return a worker's report of itself; one of another release, which cannot be read, says that it is alive."""
    try:
        return _REPORT(kept)
    except ValueError:
        return WorkerReport()


class RedisRegistry(Registry):
    """The Registry. clock: gives the instant in tests; else the server's own clock does · prefix: of its keys"""

    def __init__(self, wire: Wire, *, clock: Callable[[], Millis] | None = None, prefix: str = "ce:") -> None:
        self._wire = wire
        self._clock = clock
        self._prefix = prefix
        self._meta = f"{prefix}meta"
        self._measures = f"{prefix}measures"
        self.pauses: Pauses = RedisPauses(wire)
        self.reveals: Acts[Reveal] = RedisActs(wire, REVEALED, Reveal)
        self.imports: Acts[Import] = RedisActs(wire, IMPORTED, Import)

    def _one(self, *command: str | int, prove: bool = False) -> Any:  # noqa: ANN401 - redis-py's answer
        return self._wire.ask(command, prove=prove)[0]

    def now(self) -> Millis:
        return self._clock() if self._clock is not None else Clock().instant(self._one("TIME"))

    def catalogue_mark(self) -> tuple[str, Millis]:
        time, mark = self._wire.ask(("TIME",), ("HGET", self._meta, "catalogue"))  # no later than the mark
        return mark or "", Clock(self._clock).instant(time)

    def catalogue(self) -> dict[str, tuple[Version, ...]]:
        codes = sorted(self._one("SMEMBERS", f"{self._prefix}plans"))
        records = self._wire.ask(*(("HGETALL", f"{self._prefix}plan:{code}") for code in codes))
        return {code: versions_of(kept) for code, kept in zip(codes, records, strict=True) if kept}

    def publish(
        self, plan: Plan, sale: Sale, over: Version | None, known_at: Millis | None = None,
        seen: Mapping[int, PageSeen] = NOTHING, approved: tuple[Proposal, str] | None = None,
    ) -> None:  # fmt: skip
        """Publish as the port says. Raises StoreUnavailable, also where another admin changed the plan meanwhile, and
        ProposalChanged.
        """
        before = ("", "") if over is None else (str(over.number), over.sale.value)
        if known_at is None and self._clock is not None:
            known_at = self._clock()
        stamp = "" if known_at is None else str(known_at)
        p = self._prefix
        keys = [f"{p}plan:{plan.code}", f"{p}plans", self._meta, f"{p}plans:proposed"]
        names = (proposed_of(approved[0]), json.dumps([approved[0].by, approved[1]])) if approved else ("", "")
        kept = [plan.code, str(plan.version), plan.encode(), sale.value, *before, stamp, *names]
        kept += [part for n, each in seen.items() for part in (f"seen:{plan.version}:{n}", each.encode())]
        calls = Calls()
        calls.script("publish_plan", keys, kept)
        [word] = self._wire.send(calls, prove=True, repeat=True)
        if word == "replaced":
            raise ProposalChanged(REPLACED)
        if word != "ok":
            raise StoreUnavailable(CHANGED)

    def note_seen(self, code: str, version: int, n: int, seen: PageSeen, *, changed: bool) -> None:
        """Keep it as the port says. Sent once: where it is lost, the page is looked at again."""
        calls = Calls()
        calls.plain("HSET", f"{self._prefix}plan:{code}", f"seen:{version}:{n}", seen.encode())
        if changed:
            calls.plain("HINCRBY", self._meta, "catalogue", 1)
        self._wire.send(calls, prove=bool(seen.by))

    def claim_turn(self, task: str, holder: str, ms: Millis) -> bool:
        turns = f"{self._prefix}plans:turn"
        time, stands = self._wire.ask(("TIME",), ("HGET", turns, task))
        whose, _, until = (stands or "|0").rpartition("|")
        now = Clock(self._clock).instant(time)
        if whose not in {"", holder} and int(until) > now:
            return False
        return self._swapped(turns, task, stands or "", f"{holder}|{now + ms}")

    def _swapped(self, key: str, field: str, read: str, new: str, *more: str, prove: bool = True) -> bool:
        """Change a field of a hash that is still as it was read, and more with it; proven durable. False: it is not."""
        calls = Calls()
        calls.script("swap", [key], [field, read, new, "", *more])
        return bool(self._wire.send(calls, prove=prove, repeat=True)[0])

    def count_code(self, network: str, shares: Shares) -> Counted:
        calls = Calls()
        most = [shares.most, shares.half, shares.before, shares.after]
        calls.script("count_code", [self._codes()], [network, *map(str, most), str(2 * _HOUR_S)])
        [counted] = self._wire.send(calls)
        return Counted(counted)

    def codes(self) -> int:
        return int(self._one("HGET", self._codes(), _ASKED) or 0)

    def _codes(self) -> str:
        """Return the key that counts the codes of this hour."""
        return f"{self._prefix}codes:{self.now() // 1000 // _HOUR_S}"

    def propose(self, new: Proposal | None, over: Proposal | None = None) -> None:
        """Propose as the port says. Raises ProposalChanged."""
        [code, *_] = [each.plan.code for each in (new, over) if each is not None]
        before, after = ("" if each is None else proposed_of(each) for each in (over, new))
        if not self._swapped(f"{self._prefix}plans:proposed", code, before, after):
            raise ProposalChanged(REPLACED)

    def proposals(self) -> dict[str, Proposal]:
        rows = sorted(self._one("HGETALL", f"{self._prefix}plans:proposed").items())
        return {code: proposal_of(row) for code, row in rows}

    def add_key(self, key_hash: str, key: ApiKey) -> bool:
        row = json.dumps([key.name, key.role, key.created_at, key.agent, key.team])
        return self._swapped(f"{self._prefix}apikeys", f"{_NAME}{key.name}", "", key_hash, key_hash, row)

    def key(self, key_hash: str) -> ApiKey | None:
        kept = self._one("HGET", f"{self._prefix}apikeys", key_hash)
        return ApiKey(*json.loads(kept)) if kept else None

    def keys(self) -> dict[str, ApiKey]:
        kept = self._one("HGETALL", f"{self._prefix}apikeys").items()
        rows = {key_hash: row for key_hash, row in kept if row and not key_hash.startswith(_NAME)}
        return {key_hash: ApiKey(*json.loads(row)) for key_hash, row in rows.items()}

    def drop_key(self, key_hash: str, name: str) -> None:
        """Revoke as the port says. An empty row stays: an `add_key` that arrives late must not restore the key."""
        self._one("HSET", f"{self._prefix}apikeys", key_hash, "", f"{_NAME}{name}", key_hash, prove=True)

    def end_sign_ins(self, names: Sequence[str], lasts: Millis) -> bool:
        now, name = self.now(), f"{self._prefix}signedout"
        if old := [each for each, at in self._one("HGETALL", name).items() if int(at) <= now - lasts]:
            self._one("HDEL", name, *old)
        return bool(self._one("HSET", name, *(part for each in names for part in (each, now)), prove=True))

    def sign_ins_ended(self, names: Sequence[str]) -> Millis:
        return max(int(at or 0) for at in self._one("HMGET", f"{self._prefix}signedout", *names))

    def join(self, agent: str, team: str) -> None:
        self._one("HSET", f"{self._prefix}teams", agent, team)

    def teams(self) -> dict[str, str]:
        return dict(self._one("HGETALL", f"{self._prefix}teams"))

    def announce(self, worker: str, report: WorkerReport) -> None:
        self._one("HSET", f"{self._prefix}workers", worker, f"{self.now()}|{compact(report)}")

    def workers(self, within: int) -> dict[str, WorkerReport]:
        """Return workers as the port says, and delete those that were silent for an hour."""
        now, heard = self.now(), {}
        for worker, kept in self._one("HGETALL", f"{self._prefix}workers").items():
            at, _, report = kept.partition("|")
            if now - int(at) <= within:
                heard[worker] = _report_of(report)
            elif now - int(at) > FORGOTTEN_MS:
                self._one("HDEL", f"{self._prefix}workers", worker)
        return heard

    def count(self, flow: Mapping[str, int]) -> None:
        """Count as the port says. Sent once: a metric counted twice would be wrong; a lost one is only late."""
        calls = Calls()
        for step in FlowStep:
            key = f"{FLOW}{step.letter}:{self.now() // step.ms}"
            for name, by in flow.items():
                calls.plain("HINCRBY", key, name, by)
            calls.plain("EXPIRE", key, step.kept_s)
        self._wire.send(calls)

    def flow(self, step: FlowStep, first: int, last: int) -> list[dict[str, int]]:
        slots = self._wire.ask(*(("HGETALL", f"{FLOW}{step.letter}:{n}") for n in range(first, last + 1)))
        return [{name: int(count) for name, count in slot.items()} for slot in slots]

    def known(self) -> dict[Endpoint, EndpointKnown]:
        rows = self._one("HGETALL", self._measures).items()
        return {Endpoint(*name.split("|", 1)): _KNOWN.decode(row) for name, row in rows}

    def know(self, target: Endpoint, was: EndpointKnown, new: EndpointKnown) -> bool:
        """Replace it as the port says. Each change has a mark of its own: two processes that make the same one at once
        must not both be told that it was theirs.
        """
        read, kept = compact(was) if was.op else "", compact(replace(new, op=secrets.token_hex(4)))
        return self._swapped(self._measures, "|".join(target), read, kept, prove=False)

    def probe(self) -> None:
        self._one("HSETNX", self._meta, "probe", 1)

    def note_lags(self, heard: Sequence[Heard]) -> None:
        """Keep them as the port says. Not proven: a lost measurement is taken again."""
        name, calls = f"{self._prefix}clocks", Calls()
        old = [_clock_named(*key, lag.allowed) for key, lag in self._lags().items() if key[1] < heard[0].period - 1]
        if old:
            calls.plain("ZREM", name, *old)
        for each in heard:
            member = _clock_named(each.gateway, each.period, each.lag.allowed)
            calls.plain("ZADD", name, "LT", str(each.lag.behind), member)
        self._wire.send(calls)

    def lags(self) -> dict[str, Lag]:
        return lately(self._lags(), self.now())

    def _lags(self) -> dict[tuple[str, int], Lag]:
        found = {}
        for member, behind in scored(self._one("ZRANGE", f"{self._prefix}clocks", 0, -1, "WITHSCORES")):
            gateway, period, allowed = member.rsplit("|", 2)
            found[gateway, int(period)] = Lag(behind, int(allowed))
        return found

    def check(self, secret: str, *, strict: bool, cells: int, shadow: bool = False) -> None:
        """Check as the port says. Raises SettingsError for a server or data that this program must not work with."""
        self._check_server(strict=strict)
        proof, expected_schema = proof_of(secret), schema_of(SCHEMA, shadow=shadow)
        for name, expected in (("schema", expected_schema), ("cells", str(cells)), ("secret", proof)):
            self._one("HSETNX", self._meta, name, expected)
        schema, was_cells, was_proof = self._one("HMGET", self._meta, "schema", "cells", "secret")
        if schema == schema_of(SCHEMA, shadow=not shadow):
            raise SettingsError(other_mode("what this Redis has", shadow=shadow))
        if schema != expected_schema:
            raise SettingsError(
                f"these data have schema {schema}, this release reads {SCHEMA}: start the one that wrote them"
            )
        if str(was_cells) != str(cells):
            raise SettingsError(wrong_cells(cells, str(was_cells)))
        if not hmac.compare_digest(str(was_proof).partition(" ")[0], proof):
            raise SettingsError("CONSENT_SECRET is not the one these data were written with: set that one")

    def name_keys(self, names: Sequence[str], known: Sequence[str] | None = None) -> None:
        proof, *kept = str(self._one("HGET", self._meta, "secret")).split()
        now = with_keys(" ".join([proof, *(kept if known is None else known)]), names)
        if now.split()[1:] != kept:
            self._one("HSET", self._meta, "secret", now, prove=True)

    def _check_server(self, *, strict: bool) -> None:
        """Check that the server keeps all data. Raises SettingsError."""
        try:
            info = self._wire.ask(("INFO",))[0]
        except MayNotConnect:
            raise
        except SettingsError:
            raise SettingsError("CONSENT_REDIS_URL: this user may not ask INFO: allow it (ACL +info)") from None
        try:
            [(_, fsync)] = pairs(self._wire.ask(("CONFIG", "GET", "appendfsync"))[0]).items()
        except (ResponseError, SettingsError, ValueError):
            # An ACL may forbid CONFIG: then WAITAOF alone is the proof, and it suffices.
            fsync = "always"
        if str(info.get("maxmemory_policy", "noeviction")) != "noeviction":
            raise SettingsError("CONSENT_REDIS_URL: this server evicts keys; set `maxmemory-policy noeviction`")
        if not strict:
            return
        if not int(info.get("aof_enabled", 0)):
            raise SettingsError("CONSENT_DURABILITY=strict needs `appendonly yes` on this server")
        if fsync != "always":
            raise SettingsError("CONSENT_DURABILITY=strict needs `appendfsync always` on this server")


def wrong_cells(cells: int, kept: str) -> str:
    """Return the line on data that were written with another number of cells than is set."""
    return f"CONSENT_CELLS is {cells}, but these data were written with {kept}: set that number"


def _clock_named(gateway: str, period: int, allowed: Millis) -> str:
    """Return the member under which the lag of a gateway's clock in one period is kept."""
    return f"{gateway}|{period}|{allowed}"
