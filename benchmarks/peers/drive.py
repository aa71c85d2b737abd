"""Drives one peer from its own environment: a warm-up, then a timed run when a line of input comes.

`python -m peers.drive MODULE ORDERS BATCH`. Prints `warm`, waits for a line, places until every question is out and
replies until every notification is, and prints the seconds of the four parts as JSON.
"""

import importlib
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

WARM = 40
BOUND_S, WARM_BOUND_S = 240.0, 60.0
FIRST_NUMBER = 13_800_000_000


def until(peer: Any, state: str, wanted: int) -> None:  # noqa: ANN401 - one of four modules
    """Wait until so many orders are in a state."""
    bound = WARM_BOUND_S if wanted <= WARM else BOUND_S
    deadline = time.monotonic() + bound
    while peer.count(state) < wanted:
        if time.monotonic() > deadline:
            sys.exit(f"{state}: not {wanted} after {bound:.0f} s")
        time.sleep(0.02)


def road(peer: Any, numbers: Sequence[int], before: int, batch: int) -> dict[str, float]:  # noqa: ANN401 - the same
    """Complete orders; return the seconds of the parts. before: how many orders were completed before them"""
    wanted = [(f"order-{n}", f"+86{n}") for n in numbers]
    batches = [wanted[n : n + batch] for n in range(0, len(wanted), batch)]
    start = time.monotonic()
    for each in batches:
        peer.place(each)
    placed = time.monotonic()
    until(peer, "awaiting_reply", len(wanted) + (before if peer.__name__.endswith("dbos_app") else 0))
    asked = time.monotonic()
    for each in batches:
        peer.answer([msisdn for _, msisdn in each])
    replied = time.monotonic()
    until(peer, "notified", len(wanted) + before)
    done = time.monotonic()
    return {
        "place_s": placed - start,
        "ask_s": asked - start,
        "reply_s": replied - asked,
        "notify_s": done - asked,
    }


def main() -> None:
    """Warm up, wait for the signal, run."""
    module, orders, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    peer = importlib.import_module(f"peers.{module}")
    road(peer, range(FIRST_NUMBER, FIRST_NUMBER + WARM), 0, WARM)
    print("warm", flush=True)
    sys.stdin.readline()
    first = FIRST_NUMBER + WARM
    print(json.dumps(road(peer, range(first, first + orders), WARM, batch)), flush=True)
    sys.stdin.readline()  # the measuring process reads our CPU before we end


if __name__ == "__main__":
    main()
