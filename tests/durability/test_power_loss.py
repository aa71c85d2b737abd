"""Power is cut: the append-only file ends anywhere. Everything acknowledged is there, and nothing is half done.

The file is cut and read back by the server that wrote it (`DEBUG LOADAOF`, the code of a start), some cuts by a real
restart. `make search` cuts at every byte.
"""

import re
import signal
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic

import pytest
from redis.exceptions import ResponseError

from consent_engine.domain.effects import Lane
from consent_engine.errors import ConsentError, NotDurable
from tests.conftest import NUMBER, SENDERS, Clock
from tests.durability.history import Durable, History, broken
from tests.durability.servers import server
from tests.in_memory import memory
from tests.tiers import DEEP


@pytest.fixture(scope="module", params=["always", "everysec"])
def history(request, tmp_path_factory):
    """The history of one profile; `again` is a world on another server, which starts from the rest of the cut file."""
    folder = tmp_path_factory.mktemp("power")
    with server(folder / request.param, f"appendfsync {request.param}") as running:
        made = History(running, proves=request.param == "always")
        assert made.holding(made.world, made.end) == []
        made.world.close()
        running.kill(signal.SIGTERM)
        made.file = running.aof().read_bytes()[: made.end]
    # In memory where that can be: it is cut and read a thousand times, and cutting off a tail syncs.
    with (
        tempfile.TemporaryDirectory(dir=memory()) as away,
        server(Path(away) / "again", "appendfsync no") as other,
        closing(Durable(other, proves=False)) as made.again,
    ):
        yield made


def commands(file: bytes) -> list[tuple[int, str]]:
    """Every command: where it ends, and its name."""
    found, at = [], 0
    while at < len(file):
        count, at = _number(file, at)
        words = []
        for _ in range(count):
            length, at = _number(file, at)
            words.append(file[at : at + length])
            at += length + 2
        found.append((at, words[0].decode().upper()))
    return found


def _number(file: bytes, at: int) -> tuple[int, int]:
    end = file.index(b"\r\n", at)
    return int(file[at + 1 : end]), end + 2


def units(file: bytes) -> list[int]:
    """The offsets where something whole ends: a transaction, or a command outside of any."""
    ends, inside = [], False
    for end, name in commands(file):
        inside = name == "MULTI" or (inside and name != "EXEC")
        if not inside:
            ends.append(end)
    return ends


def load(history: History, cut: int) -> str:
    """Start from the cut file; return the digest of its contents."""
    history.again.server.aof().write_bytes(history.file[:cut])
    client = history.again.client
    with suppress(ResponseError):  # its answer when it had to cut off a tail, having loaded the rest
        client.execute_command("DEBUG", "LOADAOF")
    return str(client.execute_command("DEBUG", "DIGEST"))


def test_the_history_is_worth_cutting(history):
    """Every kind of acknowledgement occurs here, and scripts write in transactions."""
    names = [name for _, name in commands(history.file)]
    assert names.count("MULTI") > 30
    kinds = {re.sub(r" .*|:.*", "", told.what) for told in history.told}
    assert kinds >= {"plans", "placed", "received", "refused", "cancelled", "retried", "asked", "called"}


def test_wherever_the_file_ends_what_was_acknowledged_before_is_there_and_nothing_is_half_done(history):
    ends = units(history.file)
    cuts = {end for end, _ in commands(history.file)}
    cuts |= {end - 1 for end in cuts} | {(a + b) // 2 for a, b in zip(sorted(cuts), sorted(cuts)[1:], strict=False)}
    cuts |= {told.size for told in history.told}
    seen = {}
    for cut in sorted(cut for cut in cuts if cut >= history.begin):
        digest = load(history, cut)
        whole = max((end for end in ends if end <= cut), default=0)
        if whole in seen:
            assert digest == seen[whole], f"at byte {cut} more, or less, than what is whole is there"
            continue
        seen[whole] = digest
        assert broken(history.again.client) == [], f"at byte {cut}"
        assert history.holding(history.again, cut) == [], f"at byte {cut}"
    assert len(seen) > 10
    print(f"{len(cuts)} cuts of {len(history.file)} bytes, {len(ends)} whole units")  # noqa: T201 - the count is the purpose


def test_a_cut_loses_a_suffix_only_byte_by_byte(history):
    ends = units(history.file)
    tail = (
        range(history.begin, len(history.file) + 1) if DEEP else range(len(history.file) - 400, len(history.file) + 1)
    )
    whole, digest = -1, ""
    for cut in tail:
        now = load(history, cut)
        at = max((end for end in ends if end <= cut), default=0)
        assert now == digest or at != whole, f"at byte {cut}"
        whole, digest = at, now
    print(f"{len(tail)} bytes")  # noqa: T201 - the count is the purpose


def test_a_real_restart_finds_what_the_cut_left(history):
    running, ends = history.again.server, units(history.file)
    for cut in (ends[len(ends) // 3], ends[len(ends) // 2] + 7, (ends[-2] + ends[-1]) // 2, len(history.file)):
        digest = load(history, cut)
        running.kill()
        running.aof().write_bytes(history.file[:cut])
        running.start()
        assert running.do("DEBUG", "DIGEST") == digest
        assert broken(history.again.client) == []
        assert history.holding(history.again, cut) == []


def resumed(history: History, cut: int) -> Durable:
    """Start from a cut file; callers and the gateway, some of them unanswered, ask once more; then time passes."""
    load(history, cut)
    world = Durable(history.again.server, Clock(history.world.clock.now), proves=False)
    for size, text, msisdn, message in history.said:
        fresh = world.say(text, msisdn, SENDERS["mobile" if msisdn == NUMBER else "telecom"], message)
        assert not fresh or size > cut, "a message that was acknowledged is known"
    for size, wanted, order in history.placed:
        [placed] = world.engine.place_many([wanted])
        if isinstance(placed, ConsentError):
            assert size > cut, f"it was acknowledged, and now {type(placed).__name__}"
        else:
            assert placed.order.id == order, "the same request is the same order"
            assert not placed.created or size > cut
    for _ in range(4):
        world.run()
        world.clock.forward(hours=13)
    world.run()
    return world


def test_from_every_cut_the_engine_goes_on_and_calls_the_bss_under_the_same_key_only(history):
    ends = [end for end in units(history.file) if end >= history.told[0].size]
    cuts = ends if DEEP else ends[::3] + ends[-1:]
    before = {asked.order_id: asked for asked in history.world.bss.asked}
    called_at = next(told.size for told in history.told if told.what == "called the BSS")
    yes_at = next(size for size, _, _, message in history.said if message == "yes")
    assert before
    forgotten = []
    for cut in cuts:
        with closing(resumed(history, cut)) as world:
            assert broken(world.client) == [], f"from byte {cut}"
            orders = {order: world.engine.show(order) for _, _, order in history.placed if _exists(world, order)}
            for order in orders.values():
                assert order.state.settled or any(effect.parked for effect in order.effects.values()), f"byte {cut}"
            for asked in world.bss.asked:
                assert asked.order_id in before, "at most one: no key but those of before"
                assert asked == before[asked.order_id] or cut < called_at, "the same key, the same words"
            if any(order not in orders or orders[order].state != "notified" for order in before):
                forgotten.append(cut)
    assert all(cut < yes_at for cut in forgotten), "activated, and we forgot it though the yes was acknowledged"
    print(f"{len(cuts)} starts; in {len(forgotten)} the yes went with the tail, and the activation with it")  # noqa: T201 - the count is the purpose


def _exists(world: Durable, order: str) -> bool:
    return bool(world.client.exists(f"ce:{{0}}:order:{order}"))


class Hasty(Durable):
    proof_ms = 300


def test_an_acknowledgement_waits_for_the_disk(tmp_path):
    """A server that never syncs proves nothing: the answer is no, and the same request again is one order."""
    with server(tmp_path / "s", "appendfsync always") as running, closing(Hasty(running)) as world:
        running.do("CONFIG", "SET", "appendfsync", "no")
        with pytest.raises(NotDurable):
            world.place(key="once")
        running.do("CONFIG", "SET", "appendfsync", "always")
        world.place(key="once")
        world.run(Lane.SMS)
        assert len(world.gateway.sent) == 1


def test_everysec_answers_before_the_disk_and_is_on_it_a_moment_later(tmp_path):
    with server(tmp_path / "s", "appendfsync everysec") as running, closing(Durable(running, proves=False)) as world:
        world.place()
        began = monotonic()
        world.client.set("after", "it")
        assert world.client.execute_command("WAITAOF", 1, 0, 2_500)[0] == 1
        print(f"on disk {monotonic() - began:.1f} s later")  # noqa: T201 - the count is the purpose
