"""Plain RQ: one job a step, each step enqueues the next."""

import os
from collections.abc import Sequence
from functools import cache

from peers import orders, steps
from redis import Redis
from rq import Queue

QUEUE = "orders"


@cache
def connection() -> "Redis":
    """Return the connection pool of this process, for the orders."""
    return orders.connect()


@cache
def queue() -> Queue:
    """Return the queue. RQ wants bytes, so it has a client of its own. Results are not kept: nobody reads them."""
    return Queue(QUEUE, connection=Redis.from_url(os.environ["BENCH_REDIS_URL"]))


def confirm(order_id: str) -> None:
    """Step 1: ask."""
    steps.confirm(connection(), order_id)


def reply(msisdn: str, text: str) -> None:
    """Step 2: read the reply."""
    if order_id := steps.reply(connection(), msisdn, text):
        queue().enqueue(activate, order_id, result_ttl=0)


def activate(order_id: str) -> None:
    """Step 3: activate."""
    steps.activate(connection(), order_id)
    queue().enqueue(notify, order_id, result_ttl=0)


def notify(order_id: str) -> None:
    """Step 4: notify."""
    steps.notify(connection(), order_id)


def place(wanted: Sequence[tuple[str, str]]) -> None:
    """Write the orders, then enqueue their first step, in bulk."""
    orders.create(connection(), wanted)
    queue().enqueue_many([Queue.prepare_data(confirm, (order_id,), result_ttl=0) for order_id, _ in wanted])


def answer(numbers: Sequence[str]) -> None:
    """Send a yes of every number."""
    queue().enqueue_many([Queue.prepare_data(reply, (msisdn, "是"), result_ttl=0) for msisdn in numbers])


def count(state: str) -> int:
    """Return how many orders are in a state."""
    return orders.count(connection(), state)
