"""A process that works on one server, and stands still in the worst moment: `python -m tests.cluster.still KIND PORT`.

It reports each act on its standard output, with the instant by the clock that all processes of a machine share. It
ends once an answer says that the data have moved.
"""

import asyncio
import itertools
import os
import signal
import sys
import time

from consent_engine.domain.effects import Accepted, Lane, Untaken
from consent_engine.errors import StoreUnavailable
from tests.cluster.one_server import engine_at, place, working

BEFORE = 3
"""The number of activations leased and called before the worker stands still, holding the next ones."""


def say(*words):
    sys.stdout.write(" ".join(map(str, (*words, time.monotonic()))) + "\n")
    sys.stdout.flush()


class Outer:
    """A gateway and a BSS that take everything, and report it."""

    name, sub_numbers, segments, webhooks = "simulated", False, 255, None

    def __init__(self, called=()):
        self.called = set(called)

    async def send(self, sms):
        if sms.purpose == "confirmation":
            say("asked", sms.ref.split(".")[0], sms.to)
        return Accepted(sms.ref)

    async def activate(self, activation):
        self.called.add(activation.order_id)
        say("called", activation.order_id)
        return Accepted(f"act-{activation.order_id}")

    async def ask(self, order_id):
        return Accepted(f"act-{order_id}") if order_id in self.called else Untaken("unknown")


class Stands:
    """Lanes of a worker that stands still once, with activations that it has just leased."""

    def __init__(self, inner):
        self.inner, self.leased = inner, 0

    def lease_each(self, wanted):
        found = self.inner.lease_each(wanted)
        if leased := found.get(Lane.ACTIVATION):
            before, self.leased = self.leased, self.leased + len(leased)
            if before < BEFORE <= self.leased:
                for each in leased:
                    say("leased", each.order.id)
                os.kill(os.getpid(), signal.SIGSTOP)
        return found

    def __getattr__(self, name):
        return getattr(self.inner, name)


def worker(engine):
    """Perform what is due, and again for each line read; without a pause once the input has ended."""
    # With a longer lease, it could begin its calls that late: a short lease must not be the reason why it does not.
    engine = working(engine, Outer(), Stands(engine.store.lanes), startable_s=3_600)

    async def work():
        while True:
            for lane in Lane:
                await engine.performer.perform(lane, 0.1)
            await engine.performer.land(0.1)
            await asyncio.to_thread(sys.stdin.readline)

    asyncio.run(work())


def desk(engine):
    """Place one order for each line read; without a pause once the input has ended."""
    for n in itertools.count():
        number = f"+86138{n:08d}"
        say("placed", place(engine, f"key-{n}", number).id, number)
        sys.stdin.readline()


def main(kind, port, folder):
    engine = engine_at(int(port), folder)
    work = {"worker": worker, "desk": desk}[kind]
    say("there")
    while True:
        try:
            work(engine)
        except StoreUnavailable as error:
            if "moved away" in str(error):
                say("away")
                return


if __name__ == "__main__":
    main(*sys.argv[1:])
