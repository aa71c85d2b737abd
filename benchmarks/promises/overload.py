"""More load than the outside can take: which requests wait, or are put off. `python -m benchmarks.promises.overload`.

A gateway that takes few SMS a second; more orders than it can ask about; and a gateway's webhooks at 500 posts a
second. All load is open: every request has an instant at which it is meant to be sent, and its latency is counted from
there, so that a slow answer delays no later request and hides none. Promised, and status 1 when one breaks: every
webhook is acknowledged, p99 within the bound (Aliyun gives up after 700 ms); orders are put off with Retry-After; no
lane grows beyond its bound; every order that was taken settles or still waits in line, none is dropped.
"""

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from typing import Any

from benchmarks.promises.overloaded import Load, Run, engine
from consent_engine.domain.effects import Lane
from consent_engine.domain.lifecycle import State

ALIYUN_MS = 700


def percentile(values: list[float], share: float) -> float:
    """Return a percentile in milliseconds; 0 when there are no values."""
    ranked = sorted(values)
    return round(ranked[min(len(ranked) - 1, int(len(ranked) * share))] * 1000, 1) if ranked else 0.0


def report(made: Run, load: Load, drained_s: float) -> dict[str, Any]:
    """Return the results of a run as figures."""
    seen = made.seen
    states: Counter[str] = Counter()
    for n in range(0, len(seen.taken), 500):
        states.update(order.state.value for order in made.engine.lookup.load(seen.taken[n : n + 500])[1].values())
    deepest = {lane.value: max((shown[lane.value] for _, shown in seen.depths), default=0) for lane in Lane}
    return {
        "load": f"{load.posts:g} posts and {load.orders:g} orders a second for {load.seconds:g} s",
        "loadavg": [round(each, 2) for each in os.getloadavg()],
        "answers": dict(sorted(seen.answers.items())),
        "put_off_without_retry_after": seen.no_hint,
        "webhook_ms": {name: percentile(seen.posts, share) for name, share in SHARES.items()},
        "placing_ms": {name: percentile(seen.orders, share) for name, share in SHARES.items()},
        "put_off_ms": {name: percentile(seen.put_off, share) for name, share in SHARES.items()},
        "bound_of_a_lane": made.bound,
        "deepest": deepest,
        "depths": [(round(at, 1), shown) for at, shown in seen.depths],
        "drained_s": round(drained_s, 1),
        "taken": len(seen.taken),
        "states": dict(states),
    }


SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


def broken(figures: dict[str, Any], p99_ms: float) -> list[str]:
    """Return the promises that broke, in words."""
    answers, states = figures["answers"], figures["states"]
    webhooks = {name: count for name, count in answers.items() if name.startswith("webhook")}
    put_off = sum(count for name, count in answers.items() if name in {"order 503 busy", "order 429"})
    odd = [n for n in answers if n.startswith("order") and n not in {"order 201", "order 200", "order 503 busy"}]
    dropped = {State.EXPIRED.value, State.UNDELIVERABLE.value}
    checks = {
        f"webhooks that were not acknowledged: {webhooks}": set(webhooks) != {"webhook 200"},
        f"webhook p99 is {figures['webhook_ms']['p99']} ms": figures["webhook_ms"]["p99"] > p99_ms,
        "no order was put off: this was no overload": not put_off,
        f"orders were answered {odd}": bool(odd),
        "put off without Retry-After": bool(figures["put_off_without_retry_after"]),
        f"a lane grew to {figures['deepest']}": figures["deepest"]["sms"] > 2 * figures["bound_of_a_lane"],
        "orders that were taken are gone": sum(states.values()) != figures["taken"] or not figures["taken"],
        f"orders that were taken were never asked: {states}": bool(dropped & set(states)),
        "the lanes did not drain": State.AGREED.value in states,
    }
    return [what for what, true in checks.items() if true]


def tell(figures: dict[str, Any]) -> None:
    """Print the figures for people."""
    print(f"{figures['load']}; loadavg {figures['loadavg']}, {os.cpu_count()} cores")
    for name in ("webhook_ms", "placing_ms", "put_off_ms"):
        print(f"  {name:12} " + "  ".join(f"{share} {value:8.1f}" for share, value in figures[name].items()))
    for name, count in figures["answers"].items():
        print(f"  {name:24} {count}")
    print(f"  lanes, deepest: {figures['deepest']}; bound {figures['bound_of_a_lane']}")
    for at, shown in figures["depths"][:: max(1, len(figures["depths"]) // 12)]:
        print(f"    {at:5.1f} s  " + "  ".join(f"{lane} {depth:5d}" for lane, depth in shown.items()))
    print(f"  taken {figures['taken']}, {figures['drained_s']} s after the load: {figures['states']}")


def main() -> None:
    """Run and print; status 1 when a promise broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--posts", type=float, default=500, help="webhook posts a second")
    parser.add_argument("--orders", type=float, default=60, help="orders a second")
    parser.add_argument("--gateway-delay", type=float, default=0.8, help="seconds an SMS takes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--p99", type=float, default=ALIYUN_MS, help="bound of the webhooks' p99, in ms")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    load = Load(args.seconds, args.posts, args.orders)
    with engine(args.gateway_delay, args.workers) as made:
        asyncio.run(made.go(load))
        drained_s = asyncio.run(made.drain(120))
        figures = report(made, load, drained_s)
    wrong = broken(figures, args.p99)
    if args.json:
        print(json.dumps(figures | {"broken": wrong}, ensure_ascii=False))
    else:
        tell(figures)
        print("\n".join(f"BROKEN: {what}" for what in wrong) or "every promise was kept")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
