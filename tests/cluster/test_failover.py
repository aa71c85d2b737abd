"""A master dies under load; a slot moves to another master under load. The same processes go on by themselves."""

from collections import Counter
from time import monotonic

from tests.acceptance.house import house
from tests.cluster.conftest import CELLS
from tests.cluster.load import TAKEN, Desks, cell, finish
from tests.waiting import until

WORKED = 15
"""The number of orders acknowledged before it happens, and again after."""


def test_a_cell_moves_then_a_master_dies_under_load_and_everything_acknowledged_is_there(town, settings, tmp_path):
    with house(tmp_path, **settings) as home:
        processes = home.children("")
        with Desks(home) as desks:
            until("orders come in", lambda: len(desks.orders) >= WORKED)
            moves = slot_moves(town, desks)
            dies = master_dies(town, desks)
        assert set(desks.told()) <= {*TAKEN, 503}, desks.told()
        finish(home, dict(desks.orders))
        assert home.children("") == processes, "nobody was started anew"
    slowest = max(answer.took for answer in desks.answers)
    print(  # noqa: T201 - the figures are the purpose
        f"{len(desks.orders)} acknowledged, 0 lost, 0 stuck, {dict(desks.told())}, slowest answer {slowest:.1f} s; "
        f"a cell moved: {moves}; a master killed: {dies}"
    )


def taken_of(desks, cells):
    return {n for n in desks.orders if cell(n, CELLS) in cells}


def slot_moves(town, desks):
    """Move one cell of a master to another, key by key."""
    mover = next(n for n in range(CELLS) if town.owner(n) is not town.owner(0))
    giver = town.owner(mover)
    began = monotonic()
    moved = town.move_slot(mover, town.owner(0))
    took = monotonic() - began
    had = taken_of(desks, {mover})
    until("its orders come in again", lambda: taken_of(desks, {mover}) - had)
    back = monotonic() - began
    town.move_slot(mover, giver)
    return f"{moved} keys in {took:.2f} s, its orders again after {back:.1f} s"


def master_dies(town, desks):
    """Kill a master, but not the first cell's: that one has plans, API keys and the clock."""
    gone = next(node for node in town.masters() if node is not town.owner(0))
    theirs = {n for n in range(CELLS) if town.owner(n) is gone}
    heir = town.replica_of(gone)
    gone.kill()
    began = monotonic()
    until("its replica is promoted", lambda: all(town.owner(n) is heir for n in theirs))
    promoted = monotonic()
    gone.start()  # as its supervisor does: until it follows, no write to its heir could be proven
    had = taken_of(desks, theirs)
    until("orders of its cells come in again", lambda: len(taken_of(desks, theirs) - had) >= WORKED // 5)
    back = monotonic()
    away = [answer for answer in desks.answers if began <= answer.at < promoted]
    own = Counter(answer.status in TAKEN for answer in away if cell(answer.n, CELLS) in theirs)
    others = Counter(answer.status in TAKEN for answer in away if cell(answer.n, CELLS) not in theirs)
    assert own[False] > 0
    assert others[True] > 0, "orders of the other masters go on"
    return (
        f"promoted after {promoted - began:.1f} s, orders of its cells again after {back - began:.1f} s; meanwhile "
        f"its cells {own[True]} taken and {own[False]} told 503, others {others[True]} and {others[False]}"
    )
