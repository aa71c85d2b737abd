"""The connection options of every Redis client: no command is repeated, for the caller decides about a lost answer."""

from typing import Any

from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry


def unrepeated(timeout_s: float, connect_s: float) -> dict[str, Any]:
    """Return the options of such a connection, as in `Redis.from_url`.

    Maintenance notifications are off: with them on, redis-py skips the test for left-over data of an interrupted call
    and can give one caller the answer to another's command.
    """
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": connect_s,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "protocol": 2,
    }
