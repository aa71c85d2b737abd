"""A backup of a cluster that works: nothing acknowledged before it is missing, and Redis' own tools bring it back; a
cluster that lost its data is filled from SQL."""

import asyncio

import pytest

from consent_engine.backup.back_up import back_up
from consent_engine.backup.manifest import read
from consent_engine.backup.put_back import fill, put_back
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Lane
from consent_engine.domain.sms import Reply
from consent_engine.engine.rekeying import rekey
from consent_engine.engine.scribe import write_out
from consent_engine.errors import SettingsError
from consent_engine.wiring import installation
from tests.cluster.backed_up import desks, imported, loaded, person, placed, silent
from tests.cluster.conftest import CELLS
from tests.waiting import until


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


def test_nothing_acknowledged_before_a_backup_of_a_busy_cluster_is_lost(town, named, tmp_path):
    folder = tmp_path / "kept"
    with desks(loaded(named)) as orders:
        until("orders are taken", lambda: len(orders) > CELLS)
        before = dict(orders)
        back_up(loaded(named), None, folder, silent)
        assert len(orders) > len(before), "nobody waited for it"
    manifest = read(folder)
    assert (manifest.cells, manifest.cluster) == (CELLS, True)
    town.flush()
    put_back(loaded(named), folder, silent)
    imported(town, loaded(named), folder, tmp_path)
    with installation(loaded(named)) as found:
        engine = found.engine()
        asyncio.run(to_the_end(engine, before))
        assert placed(engine, 0) == before[0], "the same request is the same order"


def test_a_cluster_that_lost_its_data_and_then_one_masters_is_filled_and_every_order_goes_on(town, named):
    settings = loaded(named)
    with installation(settings) as found:
        engine = found.engine()
        orders = {n: placed(engine, n) for n in range(2 * CELLS)}
        asyncio.run(worked(engine, orders, "awaiting_reply"))
        write_out(engine.store, "one")
    town.flush()
    assert fill(settings, silent).filled == [*range(CELLS)]
    master = town.masters()[0]
    theirs = [n for n in range(CELLS) if town.owner(n).port == master.port]
    with installation(settings) as found:
        write_out(found.store(), "one")
    master.do("FLUSHALL")
    assert fill(settings, silent).filled == theirs
    with installation(settings) as found:
        engine = found.engine()
        asyncio.run(to_the_end(engine, orders))
        assert placed(engine, 0) == orders[0], "the same request is the same order"


def test_every_order_of_a_cluster_goes_on_under_a_new_key_alone(town, named):
    new = "a-new-key-of-forty-characters-or-so-0001"
    with installation(loaded(named)) as found:
        orders = {n: placed(found.engine(), n) for n in range(2 * CELLS)}
    with installation(loaded(named, CONSENT_PERSON_KEYS=f"{new} secret")) as found:
        engine = found.engine()
        (done, left), again = [rekey(engine.store, engine.registry) for _ in range(2)]
    assert (done >= 3 * len(orders), left, again) == (True, 0, (0, 0)), "each with its call and its number"
    with installation(loaded(named, CONSENT_PERSON_KEYS=new)) as found:
        asyncio.run(to_the_end(found.engine(), orders))


def test_a_backup_of_a_cluster_goes_into_no_data_folder_one_redis_or_other_number_of_cells(town, named, tmp_path):
    folder = tmp_path / "kept"
    with installation(loaded(named)) as found:
        placed(found.engine(), 1)
    back_up(loaded(named), None, folder, silent)
    alone = {"CONSENT_REDIS_URL": "redis://127.0.0.1:1/0", "CONSENT_CELLS": "1", "CONSENT_REPLICAS": "0"}
    embedded = Settings.load({"CONSENT_DATA_DIR": str(tmp_path / "d")}, None)
    for there in (embedded, loaded(named, **alone), loaded(named, CONSENT_CELLS="3")):
        with pytest.raises(SettingsError, match=f"of a cluster, CONSENT_CELLS={CELLS}: set that"):
            put_back(there, folder, silent)
    assert not (tmp_path / "d").exists()


def test_no_backup_is_made_while_slots_change_hands_nor_with_another_number_of_cells(town, named, tmp_path):
    with installation(loaded(named)) as found:
        placed(found.engine(), 1)
    giver, taker = town.masters()[:2]
    slot = town.slot_of(giver)
    giver.do("CLUSTER", "SETSLOT", slot, "MIGRATING", town.id_of(taker))
    try:
        with pytest.raises(SettingsError, match="slots of this cluster are being moved"):
            back_up(loaded(named), None, tmp_path / "b", silent)
    finally:
        giver.do("CLUSTER", "SETSLOT", slot, "STABLE")
    with pytest.raises(SettingsError, match="another CONSENT_CELLS"):
        back_up(loaded(named, CONSENT_CELLS="3"), None, tmp_path / "b", silent)
    assert not list(tmp_path.glob("b*"))
