"""One cluster for all tests of this folder; each test begins with empty masters."""

import pytest

from tests.cluster.servers import beside
from tests.cluster.shaky import Shaky

CELLS = 8


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    with beside(tmp_path_factory.mktemp("clustered")) as made:
        yield made


@pytest.fixture
def world():
    made = Shaky()
    yield made
    made.runner.close()


@pytest.fixture
def town(running):
    cluster, rq = running
    cluster.calm()
    cluster.flush()
    rq.do("FLUSHALL")
    return cluster


@pytest.fixture
def settings(running, town):
    """The settings by which a process finds them."""
    return {
        "CONSENT_REDIS_URL": town.url,
        "CONSENT_RQ_URL": running[1].url,
        "CONSENT_SECRET": "a-secret-of-the-tests-0123456789",
        "CONSENT_CELLS": str(CELLS),
        "CONSENT_REPLICAS": "1",
        "CONSENT_REPLY_WINDOW": "10m",
        "CONSENT_CONFIRM_WITHIN": "5m",
    }


@pytest.fixture
def named(settings, tmp_path):
    """The installation of a test, on the cluster, as settings."""
    simulated = dict.fromkeys(("CONSENT_GATEWAY", "CONSENT_BSS"), "simulated")
    return settings | simulated | {"CONSENT_DATA_DIR": str(tmp_path), "CONSENT_READING_SPEED": "1000000"}
