"""A server a module, and a client of RQ's on it, empty, a test."""

import pytest

from consent_engine.adapters.rq_queue import connect_rq
from tests.integration.rq_house import started

__all__ = ["started"]


@pytest.fixture
def redis(started):
    client = connect_rq(started.url, 5.0)
    client.flushall()
    return client
