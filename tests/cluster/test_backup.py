"""A backup of a cluster that works: nothing acknowledged before it is missing, and it may have other cells after."""

import asyncio

import pytest

from consent_engine.backup.manifest import read
from consent_engine.backup.put_back import put_back
from consent_engine.backup.take import take
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Lane
from consent_engine.domain.sms import Reply
from consent_engine.errors import SettingsError
from consent_engine.wiring import installation
from tests.acceptance.house import until
from tests.cluster.backed_up import desks, loaded, person, placed, silent
from tests.cluster.conftest import CELLS
from tests.durability.servers import server

OTHER_CELLS = 5


async def worked(engine, orders, state):
    """Perform every lane until all of these orders have this state."""
    for _ in range(50):
        for lane in Lane:
            await engine.performer.perform(lane, 1)
        await engine.performer.land(5)
        if {engine.show(order).state for order in orders.values()} == {state}:
            return
    raise AssertionError({order: engine.show(order).state for order in orders.values()})


async def to_the_end(engine, orders):
    """Ask every subscriber, let each say yes, and go on to the end."""
    await worked(engine, orders, "awaiting_reply")
    engine.receive([Reply("simulated", f"mo-{n}", person(n), "10085", "是") for n in orders])
    await worked(engine, orders, "notified")


def test_nothing_acknowledged_before_a_backup_of_a_busy_cluster_is_lost_in_other_cells(town, named, tmp_path):
    folder = tmp_path / "kept"
    with desks(loaded(named)) as orders:
        until("orders are taken", lambda: len(orders) > CELLS)
        before = dict(orders)
        take(loaded(named), None, folder, silent)
        assert len(orders) > len(before), "nobody waited for it"
    manifest = read(folder)
    assert (manifest.version, manifest.cells, manifest.alone) == (2, CELLS, False)
    assert len(before) <= manifest.counts["order"] <= len(orders)
    town.flush()
    other = {"CONSENT_CELLS": str(OTHER_CELLS)}
    put_back(loaded(named, **other), folder, silent, keep_archive=True)
    with installation(loaded(named, **other)) as found:
        engine = found.engine()
        asyncio.run(to_the_end(engine, before))
        assert placed(engine, 0) == before[0], "the same request is the same order"


def test_a_backup_of_a_cluster_goes_into_one_redis_and_not_into_a_data_folder(town, named, tmp_path):
    folder = tmp_path / "kept"
    with installation(loaded(named)) as found:
        order = placed(found.engine(), 1)
    take(loaded(named), None, folder, silent)
    with server(tmp_path / "one", "appendfsync always") as one:
        alone = {"CONSENT_REDIS_URL": one.url, "CONSENT_CELLS": "1", "CONSENT_REPLICAS": "0"}
        put_back(loaded(named, **alone), folder, silent, keep_archive=True)
        with installation(loaded(named, **alone)) as found:
            assert found.engine().show(order).state == "agreed"
    with pytest.raises(SettingsError, match="of a cluster"):
        put_back(Settings.load({"CONSENT_DATA_DIR": str(tmp_path / "d")}, None), folder, silent)


def test_no_backup_is_made_while_slots_change_hands_nor_with_another_number_of_cells(town, named, tmp_path):
    with installation(loaded(named)) as found:
        placed(found.engine(), 1)
    giver, taker = town.masters()[:2]
    slot = town.slot_of(giver)
    giver.do("CLUSTER", "SETSLOT", slot, "MIGRATING", town.id_of(taker))
    try:
        with pytest.raises(SettingsError, match="slots of this cluster are being moved"):
            take(loaded(named), None, tmp_path / "b", silent)
    finally:
        giver.do("CLUSTER", "SETSLOT", slot, "STABLE")
    with pytest.raises(SettingsError, match="another CONSENT_CELLS"):
        take(loaded(named, CONSENT_CELLS="3"), None, tmp_path / "b", silent)
    assert not list(tmp_path.glob("b*"))
