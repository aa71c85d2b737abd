"""Order records of the careful peers: what an order needs, as a good user of a task queue would keep it in Redis.

Placing is idempotent (a key, compared with the request), refusals and open orders are looked up, plan, text and policy
are frozen in the order, every change is a compare-and-set of its version and an entry of a hash chain, a message counts
once, reminder and window are timers, states are counted by day, and a step that is due is kept beside its order until
it is done, so that one whose message was lost is sent again (`sweep.py`). Two scripts, each all or nothing. The server
syncs its file before it answers (`appendfsync always`).
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from peers.orders import connect
from redis import Redis
from redis.commands.core import Script

HERE = Path(__file__).parent
DUE, TIMERS, FUNNEL = "due", "timers", "funnel"
KEYS_KEPT_S = 30 * 86_400
"""How long the Idempotency-Keys of requests and the ids of messages are kept."""
AGAIN_S = 60
"""How long a step may take before its message counts as lost."""
REMINDER_S, WINDOW_S = 12 * 3_600, 24 * 3_600
PLAN = {
    "code": "5g-smart-199", "version": 1, "name": "5G 智享套餐 199 元档", "monthly": "199.00", "months": 24,
    "includes": ["国内流量 60GB", "语音 1000分钟"], "term": "24 个月，到期自动续订",
}  # fmt: skip
POLICY = {"confirm_within": WINDOW_S, "reminder_after": REMINDER_S, "cool_off": 0}
TEXT = (
    "【10085】您好，您刚才在通话中选择了 {name}，{monthly} 元/月，适用中国大陆（不含港澳台）手机上网与语音，"
    "有效期自开通之日起 {term}。合约期内提前取消按剩余月份收取违约金。"
    "回复“是”确认办理，回复“否”或不回复则不办理，回复免费。退订发送 QXTC 到 10086。"
)

Order = dict[str, str]


@cache
def connection() -> "Redis":
    """Return the connection pool of this process: the same server as the broker's."""
    return connect()


@cache
def script(name: str) -> Script:
    """Return a script of this folder."""
    return connection().register_script((HERE / f"{name}.lua").read_text())


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a desk."""

    key: str
    msisdn: str
    agent: str = "A1024"
    call: Mapping[str, str] = field(default_factory=dict)
    id: str = ""

    def digest(self) -> str:
        """Return the hash by which a repeat is told from another request under the same key."""
        return _hash({"msisdn": self.msisdn, "plan": PLAN["code"], "agent": self.agent, "call": dict(self.call)})


def place(wanted: Sequence[Request]) -> list[tuple[str, str]]:
    """Save new orders; return a word and an id for each: new, same, conflict, refused, duplicate."""
    pipe = connection().pipeline(transaction=False)
    for each in wanted:
        _place(pipe, each)
    return [(str(word), str(known)) for word, known in pipe.execute()]


def _place(pipe: Any, wanted: Request) -> None:  # noqa: ANN401 - redis-py's pipeline
    now, digest = time.time(), wanted.digest()
    order_id = wanted.id or sha256(f"{wanted.key} {digest}".encode()).hexdigest()[:28]
    about = {
        "version": "1", "state": "agreed", "msisdn": wanted.msisdn, "agent": wanted.agent, "key": wanted.key,
        "plan": json.dumps(PLAN, ensure_ascii=False), "plan_hash": _hash(PLAN), "policy": json.dumps(POLICY),
        "text": TEXT.format(**PLAN), "call": json.dumps(dict(wanted.call)), "created": f"{now:.3f}",
    }  # fmt: skip
    entry, head = _entry("", now, "agreed", about)
    fields = [part for pair in {**about, "head": head}.items() for part in pair]
    keys = [
        f"key:{wanted.key}", f"order:{order_id}", f"open:{wanted.msisdn}:{PLAN['code']}", f"refused:{wanted.msisdn}",
        f"number:{wanted.msisdn}", f"history:{order_id}", DUE, _counts(now), FUNNEL,
    ]  # fmt: skip
    step = [f"confirm {order_id}", f"{now + AGAIN_S:.3f}"]
    script("place")(keys, [order_id, digest, KEYS_KEPT_S, entry, *step, *fields], client=pipe)


def load(order_id: str) -> Order:
    """Return an order. Raises LookupError when it is not there."""
    order = connection().hgetall(f"order:{order_id}")
    if not order:
        raise LookupError
    return {**order, "id": order_id}


def of_number(msisdn: str) -> list[Order]:
    """Return the orders of a number, the newest first."""
    pipe = connection().pipeline(transaction=False)
    found = connection().lrange(f"number:{msisdn}", 0, -1)[::-1]
    for order_id in found:
        pipe.hgetall(f"order:{order_id}")
    return [{**order, "id": order_id} for order_id, order in zip(found, pipe.execute(), strict=True) if order]


def refuse(msisdn: str) -> None:
    """Keep that a number refuses."""
    connection().set(f"refused:{msisdn}", f"{time.time():.3f}")


def has_refused(msisdn: str) -> bool:
    """Whether a number refused."""
    return bool(connection().exists(f"refused:{msisdn}"))


@dataclass(frozen=True, slots=True)
class Move:
    """A change of an order. after: its state then, '' for the same · done, due: steps · timers: seconds from now; None
    ends one, and one that is not named stays · message: the message that makes it · ends: whether the order is over
    """

    what: str
    after: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    done: str = ""
    due: str = ""
    timers: Mapping[str, float | None] = field(default_factory=dict)
    message: str = ""
    ends: bool = False


def save(order: Order, move: Move) -> str:
    """Save a change, if the order is as it was read: saved, stale, or repeated, for a message that counted before."""
    now, order_id = time.time(), order["id"]
    entry, head = _entry(order["head"], now, move.what, move.fields)
    keys = [
        f"order:{order_id}", f"history:{order_id}", DUE, TIMERS, _counts(now), FUNNEL, f"message:{move.message}",
        f"open:{order['msisdn']}:{PLAN['code']}",
    ]  # fmt: skip
    timers = [_at(now, move.timers[name]) if name in move.timers else "" for name in ("reminder", "window")]
    fields = [part for pair in {**move.fields, "head": head}.items() for part in pair]
    words = [
        order["version"], order["state"], move.after or order["state"], entry, move.done and f"{move.done} {order_id}",
        move.due and f"{move.due} {order_id}", f"{now + AGAIN_S:.3f}", *timers,
        KEYS_KEPT_S if move.message else 0, int(move.ends), *fields,
    ]  # fmt: skip
    return str(script("move")(keys, words))


def _at(now: float, seconds: float | None) -> str:
    return "0" if seconds is None else f"{now + seconds:.3f}"


def overdue(now: float, most: int = 500) -> tuple[list[str], list[str]]:
    """Return steps and timers that are due, each as a name and an order; steps are due again later."""
    redis = connection()
    steps = redis.zrangebyscore(DUE, "-inf", now, start=0, num=most)
    if steps:
        redis.zadd(DUE, dict.fromkeys(steps, now + AGAIN_S), xx=True)
    return steps, redis.zrangebyscore(TIMERS, "-inf", now, start=0, num=most)


def count(state: str) -> int:
    """Return how many orders are in a state."""
    return int(connection().hget(FUNNEL, state) or 0)


def _counts(now: float) -> str:
    return f"counts:{time.strftime('%Y-%m-%d', time.gmtime(now))}"


def _entry(head: str, now: float, what: str, fields: Mapping[str, str]) -> tuple[str, str]:
    """Return an entry of the history, which names the one before by its hash, and its own hash."""
    entry = json.dumps({"at": f"{now:.3f}", "what": what, "fields": dict(fields), "prev": head}, ensure_ascii=False)
    return entry, sha256(entry.encode()).hexdigest()


def _hash(value: Mapping[str, Any]) -> str:
    return sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
