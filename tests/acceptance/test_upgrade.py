"""A data folder written by the trunk's commit is read by this one: nothing is lost, and work under way goes on.

`trunk_data.tar.gz` was written by that commit's own processes. Where its format must change, it is made again by

    git worktree add /tmp/trunk f48748b
    cd /tmp/trunk && PYTHONPATH=/tmp/trunk python /path/to/this/checkout/tests/acceptance/test_upgrade.py

The tests drive the clock by hand from the instant at which it was written, so that they do not age.
"""

import io
import json
import os
import sys
import tarfile
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.embedded.binary import find_binary
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.store import redis_store
from consent_engine.config.data_folder import kept_secret
from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.msisdn import parse
from consent_engine.domain.seal import Seal
from consent_engine.domain.sms import Reply
from consent_engine.engine.engine import Engine
from consent_engine.engine.limits import Pace
from consent_engine.errors import ConsentError, SettingsError
from consent_engine.ports import Outside
from tests import needs
from tests.acceptance.house import House, house, until
from tests.conftest import SENDERS, Clock, World

ARCHIVE = Path(__file__).with_name("trunk_data.tar.gz")
FINISHED, OPEN, SILENT, STOPPED, VOICE, PARKED, RETRIED = range(1, 8)


class Upgraded(World):
    """This commit's engine on the trunk's data, with a clock the test sets."""

    def __init__(self, folder: Path, url: str) -> None:
        self.written = json.loads((folder / "written.json").read_text())
        self.secret = kept_secret(folder)
        super().__init__(connect(url), clock=Clock(self.written["at"]))

    def another(self):
        wire = Wire(self.client, proves=True, replicas=0)
        return Engine(
            redis_store(wire, lease_ms=60_000, clock=self.clock, seal=Seal(self.secret)),
            RedisRegistry(wire, clock=self.clock),
            self.queue,
            Outside({"http_json": self.gateway}, dict.fromkeys(SENDERS, "http_json"), SENDERS, self.bss),
            Terms(self.policy, SENDERS, frozenset(), call_age=self.call_age),
            self.secret,
            Pace(watch=lambda: self.clock() / 1000, rest=self.rest),
        )

    def order(self, number):
        return self.engine.show(self.written["orders"][str(number)]["id"])

    def state_of(self, number):
        return self.order(number).state.value

    def say(self, text, msisdn, message_id="after-1"):
        """Receive a reply by the gateway that brought the messages then."""
        return self.engine.receive([Reply("http_json", message_id, msisdn, "10085", text)])[0].is_new

    def again(self, number):
        """Repeat the request as it was made then, under the same key."""
        kept = self.written["orders"][str(number)]
        return self.engine.place(Placing("agent-1", kept["key"], PlaceOrder.read(kept["body"])))


@pytest.fixture
def folder(tmp_path):
    needs.server()
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path / "data", filter="data")
    (tmp_path / "data").chmod(0o700)
    return tmp_path / "data"


@pytest.fixture
def upgraded(folder):
    with EmbeddedServer.start(folder, "strict") as server:
        made = Upgraded(folder, server.url)
        made.engine.registry.check(made.secret, strict=True, cells=1)
        yield made
        made.runner.close()
        made.client.close()


def number_of(number):
    return parse(f"138{number:08d}")


def test_every_order_stands_as_it_stood(upgraded):
    for number, kept in upgraded.written["orders"].items():
        order = upgraded.order(int(number))
        assert (order.state.value, order.head, order.stage) == (kept["state"], kept["head"], kept["stage"]), number
        assert [event.trigger.value for event in order.events] == kept["triggers"]
        assert order.person.msisdn == number_of(int(number))


def test_the_commands_open_it(folder):
    home = House(folder.parent, {**os.environ, "CONSENT_READING_SPEED": "1000000", "CONSENT_DATA_DIR": str(folder)})
    written = json.loads((folder / "written.json").read_text())
    for kept in (written["orders"][str(FINISHED)], written["orders"][str(OPEN)]):
        shown = home.command("show", kept["id"])
        assert shown.returncode == 0, shown.stderr
        assert f"state\t{kept['state']}" in shown.stdout
        assert kept["head"] in shown.stdout
    assert written["orders"][str(PARKED)]["id"] in home.command("stuck").stdout
    assert "not callable" in home.command("callable", number_of(VOICE)).stdout
    assert "5g-smart-199" in home.command("plans", "list").stdout
    assert {line.split("\t")[0] for line in home.command("keys", "list").stdout.splitlines()} == {
        "agent-1", "ops-1", "admin-1",
    }  # fmt: skip


def test_the_earlier_program_refuses_them_from_now_on(upgraded):
    registry = upgraded.engine.registry
    assert upgraded.client.hget("ce:meta", "schema") == "1"
    registry.check(upgraded.secret, strict=True, cells=1)
    registry.adopt()
    assert upgraded.client.hget("ce:meta", "schema") == "3"
    registry.check(upgraded.secret, strict=True, cells=1)
    upgraded.client.hset("ce:meta", "schema", "4")
    with pytest.raises(SettingsError, match="schema 4"):
        registry.check(upgraded.secret, strict=True, cells=1)


def test_keys_given_out_then_let_in_now(upgraded):
    assert upgraded.engine.keys.whose(upgraded.written["agent_key"]).name == "agent-1"


def test_a_yes_now_answers_the_question_asked_then(upgraded):
    upgraded.say("是", number_of(OPEN))
    upgraded.run()
    assert upgraded.state_of(OPEN) == "notified"
    assert [asked.order_id for asked in upgraded.bss.asked].count(upgraded.order(OPEN).id) == 1
    assert len(upgraded.texts("notification")) == 2  # its own, and that of the order whose activation was under way


def test_a_message_that_a_gateway_repeats_over_the_upgrade_changes_nothing(upgraded):
    """Its dedupe key may differ since then: the message is read again, and answers a settled order."""
    for number, text in ((FINISHED, "是"), (STOPPED, "TD")):
        upgraded.say(text, number_of(number), message_id=f"trunk-mo-{number}")
    upgraded.run()
    assert (upgraded.state_of(FINISHED), upgraded.state_of(STOPPED)) == ("notified", "declined")
    assert upgraded.order(FINISHED).id not in {asked.order_id for asked in upgraded.bss.asked}
    assert not upgraded.engine.dial(number_of(STOPPED), "mobile").callable


def test_timers_set_then_go_off_now(upgraded):
    upgraded.clock.forward(hours=12, seconds=60)
    upgraded.run()
    assert upgraded.texts("reminder")
    assert upgraded.state_of(SILENT) == "awaiting_reply"
    upgraded.clock.forward(hours=12)
    upgraded.run()
    assert upgraded.state_of(SILENT) == "expired"
    upgraded.say("是", number_of(SILENT))
    upgraded.run()
    assert upgraded.state_of(SILENT) == "expired"


def test_what_was_being_retried_goes_on(upgraded):
    assert upgraded.state_of(RETRIED) == "confirmed"
    upgraded.clock.forward(seconds=30)
    upgraded.run()
    assert upgraded.state_of(RETRIED) == "notified"


def test_what_was_stuck_waits_and_can_be_retried(upgraded):
    order = upgraded.order(PARKED)
    assert order.id in {stuck.id for stuck in upgraded.engine.stuck()}
    upgraded.clock.forward(hours=1)
    upgraded.run()
    assert upgraded.state_of(PARKED) == "confirmed"
    upgraded.engine.retry(order.id, "cli:test")
    upgraded.run()
    assert upgraded.state_of(PARKED) == "notified"


def test_refusals_hold(upgraded):
    dial = upgraded.engine.dial
    assert not dial(number_of(STOPPED), "mobile").callable
    assert not dial(number_of(VOICE), "mobile").callable
    assert not dial(number_of(VOICE), "unicom").callable
    assert dial(number_of(OPEN), "mobile").callable
    for refused in (STOPPED, VOICE):
        request = PlaceOrder.read({**upgraded.written["orders"][str(OPEN)]["body"], "msisdn": number_of(refused)})
        with pytest.raises(ConsentError) as problem:
            upgraded.engine.place(Placing("agent-1", f"after-{refused}", request))
        assert problem.value.code == "do_not_call"


def test_a_request_repeated_over_the_upgrade_is_the_same_order(upgraded):
    placed = upgraded.again(OPEN)
    assert placed.order.id == upgraded.order(OPEN).id
    with pytest.raises(ConsentError) as problem:
        upgraded.engine.place(Placing("agent-1", "another-key", upgraded.request(number_of(OPEN))))
    assert problem.value.code == "duplicate_order"


# -- making the archive, under the trunk's commit ---------------------------------------------------------------------


class _BadBss(BaseHTTPRequestHandler):
    """500 for the order that gets stuck, 429 for the one that is retried, else done."""

    def do_POST(self):
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = {number_of(PARKED): 500, number_of(RETRIED): 429}.get(wanted["msisdn"], 201)
        body = json.dumps({"activation_id": f"act-{wanted['order_id']}", "active_from": "2025-08-01"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Log nothing."""


def _write(home):
    """Run a day of the trunk; return its outcome, as its own API tells it."""
    agreed = datetime.now(UTC) - timedelta(seconds=5)
    details = {"caller_number": "10085", "recording_id": "rec-1", "agreed_at": agreed.isoformat()}
    details["started_at"] = (agreed - timedelta(minutes=4)).isoformat()
    orders = {}
    for number in (FINISHED, OPEN, SILENT, STOPPED, VOICE, PARKED, RETRIED):
        body = {"msisdn": number_of(number), "plan": "5g-smart-199", "agent": "A1024", "call": details}
        status, placed = home.ask("POST", "/v1/orders", body, **{"Idempotency-Key": f"trunk-{number}"})
        assert status == 201, placed
        orders[number] = {"id": placed["id"], "key": f"trunk-{number}", "body": body}
        until("asked", lambda order=placed["id"]: home.state(order) == "awaiting_reply")
    for number, text in ((FINISHED, "是"), (STOPPED, "TD"), (PARKED, "是"), (RETRIED, "是")):
        assert home.say(number, text, f"trunk-mo-{number}")[0] == 200
    assert home.command("refuse", number_of(VOICE)).returncode == 0
    ends = {FINISHED: "notified", STOPPED: "declined", VOICE: "cancelled", PARKED: "confirmed", RETRIED: "confirmed"}
    for number, state in ends.items():
        until(state, lambda number=number, state=state: home.state(orders[number]["id"]) == state)
    until("stuck", lambda: orders[PARKED]["id"] in home.command("stuck").stdout)
    home.stop()
    for kept in orders.values():  # now that nothing moves any more
        order = {line.split("\t")[0]: line.split("\t") for line in home.command("show", kept["id"]).stdout.splitlines()}
        rows = [line.split("\t") for line in home.command("show", kept["id"]).stdout.split("\n\n")[1].splitlines()]
        kept |= {"state": order["state"][1], "stage": order["stage"][1], "head": order["head"][1]}
        kept["triggers"] = [row[1] for row in rows if row[1] != "placed"]
    at = int(datetime.now(UTC).timestamp() * 1000)
    return {"at": at, "agent_key": home.keys["agent"], "orders": orders}


def make():
    """Write the archive with the commit that PYTHONPATH leads to."""
    bss = ThreadingHTTPServer(("127.0.0.1", 0), _BadBss)
    threading.Thread(target=bss.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        settings = {"CONSENT_BSS_HTTP__URL": f"http://127.0.0.1:{bss.server_address[1]}", "CONSENT_MAX_ATTEMPTS": "2"}
        settings |= {"CONSENT_REPLY_WINDOW": "24h", "CONSENT_CONFIRM_WITHIN": "2h", "CONSENT_REMINDER_AFTER": "12h"}
        with house(Path(folder), **settings) as home:
            written = json.dumps(_write(home), ensure_ascii=False, indent=1).encode()
        with tarfile.open(ARCHIVE, "w:gz") as archive:
            for path in [data / "secret", *sorted((data / "appendonlydir").iterdir())]:
                archive.add(path, str(path.relative_to(data)), filter=_nobodys)
            entry = tarfile.TarInfo("written.json")
            entry.size, entry.mode = len(written), 0o600
            archive.addfile(entry, io.BytesIO(written))
    sys.stdout.write(f"{ARCHIVE}: {ARCHIVE.stat().st_size} bytes, written by {find_binary.__code__.co_filename}\n")


def _nobodys(entry):
    entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, "", ""
    return entry


if __name__ == "__main__":
    make()
