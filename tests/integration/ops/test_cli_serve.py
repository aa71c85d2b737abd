"""`consent serve` and its sister commands, as processes: an error is one line, children are restarted, and all end."""

import os
import signal
import socket
from functools import partial

import yaml

from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from tests import needs
from tests.acceptance.house import command_of
from tests.integration.rq_house import ROOT
from tests.plans import in_fields
from tests.waiting import HANGS_S, until


def gone(pids):
    return not any(os.path.exists(f"/proc/{pid}") for pid in pids)


@needs.linux
def test_it_says_what_to_do_first_and_ends_with_everything_it_started(serving):
    children = serving.children()
    assert len(children) == 4
    serving.process.terminate()
    assert serving.process.wait(HANGS_S) == 0
    assert gone(children)
    said = serving.said()
    for words in (
        f"Consent Engine at http://127.0.0.1:{serving.port}",
        "data: ",
        "consent keys add",
        "no subscriber is reached",
    ):
        assert words in said
    order = [said.index(words) for words in ("ending: the API", ": takes no more jobs", ": ends")]
    assert order == sorted(order)
    assert "Traceback" not in said


@needs.linux
def test_its_children_end_with_it_however_it_dies(serving):
    children = serving.children()
    serving.process.kill()
    serving.process.wait(HANGS_S)
    until("the children are gone", lambda: gone(children))


@needs.linux
def test_what_dies_is_started_again(serving):
    [worker], [api] = serving.children("workers"), serving.children("api")
    os.kill(worker, signal.SIGKILL)
    os.kill(api, signal.SIGKILL)
    until("both are told of", lambda: serving.said().count("ended by SIGKILL: started again in") == 2)
    until("it is ready", serving.ready)
    until("there is another worker", lambda: serving.children("workers") not in ([], [worker]))
    server = [pid for pid in serving.children() if "redis" in command_of(pid) or "valkey" in command_of(pid)]
    os.kill(server[0], signal.SIGKILL)
    until("it is told of", lambda: "the server ended: started again" in serving.said())
    until("it is ready", serving.ready)


def test_a_port_that_is_taken_is_one_line(consent):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = consent("serve", "--port", str(port))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith(f"consent: cannot listen at 127.0.0.1 port {port} (Address already")
    assert "Traceback" not in done.stderr


def test_a_host_that_is_not_this_machines_is_told_by_its_option(consent):
    told = consent("serve", "--host", "nowhere.invalid").stderr.splitlines()[-1]
    assert "--host" in told.partition(": cannot listen at nowhere.invalid")[2]


def test_a_command_that_finds_no_data_says_that_it_works_on_new_ones(consent, tmp_path):
    """Typed in another folder than the engine's, or without its settings, it refused a number for nobody."""
    elsewhere = {"CONSENT_DATA_DIR": str(tmp_path / "elsewhere")}
    first, second = (consent("refuse", "13800138000", **elsewhere) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stderr.startswith(f"new data in {tmp_path / 'elsewhere'}: ")
    assert second.stderr == ""


def test_a_real_phone_is_refused_in_one_line_where_no_handset_answers(consent):
    """Otherwise it would be expected at an address where nothing listens."""
    bss = {"CONSENT_BSS": "http", "CONSENT_BSS_HTTP__URL": "http://127.0.0.1:9", "CONSENT_BSS_HTTP__SECRET": "s" * 32}
    done = consent("serve", "--phone", "127.0.0.2", **bss)
    assert done.returncode == 1
    assert "--phone needs a simulated gateway" in done.stderr
    assert done.stderr.count("\n") == 1


def test_commands_start_a_server_for_the_moment_and_leave_none(consent, environ):
    added = consent("keys", "add", "desk", "--role", "agent")
    assert added.returncode == 0, added.stderr
    assert added.stdout.split()[-1].startswith("ce_")
    listed = consent("keys", "list").stdout.split("\t")
    assert listed[:2] == ["desk", "agent"]
    assert "ce_" not in "".join(listed)
    again = consent("keys", "add", "desk", "--role", "ops")
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert consent("keys", "revoke", "desk").returncode == 0
    gone_already = consent("keys", "revoke", "desk")
    assert gone_already.stderr == "consent: no key of this name: `consent keys list` shows the keys\n"
    with EmbeddedServer.start(ROOT / environ["CONSENT_DATA_DIR"], "everysec"):
        pass  # it starts: no command holds its data


def test_ops_refuse_a_number_and_ask_whether_to_dial_it(consent):
    assert consent("callable", "13800138000").stdout == "+86138****8000\tcallable\n"
    first, again = (
        consent("refuse", "13800138000", "--carrier", "mobile"),
        consent("refuse", "+8613800138000", "--carrier", "mobile"),
    )
    assert first.stdout.split("\t")[:3] == ["+86138****8000", "mobile", "refused"]
    assert again.stdout.split("\t")[2] == "refused already"
    assert consent("callable", "13800138000", "--carrier", "telecom").stdout == "+86138****8000\tcallable\n"
    assert consent("callable", "13800138000").stdout.startswith("+86138****8000\tnot callable\trefused\t20")


def test_ops_give_permits_and_check_what_one_is_worth(consent):
    consent("refuse", "13900139000", "--carrier", "mobile")
    plain, denied = consent("permits", "13800138000", "13900139000", "--carrier", "mobile").stdout.splitlines()
    number, token, until = plain.split("\t")
    assert (number, len(token), until[:2]) == ("+86138****8000", 80, "20")
    assert denied.split("\t")[:2] == ["+86139****9000", "denied: refused"]
    told = consent("permits", "--check", token, "13800138000").stdout
    assert told.startswith("permit\tvalid\ncarrier\tmobile\n")
    assert "answered\t1 permits\t1 refused\n" in told
    assert "asked by\tcli:" in told
    assert consent("permits", "--check", token).stdout.startswith("permit\tvalid\n")
    assert consent("permits", "--check", token, "13900139000").stdout.startswith("permit\twrong_number\n")
    assert consent("permits", "--check", "made-up").stdout == "permit\tnot_ours\n"
    wrong = consent("permits", "13800138000", "1380013", "--plan", "5g-smart-199")
    assert (wrong.returncode, wrong.stderr) == (1, "consent: number 2: must be a Chinese mobile number\n")


def written(file, *plans):
    file.write_text(yaml.safe_dump(list(plans), allow_unicode=True), "utf-8")


def test_plans_are_listed_loaded_in_new_versions_and_shown(consent, tmp_path):
    listed = [line.split("\t") for line in consent("plans", "list").stdout.splitlines()]
    assert len(listed) >= 6
    assert listed[0][2:4] == ["1", "on_sale"]
    file = tmp_path / "plans.yaml"
    write = partial(written, file)
    write(in_fields("new-plan", price={"monthly": "9.00"}))
    assert consent("plans", "load", str(file)).stdout == "new-plan\t1\tnew\n"
    assert consent("plans", "load", str(file)).stdout == "new-plan\t1\tas it was\n"
    write(in_fields("new-plan", price={"monthly": "8.00"}))
    assert consent("plans", "load", str(file)).stdout == "new-plan\t2\tnew\n"
    assert "price (zh)\t8元/月\n" in consent("plans", "show", "new-plan").stdout
    assert "price (zh)\t9元/月\n" in consent("plans", "show", "new-plan", "--version", "1").stdout
    assert consent("plans", "show", "no-plan").stderr.startswith("consent: no such plan")
    assert consent("plans", "withdraw", "new-plan").stdout.splitlines()[-1] == "sale\twithdrawn"
    spans = [line.split("\t") for line in consent("plans", "show", "new-plan").stdout.splitlines()[-3:]]
    assert [span[:2] for span in spans] == [
        ["version 1", "superseded"], ["version 2", "superseded"], ["version 3", "withdrawn"]
    ]  # fmt: skip
    assert (spans[0][3], spans[1][3], spans[2][3]) == (spans[1][2], spans[2][2], "-")
    assert consent("plans", "show", "new-plan", "--version", "9").stderr.startswith("consent: plan new-plan has no")
    assert consent("plans", "withdraw", "no-plan").stderr.startswith("consent: no such plan")
    write(in_fields("new-plan", price={"monthly": "7.00"}), in_fields("long", restrictions=["限" * 120], english=None))
    assert consent("plans", "load", str(file)).stderr == (
        "consent: long: confirmation: takes 7 segments, and 6 are the most; "
        "long: notification: takes 5 segments, and 4 are the most\n"
    )
    assert "price (zh)\t8元/月\n" in consent("plans", "show", "new-plan").stdout
    file.write_text("- {code: new-plan}", encoding="utf-8")
    wrong = consent("plans", "load", str(file))
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert f"{file}, line 1, plan new-plan: carrier" in wrong.stderr
    file.write_text("- {code: new-plan, price: {monthly: 199.00,\n   monthly: 99.00}}", encoding="utf-8")
    twice = f"consent: {file} has the name monthly twice, in line 2\n"
    assert consent("plans", "load", str(file)).stderr == twice
    file.write_bytes(b"\xff\xfe\x00")
    assert (
        consent("plans", "load", str(file)).stderr == f"consent: {file} is not YAML: its bytes are not text in UTF-8\n"
    )


def test_an_order_that_is_not_there_and_a_redis_that_is_not_are_one_line(consent):
    first = consent("stuck")
    assert (first.stdout, first.stderr.splitlines()[1:]) == ("", ["nothing is stuck"])
    assert first.stderr.startswith("new data in ")
    assert consent("show", "nonsense").stderr == "consent: no such order: `consent stuck` and the API show ids\n"
    assert consent("retry", "nonsense").returncode == 1
    assert (consent("stuck").stdout, consent("stuck").stderr) == ("", "nothing is stuck\n")
    away = consent(
        "stuck", CONSENT_REDIS_URL="redis://:pw@127.0.0.1:1/0", CONSENT_SECRET="x" * 32, CONSENT_GATEWAY="simulated",
        CONSENT_BSS="simulated",
    )  # fmt: skip
    assert away.returncode == 1
    assert away.stderr.count("\n") == 1
    assert "pw" not in away.stderr
