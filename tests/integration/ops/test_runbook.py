"""The runbook is tried: each of its situations is produced on a real server, and exactly its commands are typed."""

import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from starlette.routing import Match
from typer.main import get_command

from benchmarks.ports import free_ports
from consent_engine import cli
from consent_engine.adapters.log_folder import LogFolder
from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.keys import Cell
from consent_engine.api import app
from consent_engine.cli import commands
from consent_engine.config.settings import Settings
from consent_engine.domain.admission.call_request import CallStart, StartCall
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.admission.report_request import MakeReport, ReportMade
from consent_engine.domain.call.ending import Cause, Why
from consent_engine.domain.clocks import PERIOD_MS, Heard, Lag
from consent_engine.domain.days import GREENWICH
from consent_engine.domain.decide.decision import PARKED, Put
from consent_engine.domain.effects import ACTIVATE, WAKE_ARCHIVE, Accepted, Lane, Pending, Rejected, Unavailable
from consent_engine.domain.log.checkpoint import PrivateKey
from consent_engine.domain.offer.versions import Found, PageSeen, after
from consent_engine.domain.seal import Chained, Leaf
from consent_engine.engine.api_keys import Role
from consent_engine.engine.metrics import Measures
from consent_engine.engine.publishing import Keys, Publisher
from consent_engine.errors import OrderNotFound
from consent_engine.ports import Change, Commit, Endpoint
from consent_engine.ports.archive import BackupMade
from consent_engine.wiring import installation
from tests import needs
from tests.certificates import Shown
from tests.conftest import NUMBER, Clock, World
from tests.integration.rq_house import Gateway
from tests.pages import alarms
from tests.plans import plan
from tests.shims import CONSENT, shims
from tests.waiting import HANGS_S, until

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "runbook.md").read_text("utf-8")
EXPECTED = re.compile(r"^(.*?)\s+# (says nothing|fails|says not: .*|says: .*)$")


@dataclass(frozen=True)
class Typed:
    """A command of the page, and the result that it must have."""

    command: str
    expected: str


def parts():
    """Return the parts of the page, each with its commands; a cause is named with its alert: `ConsentOutside: down`."""
    found = {}
    for level, part in re.findall(r"^(##?#?) (.*\n(?:(?!##).*\n)*)", PAGE, flags=re.M):
        title, _, text = part.partition("\n")
        if level == "##":
            alert = title
        elif level == "###":
            found.pop(alert, None)
            title = f"{alert}: {title.partition(':')[0]}"
        lines = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)).splitlines()
        typed = [EXPECTED.match(line) or (line,) for line in lines]
        found[title] = [Typed(each[1], each[2]) if isinstance(each, re.Match) else Typed(each[0], "") for each in typed]
    first = found.pop(next(iter(found)))
    return {"First, always": first, **found}


PARTS = parts()


class Wall:
    """The system's clock."""

    def __call__(self):
        return int(time.time() * 1000)

    def forward(self, *_, **__):
        """Do nothing: it moves by itself."""


@dataclass
class Night:
    """A machine on which something is wrong: two servers, a gateway that takes everything, and started processes."""

    folder: Path
    port: int
    environ: dict[str, str]
    gateway: Gateway
    client: object = None
    known: dict[str, str] = field(default_factory=dict)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    servers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    worlds: list[World] = field(default_factory=list)
    after: dict[str, Callable[[], object]] = field(default_factory=dict)
    """what happens by itself once a command has printed its expected result"""
    ends: ExitStack = field(default_factory=ExitStack)

    def text(self, command):
        """Return a command as this machine needs it: the page's port, files and names are only examples."""
        command = command.replace(":8080", f":{self.port}").replace("--port 8080", f"--port {self.port}")
        command = command.replace("/etc/redis/", f"{self.folder}/")
        return re.sub(r"\b(ORDER|GROUP|PLAN)\b", lambda name: self.known.get(name[0], name[0]), command)

    def type(self, typed):
        command = self.text(typed.command)
        if command.endswith("&"):
            self.start(command.removesuffix("&").strip())
        elif typed.expected == "":
            assert self.run(command)[0] == 0
        else:
            told = []
            until(f"{typed.command} {typed.expected}: {told}", lambda: met(typed.expected, *self.keep(told, command)))
        self.after.pop(typed.command, lambda: None)()

    def keep(self, told, command):
        told[:] = [self.run(command)]
        return told[0]

    def run(self, command):
        """Return the exit status and all that was printed."""
        if command.startswith("consent ") and "|" not in command:
            return self.consent(command)
        done = subprocess.run(
            ["/bin/sh", "-c", command], env=self.environ | self.known, cwd=self.folder, capture_output=True, text=True,
            timeout=HANGS_S, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def consent(self, command):
        """Run `consent ...` in this process: it starts twenty times faster, and is the same function."""
        out, before = io.StringIO(), dict(os.environ)
        os.environ.update(self.environ)
        try:
            with redirect_stdout(out), redirect_stderr(out):
                status = cli.run(shlex.split(command)[1:])
        finally:
            os.environ.clear()
            os.environ.update(before)
        return status, out.getvalue()

    def start(self, command):
        words = shlex.split(command)
        with (self.folder / "started.log").open("ab") as log:
            process = subprocess.Popen(
                words, env=self.environ, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                executable=shutil.which(words[0], path=self.environ["PATH"]), start_new_session=True,
            )  # fmt: skip
        self.running.append(process)
        if words[0] == "redis-server":
            self.servers[Path(words[1]).stem] = process
        return process

    def serve(self, name="redis"):
        self.start(f"redis-server {self.folder}/{name}.conf")
        url = self.environ["CONSENT_REDIS_URL" if name == "redis" else "CONSENT_RQ_URL"]
        client = connect(url)
        until("the server answers", lambda: _answers(client))
        return client

    def kill(self, name):
        self.servers[name].kill()
        self.servers[name].wait(HANGS_S)

    def engine(self):
        before = dict(os.environ)
        os.environ.update(self.environ)
        try:
            with installation(Settings.load(env_file=None)) as found:
                return found.engine()
        finally:
            os.environ.clear()
            os.environ.update(before)

    def world(self):
        """Return an engine on this server's records and the system's clock, whose gateway and BSS the test controls."""
        made = World(self.client, clock=Wall())
        self.worlds.append(made)
        return made

    def close(self):
        self.ends.close()
        for world in self.worlds:
            world.runner.close()
        for process in reversed(self.running):
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait(HANGS_S)
        self.gateway.close()


def _answers(client):
    try:
        return client.ping()
    except Exception:  # noqa: BLE001 - not there yet
        return False


def met(expected, status, told):
    word, _, text = expected.partition(": ")
    return {
        "fails": status != 0,
        "says": text in told,
        "says not": bool(told.strip()) and text not in told,
    }[word]


def typed_here(folder, binary, command_line):
    """Give `consent`, `python`, `redis-server` and `redis-cli` their plain names, as the runbook types them."""
    programs = {"redis-server": [str(binary)], "redis-cli": [command_line]}
    return shims(folder / "bin", {"consent": CONSENT, "python": [sys.executable], **programs})


@pytest.fixture
def night(tmp_path):
    binary = needs.server()
    command_line = needs.redis_cli()
    needs.program("curl", "curl")
    data, rq, port = free_ports(3)
    for name, at, more in (("redis", data, "appendonly yes\nappendfsync everysec"), ("rq", rq, "appendonly no")):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}.conf").write_text(
            f'port {at}\nbind 127.0.0.1\ndir {tmp_path / name}\nsave ""\nenable-debug-command local\n'
            f"maxmemory-policy noeviction\nslowlog-log-slower-than 100000\nlatency-monitor-threshold 100\n{more}\n"
        )
    gateway = Gateway()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    environ = plain | {
        "PATH": f"{typed_here(tmp_path, binary, command_line)}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
        "CONSENT_REDIS_URL": f"redis://127.0.0.1:{data}/0", "CONSENT_RQ_URL": f"redis://127.0.0.1:{rq}/0",
        "CONSENT_SECRET": "test-secret", "CONSENT_DURABILITY": "everysec",
        "CONSENT_READING_SPEED": "1000000",
        "CONSENT_DATA_DIR": str(tmp_path), "CONSENT_GATEWAY": "http_json", "CONSENT_HTTP_JSON__URL": gateway.url,
        "CONSENT_HTTP_JSON__SECRET": "gateway-secret", "CONSENT_BSS": "simulated",
    }  # fmt: skip
    made = Night(tmp_path, port, environ, gateway)
    try:
        made.client = made.serve()
        made.serve("rq").close()
        made.engine()
        yield made
    finally:
        if made.client is not None:
            made.client.close()
        made.close()


# -- how each part is brought about ----------------------------------------------------------------------------------


def nothing_wrong(night):
    """Change nothing: a quiet night."""


def store_away(night):
    night.kill("redis")


def lane_late(night):
    """Run workers, but none for this lane, whose oldest effect is two minutes late."""
    night.start("python -m workers --lanes timer,inbound,activation")
    world = night.world()
    order = world.place()
    world.client.zincrby(Cell().due["mobile"], -120_000, f"o:{order.id}:sms.confirmation.1")
    until("they were heard", lambda: world.engine.registry.workers(15_000))


def one_worker(night):
    night.start("python -m workers")


def no_backup(night):
    archive = night.engine().store.bound_archive()
    archive.note(BackupMade(night.world().clock() - 72 * 3_600_000, "here"))


def expiring(night):
    """Show a certificate that lasts for five days where subscribers and gateways come; then one for ninety."""
    shown = night.ends.enter_context(Shown.at(night.folder, days=5))
    night.environ["CONSENT_PUBLIC_URL"] = f"https://127.0.0.1:{shown.port}"
    night.after["consent doctor"] = lambda: shown.renew(days=90)


def _heard(night, outcomes, seconds=0.1):
    """Count outcomes of the gateway as workers did in the last minutes: each call ended so, after so many seconds."""
    at, target, measures = night.engine().registry.now(), Endpoint("gateway", "http_json"), Measures()
    for n, outcome in enumerate(outcomes):
        measures.called(target, outcome, seconds, at - 120_000 + n * (110_000 // len(outcomes)))
    measures.report(night.engine().registry)


def outside_slow(night):
    """Make every call last eight seconds, until none does."""
    _heard(night, [Accepted("m")] * 20, 8)
    night.after["consent doctor"] = lambda: _heard(night, [Accepted("m")] * 500)


def outside_down(night):
    """Take the gateway away; it comes back once the doctor has seen that, and a worker runs."""
    _heard(night, [Unavailable("503")] * 40)
    said = night.consent("consent doctor")[1]
    assert "has not answered for" in said
    assert "100% of calls" in said
    world = night.world()
    night.after["consent doctor"] = lambda: (world.place(), night.start("python -m workers"))


def outside_refusing(night):
    """Let the gateway refuse our account until the doctor has seen that; then it takes an SMS."""
    _heard(night, [Unavailable("401", refusing=True)] * 3)
    night.after["consent doctor"] = lambda: _heard(night, [Accepted("m")])


def outside_failing(night):
    """Make every other call fail, until none does."""
    _heard(night, [Unavailable("503"), Accepted("m")] * 20)
    night.after["consent doctor"] = lambda: _heard(night, [Accepted("m")] * 200)


def redis_fills(night):
    night.client.config_set("maxmemory", int(night.client.info("memory")["used_memory"] * 1.05))


def aof_fails(night):
    """Kill the process that rewrites the file, as the kernel does where memory is short."""
    night.client.config_set("rdb-key-save-delay", 10_000_000)
    night.client.bgrewriteaof()
    server = night.servers["redis"].pid
    [child] = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    until("it is seen", lambda: night.client.info("persistence")["aof_last_bgrewrite_status"] == "err")
    night.client.config_set("rdb-key-save-delay", 0)


def stuck(night):
    world = night.world()
    order = world.place()
    waits = Pending(attempts=2, doubts=1, parked=1, why="refused after doubt: no such number")
    change = Change.of(order, {}, (Put("sms.confirmation.1", PARKED, waits),))
    assert world.engine.store.records.commit([Commit("", (change,))])[0] == "ok"
    night.known["ORDER"] = order.id


def ending_waits(night):
    world = night.world()
    order = world.place()
    world.run(Lane.SMS)
    world.say("是")
    world.run(Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
    world.bss.end_answers[:] = [Rejected("no such service")]
    world.engine.endings.ask(world.engine.show(order.id), Why(Cause.WITHDRAWN, "hotline", "ops-1"))
    world.run(Lane.ACTIVATION)
    night.known["ORDER"] = order.id


def held(night):
    world = night.world()
    order = world.place()
    world.run(Lane.SMS)
    world.say("拒绝的话要钱吗")
    night.known["GROUP"] = night.consent("consent held")[1].splitlines()[-1].split("\t")[0]
    assert world.state(order) == "awaiting_reply"


def paused(night):
    night.world().engine.pauses.pause(Endpoint("lane", "sms"), "ops-1", "the operator works on it")


def called_wrongly(night):
    engine = night.world().engine
    at = datetime.fromtimestamp(engine.registry.now() / 1000, UTC).isoformat()
    body = {"from": "10086", "to": NUMBER, "carrier": "mobile", "agent": "A1024", "started_at": at}
    engine.calls.record(CallStart("desk", "call-1", StartCall.model_validate(body)))


def unheard(night):
    """Leave a recorded call that waits for a reviewer, and a command to bring it to SQL, as a worker would."""
    night.world().place()
    assert night.run("consent calls")[0] == 0


def report_overdue(night):
    """Leave a report of twenty days ago undecided."""
    ago = Clock(night.world().clock() - 20 * 86_400_000)
    late = World(night.client, clock=ago)
    night.worlds.append(late)
    at = datetime.fromtimestamp(ago() / 1000, UTC).isoformat()
    body = {"msisdn": NUMBER, "carrier": "mobile", "caller_number": "10085", "called_at": at}
    late.engine.reports.record(ReportMade("desk", MakeReport.model_validate(body)))


def clock_behind(night):
    registry = night.world().engine.registry
    period = registry.now() // PERIOD_MS
    registry.note_lags([Heard("http_json", period, Lag(10_400, 6_000))])


def archive_lost(night):
    """Delete the file of the archive that the data belong to."""
    with pytest.raises(OrderNotFound):
        night.engine().show("0" * 28)
    for path in night.folder.glob("archive.sqlite3*"):
        path.unlink()


def journal_behind(night):
    """Leave the journal as it is for two minutes: so long ago a scribe looked last."""
    world = night.world()
    order = world.place()
    world.client.hset(world.cell.journaled, "as_of", order.doc.placed_at - 120_000)


def unsigned(night):
    """Leave an entry of two minutes ago in a log that nobody publishes."""
    store = night.engine().store
    store.bound_archive()
    with store.log.writing() as to:
        to.append([Leaf(Chained.ORDER, "0" * 28, 0, Wall()() - 120_000, "h" * 43).entry])
    return store.log


def published_log(night):
    """Publish a log of one entry."""
    public, key = unsigned(night).public, PrivateKey.made("log.example/consent")
    assert Publisher(public, Keys([key]), LogFolder(night.folder / "log")).publish(Wall()())


def not_taken(night):
    """Park an order that the archive could not write, a cause that was removed since."""
    world = night.world()
    order = world.place()
    world.engine.cancel(order.id, "A1024", "changed his mind")
    shown = world.engine.show(order.id)
    waits = Pending(attempts=1, parked=1, why="the archive does not take it")
    change = Change.of(shown, {}, (Put(WAKE_ARCHIVE, PARKED, waits),))
    assert world.engine.store.records.commit([Commit("", (change,))])[0] == "ok"
    night.known["ORDER"] = order.id


def api(night):
    """Run a quiet night, with an API that answers."""
    night.known["KEY"] = night.engine().keys.add("ops", Role.OPS)
    night.start(f"consent api --port {night.port}")
    until("the API answers", lambda: night.run(f"curl -fsS http://127.0.0.1:{night.port}/healthz")[0] == 0)


def defect(night):
    """Write nonsense into a plan, and let an API meet it."""
    api(night)
    night.client.hset("ce:plan:5g-smart-199", "current", "99")
    night.client.hincrby("ce:meta", "catalogue", 1)
    told = night.run(
        f'curl -sS -H "Authorization: Bearer {night.known["KEY"]}" http://127.0.0.1:{night.port}/v1/plans'
    )[1]
    assert json.loads(told)["status"] == 500


def posts_refused(night):
    """Let an API meet a reply that is signed with another secret."""
    api(night)
    told = night.run(
        'curl -sS -H "X-Consent-Signature: t=1,v1=zz" -H "Content-Type: application/json" -d "{}" '
        f"http://127.0.0.1:{night.port}/v1/gateways/http_json/inbound"
    )[1]
    assert json.loads(told)["status"] == 401


def full(night):
    for _ in range(3):
        night.client.set("ballast", "x" * 100_000)
    night.client.config_set("maxmemory", str(int(night.client.info("memory")["used_memory"]) + 100_000))


def slow(night):
    night.client.config_resetstat()
    night.client.execute_command("DEBUG", "SLEEP", "0.15")


def not_notified(night):
    world = night.world()
    order = world.place()
    world.run(Lane.SMS)
    world.say("是")
    world.gateway.answers[:] = [Rejected("no such number")]
    world.run(Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
    assert world.state(order) == "activated"
    night.known["ORDER"] = order.id
    night.start("python -m workers")


def _published_in_an_app(night, seen):
    """Publish a plan that is sold in an app. seen: makes what was seen of its page; None: nothing was seen"""
    engine = night.engine()
    named = [{"channel": "web_hall", "url": "/tariffs"}, {"channel": "app", "url": "app://tariff/p"}]
    kept = engine.catalogue.publish(plan(published=named))
    if seen is not None:
        engine.registry.note_seen(kept.code, kept.version, 1, seen(engine.registry.now()), changed=True)
    night.known["PLAN"] = kept.code


def unshown(night):
    _published_in_an_app(night, None)


def page_fails(night):
    away = Found("no_answer_in_time", surely=False)
    _published_in_an_app(night, lambda now: after(PageSeen(1, now - 60_000, now - 60_000, now - 60_000), away, now))


def undeliverable(night):
    world = night.world()
    world.gateway.answers[:] = [Rejected("no such number")]
    order = world.place()
    world.run(Lane.SMS)
    assert world.state(order) == "undeliverable"
    night.known["ORDER"] = order.id


def gateway_refuses(night):
    world = night.world()
    world.gateway.answers[:] = [Rejected("gateway:422")]
    started, agreed = (GREENWICH.instant(world.clock() - ago) for ago in (120_000, 60_000))  # young enough to ask again
    order = world.engine.place(Placing("desk", "key", world.request(started_at=started, agreed_at=agreed))).order
    world.run(Lane.SMS)
    assert world.state(order) == "undeliverable"
    night.known["ORDER"] = order.id


def forgetful(night):
    for name, value in (("appendonly", "no"), ("appendfsync", "no"), ("maxmemory-policy", "allkeys-lru")):
        night.client.config_set(name, value)
    told = night.consent("consent doctor")[1]
    assert "appendfsync is no" in told
    assert "evicts keys" in told


def nobody_would_do_it(night):
    world = night.world()
    order = world.place()
    world.run(Lane.SMS)
    world.say("是")
    world.run(Lane.INBOUND)
    assert world.client.zrem(Cell().due[Lane.ACTIVATION], f"o:{order.id}:{ACTIVATE}")


def changed_history(night):
    world = night.world()
    order = world.place()
    change = Change.of(order, {"doc": order.publics[0].replace("A1024", "A1025")})
    assert world.engine.store.records.commit([Commit("", (change,))])[0] == "ok"
    night.known["ORDER"] = order.id


def rq_away(night):
    night.kill("rq")


def wrong_secret(night):
    night.known["KEPT"] = night.environ["CONSENT_SECRET"]
    night.environ["CONSENT_SECRET"] = "another secret of the tests"


SITUATIONS = {
    "First, always": nothing_wrong,
    "ConsentDown": nothing_wrong,
    "ConsentStoreUnreachable": store_away,
    "ConsentWorkers: none": nothing_wrong,
    "ConsentWorkers: late": lane_late,
    "ConsentWorkers: few": one_worker,
    "ConsentOutside: down": outside_down,
    "ConsentOutside: refusing": outside_refusing,
    "ConsentOutside: failing": outside_failing,
    "ConsentOutside: slow": outside_slow,
    "ConsentGatewayRefuses": gateway_refuses,
    "ConsentPostsRefused": posts_refused,
    "ConsentUnreached: unasked": nothing_wrong,
    "ConsentRedisFills: memory": redis_fills,
    "ConsentRedisFills: file": aof_fails,
    "ConsentStuck: parked": stuck,
    "ConsentPersonNeeded: held": held,
    "ConsentStuck: ending": ending_waits,
    "ConsentPersonNeeded: paused": paused,
    "ConsentPersonNeeded: violations": called_wrongly,
    "ConsentPersonNeeded: reviews": unheard,
    "ConsentPersonNeeded: reports": report_overdue,
    "ConsentPersonNeeded: codes": api,
    "ConsentPersonNeeded: pressure": unheard,
    "ConsentUpkeep: backup": no_backup,
    "ConsentUpkeep: certificate": expiring,
    "ConsentClock": clock_behind,
    "ConsentArchiveDown: archive": archive_lost,
    "ConsentArchiveDown: journal": journal_behind,
    "ConsentArchiveDown: unsigned": unsigned,
    "ConsentArchiveDown: unwitnessed": published_log,
    "ConsentArchiveDown: refused": published_log,
    "A record the archive does not take": not_taken,
    "ConsentErrors: defect": defect,
    "ConsentErrors: errors": full,
    "ConsentErrors: slow": slow,
    "ConsentStuck: unnotified": not_notified,
    "ConsentStuck: late": nothing_wrong,
    "ConsentPlanUnshown: unshown": unshown,
    "ConsentPlanUnshown: unseen": page_fails,
    "ConsentUnreached: undeliverable": undeliverable,
    "Redis was set to forget": forgetful,
    "Work that no worker would do": nobody_would_do_it,
    "A changed record": changed_history,
    "RQ's Redis is down": rq_away,
    "The wrong secret": wrong_secret,
}


@pytest.mark.parametrize("part", PARTS)
def test_what_the_runbook_says_is_typed_and_helps(night, part):
    SITUATIONS[part](night)
    assert PARTS[part]
    for typed in PARTS[part]:
        night.type(typed)


def test_every_alarm_has_a_part_and_every_part_was_brought_about():
    assert set(SITUATIONS) == set(PARTS)
    assert set(alarms()) <= set(PARTS)


def test_every_part_says_how_to_see_that_it_helped():
    for part, typed in PARTS.items():
        assert typed[-1].expected, part


def test_how_processes_are_started_is_told_for_every_command_that_starts_one():
    started = {typed.command for lines in PARTS.values() for typed in lines if typed.command.endswith("&")}
    told = set(re.findall(r"^\| `([^`]+ &)`", PAGE, re.M))
    assert {re.sub(r" --lanes \w+", "", command) for command in started} == told
    services = set(yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"])
    assert set(re.findall(r"docker compose up --detach (\w+)", PAGE)) <= services
    assert Cell().prefix.startswith("ce:")


def test_every_unit_that_is_restarted_is_one_that_the_page_about_systemd_starts():
    """It disables Debian's `redis-server`: restarted at night, that one would be an empty Redis at the orders' port."""
    page = (ROOT / "deploy" / "systemd" / "README.md").read_text("utf-8")
    enabled = {
        re.sub(r"@\d+$", "@*", unit) for row in re.findall(r"systemctl enable --now (.+)", page) for unit in row.split()
    }
    named = {unit.strip("'") for row in re.findall(r"`systemctl restart ([^`]+)`", PAGE) for unit in row.split()}
    assert len(named) == 4
    assert named <= enabled


def test_every_command_and_every_address_that_page_or_alarm_names_is_there():
    known = get_command(commands.app())
    pages = [ROOT / "docs" / "operations.md", ROOT / "deploy" / "prometheus" / "alerts.yml"]
    told = "\n".join([PAGE, *(page.read_text("utf-8") for page in pages)])
    for words in re.findall(r"(?:`|^|do: \"|[;:,] )consent ([a-z][a-z-]*(?: [a-z-]+)?)", told, re.M):
        first, _, second = words.partition(" ")
        assert first in known.commands, words
        group = getattr(known.commands[first], "commands", {})
        assert not group or not second or second in group or first == "archive", words
    named = re.findall(r"(GET|POST) /(v1/[a-zA-Z_/{}]+)", told)
    routes = [route for part in app.PARTS for route in part.routes]
    for method, path in named:
        scope = {"type": "http", "method": method, "path": f"/{path.replace('ORDER', 'a' * 28)}", "headers": []}
        fitting = [route for route in routes if route.matches(scope)[0] is Match.FULL]
        assert fitting, f"{method} /{path}"
        if path != "v1/reports" and "/reviews" not in path:  # the page says whose key these need
            assert any(Role.OPS in (each.endpoint.roles or ()) for each in fitting), f"{method} /{path}: not for ops"
    assert len(named) > 8
