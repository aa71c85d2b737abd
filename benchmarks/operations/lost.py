"""The worst trouble of a night: Redis' data are lost, and a backup made just before is restored as the docs say."""

import asyncio
import shutil
import time
from collections.abc import Iterable, Iterator

import aiohttp

from benchmarks.operations.troubles import MOST_S, Night, Told
from benchmarks.operations.watching import tell
from benchmarks.promises.people import PLANS, Kind, Person, person
from consent_engine.domain.roles import Role

BEFORE, AFTER = 40, 15
FIRST = 50_000
"""The first number: none of the subscribers of the night before is called."""
ENGINE = ("api", "worker-0", "worker-1")


async def restored(night: Night) -> list[str]:
    """Lose the data and restore them; return what was wrong at the end."""
    told = Told("Redis' data are lost; restored from `consent backup`", "ConsentDown")
    night.told.append(told)
    tell("== Redis' data are lost")
    people = list(_say_yes(night, BEFORE + AFTER))
    orders = await _all_placed(night, range(BEFORE), people)
    began = time.monotonic()
    status, said = await night.typed("backup", "kept")
    told.doctor[f"consent backup while everything works: {said.splitlines()[0]}"] = time.monotonic() - began
    if status:
        return [f"no backup was made: {said}"]
    lost = await _all_placed(night, range(BEFORE, BEFORE + AFTER), people)
    await asyncio.sleep(8.0)  # their sealed entries reach the log
    began = time.monotonic()
    night.take_away(*ENGINE, "server")
    await asyncio.sleep(1.0)
    for each in (night.town.folder / "redis").iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    while not told.fired and time.monotonic() < began + MOST_S:
        await night.look(told, began)
    return await _mended(night, told, began, orders, lost, people)


async def _mended(
    night: Night, told: Told, began: float, orders: dict[int, str], lost: dict[int, str], people: list[Person]
) -> list[str]:
    """Restore the files of Redis, audit, start the engine, and place again the orders that came after the backup."""
    mended = time.monotonic()
    broken = []
    status, said = await night.typed("restore", "kept")
    broken += [f"the backup cannot be restored: {said}"] if status else []
    files = "appendonlydir"
    shutil.copytree(night.town.folder / "kept" / "redis" / "1" / files, night.town.folder / "redis" / files)
    night.away -= {"server"}
    while not night.town.serving():
        await asyncio.sleep(0.1)
    await night.typed("doctor", "--all", "--mend")
    told.right["restored"] = time.monotonic() - mended
    _, said = await night.typed("audit")
    named = [order for order in lost.values() if order in said]
    told.doctor[f"consent audit names {len(named)} of {len(lost)} orders that came after the backup"] = mended - began
    broken += [f"the audit does not name {order}" for order in set(lost.values()) - set(named)]
    night.away.clear()
    again = await _all_placed(night, lost, people)
    await night.until_right(told, began, mended)
    return broken + await _settled(night, orders | again)


def _say_yes(night: Night, count: int) -> Iterator[Person]:
    """Yield people who say yes."""
    found, n = 0, FIRST
    while found < count:
        who = person(n, night.wanted.seed, night.wanted.window_s)
        if who.kind is Kind.YES:
            found += 1
            yield who
        n += 1


async def _all_placed(night: Night, numbers: Iterable[int], people: list[Person]) -> dict[int, str]:
    """Place the orders at once; return their ids by number."""
    named = list(numbers)
    made = await asyncio.gather(*(_placed(night, n, people[n]) for n in named))
    return dict(zip(named, made, strict=True))


async def _placed(night: Night, n: int, who: Person) -> str:
    """Place an order, by the same key each time; return its id."""
    status, order = await night.place(who, FIRST + n, PLANS[0], f"lost-{n}")
    if status not in {200, 201}:
        raise SystemExit(f"a desk was answered {status} {order}")
    return str(order["id"])


async def _settled(night: Night, orders: dict[int, str]) -> list[str]:
    """Wait until every order has ended, check that its service is on once, and return those that are wrong."""
    deadline = time.monotonic() + MOST_S
    states: dict[str, str] = {}
    while time.monotonic() < deadline:
        for order in orders.values():
            if states.get(order) not in ENDS:
                _, said = await night.ask("GET", f"/v1/orders/{order}")
                states[order] = str(said.get("state"))
                if time.monotonic() > deadline - MOST_S / 2:  # a doubt that waits for a person, who has looked
                    await night.ask("POST", f"/v1/orders/{order}/retry", {}, Role.OPS)
        if set(states.values()) <= ENDS:
            break
        await asyncio.sleep(2.0)
    async with night.session.get(f"{night.town.ledger}/ledger", timeout=aiohttp.ClientTimeout(total=60)) as answer:
        ledger = await answer.json()
    on = {each["order_id"]: each["switched_on"] for each in ledger["activations"]}
    wrong = [f"{order} is {state}" for order, state in states.items() if state not in ENDS]
    wrong += [f"{order} is notified, its service on {on.get(order, 0)} times" for order, state in states.items()
              if state == "notified" and on.get(order) != 1]  # fmt: skip
    tell(f"   {len(states)} orders: {sorted(states.values()).count('notified')} notified; wrong: {wrong}")
    return wrong


ENDS = {"notified", "unnotified", "undeliverable", "activation_failed"}
"""The states in which an order may end whose subscriber says yes."""
