"""Celery on Redis: one task a step, acknowledged late, results ignored."""

from collections.abc import Sequence
from functools import cache

from peers import orders, steps
from peers.celery_node import node
from redis import Redis

app = node("bench")


@cache
def connection() -> "Redis":
    """Return the connection pool of this process, for the orders."""
    return orders.connect()


@app.task
def confirm(order_id: str) -> None:
    """Step 1: ask."""
    steps.confirm(connection(), order_id)


@app.task
def reply(msisdn: str, text: str) -> None:
    """Step 2: read the reply."""
    if order_id := steps.reply(connection(), msisdn, text):
        activate.delay(order_id)


@app.task
def activate(order_id: str) -> None:
    """Step 3: activate."""
    steps.activate(connection(), order_id)
    notify.delay(order_id)


@app.task
def notify(order_id: str) -> None:
    """Step 4: notify."""
    steps.notify(connection(), order_id)


def place(wanted: Sequence[tuple[str, str]]) -> None:
    """Write the orders, then send their first step."""
    orders.create(connection(), wanted)
    for order_id, _ in wanted:
        confirm.delay(order_id)


def answer(numbers: Sequence[str]) -> None:
    """Send a yes of every number."""
    for msisdn in numbers:
        reply.delay(msisdn, "是")


def count(state: str) -> int:
    """Return how many orders are in a state."""
    return orders.count(connection(), state)
