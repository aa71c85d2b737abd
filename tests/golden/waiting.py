"""The writer of `waiting.tar.gz`: a data folder of commit 7de6331 in which every order waits for something.

    git worktree add /tmp/then 7de6331
    cd /tmp/then && PYTHONPATH=/tmp/then python /path/to/this/checkout/tests/golden/waiting.py

It runs under the code and the tests of that commit, on an embedded server: it may use nothing that came later, so
its imports and calls keep the names of then when modules move (a test checks the imports). The clock is the tests'
own; the server is stopped as `consent serve` stops it, between two lines of a conversation.
"""

import io
import json
import sys
import tarfile
import tempfile
from pathlib import Path

from consent_engine.adapters.redis_client import connect
from consent_engine.adapters.redis_server import EmbeddedServer
from consent_engine.domain.policy import Policy

from consent_engine.domain.effects import Accepted, Lane, Rejected, Unavailable, Uncertain
from consent_engine.domain.msisdn import parse
from consent_engine.domain.sms import Delivery
from tests.conftest import World

FILE = Path(__file__).with_name("waiting.tar.gz")
POLICY = Policy(retry_base=60_000, max_attempts=2, reminder_after=12 * 3_600_000)
MINUTE = 60
TIMEOUT = Uncertain("timeout")


class Then:
    """A town of that commit, its orders named after the thing each waits for."""

    def __init__(self, client):
        self.world = World(client, POLICY)
        self.orders = {}

    def place(self, name, plan="5g-smart-199", number=None):
        number = number or parse(f"138{10_000 + len(self.orders):08d}")
        self.orders[name] = (self.world.place(number, plan, key=f"key of {name}"), number)

    def say(self, name, text):
        assert self.world.say(text, self.orders[name][1], message_id=f"mo of {name} {text}")

    def asked(self, name, *replies, **more):
        self.place(name, **more)
        self.world.run(Lane.SMS)
        for text in replies:
            self.say(name, text)
            self.world.run(Lane.INBOUND)

    def doubtful(self, name, answer=TIMEOUT):
        self.world.gateway.answers.append(answer)
        self.place(name)
        self.world.run(Lane.SMS)

    def activating(self, name, *answers, wait=0):
        self.world.bss.answers += answers
        self.asked(name, "是")
        for _ in answers:
            self.world.run(Lane.ACTIVATION)
            self.world.clock.forward(seconds=wait)

    def written(self):
        """The facts that the tests need about it, as that code tells them."""
        shown = {name: (self.world.engine.show(order.id), number) for name, (order, number) in self.orders.items()}
        rows = {
            name: {"id": order.id, "number": number, "key": f"key of {name}", "state": order.state.value,
                   "head": order.head, "code": order.doc.code, "effects": sorted(order.effects)}
            for name, (order, number) in shown.items()
        }  # fmt: skip
        return {"at": self.world.clock(), "policy": POLICY.frozen(), "orders": rows}


def live(then):
    """Bring every order to the point where it waits; steps that move all of a lane come first."""
    world = then.world
    then.activating("parked activation", TIMEOUT, TIMEOUT, wait=10 * MINUTE)
    then.activating("activation in doubt", TIMEOUT)
    then.activating("activation tried again", Unavailable("busy", 600_000))
    then.activating("notification parked", Accepted("act"))
    world.gateway.answers.append(Rejected("no such number"))
    world.run(Lane.SMS)
    then.doubtful("question in doubt")
    then.doubtful("early yes in doubt")
    then.say("early yes in doubt", "是")
    world.run(Lane.INBOUND)
    then.place("question refused, a reply unread")
    then.say("question refused, a reply unread", "嗯")
    world.gateway.answers.append(Rejected("no such number"))
    world.run(Lane.SMS)
    then.asked("reply")
    then.asked("reply after a help", "帮助", "嗯")
    then.asked("window", "嗯")
    then.asked("reply, the first of two")
    then.asked(
        "reply, the second of two", "是", plan="data-pack-10gb", number=then.orders["reply, the first of two"][1]
    )
    then.asked("delivery")
    world.report(then.orders["delivery"][0], Delivery.DELIVERED, message_id="m1", segment=1, segments=2)
    world.run(Lane.INBOUND)
    then.asked("settled, still remembered", "否")
    world.run(Lane.SMS)
    then.asked("inbox: yes")
    then.asked("inbox: no")
    then.asked("inbox: stop")
    then.asked("inbox: report")
    then.place("question in flight")
    world.engine.store.lease(Lane.SMS, 100)
    then.asked("activation due")
    then.activating("notification due", Accepted("act"))
    then.say("activation due", "是")
    world.run(Lane.INBOUND)
    then.place("question due")
    then.say("inbox: yes", "是")
    then.say("inbox: no", "否")
    then.say("inbox: stop", "TD")
    world.report(then.orders["inbox: report"][0], Delivery.FAILED, message_id="nobody's")


def make():
    """Write the file with the commit that PYTHONPATH leads to."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with EmbeddedServer.start(data, "strict") as server:
            client = connect(server.url)
            then = Then(client)
            client.hset("ce:meta", mapping={"schema": "2", "cells": "1"})
            live(then)
            written = json.dumps(then.written(), ensure_ascii=False, indent=1).encode()
            then.world.runner.close()
            client.close()
        with tarfile.open(FILE, "w:gz") as archive:
            for path in sorted((data / "appendonlydir").iterdir()):
                archive.add(path, str(path.relative_to(data)), filter=nobodys)
            entry = tarfile.TarInfo("written.json")
            entry.size, entry.mode = len(written), 0o600
            archive.addfile(entry, io.BytesIO(written))
    rows = json.loads(written)["orders"]
    for name, row in rows.items():
        sys.stdout.write(f"{name}: {row['state']} {' '.join(row['effects'])}\n")
    sys.stdout.write(f"{FILE}: {FILE.stat().st_size} bytes\n")


def nobodys(entry):
    """Make the file belong to no user, and date it to no time."""
    entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime = 0, 0, "", "", 0
    return entry


if __name__ == "__main__":
    make()
