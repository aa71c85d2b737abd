"""Celery with the promises of an order: one task a step, acknowledged late, results ignored."""

from collections.abc import Sequence

from peers.careful import orders, steps
from peers.celery_node import node

app = node("careful")


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
