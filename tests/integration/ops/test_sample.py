"""The bundled plans are only a sample: an installation that really sells services must ask for them."""

import pytest
import yaml

from consent_engine.config.settings import Settings
from consent_engine.domain.offer.plan import Plan
from consent_engine.errors import Malformed
from consent_engine.wiring import installation
from tests.integration.api_door import FULL_SECRET, SECRET, server
from tests.plans import in_fields

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


OUTLASTS = {
    "price": {"currency": "CNY", "monthly": "199.00", "promotion": {"price": "99.00", "months": 6}},
    "term": {"months": 5, "starts": "next_day"}, "renewal": {"automatic": False},
}  # fmt: skip


@pytest.mark.parametrize("fault", [OUTLASTS, {"scenario": "限北京\n个人用户"}, {"name": "139,1234,5678 套餐"}])
def test_a_plan_that_is_on_sale_stops_no_start_by_a_rule_that_came_after_it(address, tmp_path, caplog, fault):
    file = tmp_path / "plans.yaml"
    told = in_fields(f"old-{len(fault)}-{len(str(fault))}", **fault)
    file.write_text(yaml.safe_dump([told]), "utf-8")
    settings = Settings.load({"CONSENT_REDIS_URL": address, "CONSENT_DATA_DIR": str(tmp_path), **REAL}, None)
    with installation(settings) as found:
        catalogue = found.engine().catalogue
        catalogue.stock([Plan.decode(told)])
        before = catalogue.fresh()[told["code"]].newest.number
    assert told["code"] in codes(address, tmp_path, CONSENT_PLANS=str(file))
    with installation(settings) as found:
        assert found.engine().catalogue.fresh()[told["code"]].newest.number == before
    assert (f"plan {told['code']} stays as it is" in caplog.text) == ("scenario" not in fault)
    file.write_text(yaml.safe_dump([told | {"code": "new"}]), "utf-8")
    if "scenario" not in fault:
        with pytest.raises(Malformed, match=r"plans.yaml, line 1, plan new: (price.promotion.months|name)"):
            codes(address, tmp_path, CONSENT_PLANS=str(file))
