"""The ledger of a chaos run: a process of its own that plays gateway, BSS and handsets, and that is never killed.

`python -m benchmarks.promises.ledger`, started by chaos.py. It ends with its standard input,
so with the process that started it.
"""

import argparse
import asyncio
import os
import sys
from dataclasses import replace
from typing import Any

from aiohttp import web

from benchmarks.promises.people import FIRST_NUMBER, case_of, person
from consent_engine.simulator.__main__ import secrets_of
from consent_engine.simulator.outside import Outside
from consent_engine.simulator.subscribers import Case
from consent_engine.simulator.wire import Tasks, Wire

PATIENT_TRIES = 4_000
"""A gateway repeats what was not acknowledged, for longer than any of our crashes lasts."""


class Town(dict[str, Case]):
    """The people of a run by number, each made on first use."""

    def __init__(self, seed: int, window_s: float) -> None:
        super().__init__()
        self._seed, self._window_s = seed, window_s

    def get(self, msisdn: str, default: Any = None) -> Any:  # noqa: ANN401 - as dict has it
        """Return the case of the person with this number."""
        if msisdn not in self:
            self[msisdn] = case_of(person(int(msisdn[3:]) - FIRST_NUMBER, self._seed, self._window_s))
        return self[msisdn]


class Ledger(Outside):
    """The outside with much patience, and a town of its own."""

    town: Town

    def _app(self, tasks: Tasks, wire: Wire) -> web.Application:
        patient = replace(wire, tries=PATIENT_TRIES)
        self.handsets.wire, self.handsets.cases = patient, self.town
        return super()._app(tasks, patient)


async def _serve(ledger: Ledger, engine: str) -> None:
    async with ledger.serving(engine):
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", required=True)
    for name in ("--port", "--seed"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--window", type=float, required=True)
    args = parser.parse_args()
    ledger = Ledger(*secrets_of(os.environ), port=args.port)
    ledger.town = Town(args.seed, args.window)
    asyncio.run(_serve(ledger, args.engine))


if __name__ == "__main__":
    main()
