"""Celery on Redis: one task a step, acknowledged late, results ignored."""

import os
from collections.abc import Sequence
from functools import cache

from celery import Celery
from peers import orders, steps
from redis import Redis

app = Celery("bench", broker=os.environ["BENCH_REDIS_URL"].replace("unix://", "redis+socket://").split("?")[0])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "4")),
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
    redis_max_connections=orders.MOST_CONNECTIONS,
    broker_transport_options={"max_connections": orders.MOST_CONNECTIONS},
)


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
