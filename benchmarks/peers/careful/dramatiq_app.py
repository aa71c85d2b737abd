"""Dramatiq with the promises of an order: one message a step, acknowledged after its actor ended."""

import os
from collections.abc import Sequence

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from peers.careful import orders, steps
from peers.orders import MOST_CONNECTIONS
from redis import Redis

# Given a URL, the broker would make a pool with no other bound than redis-py's own.
CLIENT = Redis.from_url(os.environ["BENCH_REDIS_URL"], max_connections=MOST_CONNECTIONS)
AGAIN_MS = 100
"""How long a reply waits that came before its question was known to be sent; more at each further try."""
dramatiq.set_broker(RedisBroker(client=CLIENT))


@dramatiq.actor
def step(name: str, order_id: str) -> None:
    """Do a step of an order, and send the next one."""
    if after := getattr(steps, name)(order_id):
        step.send(after, order_id)


@dramatiq.actor
def timer(name: str, order_id: str) -> None:
    """Do what is due at an instant."""
    steps.timer(name, order_id)


@dramatiq.actor(min_backoff=AGAIN_MS, max_backoff=100 * AGAIN_MS)
def reply(message_id: str, msisdn: str, text: str) -> None:
    """Read a subscriber's message."""
    name, order_id = steps.reply(message_id, msisdn, text)
    if name:
        step.send(name, order_id)


@dramatiq.actor
def report(message_id: str, ref: str, status: str) -> None:
    """Keep a delivery report."""
    steps.report(message_id, ref, status)


send_step, send_timer, send_reply, send_report = step.send, timer.send, reply.send, report.send
count = orders.count


def place(wanted: Sequence[tuple[str, str]]) -> None:
    """Save the orders, then send their first step."""
    for word, order_id in orders.place([orders.Request(f"load-{name}", msisdn, id=name) for name, msisdn in wanted]):
        if word == "new":
            step.send("confirm", order_id)


def answer(numbers: Sequence[str]) -> None:
    """Send a yes of every number."""
    for msisdn in numbers:
        reply.send(f"mo-{msisdn}", msisdn, "是")
