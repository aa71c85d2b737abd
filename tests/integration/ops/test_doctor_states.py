"""The doctor finds nothing wrong at any step of a healthy order, and finds each lost effect of any kind."""

from itertools import product

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.doctor import records
from consent_engine.doctor.findings import Level
from consent_engine.doctor.records import Wanted
from consent_engine.domain.decide.wanted_effects import missing
from consent_engine.domain.effects import lane_of
from tests.scenarios import FILES, Play

LEASE = 60_000


def look(world, *, mend=False):
    survey = RedisSurvey(Wire(world.client, proves=False, replicas=0))
    found = records.records(world.engine.store, survey, LEASE, Wanted(all=True, mend=mend), lambda _: None)
    return [f"{each.level}: {each.what}" for each in found if each.level is not Level.GOOD or "put back" in each.what]


def steps(path):
    """Yield the world after every line of a conversation that moves it, up to where its record is broken on purpose."""
    play = Play()
    try:
        for written in path.read_text(encoding="utf-8").splitlines():
            line = written.partition("#")[0].strip()
            if line.startswith("break "):
                return
            if line:
                play.line(line)
                if not line.startswith("expect "):
                    yield line, play
    finally:
        play.world.runner.close()


def test_nothing_is_wrong_after_any_line_of_a_conversation():
    seen = set()
    for path in FILES:
        for line, play in steps(path):
            assert look(play.world) == [], f"{path.stem}: {line}"
            orders = [play.shown(name) for name in play.orders]
            seen |= {(order.state, *sorted(e for e in order.effects if e.startswith("wake."))) for order in orders}
    assert {  # every open state, with and without its reminder
        ("agreed", "wake.too_late_to_ask"), ("awaiting_reply", "wake.reminder"),
        ("awaiting_reply", "wake.window_closed"), ("confirmed",), ("activated",), ("notified", "wake.archive"),
    } <= seen  # fmt: skip


def lost(play, name, effect):
    """Lose an effect and its due time: the order's record no longer has an effect that its state needs."""
    order, client, cell = play.shown(name), play.world.client, play.world.cell
    client.hdel(cell.order(order.id), f"f:{effect}")
    client.zrem(cell.dues(lane_of(effect))[0], f"o:{order.id}:{effect}")


def lost_due(play, name, effect):
    """Lose its due time only."""
    play.world.client.zrem(play.world.cell.dues(lane_of(effect))[0], f"o:{play.shown(name).id}:{effect}")


def test_whatever_effect_is_lost_is_found_and_what_may_be_put_back_is_put_back_once():
    """Once for each kind of loss, at the first line of all conversations after which it can happen."""
    tried = set()
    for path in FILES:
        for _, play in steps(path):
            for name, lose in product(play.orders, (lost, lost_due)):
                order = play.shown(name)
                for kind in {(order.state, effect, lose) for effect in order.effects} - tried:
                    tried.add(kind)
                    _lose_and_mend(play.world, lambda p=play, n=name, k=kind: k[2](p, n, k[1]), order)


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
