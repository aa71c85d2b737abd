"""The OpenAPI document: complete, with true examples, and good enough to generate a client from."""

import importlib
import json
import re
import subprocess
import sys

import pytest

from consent_engine.api.document import openapi
from consent_engine.api.http.problems import STATUS, status_of
from consent_engine.api.schemas.examples import example_of
from consent_engine.engine.api_keys import Role
from consent_engine.errors import ConsentError
from tests import needs
from tests.integration.api_door import live, order
from tests.integration.http.routes import ROUTES
from tests.plans import PLAN
from tests.waiting import HANGS_S

GENERATOR = ("openapi-python-client==0.29.1", "ruamel.yaml==0.19.1", "shellingham==1.5.4")
"""The generator: our code does not import it, and its other requirements are installed already."""
VERSIONS = {("GET", "/tariffs/{code}.json"), ("GET", "/tariffs/{code}/{version}.json")}
PUBLIC = {("GET", path) for path in ("/healthz", "/readyz", "/tariffs", "/tariffs.json", "/docs", "/openapi.json")}

CODES = {("POST", "/v1/reports/code"), ("GET", "/v1/log/proof"), ("POST", "/v1/receipts")} | {
    ("POST", "/v1/receipts/code"), ("POST", "/v1/receipts/all"),
}  # fmt: skip


@pytest.fixture
def said(door):
    return door.call("GET", "/openapi.json").json()


def operations(said):
    return [(method, path, each) for path, methods in said["paths"].items() for method, each in methods.items()]


def test_every_route_of_the_api_is_in_the_table_of_roles_or_public(door):
    routes = {
        (
            method,
            route.path.replace("{order_id}", "{id}").replace("{call_id}", "{call}").replace("{report_id}", "{report}"),
        )
        for route in door.app.routes
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD" and (route.path.startswith("/v1/") or route.path == "/metrics")
    }
    public = {route for route in routes if "/v1/gateways/" in route[1]} | CODES
    assert routes - public == set(ROUTES)


def test_what_is_public_needs_no_key(door):
    for method, path in PUBLIC - {("GET", "/readyz")} | VERSIONS:
        assert door.call(method, path.format(code="5g-smart-199", version=1)).status_code == 200, path


def test_every_schema_and_every_body_has_an_example(said):
    for _, path, operation in operations(said):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert content["example"], path
    views = {name for _, _, operation in operations(said) for name in answered(operation)}
    assert views
    for name in views - {"DialView"}:
        assert said["components"]["schemas"][name]["examples"], name


def answered(operation):
    for answer in operation["responses"].values():
        for content in answer.get("content", {}).values():
            reference = content.get("schema", {}).get("$ref")
            yield from [reference.rsplit("/", 1)[1]] if reference else []


def test_the_examples_are_what_the_models_read(door):
    for form in openapi.forms(door.app):
        example = example_of(form)
        shown = {"code": "x", **example} if form.__name__ == "PlanForm" else example
        assert form.model_validate_json(json.dumps(shown)), form.__name__


def test_every_problem_is_documented_where_it_can_happen(said):
    told = json.dumps(said, ensure_ascii=False)
    for kind in (kind for kind in kinds(ConsentError) if kind.__module__ == "consent_engine.errors"):
        if (kind in STATUS or not kind.__subclasses__()) and status_of(kind.__new__(kind)) < 500:
            assert f"`{kind.code}`" in told or kind.code in {"key_not_found", "refused"}, kind
    for method, path, operation in operations(said):
        if {"key": []} in operation.get("security", []):
            assert {"401", "503"} <= set(operation["responses"]) or path == "/metrics", (method, path)


def kinds(of):
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_security_is_told_for_every_operation_that_has_one(said):
    schemes = said["components"]["securitySchemes"]
    assert set(schemes) == {"key", "signature", "basic"}
    for method, path, operation in operations(said):
        asked = {name for each in operation.get("security", []) for name in each}
        expected = {"signature", "basic"} if path.startswith("/v1/gateways/") else {"key"}
        assert asked == (set() if (method.upper(), path) in PUBLIC | VERSIONS | CODES else expected), path


def test_functions_of_a_client_have_names(said):
    names = [operation["operationId"] for _, _, operation in operations(said)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in names), names


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """Install the generator in a folder of its own."""
    needs.package_index()
    folder = tmp_path_factory.mktemp("generator")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*install, "--target", str(folder), *GENERATOR], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def client(door, said, generator, tmp_path, monkeypatch):
    """Generate a client from the document; return its modules by name."""
    (tmp_path / "openapi.json").write_text(json.dumps(said))
    (tmp_path / "config.yml").write_text(
        "post_hooks: []\ncontent_type_overrides: {text/csv: application/octet-stream}\n"
    )
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    paths = ["--path", "openapi.json", "--config", "config.yml", "--output-path", "made_client"]
    environ = {"PYTHONPATH": str(generator), "PATH": "/usr/bin:/bin"}
    made = subprocess.run(
        [*command, *paths], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=HANGS_S, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda name: importlib.import_module(f"made_client.{name}")
    for name in [name for name in sys.modules if name.split(".")[0] == "made_client"]:
        del sys.modules[name]


def test_a_client_made_from_the_document_works(door, client):
    models = client("models")

    def whose(role):
        made = client("client").AuthenticatedClient
        return made(base_url=url, token=door.keys[role], raise_on_unexpected_status=True)

    with live(door.app) as url, whose(Role.AGENT) as agent, whose(Role.OPS) as ops, whose(Role.ADMIN) as admin:
        body = models.PlaceOrder.from_dict(order())
        placed = client("api.orders.orders_place").sync(client=agent, body=body, idempotency_key="k-1")
        assert isinstance(placed, models.OrderView)
        assert placed.state is models.State.AGREED
        listed = client("api.orders.orders_list").sync(client=ops, limit=5, state=models.State.AGREED)
        assert [each.id for each in listed.orders] == [placed.id]
        found = client("api.orders.orders_search").sync(client=ops, body=models.SearchOrders(msisdn=placed.msisdn))
        assert found.orders[0].msisdn == "+86138****8000"
        problem = client("api.orders.orders_resend").sync(placed.id, client=agent)
        assert isinstance(problem, models.Problem)
        assert problem.code == "not_waiting"
        plan = client("api.plans.plans_publish").sync("new", client=admin, body=models.PlanForm.from_dict(PLAN))
        assert (plan.code, plan.version) == ("new", 1)
        rows = client("types").File(payload=b"msisdn,carrier,channel\n13900139000,,web\n")
        assert client("api.refusals.refusals_import").sync(client=ops, body=rows).accepted == 1
        refused = client("api.refusals.refusals_list").sync(client=ops)
        assert refused.refusals[0].carrier is None
        with client("client").Client(base_url=url) as anybody:
            told = client("api.plans.plans_tariffs_json").sync(client=anybody)
        assert "new" in [each.code for each in told.items]
