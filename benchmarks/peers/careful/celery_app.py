"""Celery with the promises of an order: one task a step, acknowledged late, results ignored."""

import os
from collections.abc import Sequence

from celery import Celery
from peers.careful import orders, steps

app = Celery("careful", broker=os.environ["BENCH_REDIS_URL"].replace("unix://", "redis+socket://").split("?")[0])
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


@app.task
def step(name: str, order_id: str) -> None:
    """Do a step of an order, and send the next one."""
    if after := getattr(steps, name)(order_id):
        step.delay(after, order_id)


@app.task
def timer(name: str, order_id: str) -> None:
    """Do what is due at an instant."""
    steps.timer(name, order_id)


@app.task(autoretry_for=(steps.TooEarly,), retry_backoff=True, max_retries=10)
def reply(message_id: str, msisdn: str, text: str) -> None:
    """Read a subscriber's message."""
    name, order_id = steps.reply(message_id, msisdn, text)
    if name:
        step.delay(name, order_id)


@app.task
def report(message_id: str, ref: str, status: str) -> None:
    """Keep a delivery report."""
    steps.report(message_id, ref, status)


send_step, send_timer, send_reply, send_report = step.delay, timer.delay, reply.delay, report.delay
count = orders.count


def place(wanted: Sequence[tuple[str, str]]) -> None:
    """Save the orders, then send their first step."""
    for word, order_id in orders.place([orders.Request(f"load-{name}", msisdn, id=name) for name, msisdn in wanted]):
        if word == "new":
            step.delay("confirm", order_id)


def answer(numbers: Sequence[str]) -> None:
    """Send a yes of every number."""
    for msisdn in numbers:
        reply.delay(f"mo-{msisdn}", msisdn, "是")
