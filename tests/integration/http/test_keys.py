"""API keys: a name is given only once, and an agent's own orders are those placed with its very key."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from consent_engine.errors import Malformed
from consent_engine.ports import ApiKey
from tests.integration.api_door import NUMBER, is_problem, order, reply
from tests.integration.http.routes import ROUTES, ask

KEPT = "ce:apikeys"


def second_key_of_the_name(door):
    """Add a key with another's name, as after a Redis that was restored had forgotten the first."""
    door.engine.keys.revoke("the-agent")
    door.redis.hdel(KEPT, "name:the-agent")
    revoked_at = door.engine.registry.now()
    while door.engine.registry.now() == revoked_at:
        pass  # keys of the same millisecond cannot be told apart
    door.keys["second"] = door.engine.keys.add("the-agent", Role.AGENT)
    [key] = [key for key in door.engine.keys.all() if key.name == "the-agent"]
    return key


# -- names ------------------------------------------------------------------------------------------------------------


def test_a_revoked_keys_name_is_never_given_again(door):
    door.engine.keys.revoke("the-agent")
    before = door.redis.hgetall(KEPT)
    for role in Role:
        with pytest.raises(Malformed, match="take another one"):
            door.engine.keys.add("the-agent", role)
    assert door.redis.hgetall(KEPT) == before
    assert "the-agent" not in {key.name for key in door.engine.keys.all()}


def test_a_key_that_is_told_to_the_store_twice_is_there_once_and_stays_revoked(door):
    registry, key = door.engine.registry, ApiKey("twice", Role.AGENT.value, 1)
    assert [registry.add_key("a hash", key), registry.add_key("a hash", key)] == [True, True]
    door.engine.keys.revoke("twice")
    assert registry.add_key("a hash", key)
    assert registry.key("a hash") is None


def test_a_name_is_given_once_however_many_ask_for_it_at_once(door):
    engines = [door.installation.engine() for _ in range(4)]
    together = Barrier(len(engines))

    def add(engine, name):
        together.wait()
        try:
            return engine.keys.add(name, Role.AGENT)
        except Malformed:
            return None

    with ThreadPoolExecutor(len(engines)) as threads:
        for n in range(250):
            keys = [key for key in threads.map(lambda engine, name=f"desk-{n}": add(engine, name), engines) if key]
            assert len(keys) == 1
            assert door.engine.keys.whose(keys[0]).name == f"desk-{n}"


# -- own --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", [route for route in ROUTES if "{id}" in route[1]], ids=" ".join)
def test_an_agent_has_nothing_to_do_with_an_order_of_a_revoked_key_of_its_name(door, route):
    placed = door.place().json()["id"]
    if route[1].endswith("/stream"):
        door.bounded(linger_s=0)
        door.engine.cancel(placed, "me", "so that its stream would end")
    second_key_of_the_name(door)
    before = door.kept()
    code, status = ("forbidden", 403) if Role.AGENT not in ROUTES[route] else ("order_not_found", 404)
    is_problem(ask(door, route, "second", placed), status, code)
    assert door.kept() == before


def test_a_repeat_under_another_key_of_the_name_is_the_same_order_and_shows_nobody(door):
    body = order(call={"recording_id": "rec-1"})
    placed = door.place(body).json()["id"]
    door.work(Lane.SMS)
    door.post("inbound", reply("要不要钱"))
    door.work(Lane.INBOUND)
    second_key_of_the_name(door)
    again = door.place(body, role="second")
    assert (again.status_code, again.json()["id"]) == (200, placed)
    assert NUMBER[3:] not in again.text
    assert "要不要钱" not in again.text


def test_what_is_placed_in_the_instant_a_key_was_made_or_later_is_its_own(door):
    key = second_key_of_the_name(door)
    placed = door.place(role="second").json()
    assert placed["msisdn"] == NUMBER
    assert door.engine.show(placed["id"]).doc.placed_at >= key.created_at
    assert door.call("GET", f"/v1/orders/{placed['id']}", "second").json()["msisdn"] == NUMBER
