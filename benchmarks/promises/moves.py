"""All data move to another Redis while its users are frozen or cut off: is all that was acknowledged there then?

Real processes: APIs and workers on an old server (strict) and an archive, desks and subscribers over HTTP, a gateway
and a BSS. Half of the APIs and workers end as they should; the others stand still (SIGSTOP), or are cut off from Redis
alone, the workers with activations in their hands. `consent cells move` moves everything, as an operator types it,
again until it is done. Then a new API takes STOPs of all whose activation is in somebody's hands, and whoever stood
still goes on. The rules: `rules.py`, and two more: no order that was acknowledged is answered 404, and no API of before
says that it is ready. `consent doctor --all` is to be content with the new side, and not with the old one. Status 1
when a rule broke, or the doctor says otherwise.

    python -m benchmarks.promises.moves --rounds 12
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from benchmarks.promises.crowd import PAUSE_S, Crowd
from benchmarks.promises.far_side import served
from benchmarks.promises.http_door import HttpDoor
from benchmarks.promises.move_scene import WEBHOOKS, Kind, Scene, Target
from benchmarks.promises.processes import Part
from benchmarks.promises.rules import UNDER_WAY_S
from consent_engine.config.settings import Settings
from consent_engine.domain.roles import Role
from consent_engine.errors import StoreUnavailable
from consent_engine.wiring import installation
from tests.cluster.servers import cluster
from tests.durability.servers import Server, server
from tests.fault_proxy import FaultProxy

BEFORE_S, AFTER_S = 2.0, 9.0
IN_HAND = 4
"""How many activations both workers hold together when one of them is frozen."""
CALM_S, PATIENCE_S = 60, 30
CELLS = 8
TAKEN = frozenset({HTTPStatus.OK, HTTPStatus.CREATED})

KINDS = {
    "workers frozen": Kind(apis=False), "APIs frozen": Kind(workers=False), "both frozen": Kind(),
    "both cut off": Kind(cut=True), "both frozen, the move killed": Kind(killed=True),
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """The result of one move. stopped: STOPs of those whose activation a worker held · late: how often an API
    of before answered once it went on · taken: how many of these answers accepted something.
    """

    orders: int
    refused: int
    stopped: int
    late: int
    taken: int
    broken: Counter[str]
    content: bool
    seconds: float

    @property
    def sound(self) -> bool:
        """Whether nothing broke, and the doctor agrees."""
        return not self.broken and self.content


@dataclass(frozen=True)
class Told:
    """The notes on a move. there: the door to the new API · stopped: STOPs of those whose activation a worker held ·
    late: answers of the API of before once it went on, by status · ready: whether it says that it takes orders.
    """

    there: HttpDoor
    stopped: int
    late: dict[int, int]
    ready: bool


def run(old: Server, target: Target, kind: Kind, keep: Path | None = None) -> Run:
    """Run one move under load. keep: where logs go when something broke."""
    old.do("FLUSHALL")
    for each in target.servers:
        each.do("FLUSHALL")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moves-", ignore_cleanup_errors=True)))
        urls: list[str] = []
        door = HttpDoor(urls, "", WEBHOOKS)
        crowd = Crowd(lambda: door)
        far = stack.enter_context(served(crowd.notes, crowd.questions))
        proxy = stack.enter_context(FaultProxy(f"127.0.0.1:{old.port}"))
        scene = Scene(folder, old, target, kind, crowd, far, proxy, door)
        stack.callback(scene.end)
        stack.callback(lambda: proxy.refuse(no=False))
        began = time.monotonic()
        one: Run | None = None
        try:
            one = _looked_at(scene, _moved(scene, urls), began)
            return one
        finally:
            if keep is not None and (one is None or not one.sound):
                shutil.copytree(folder, keep, dirs_exist_ok=True)


def _moved(scene: Scene, urls: list[str]) -> Told:
    """Work, freeze, move, and let everything go on; return what was noted beside the crowd's notes."""
    far, kind = scene.far, scene.kind
    with installation(Settings.load(scene.environ(scene.old.url), None)) as found:
        scene.door.key = found.engine().keys.add("desk", Role.AGENT)
    direct = scene.environ(scene.old.url)
    ends, stays = [scene.worker(direct)], [scene.worker(scene.before)]
    (api, first), (stale, second) = scene.api(direct), scene.api(scene.before)
    (stays if kind.apis else ends).append(stale)
    ends.append(api)
    if not kind.workers:
        ends.append(stays.pop(0))
    urls += [first, second]
    _until(scene.crowd, lambda: all(scene.door.ready(url) for url in urls))
    scene.crowd.start()
    _until(scene.crowd, lambda: len(scene.crowd.notes.called) > 0)
    time.sleep(BEFORE_S)
    _until(scene.crowd, lambda: len(far.in_hand()) >= IN_HAND)
    _still(scene, stays)
    for part in ends:
        part.signal(signal.SIGTERM)
    _until(scene.crowd, lambda: not any(part.alive for part in ends))
    scene.cut()
    scene.move()
    _, new = scene.api(scene.after)
    _until(scene.crowd, lambda: scene.door.listens(new))
    urls[:] = [second, new] if kind.apis else [new]
    there = HttpDoor([new], scene.door.key, WEBHOOKS)
    held = far.in_hand()
    for number in held.values():
        scene.crowd.stops(there, number)
    time.sleep(UNDER_WAY_S)  # calls that begin from now on were not under way
    before = scene.door.answers.copy()
    _goes_on(scene, stays)
    scene.worker(scene.after)
    time.sleep(AFTER_S)
    answered = {status: n - before[url, status] for (url, status), n in scene.door.answers.items() if url == second}
    return Told(there, len(held), answered, kind.apis and scene.door.ready(second))


def _looked_at(scene: Scene, told: Told, began: float) -> Run:
    """Stop everything, and check the rules."""
    crowd, notes = scene.crowd, scene.crowd.notes
    crowd.close()
    scene.far.thinks = False
    for asks, order in crowd.asked:
        same = _answered(partial(told.there.place, asks)) == (order, False)
        notes.repeats["same" if same else "another"] += 1
    gone = sum(_answered(partial(told.there.shows, order)) is False for order in notes.orders)
    with installation(Settings.load(scene.after, None)) as found:
        broken = notes.broken(found.engine())
    broken |= +Counter({"orders answered 404": gone, "ready where the data are no more": int(told.ready)})
    content = scene.doctor(scene.after) == 0 and scene.doctor(scene.environ(scene.old.url)) == 1
    taken = sum(n for status, n in told.late.items() if status in TAKEN)
    return Run(
        len(notes.orders), len(notes.refused), told.stopped, sum(told.late.values()), taken, broken, content,
        time.monotonic() - began,
    )  # fmt: skip


def _still(scene: Scene, parts: list[Part]) -> None:
    """Freeze processes, or cut them off from Redis, with whatever they hold."""
    if scene.kind.cut:
        scene.proxy.refuse(no=True)
        scene.proxy.cut_off()
        return
    for part in parts:
        part.signal(signal.SIGSTOP)


def _goes_on(scene: Scene, parts: list[Part]) -> None:
    """Let them go on; they know nothing of the move."""
    if scene.kind.cut:
        scene.proxy.refuse(no=False)
        return
    for part in parts:
        part.signal(signal.SIGCONT)


def _answered(ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - any answer
    """Ask until there is an answer. Raises StoreUnavailable after half a minute."""
    for _ in range(int(PATIENCE_S / PAUSE_S)):
        try:
            return ask()
        except StoreUnavailable:
            time.sleep(PAUSE_S)
    return ask()


def _until(crowd: Crowd, look: Callable[[], bool]) -> None:
    end = time.monotonic() + CALM_S
    while not look():
        crowd.sound()
        if time.monotonic() > end:
            raise TimeoutError("it is not so")
        time.sleep(PAUSE_S)


@contextmanager
def servers(*, many: bool) -> Iterator[tuple[Server, Target]]:
    """Run the old server and the new one, or a cluster, for the runs."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moves-servers-")))
        old = stack.enter_context(server(folder / "old", "appendfsync always"))
        if many:
            made = stack.enter_context(cluster(folder / "cluster"))
            rq = stack.enter_context(server(folder / "rq", "appendonly no"))
            yield old, Target(made.url, CELLS, rq.url, made.masters(), replicas=1)
        else:
            new = stack.enter_context(server(folder / "new", "appendfsync always"))
            yield old, Target(new.url, 1, new.url, [new])


def main() -> int:
    """Print a line for each run. Status 1 when a rule broke, or the doctor does not agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--cluster", action="store_true", help=f"to {CELLS} cells on a cluster, not to one server")
    parser.add_argument("--keep", type=Path, help="where logs go when something broke")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that no process of ours is left
    worst = 0
    with servers(many=chosen.cluster) as (old, target):
        for name in chosen.kinds * chosen.rounds:
            one = run(old, target, KINDS[name], chosen.keep)
            told = ", ".join(f"{n} {what}" for what, n in one.broken.items()) or "nothing broken"
            sys.stdout.write(
                f"{name}: {one.orders} orders, {one.refused} refusals acknowledged, {one.stopped} stopped in "
                f"somebody's hands, {one.late} late answers, {one.taken} of them taken: {told}; doctors "
                f"{'agree' if one.content == (not one.broken) else 'do not agree'}; {one.seconds:.0f} s\n"
            )
            sys.stdout.flush()
            worst |= not one.sound
    return worst


if __name__ == "__main__":
    sys.exit(main())
