"""From one Redis to eight cells on a cluster, by the command, with real processes before and after."""

import subprocess
import sys
from contextlib import contextmanager

import pytest

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.reshard.dump import Side
from consent_engine.adapters.redis.reshard.move import rest
from consent_engine.errors import SettingsError
from tests.acceptance.house import house, until
from tests.cluster.celled import Celled
from tests.cluster.conftest import CELLS
from tests.cluster.load import Desks, finish, number
from tests.durability.servers import server

PEOPLE = 12


@pytest.fixture
def before(tmp_path):
    with server(tmp_path / "single", "appendfsync always") as made:
        yield made


@contextmanager
def moving(home, town, before):
    arguments = ["cells", "move", "--from", before.url, "--to", town.url, "--cells", str(CELLS), "--replicas", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "consent_engine", *arguments],
        env=home.environ, cwd=home.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_nobody_may_work_on_the_data_meanwhile(before):
    world = Celled(before.client(), 1, alone=True)
    side, another = (Side([Wire(connect(before.url), proves=True, replicas=0)], alone=True) for _ in range(2))
    try:
        with pytest.raises(SettingsError, match="1 other clients"):
            rest(side)
        RedisRegistry(world.wire(0)).announce("worker-1", "sms")
        with pytest.raises(SettingsError, match="workers are at work"):
            rest(side)
        before.do("DEL", "ce:workers")
    finally:
        world.runner.close()
        world.client.close()
    rest(side)
    with pytest.raises(SettingsError, match="1 other clients"):
        rest(another)  # the same move, started twice
    side.wires[0].client.close()
    with before.client() as watcher:
        watcher.client_setname("sentinel-07ab-cmd")
        rest(another)


def test_one_redis_becomes_eight_cells_and_nobody_notices(town, settings, tmp_path, before):
    single = settings | {"CONSENT_REDIS_URL": before.url, "CONSENT_CELLS": "1", "CONSENT_REPLICAS": "0"}
    with house(tmp_path, **single) as home:
        desks = Desks(home)
        assert all(desks.place(n) for n in range(PEOPLE))
        until("all were asked", lambda: {home.state(order) for order in desks.orders.values()} == {"awaiting_reply"})
        home.say(number(1), "TD", "mo-stop")
        until("the STOP was read", lambda: home.state(desks.orders[1]) == "declined")
        del desks.orders[1]
        assert desks.place(PEOPLE)
        home.stop()
        assert home.command("refuse", f"+86138{number(2):08d}").returncode == 0  # unread: no worker runs any more
        before.do("DEL", "ce:workers")  # as after 15 s
        with moving(home, town, before) as process:
            until("it has begun to copy", lambda: sum(town.spread().values()) > 1)
            process.kill()
            process.wait(10)
        assert town.owner(0).do("HGET", "ce:{0}:meta", "cells") == "being moved here"
        with moving(home, town, before) as process:
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
        print(out)  # noqa: T201 - the figures are the purpose
        refused = desks.orders.pop(2)
        home.environ.update(settings)
        home.start()
        assert desks.place(0), "the same request is the same order"
        until("what was unread is read", lambda: home.state(refused) == "cancelled")
        for n in (1, 2):
            assert home.place(number(n), key=f"again-{n}")[1]["code"] == "do_not_call"
        finish(home, desks.orders, was_down=True)
        assert {row.split("\t")[2] for row in home.command("cells", "list").stdout.splitlines()} == {
            f"127.0.0.1:{master.port}" for master in town.masters()
        }
