"""The bundled plans are only a sample: an installation that really sells services must ask for them."""

import pytest

from consent_engine.config.settings import Settings
from consent_engine.wiring import installation
from tests.integration.api_door import FULL_SECRET, SECRET, server

REAL = {
    "CONSENT_SECRET": FULL_SECRET, "CONSENT_GATEWAY": "http_json", "CONSENT_BSS": "http",
    "CONSENT_HTTP_JSON__URL": "http://127.0.0.1:1/sms", "CONSENT_HTTP_JSON__SECRET": SECRET,
    "CONSENT_BSS_HTTP__URL": "http://127.0.0.1:1/bss", "CONSENT_BSS_HTTP__SECRET": SECRET,
}  # fmt: skip


@pytest.fixture(scope="module")
def address():
    with server() as (url, _):
        yield url


def codes(address, folder, **more):
    settings = Settings.load({"CONSENT_REDIS_URL": address, "CONSENT_DATA_DIR": str(folder), **REAL, **more}, None)
    with installation(settings) as found:
        return set(found.engine().catalogue.fresh())


def test_no_sample_plan_goes_on_sale_in_production_unless_somebody_asks_for_it(address, tmp_path, caplog):
    assert codes(address, tmp_path) == set()
    assert "no plan can be sold: consent plans load" in caplog.text
    assert len(codes(address, tmp_path, CONSENT_PLANS="sample")) >= 6


@pytest.mark.parametrize(("environ", "sold"), [
    ({}, True),
    (REAL, True),
    ({"CONSENT_REDIS_URL": "redis://h:1/0", **REAL}, False),
    ({"CONSENT_REDIS_URL": "redis://h:1/0", **REAL, "CONSENT_BSS": "simulated"}, True),
    ({"CONSENT_REDIS_URL": "redis://h:1/0", **REAL, "CONSENT_GATEWAY_UNICOM": "simulated"}, True),
    ({"CONSENT_REDIS_URL": "redis://h:1/0", **REAL, "CONSENT_PLANS": "sample"}, True),
    ({"CONSENT_PLANS": __file__}, False),
])  # fmt: skip
def test_the_sample_is_sold_on_the_embedded_server_and_where_something_is_simulated(environ, sold):
    assert Settings.load(environ, None).sells_sample() is sold
