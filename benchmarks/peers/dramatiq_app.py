"""Dramatiq on Redis: one message a step. A message is acknowledged after its actor ended: Dramatiq's only way."""

import os
from collections.abc import Sequence
from functools import cache

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from peers import orders, steps
from redis import Redis

# Given a URL, the broker would make a pool with no other bound than redis-py's own.
CLIENT = Redis.from_url(os.environ["BENCH_REDIS_URL"], max_connections=orders.MOST_CONNECTIONS)
dramatiq.set_broker(RedisBroker(client=CLIENT))


@cache
def connection() -> "Redis":
    """Return the connection pool of this process, for the orders."""
    return orders.connect()


@dramatiq.actor
def confirm(order_id: str) -> None:
    """Step 1: ask."""
    steps.confirm(connection(), order_id)


@dramatiq.actor
def reply(msisdn: str, text: str) -> None:
    """Step 2: read the reply."""
    if order_id := steps.reply(connection(), msisdn, text):
        activate.send(order_id)


@dramatiq.actor
def activate(order_id: str) -> None:
    """Step 3: activate."""
    steps.activate(connection(), order_id)
    notify.send(order_id)


@dramatiq.actor
def notify(order_id: str) -> None:
    """Step 4: notify."""
    steps.notify(connection(), order_id)


def place(wanted: Sequence[tuple[str, str]]) -> None:
    """Write the orders, then send their first step."""
    orders.create(connection(), wanted)
    for order_id, _ in wanted:
        confirm.send(order_id)


def answer(numbers: Sequence[str]) -> None:
    """Send a yes of every number."""
    for msisdn in numbers:
        reply.send(msisdn, "是")


def count(state: str) -> int:
    """Return how many orders are in a state."""
    return orders.count(connection(), state)
