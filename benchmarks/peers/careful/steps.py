"""The steps of an order with the promises, shared by both careful peers; each wraps them in its own kind of job.

A step that finds the order in another state does nothing: it is a repeat. A step's result names the next one.
"""

from peers.careful import orders
from peers.careful.orders import REMINDER_S, WINDOW_S, Move, Order
from peers.careful.outside import activation, sms

YES = {"是", "是的", "同意", "确认", "y", "yes"}
NO = {"否", "不", "不同意", "n", "no"}
STOP = {"退订", "t", "td", "stop"}
OVER: dict[str, float | None] = {"reminder": None, "window": None}
TRIES = 20
"""How many times a step decides again because another changed the order meanwhile."""


class TooEarly(Exception):
    """A reply was read before its question was known to be sent: it is read again a moment later."""


def confirm(order_id: str) -> str:
    """Send the question."""
    order = orders.load(order_id)
    if order["state"] != "agreed":
        return ""
    ref = sms(order, "confirmation", order["text"])
    timers: dict[str, float | None] = {"reminder": REMINDER_S, "window": WINDOW_S}
    changed(
        order,
        Move("confirmation_sent", "awaiting_reply", {"asked": ref}, "confirm", timers=timers),
        {"agreed"},
    )
    return ""


def reply(message_id: str, msisdn: str, text: str) -> tuple[str, str]:
    """Read a message; return the next step and its order. Raises TooEarly."""
    found = orders.of_number(msisdn)
    waiting = [order for order in found if order["state"] == "awaiting_reply"]
    if not waiting and any(order["state"] == "agreed" for order in found):
        raise TooEarly
    word = text.strip().lower()
    if word in STOP:
        orders.refuse(msisdn)
    if len(waiting) != 1:
        return "", ""
    if word in YES:
        move = Move("said_yes", "confirmed", {"reply": text}, due="activate", timers=OVER, message=message_id)
    elif word in NO or word in STOP:
        move = Move("said_no", "declined", {"reply": text}, timers=OVER, message=message_id, ends=True)
    else:
        move = Move("said_something", fields={"reply": text}, message=message_id)
    saved = changed(waiting[0], move, {"awaiting_reply"})
    return (move.due, waiting[0]["id"]) if saved else ("", "")


def activate(order_id: str) -> str:
    """Switch the service on, unless the number has refused meanwhile."""
    order = orders.load(order_id)
    if order["state"] != "confirmed":
        return ""
    if orders.has_refused(order["msisdn"]):
        changed(order, Move("refused_meanwhile", "declined", done="activate", ends=True), {"confirmed"})
        return ""
    ref = activation(order)
    move = Move("service_activated", "activated", {"activation": ref}, "activate", "notify")
    return "notify" if changed(order, move, {"confirmed"}) else ""


def notify(order_id: str) -> str:
    """Tell the subscriber that the service is on."""
    order = orders.load(order_id)
    if order["state"] != "activated":
        return ""
    ref = sms(order, "notification", f"【10085】您办理的{orders.PLAN['name']}已开通。")
    changed(order, Move("notified", "notified", {"notified": ref}, "notify", ends=True), {"activated"})
    return ""


def report(message_id: str, ref: str, status: str) -> str:
    """Keep a delivery report with its order."""
    order_id, _, rest = ref.partition(".")
    changed(orders.load(order_id), Move(status, fields={rest: status}, message=message_id), None)
    return ""


def timer(name: str, order_id: str) -> str:
    """Remind, or end the order, whose window is over."""
    order = orders.load(order_id)
    if order["state"] != "awaiting_reply":
        return ""
    if name == "window":
        changed(order, Move("window_over", "expired", timers=OVER, ends=True), {"awaiting_reply"})
        return ""
    ref = sms(order, "reminder", order["text"])
    changed(
        order,
        Move("reminded", fields={"reminded": ref}, timers={"reminder": None}),
        {"awaiting_reply"},
    )
    return ""


def changed(order: Order, move: Move, states: set[str] | None) -> bool:
    """Save a change of the order as it is now; False for a repeat, or where its state is none of these."""
    for _ in range(TRIES):
        if states is not None and order["state"] not in states:
            return False
        word = orders.save(order, move)
        if word != "stale":
            return word == "saved"
        order = orders.load(order["id"])
    raise TimeoutError("the order changes all the time")
