"""The doctor finds nothing wrong at any step of a healthy order, and finds each lost effect of any kind."""

import pytest

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.doctor import records
from consent_engine.doctor.findings import Level
from consent_engine.doctor.records import TROUBLES, Wanted
from consent_engine.domain.decide.wanted_effects import missing
from consent_engine.domain.effects import lane_of
from tests.scenarios import FILES, Play

LEASE = 60_000


def look(world, *, mend=False):
    survey = RedisSurvey(Wire(world.client, proves=False, replicas=0))
    found = records.records(world.engine.store, survey, LEASE, Wanted(all=True, mend=mend), lambda _: None)
    return [f"{each.level}: {each.what}" for each in found if each.level is not Level.GOOD or "put back" in each.what]


def steps(path):
    """Yield the world after every line of a conversation, up to where its record is broken on purpose."""
    play = Play()
    try:
        for written in path.read_text(encoding="utf-8").splitlines():
            line = written.partition("#")[0].strip()
            if line.startswith("break "):
                return
            if line:
                play.line(line)
                yield line, play
    finally:
        play.world.runner.close()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem.replace("_", " "))
def test_nothing_is_wrong_after_any_line_of_a_conversation(path):
    states = set()
    for line, play in steps(path):
        assert look(play.world) == [], line
        states |= {play.shown(name).state for name in play.orders}
    assert states


def test_every_open_state_stands_in_some_conversation_with_and_without_its_reminder():
    seen = set()
    for path in FILES:
        for _, play in steps(path):
            orders = [play.shown(name) for name in play.orders]
            seen |= {(order.state, *sorted(e for e in order.effects if e.startswith("wake."))) for order in orders}
    assert {
        ("agreed", "wake.too_late_to_ask"), ("awaiting_reply", "wake.reminder"),
        ("awaiting_reply", "wake.window_closed"), ("confirmed",), ("activated",), ("notified", "wake.archive"),
    } <= seen  # fmt: skip


def lost(play, name, effect):
    """Lose an effect and its due time: the order's record no longer has an effect that its state needs."""
    order, client, cell = play.shown(name), play.world.client, play.world.cell
    client.hdel(cell.order(order.id), f"f:{effect}")
    client.zrem(cell.due[lane_of(effect)], f"o:{order.id}:{effect}")


def lost_due(play, name, effect):
    """Lose its due time only."""
    play.world.client.zrem(play.world.cell.due[lane_of(effect)], f"o:{play.shown(name).id}:{effect}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem.replace("_", " "))
@pytest.mark.parametrize("lose", [lost, lost_due])
def test_whatever_effect_is_lost_is_found_and_what_may_be_put_back_is_put_back_once(path, lose):
    """Once for each kind of loss in a conversation, at the first line after which it can happen."""
    tried = set()
    for _, play in steps(path):
        for name in play.orders:
            for effect in play.shown(name).effects:
                if (kind := (play.shown(name).state, effect)) not in tried:
                    tried.add(kind)
                    _lose_and_mend(play.world, lambda n=name, e=effect, p=play: lose(p, n, e), play.shown(name))


def _lose_and_mend(world, lose, order):
    kept = {key: world.client.dump(key) for key in world.client.scan_iter()}
    lose()
    changed = world.engine.show(order.id)
    lacks = missing(changed)
    found = look(world)
    dues = changed.effects == order.effects
    assert bool(found) == bool(lacks or dues), found
    told = look(world, mend=True)
    after = world.engine.show(order.id)
    if dues or any(want.back for want in lacks if not order.state.settled):
        assert any("put back" in each for each in told), told
    left = [want for want in missing(after) if not (want.back and not order.state.settled)]
    assert len(look(world)) == len(left), "what may not be guessed at stays, all else is mended"
    assert not any("put back" in each for each in look(world, mend=True)), "once"
    for key in list(world.client.scan_iter()):
        world.client.delete(key)
    for key, dump in kept.items():
        world.client.restore(key, 0, dump)


def test_every_trouble_says_what_to_type():
    assert all(do and what for _, what, do in TROUBLES.values())
