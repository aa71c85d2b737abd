"""The four steps of an order, as the three peers on Redis share them; each peer wraps them in its own kind of job."""

from outside_stub import call
from peers import orders
from redis import Redis

YES = {"是", "是的", "同意", "确认", "y", "yes"}


def confirm(redis: "Redis", order_id: str) -> None:
    """Send the question."""
    order = orders.load(redis, order_id, "agreed")
    ref = call(f"{order_id}.confirmation {order['msisdn']} {order['text']}")
    orders.move(redis, order_id, "agreed", "awaiting_reply", asked=ref)


def reply(redis: "Redis", msisdn: str, text: str) -> str:
    """Read an answer; return the order to activate, or ''."""
    order_id = orders.of_number(redis, msisdn)
    orders.load(redis, order_id, "awaiting_reply")
    if text.strip().lower() not in YES:
        return ""
    orders.move(redis, order_id, "awaiting_reply", "confirmed", reply=text)
    return order_id


def activate(redis: "Redis", order_id: str) -> None:
    """Switch the service on."""
    orders.load(redis, order_id, "confirmed")
    ref = call(f"{order_id}.activate")
    orders.move(redis, order_id, "confirmed", "activated", activation=ref)


def notify(redis: "Redis", order_id: str) -> None:
    """Tell the subscriber that the service is on."""
    order = orders.load(redis, order_id, "activated")
    ref = call(f"{order_id}.notification {order['msisdn']}")
    orders.move(redis, order_id, "activated", "notified", notified=ref)
