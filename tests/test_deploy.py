"""deploy/ and docker-compose.yml: checked by the tools that read them, where installed, and by rules of ours.

Without Docker: `docker-compose config` (Debian's docker-compose) checks the file against the compose schema, our rules
check more, and the servers' files are given to a real server. `tests/containers` starts all of it.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from redis.exceptions import ConnectionError as RedisConnectionError

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.config.environment import YAML
from consent_engine.config.settings import Settings, warnings
from consent_engine.config.values import duration
from consent_engine.domain.lifecycle import State
from consent_engine.errors import SettingsError
from consent_engine.ports.registry import WorkerReport
from tests import needs
from tests.pages import alarm, alarms
from tests.typed import typed
from tests.waiting import HANGS_S, until
from workers.alive import alive

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
STORES, ENGINE = {"redis", "rq"}, {"api", "workers"}
PINNED = re.compile(
    r"[a-z0-9./-]+:(v?\d+\.\d+\.\d+(-[a-z0-9]+)*|\$\{CONSENT_VERSION:-\d+\.\d+\.\d+\})(@sha256:[0-9a-f]{64})?"
)
COMMAND = DEPLOY / "systemd" / "consent"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MOST_EXPOSED = 20
"""Tenths, as `systemd-analyze security` counts: it calls a value below 2.0 OK."""


def ran(*command, **more):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=HANGS_S, check=False, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# -- compose ----------------------------------------------------------------------------------------------------------


def test_the_compose_file_keeps_the_schema(tmp_path):
    compose = needs.program("docker-compose", "docker-compose")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    shutil.copy(DEPLOY / ".env.example", tmp_path / ".env")
    told = ran(compose, "--project-directory", tmp_path, "-f", tmp_path / "docker-compose.yml", "config")
    assert set(yaml.safe_load(told)["services"]) == STORES | ENGINE | {"prometheus"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_little(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    limits = service["deploy"]["resources"]["limits"]
    assert re.fullmatch(r"\d+[mg]", limits["memory"])
    assert limits["pids"] > 0
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert PINNED.fullmatch(service["image"]), service["image"]
    assert "/var/run/docker.sock" not in str(service)
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there(name):
    for mount in SERVICES[name].get("volumes", []):
        source, _, rest = mount.partition(":")
        if source.startswith("."):
            assert (ROOT / source).exists()
            assert rest.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


def test_nobody_but_the_engine_reaches_the_stores():
    assert COMPOSE["networks"]["stores"]["internal"] is True
    assert {name for name in SERVICES if "stores" in SERVICES[name]["networks"]} == STORES | ENGINE
    for name in STORES:
        assert SERVICES[name]["networks"] == ["stores"]
        assert "ports" not in SERVICES[name]
    assert COMPOSE["networks"]["metrics"]["internal"] is True


def test_the_engine_waits_for_healthy_stores_and_no_secret_stands_in_the_file():
    for name in ENGINE:
        waits = SERVICES[name]["depends_on"]
        assert {other: wait["condition"] for other, wait in waits.items()} == dict.fromkeys(STORES, "service_healthy")
        assert SERVICES[name]["env_file"] == [{"path": ".env", "required": False}]
        assert not [variable for variable in SERVICES[name]["environment"] if "SECRET" in variable]
    assert not [name for name in SERVICES.keys() - ENGINE if "env_file" in SERVICES[name]]


def test_calls_in_flight_end_before_a_worker_is_killed():
    longest = Settings.load({}, env_file=None).call_timeout
    assert duration(SERVICES["workers"]["stop_grace_period"]) > longest
    for unit in UNITS:
        assert int(re.search(r"^TimeoutStopSec=(\d+)$", unit.read_text(), re.M)[1]) > longest.total_seconds()


@pytest.mark.parametrize("name", sorted(ENGINE))
def test_the_engine_starts_with_what_a_person_fills_in(name):
    example = (DEPLOY / ".env.example").read_text("utf-8")
    filled = re.sub(r"^(\w+)=$", r"\1=0123456789abcdef0123456789abcdef", example, flags=re.M)
    environ = dict(line.split("=", 1) for line in filled.splitlines() if line and not line.startswith("#"))
    settings = Settings.load(environ | SERVICES[name]["environment"], env_file=None)
    assert warnings(settings) == []
    assert not settings.embedded
    empty = dict(line.split("=", 1) for line in example.splitlines() if line and not line.startswith("#"))
    with pytest.raises(SettingsError, match="CONSENT_SECRET"):
        Settings.load(empty | SERVICES[name]["environment"], env_file=None)


def test_every_line_of_the_example_is_a_setting():
    commented = re.findall(r"^#?(CONSENT_\w+)=(.*)$", (DEPLOY / ".env.example").read_text("utf-8"), re.M)
    environ = {name: value or "0123456789abcdef0123456789abcdef" for name, value in commented}
    assert warnings(Settings.load(environ, env_file=None)) == []


# -- the servers' files -----------------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path):
    """Return a starter of a real server on one of our files, in a folder and on a socket of its own."""
    binary = needs.server()
    running = []

    def start(name):
        folder = tmp_path / name
        folder.mkdir()
        conf = folder / "conf"
        conf.write_text((DEPLOY / "redis" / name).read_text().replace("dir /data", f"dir {folder}"))
        at = folder / "sock"
        own = ["--port", "0", "--unixsocket", at, "--bind", "127.0.0.1"]
        process = subprocess.Popen([binary, conf, *own], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        client = connect(f"unix://{at}")
        running.append((process, client))
        until(f"a server on {name}", lambda: process.poll() is None and at.exists() and _answers(client))
        return client

    yield start
    for process, client in running:
        client.close()
        process.terminate()
        process.wait(HANGS_S)


def _answers(client):
    """Whether a server answers: its socket is there a moment before it listens."""
    try:
        return client.ping()
    except RedisConnectionError:
        return False


def test_the_orders_redis_keeps_our_promises(served):
    client = served("data.conf")
    RedisRegistry(Wire(client, proves=True, replicas=0)).check("a-secret-of-the-tests", strict=True, cells=1)
    assert client.config_get("save")["save"] == ""
    limit = SERVICES["redis"]["deploy"]["resources"]["limits"]["memory"]
    gigabytes = {"g": 1 << 30, "m": 1 << 20}[limit[-1]] * int(limit[:-1])
    assert 0 < int(client.config_get("maxmemory")["maxmemory"]) <= gigabytes / 2, "a rewrite of the AOF needs its own"


def test_the_rq_redis_forgets_and_never_evicts(served):
    client = served("rq.conf")
    info = client.info()
    assert info["aof_enabled"] == 0
    assert info["maxmemory_policy"] == "noeviction"
    assert client.config_get("save")["save"] == ""


def test_a_worker_is_alive_when_it_was_heard_from(tmp_path):
    with EmbeddedServer.start(tmp_path / "data", "strict") as server:
        environ = {
            "CONSENT_REDIS_URL": server.url,
            "CONSENT_SECRET": "0123456789abcdef",
            "CONSENT_GATEWAY": "simulated",
        }
        settings = Settings.load(environ | {"CONSENT_BSS": "simulated"}, env_file=None)
        registry = RedisRegistry(Wire(connect(server.url), proves=False, replicas=0))
        registry.announce("another-host-7-ab12", WorkerReport())
        assert not alive(settings, "host-1")
        registry.announce("host-1-7-ab12", WorkerReport())
        assert alive(settings, "host-1")
        assert not alive(settings, "host")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_reads_the_units(unit, tmp_path):
    analyze = needs.program("systemd-analyze", "systemd")
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = re.sub(r"^ExecStart=\S+", f"ExecStart={program}", unit.read_text(), flags=re.M)
    copy = tmp_path / unit.name
    copy.write_text(text)
    (tmp_path / f"{unit.name}.d").mkdir()
    shutil.copy(DEPLOY / "systemd" / "consent-secrets.conf", tmp_path / f"{unit.name}.d")
    instance = str(copy).replace("@.", "@1.")
    told = ran(analyze, "verify", "--man=no", "--recursive-errors=no", instance)
    assert unit.name not in told, told
    ran(analyze, "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager", copy)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_hardened_and_comes_back(unit):
    lines = unit.read_text().splitlines()
    wanted = {"NoNewPrivileges=true", "ProtectSystem=strict", "StateDirectory=consent", "Restart=always"}
    assert wanted | {"User=consent", "StartLimitIntervalSec=0", "CapabilityBoundingSet="} <= set(lines)


def test_prometheus_reads_its_files_and_the_alerts_fire():
    promtool = needs.program("promtool", "promtool")
    ran(promtool, "check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    seldom = os.environ | {"GOGC": "400"}  # a fifth of its time is to look for memory that it may use again
    ran(promtool, "test", "rules", "alerts_test.yml", cwd=DEPLOY / "prometheus", env=seldom)


def test_every_alert_names_the_part_of_the_runbook_that_is_about_it():
    told = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text("utf-8"))
    alerts = [rule for group in told["groups"] for rule in group["rules"] if "alert" in rule]
    pages = {rule["alert"]: rule["annotations"].get("runbook") for rule in alerts}
    assert pages == {name: f"docs/runbook.md#{name.lower()}" for name in pages}
    parts = set(re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text("utf-8"), re.M))
    assert set(pages) <= parts


def test_alerts_are_few_and_each_cause_is_one():
    assert len({name.partition(":")[0] for name in alarms()}) <= 15
    assert len(set(alarms())) == len(alarms())


def test_each_alert_is_seen_to_fire_and_to_be_silent():
    cases = yaml.load((DEPLOY / "prometheus" / "alerts_test.yml").read_text("utf-8"), YAML)  # noqa: S506 - a safe loader
    fires, silent = set(), set()
    for look in (look for case in cases["tests"] for look in case["alert_rule_test"]):
        name = look["alertname"]
        sent = {alarm(each["exp_labels"], name) for each in look.get("exp_alerts", ())}
        fires |= sent
        silent |= {each for each in alarms() if each.partition(":")[0] == name} - sent
    assert fires == silent == set(alarms())


def test_alerts_ask_for_metrics_that_are_told():
    rules = (DEPLOY / "prometheus" / "alerts.yml").read_text("utf-8")
    documented = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "metrics.md").read_text("utf-8"), re.M))
    asked = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"\bconsent_\w+", rules)}
    assert asked
    assert asked - documented == set()
    assert set(re.findall(r'\bstate="(\w+)"', rules)) <= {state.value for state in State}


def test_what_waits_for_a_person_is_told_by_day_and_an_outage_at_any_hour():
    """By the routes of the file itself; sent for real in test_watching."""
    amtool = needs.program("amtool", "prometheus-alertmanager")
    file = DEPLOY / "alertmanager" / "alertmanager.yml"
    ran(amtool, "check-config", file)
    by_day = {
        *("ConsentStuck: parked", "ConsentStuck: ending", "ConsentStuck: unnotified"),
        *("ConsentPersonNeeded: held", "ConsentPersonNeeded: paused", "ConsentPersonNeeded: reviews"),
        *("ConsentPersonNeeded: reports", "ConsentPersonNeeded: pressure"),
    }
    for each in alarms():
        name, _, cause = each.partition(": ")
        wanted = "--verify.receivers=" + ("waits" if each in by_day else "outage")
        labels = (f"alertname={name}", f"cause={cause}")
        ran(amtool, "config", "routes", "test", f"--config.file={file}", wanted, *labels)
    route = yaml.safe_load(file.read_text("utf-8"))["route"]
    assert "mute_time_intervals" not in route
    assert [each["receiver"] for each in route["routes"] if "mute_time_intervals" in each] == ["waits"]


def test_a_mail_says_in_chinese_and_in_english_what_each_alert_is(tmp_path):
    amtool = needs.program("amtool", "prometheus-alertmanager")
    named = [dict(zip(("alertname", "cause"), each.split(": "), strict=False)) for each in alarms()]
    told = {"labels": {}, "annotations": {"summary": "the summary", "do": "the advice"}}
    data = {
        "receiver": "waits",
        "status": "firing",
        "alerts": [told | {"status": "firing", "labels": n} for n in named],
    }
    (tmp_path / "data.json").write_text(json.dumps(data))
    words = f"--template.glob={DEPLOY / 'alertmanager' / 'words.tmpl'}"
    given = f"--template.data={tmp_path / 'data.json'}"
    mail = ran(amtool, "template", "render", words, given, '--template.text={{ template "consent.text" . }}')
    of_each = re.findall(r"^(.*)\nthe summary\nthe advice$", mail, re.M)
    assert len(of_each) == len(named)
    assert {
        n["alertname"] for n, said in zip(named, of_each, strict=True) if not re.search("[\u4e00-\u9fff]", said)
    } == set()


@pytest.mark.parametrize("script", [ROOT / "docs" / "tour.sh", COMMAND], ids=lambda script: script.name)
def test_a_script_is_sound(script):
    ran(needs.program("shellcheck", "shellcheck"), script)


def typed_under_systemd(folder, command, **environ):
    """Type a command with the script for people at a systemd machine; return what would be run, with its settings."""
    settings, shim = folder / "consent.env", folder / "setpriv"
    settings.write_text(
        "# a comment\nCONSENT_SECRET=\nCONSENT_SECRET=a$b 'c' =\nCONSENT_GATEWAY=\"http_json\"\nOTHER=1\n"
        "CONSENT_QUIET_HOURS=22:00-08:00 Asia/Shanghai"
    )
    shim.write_text('#!/bin/sh\nprintf "%s\\n" "$@"; printenv\n')
    shim.chmod(0o755)
    (folder / "secrets").mkdir()
    (folder / "secrets" / "CONSENT_BSS_HTTP__SECRET").write_text("a secret\n")
    text = COMMAND.read_text("utf-8").replace("/etc/consent/consent.env", str(settings))
    text = text.replace("/etc/consent/secrets", str(folder / "secrets"))
    run = subprocess.run(
        ["/bin/sh", "-c", text, "consent", *command],
        env={"PATH": f"{folder}:/usr/bin:/bin"} | environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return run.stdout.splitlines()


def test_under_systemd_a_command_has_the_units_settings_user_and_folder(tmp_path):
    """The runbook's commands as they are typed: without it they find no settings, and answer from new data."""
    ran_as = typed_under_systemd(tmp_path, ["held", "--reason", "a b"], SUDO_USER="mei")
    [unit] = [each for each in UNITS if "api" in each.name]
    program = re.search(r"^ExecStart=(\S+)", unit.read_text("utf-8"), re.M)[1]
    user = re.search(r"^User=(\S+)", unit.read_text("utf-8"), re.M)[1]
    assert ran_as[:7] == [
        f"--reuid={user}", f"--regid={user}", "--init-groups", "--", program, "held", "--reason"
    ]  # fmt: skip
    told = {
        "a b",
        "CONSENT_SECRET=a$b 'c' =",
        "CONSENT_GATEWAY=http_json",
        "CONSENT_BSS_HTTP__SECRET=a secret",
        "CONSENT_QUIET_HOURS=22:00-08:00 Asia/Shanghai",
        "LOGNAME=mei",
    }
    assert told | {"CONSENT_DATA_DIR=/var/lib/consent"} <= set(ran_as)
    assert not [each for each in ran_as if each.startswith("OTHER")]


def test_under_systemd_what_stands_before_a_command_wins(tmp_path):
    ran_as = typed_under_systemd(tmp_path, ["doctor"], CONSENT_SECRET="kept", CONSENT_DATA_DIR="/elsewhere")
    assert {"CONSENT_SECRET=kept", "CONSENT_DATA_DIR=/elsewhere"} <= set(ran_as)


def test_the_script_stands_where_the_page_about_systemd_copies_it():
    page = (DEPLOY / "systemd" / "README.md").read_text("utf-8")
    assert f"install -m 0755 {COMMAND.relative_to(ROOT)} /usr/local/bin/consent" in page


def test_the_image_is_made_of_what_is_here_and_runs_as_nobody():
    """No linter of Dockerfiles is in Debian or PyPI: the rules that matter are checked here."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text("utf-8"))
    steps = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    words = {
        "ARG",
        "FROM",
        "ENV",
        "WORKDIR",
        "RUN",
        "COPY",
        "LABEL",
        "USER",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "CMD",
    }
    assert {word for word, _ in steps} <= words
    froms = [rest.split()[0] for word, rest in steps if word == "FROM"]
    assert froms == ["${PYTHON_IMAGE}", "build", "build", "${PYTHON_IMAGE}"]
    [image] = [rest for word, rest in steps if word == "ARG"]
    assert PINNED.fullmatch(image.partition("=")[2])
    last = steps[max(n for n, (word, _) in enumerate(steps) if word == "FROM") :]
    [user] = [rest for word, rest in last if word == "USER"]
    assert user == SERVICES["api"]["user"] == SERVICES["workers"]["user"]
    assert [word for word, _ in last].index("USER") < [word for word, _ in last].index("CMD")
    assert sum(word == "HEALTHCHECK" for word, _ in last) == 1
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for word, rest in steps:
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(
                    source.split("/")[0] == line[1:] or source == line[1:] for line in allowed if line[:1] == "!"
                )


def test_the_commands_of_the_containers_exist():
    assert "--port" in typed("api", "--help", environ=os.environ).stdout
    ran(sys.executable, "-m", "workers", "--help", cwd=ROOT)
    told = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    scraped = [(of["dns_sd_configs"][0]["names"], of["dns_sd_configs"][0]["port"]) for of in told["scrape_configs"]]
    for service, (names, port), behind in zip(("api", "workers"), scraped, (0, 1), strict=True):
        [host, base] = SERVICES[service]["environment"]["CONSENT_METRICS_ADDR"].split(":")
        assert (names, port) == ([service], int(base) + behind)
        assert (SERVICES[service]["expose"], socket.inet_aton(host)) == ([str(port)], b"\0\0\0\0")
