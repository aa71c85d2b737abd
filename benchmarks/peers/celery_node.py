"""A Celery application on the benchmark's Redis, set for speed: what both Celery peers have in common."""

import os

from celery import Celery
from peers import orders


def node(name: str) -> Celery:
    """Return an application of this name: tasks acknowledged late, results ignored."""
    app = Celery(name, broker=os.environ["BENCH_REDIS_URL"].replace("unix://", "redis+socket://").split("?")[0])
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
    return app
