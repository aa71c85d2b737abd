"""DBOS on PostgreSQL: an order is a workflow; its calls are steps; it waits for the reply with `recv`.

`python -m peers.dbos_app N` is worker N. The workflow's id is the order's, so a reply needs only a table from number to
order; the state of an order is what DBOS itself has written down. BENCH_DBOS_STYLE: `async` or `threads`.
"""

import os
import sys
import threading
import time
from collections.abc import Sequence
from functools import cache

import psycopg
from dbos import DBOS, DBOSClient, SendMessage
from outside_stub import acall, call

URL = os.environ["BENCH_PG_URL"]
QUEUE = "orders"
DAY_S = 86_400
YES = {"是", "是的", "同意", "确认", "y", "yes"}
WORKFLOW = {"async": "consent", "threads": "consent_sync"}[os.environ.get("BENCH_DBOS_STYLE", "async")]


@DBOS.step()
async def confirm(order_id: str, msisdn: str) -> str:
    """Step 1: ask."""
    return await acall(f"{order_id}.confirmation {msisdn}")


@DBOS.step()
async def activate(order_id: str) -> str:
    """Step 3: activate."""
    return await acall(f"{order_id}.activate")


@DBOS.step()
async def notify(order_id: str, msisdn: str) -> str:
    """Step 4: notify."""
    return await acall(f"{order_id}.notification {msisdn}")


@DBOS.workflow()
async def consent(order_id: str, msisdn: str) -> str:
    """Run an order, from question to notification."""
    await confirm(order_id, msisdn)
    reply = await DBOS.recv_async("reply", timeout_seconds=DAY_S)
    if reply is None or reply.strip().lower() not in YES:
        return "declined"
    await activate(order_id)
    await notify(order_id, msisdn)
    return "notified"


@DBOS.step(name="confirm_sync")
def confirm_sync(order_id: str, msisdn: str) -> str:
    """Step 1: ask."""
    return call(f"{order_id}.confirmation {msisdn}")


@DBOS.step(name="activate_sync")
def activate_sync(order_id: str) -> str:
    """Step 3: activate."""
    return call(f"{order_id}.activate")


@DBOS.step(name="notify_sync")
def notify_sync(order_id: str, msisdn: str) -> str:
    """Step 4: notify."""
    return call(f"{order_id}.notification {msisdn}")


@DBOS.workflow()
def consent_sync(order_id: str, msisdn: str) -> str:
    """Run an order with a thread of its own, also while it waits."""
    confirm_sync(order_id, msisdn)
    reply = DBOS.recv("reply", timeout_seconds=DAY_S)
    if reply is None or reply.strip().lower() not in YES:
        return "declined"
    activate_sync(order_id)
    notify_sync(order_id, msisdn)
    return "notified"


def launch(worker: str) -> None:
    """Become a worker."""
    pool = int(os.environ.get("BENCH_DBOS_POOL", "20"))
    DBOS(
        config={
            "name": "bench",
            "system_database_url": URL,
            "executor_id": f"worker-{worker}",
            "application_version": "1",
            "sys_db_pool_size": pool,
            "log_level": "WARNING",
        }
    )
    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=float(os.environ.get("BENCH_DBOS_POLL", "1.0")))
    threading.Event().wait()


@cache
def client() -> DBOSClient:
    """Return the client by which other processes enqueue work and send messages."""
    return DBOSClient(system_database_url=URL)


@cache
def database() -> "psycopg.Connection[tuple[int]]":
    """Return the connection for the table of numbers, and for counting."""
    connection = psycopg.connect(URL, autocommit=True)
    for _ in range(300):  # the workers make the tables, and register the queue last
        [[there]] = connection.execute("SELECT to_regclass('dbos.queues') IS NOT NULL").fetchall()
        if there and connection.execute("SELECT count(*) FROM dbos.queues WHERE name = %s", [QUEUE]).fetchone() != (0,):
            break
        time.sleep(0.1)
    connection.execute("CREATE TABLE IF NOT EXISTS numbers (msisdn text PRIMARY KEY, order_id text NOT NULL)")
    return connection


def place(wanted: Sequence[tuple[str, str]]) -> None:
    """Write the numbers in bulk, then enqueue a workflow an order."""
    with database().cursor() as cursor:
        cursor.executemany("INSERT INTO numbers VALUES (%s, %s)", [(msisdn, order_id) for order_id, msisdn in wanted])
    for order_id, msisdn in wanted:
        options = {"workflow_name": WORKFLOW, "queue_name": QUEUE, "workflow_id": order_id, "app_version": "1"}
        client().enqueue(options, order_id, msisdn)


def answer(numbers: Sequence[str]) -> None:
    """Send a yes of every number, in bulk: one transaction a batch."""
    found = database().execute("SELECT order_id FROM numbers WHERE msisdn = ANY(%s)", [list(numbers)])
    client().send_bulk([SendMessage(str(order_id), "是", "reply") for (order_id,) in found])


def count(state: str) -> int:
    """Return how many orders were asked, or are done."""
    if state == "notified":
        sql = "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'"
    else:
        sql = "SELECT count(*) FROM dbos.operation_outputs WHERE function_name LIKE '%confirm%'"
    return int((database().execute(sql).fetchone() or (0,))[0])


if __name__ == "__main__":
    launch(sys.argv[1])
