"""The stores that tests are lent."""

import json

import msgspec
from fakeredis import FakeRedis

from tests import memory, needs
from tests.memory import a_store, fake, given_back


def test_stores_of_one_test_know_nothing_of_each_other():
    one, two = a_store(), a_store()
    one.set("k", "v")
    assert (one.keys(), two.keys()) == (["k"], [])


def test_a_store_that_was_given_back_is_empty_when_it_is_lent_again():
    stays = a_store()
    stays.set("k", "stays")
    for _ in range(3):
        with given_back():
            lent = a_store()
            assert lent.keys() == []
            lent.set("k", "v")
    assert stays.get("k") == "stays"


def test_where_no_server_program_is_a_store_is_a_fakeredis(monkeypatch):
    monkeypatch.setattr(needs, "servers", list)
    monkeypatch.setattr(memory, "_socket", memory._socket.__wrapped__)  # noqa: SLF001 - this process may have a server
    assert isinstance(a_store(), FakeRedis)


def test_a_fakeredis_unpacks_what_scripts_are_given():
    values = [0, 127, -1, -32, -33, 200, 70_000, 2**40, -(2**40), True, False, 1.5, -0.25, "", "x" * 40, "y" * 70_000]
    packed = msgspec.msgpack.encode({"list": values, "long": list(range(70_000)), "map": {"是": {"n": 1}}})
    text = fake().eval("return cjson.encode(cmsgpack.unpack(ARGV[1]))", 0, packed)
    assert json.loads(text) == {"list": values, "long": list(range(70_000)), "map": {"是": {"n": 1}}}
