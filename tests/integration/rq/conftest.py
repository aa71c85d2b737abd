"""Fixtures of these tests: one server per module, and one RQ client per test, on the emptied server."""

import pytest

from consent_engine.adapters.rq_queue import connect_rq
from tests.integration.rq_house import started

__all__ = ["started"]


@pytest.fixture
def redis(started):
    client = connect_rq(started.url, 5.0)
    client.flushall()
    return client
