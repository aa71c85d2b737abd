"""The stream of an order, read from a real server as an agent's desktop reads it."""

import asyncio
import json
import signal
import threading
from collections import Counter
from contextlib import contextmanager

import httpx
import pytest
from starlette.requests import ClientDisconnect

from consent_engine.api.http.bodies import USUAL, Bounds
from consent_engine.api.routes.order_stream import EventStream
from consent_engine.api.service.watches import Teller
from consent_engine.domain.effects import Lane
from consent_engine.domain.sms import Delivery, DeliveryReport
from consent_engine.engine.api_keys import Role
from consent_engine.errors import BrokenRecord, StoreUnavailable
from consent_engine.ports import ApiKey
from tests.integration.api_door import NUMBER, Door, is_problem, live, order, reply
from tests.waiting import HANGS_S, until

SOONER_S = 15
"""Less than the server gives what holds up its end: 20 s."""


@pytest.fixture
def door(running):
    made = Door(*running, bounds=Bounds(look_s=0.02))
    yield made
    made.close()


class Reader:
    """One reader of one stream."""

    def __init__(self, answer):
        self.answer = answer
        self.lines = answer.iter_lines()
        self.comments = []

    def next(self):
        """Return the next event: (id, kind, data); None at the end."""
        found = {}
        for line in self.lines:
            if line.startswith(":"):
                self.comments.append(line)
                if not found:
                    return ("", "comment", line)
            elif line:
                name, _, value = line.partition(": ")
                found[name] = value
            elif "data" in found:
                return found.get("id", ""), found.get("event", "message"), json.loads(found["data"])
        return None

    def rest(self):
        """Return all events to the end, without comments."""
        return [event for event in iter(self.next, None) if event[1] != "comment"]


@contextmanager
def reading(url, door, order_id, role=Role.AGENT, **headers):
    headers = {"Authorization": f"Bearer {door.keys[role]}", **headers}
    with (
        httpx.Client(timeout=HANGS_S) as client,
        client.stream("GET", f"{url}/v1/orders/{order_id}/stream", headers=headers) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Reader(answer)


def test_an_order_is_told_from_the_beginning_then_live_to_its_end(door):
    door.bounded(linger_s=0)
    placed = door.place().json()["id"]
    with live(door.app) as url, reading(url, door, placed) as reader:
        assert reader.next()[2]["trigger"] == "placed"
        door.work(Lane.SMS)
        told = [reader.next()]
        assert told[0][2]["stage"] == "confirmation_sent"
        door.installation.engine().cancel(placed, "ops", "changed his mind")
        told += reader.rest()
    timeline = door.call("GET", f"/v1/orders/{placed}", Role.AGENT).json()["timeline"]
    assert [(number, kind) for number, kind, _ in told] == [("2", "message"), ("3", "message"), ("", "end")]
    assert [data for _, _, data in told[:-1]] == timeline[1:]
    assert told[-1][2] == {"state": "cancelled"}


def test_a_reader_who_comes_back_goes_on_where_he_was(door):
    door.bounded(linger_s=0)
    placed = door.place().json()["id"]
    door.work(Lane.SMS)
    door.engine.cancel(placed, "ops", "changed his mind")

    def numbers(**headers):
        answer = door.call("GET", f"/v1/orders/{placed}/stream", Role.AGENT, headers=headers)
        return [line[4:] for line in answer.text.splitlines() if line.startswith("id: ")]

    assert numbers() == ["1", "2", "3"]
    assert numbers(**{"Last-Event-ID": "2"}) == ["3"]
    for nonsense in ("", "4", "-1", "99999999", "x"):
        assert numbers(**{"Last-Event-ID": nonsense}) == ["1", "2", "3"]
    answer = door.call("GET", f"/v1/orders/{placed}/stream", Role.AGENT, headers={"Last-Event-ID": "3"})
    assert (answer.status_code, answer.text) == (204, "")  # the answer on which a browser does not reconnect


def test_a_settled_order_is_watched_some_seconds_more(door):
    door.bounded(linger_s=1, key_check_s=0.05)
    placed = door.place().json()["id"]
    door.work(Lane.SMS)
    door.post("inbound", reply("是"))
    door.work(Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
    with live(door.app) as url, reading(url, door, placed) as reader:
        assert [reader.next()[2]["trigger"] for _ in range(5)][-1] == "notification_accepted"
        report = DeliveryReport("simulated", f"{placed}.notification.1", "", Delivery.DELIVERED)
        door.engine.receive([report])
        door.work(Lane.INBOUND)
        triggers = [data.get("trigger") for _, _, data in reader.rest()]
    assert "delivered" in triggers
    assert triggers[-1] is None


def test_ops_see_no_number_and_no_words(door):
    door.bounded(linger_s=0)
    placed = door.place_past_the_check(f"{NUMBER[1:]}-1.wav")
    door.work(Lane.SMS)
    door.post("inbound", reply("要不要钱"))
    door.work(Lane.INBOUND)
    door.engine.cancel(placed, "ops", "no")
    seen = {role: door.call("GET", f"/v1/orders/{placed}/stream", role).text for role in (Role.OPS, Role.AGENT)}
    assert "要不要钱" in seen[Role.AGENT]
    assert "要不要钱" not in seen[Role.OPS]
    assert NUMBER[3:] not in seen[Role.OPS]


def test_a_reader_hears_that_the_line_is_alive(door):
    door.bounded(heartbeat_s=0.02)
    placed = door.place().json()["id"]
    with live(door.app) as url, reading(url, door, placed) as reader:
        assert reader.next()[1] == "message"
        assert reader.next()[1] == "comment"
        assert reader.next()[1] == "comment"


def test_a_revoked_key_ends_its_stream_and_no_other(door):
    assert USUAL.key_check_s + USUAL.known_s <= 5
    door.bounded(key_check_s=0.02, heartbeat_s=2 * HANGS_S, known_s=0)
    placed = door.place().json()["id"]
    with live(door.app) as url, reading(url, door, placed) as his, reading(url, door, placed, Role.OPS) as hers:
        assert his.next()[1] == hers.next()[1] == "message"
        door.engine.keys.revoke("the-agent")
        assert his.rest() == []
        door.work(Lane.SMS)
        assert hers.next()[2]["stage"] == "confirmation_sent"


def test_one_look_serves_all_streams(door):
    looks = []

    def engines():
        engine = door.installation.engine()
        versions = engine.lookup.versions

        def counted(ids):
            looks.append((threading.current_thread().name, list(ids)))
            return versions(ids)

        engine.lookup.versions = counted
        return engine

    door.serve(engines)
    placed = [door.place(order(msisdn=f"+86138{n:08d}"), f"key-{n}").json()["id"] for n in range(3)]
    with live(door.app) as url:
        readers = [reading(url, door, placed[n % 3]) for n in range(12)]
        opened = [each.__enter__() for each in readers]
        for each in opened:
            assert each.next()[2]["trigger"] == "placed"
        assert door.app.state.front.streams.open == 12
        until("all were looked for", lambda: looks and sorted(looks[-1][1]) == sorted(placed))
        door.work(Lane.SMS)
        for each in opened:
            assert each.next()[2]["trigger"] == "confirmation_accepted"
        for each in readers:
            each.__exit__(None, None, None)
        until("no stream is open", lambda: door.app.state.front.streams.open == 0)
    assert len({name for name, _ in looks}) == 1
    assert max(len(ids) for _, ids in looks) == 3


def test_there_are_only_so_many_streams_and_a_place_comes_back(door):
    door.bounded(most_streams=1)
    placed = door.place().json()["id"]
    headers = {"Authorization": f"Bearer {door.keys[Role.OPS]}"}
    with live(door.app) as url:
        with reading(url, door, placed) as reader:
            reader.next()
            is_problem(httpx.get(f"{url}/v1/orders/{placed}/stream", headers=headers), 503, "too_many_streams")
        until("no stream is open", lambda: door.app.state.front.streams.open == 0)
        with reading(url, door, placed, Role.OPS) as reader:
            assert reader.next()[1] == "message"


def test_a_key_has_as_many_streams_as_are_free_so_that_others_find_room(door):
    door.bounded(most_streams=4)
    placed = door.place().json()["id"]
    headers = {"Authorization": f"Bearer {door.keys[Role.AGENT]}"}
    with live(door.app) as url, reading(url, door, placed) as one, reading(url, door, placed) as other:
        assert one.next()[1] == other.next()[1] == "message"
        is_problem(httpx.get(f"{url}/v1/orders/{placed}/stream", headers=headers), 503, "too_many_streams")
        with reading(url, door, placed, Role.OPS) as hers, reading(url, door, placed, Role.ADMIN) as his:
            assert hers.next()[1] == his.next()[1] == "message"


def test_without_the_store_a_stream_waits_and_goes_on(door):
    door.bounded(heartbeat_s=0.02, most_trouble_s=0.05)
    away = threading.Event()
    asked = []

    def engines():
        engine = door.installation.engine()
        versions = engine.lookup.versions

        def gone(ids):
            asked.append(away.is_set())
            if away.is_set():
                raise StoreUnavailable("gone")
            return versions(ids)

        engine.lookup.versions = gone
        return engine

    door.serve(engines)
    placed = door.place().json()["id"]
    with live(door.app) as url, reading(url, door, placed) as reader:
        assert reader.next()[1] == "message"
        away.set()
        until("it was asked again", lambda: asked.count(True) > 3)
        door.work(Lane.SMS)
        away.clear()
        kinds = [reader.next()]
        while kinds[-1][1] == "comment":
            kinds.append(reader.next())
        assert kinds[-1][2]["trigger"] == "confirmation_accepted"
    assert not door.app.state.front.defects


def test_the_last_entry_of_an_order_is_told_though_the_clock_of_the_store_cannot_be_asked(door):
    away = threading.Event()

    def engines():
        engine = door.installation.engine()
        now = engine.registry.now

        def asked():
            if away.is_set():
                raise StoreUnavailable("gone")
            return now()

        engine.registry.now = asked
        return engine

    door.serve(engines)
    placed = door.place().json()["id"]
    with live(door.app) as url, reading(url, door, placed) as reader:
        assert reader.next()[1] == "message"
        away.set()
        door.installation.engine().cancel(placed, "ops", "changed his mind")
        assert reader.next()[2]["trigger"] == "cancelled"


def test_an_error_that_is_no_absence_of_the_store_ends_a_stream(door):
    class Broken(Teller):
        async def news(self, order):
            raise BrokenRecord("it cannot be read")
            yield

    async def told():
        teller = Broken(USUAL, ApiKey("a-key", Role.OPS, 0), door.app.state.front.now, HANGS_S)
        async with asyncio.timeout(HANGS_S):
            return [each async for each in teller.events(door.app.state.front.streams, None)]

    with pytest.raises(BrokenRecord):
        door.runner.run(told())


def test_a_look_that_fails_is_a_defect_and_ends_no_stream(door):
    door.bounded(most_trouble_s=0.05)
    failed = []

    def engines():
        engine = door.installation.engine()
        versions = engine.lookup.versions

        def fails_once(ids):
            if not failed:
                failed.append(1)
                raise RuntimeError(NUMBER)
            return versions(ids)

        engine.lookup.versions = fails_once
        return engine

    door.serve(engines)
    placed = door.place().json()["id"]
    with live(door.app) as url, reading(url, door, placed) as reader:
        reader.next()
        until("it has failed", lambda: failed)
        door.work(Lane.SMS)
        assert reader.next()[2]["trigger"] == "confirmation_accepted"
    assert door.app.state.front.defects == Counter(RuntimeError=1)


def test_an_order_that_is_gone_ends_its_stream(door):
    door.bounded(heartbeat_s=2 * HANGS_S)
    placed = door.place().json()["id"]
    with live(door.app) as url, reading(url, door, placed) as reader:
        reader.next()
        door.redis.delete(f"ce:{{0}}:order:{placed}")
        assert reader.rest() == []


def test_who_reads_nothing_loses_his_place_and_holds_up_nobody(door):
    placed = door.engine.show(door.place().json()["id"])
    front = door.app.state.front

    async def telling():
        with front.streams.watch("a-key", placed):
            yield b"a"

    async def never(message):
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def sent():
        with pytest.raises(ClientDisconnect):
            await EventStream(telling(), send_s=0.02).stream_response(never)
        return front.streams.open

    assert door.runner.run(sent()) == 0


def test_streams_do_not_hold_up_the_end_of_the_server(door, served):
    url, process = served
    placed = door.place().json()["id"]
    with reading(str(url), door, placed) as reader:
        reader.next()
        process.send_signal(signal.SIGTERM)
        assert reader.rest() == []
    assert process.wait(SOONER_S) == 0
