"""The order records of the three peers on Redis: a hash with the state, and an index from number to order.

No history, no evidence, no plan, no version: two steps at once would both be taken. That is less than ours on purpose:
it is what a tutorial for a task queue would keep.
"""

import os
from collections.abc import Sequence

from redis import Redis

FUNNEL = "funnel"
TEXT = (
    "【10085】您好，您刚才在通话中选择了 5G 智享套餐 199 元档，199 元/月，适用中国大陆（不含港澳台）手机上网与语音，"
    "有效期自开通之日起 24 个月，到期自动续订。合约期内提前取消按剩余月份收取违约金。"
    "回复“是”确认办理，回复“否”或不回复则不办理，回复免费。退订发送 QXTC 到 10086。"
)


MOST_CONNECTIONS = 1000
"""The bound of connections: redis-py's own of 100 fails a thread that comes too late, and more threads are tried."""


def connect() -> "Redis":
    """Connect to the peer's Redis: the same server as its broker."""
    return Redis.from_url(os.environ["BENCH_REDIS_URL"], decode_responses=True, max_connections=MOST_CONNECTIONS)


def create(redis: "Redis", wanted: Sequence[tuple[str, str]]) -> None:
    """Write orders, given as (id, number), and the index from number to order."""
    pipe = redis.pipeline(transaction=False)
    for order_id, msisdn in wanted:
        pipe.hset(f"order:{order_id}", mapping={"state": "agreed", "msisdn": msisdn, "text": TEXT})
        pipe.set(f"number:{msisdn}", order_id)
    pipe.hincrby(FUNNEL, "agreed", len(wanted))
    pipe.execute()


def load(redis: "Redis", order_id: str, expected: str) -> dict[str, str]:
    """Return the order. Raises ValueError when it is not in that state."""
    order = redis.hgetall(f"order:{order_id}")
    if order["state"] != expected:
        raise ValueError(order["state"])
    return order


def of_number(redis: "Redis", msisdn: str) -> str:
    """Return the order that a reply from this number means."""
    return str(redis.get(f"number:{msisdn}"))


def move(redis: "Redis", order_id: str, before: str, after: str, **fields: str) -> None:
    """Write the order's next state, and count it."""
    pipe = redis.pipeline(transaction=True)
    pipe.hset(f"order:{order_id}", mapping={"state": after, **fields})
    pipe.hincrby(FUNNEL, before, -1)
    pipe.hincrby(FUNNEL, after, 1)
    pipe.execute()


def count(redis: "Redis", state: str) -> int:
    """Return how many orders are in a state."""
    return int(redis.hget(FUNNEL, state) or 0)
