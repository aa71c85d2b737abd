"""Engines on one server, and moves of all data from it to another one."""

from dataclasses import replace as with_
from datetime import timedelta

from msgspec.structs import replace

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.reshard.dump import Side
from consent_engine.adapters.redis.reshard.move import Move
from consent_engine.config.plan_file import plans_from
from consent_engine.config.settings import Settings
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.engine.engine import Engine
from consent_engine.engine.limits import Pace
from consent_engine.wiring import Installation
from tests.conftest import ANY_AGE
from tests.integration.api_door import FULL_SECRET, NUMBER, order

LEASE_S, CALL_S = 6, 2


def engine_at(port, folder):
    """Make an engine as any process of an installation does."""
    named = {"DATA_DIR": str(folder), "SECRET": FULL_SECRET, "DURABILITY": "everysec", "LEASE": f"{LEASE_S}s",
             "CALL_TIMEOUT": f"{CALL_S}s", "READING_SPEED": "1000000"}  # fmt: skip
    settings = Settings.load({f"CONSENT_{name}": value for name, value in named.items()}, None)
    settings = settings.model_copy(update={"call_age": timedelta(milliseconds=ANY_AGE)})
    url = f"redis://127.0.0.1:{port}/0"
    made = Installation(settings, url, url, FULL_SECRET).engine()
    made.registry.check(FULL_SECRET, strict=False, cells=1)
    made.catalogue.stock(plans_from(None))
    return made


def working(engine, outer, lanes=None, startable_s=LEASE_S - CALL_S):
    """The same with a gateway and a BSS of its own; lanes: a wrapper around the store's."""
    outside = replace(engine.outside, gateways=dict.fromkeys(engine.outside.gateways, outer), bss=outer)
    store = with_(engine.store, lanes=lanes or engine.store.lanes)
    pace = Pace(startable_s=startable_s)
    return Engine(store, engine.registry, engine.queue, outside, engine.terms, FULL_SECRET, pace)


def side(at):
    return Side([Wire(connect(at.url), proves=False, replicas=0)], alone=True)


def move(old, new, kind=Move):
    """Move all data; the mover's connections are closed afterwards."""
    sides = side(old), side(new)
    try:
        return kind(*sides, lambda told: None, look_s=0.001).run()
    finally:
        for each in sides:
            each.wires[0].client.close()


def place(engine, key, number=NUMBER):
    return engine.place(Placing("desk", key, PlaceOrder.read(order(msisdn=number)))).order
