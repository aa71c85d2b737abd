"""Every route is sent requests outside its document: no 5xx, and nothing undeclared in the answer.

As the admin, with few examples an operation; `make search DEEP=<examples an operation>` asks with every role and
through the webhooks, tries every edge of every schema, follows links between calls, and takes minutes.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from consent_engine.api.http.bodies import Bounds
from consent_engine.domain.hashing import HEADER, sign
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import SECRET, Door, live
from tests.tiers import DEEP
from tests.waiting import HANGS_S

ST = Path(sys.executable).with_name("st")
CONFIG = Path(__file__).with_name("schemathesis.toml")
WEBHOOKS = "^/v1/gateways/"
LEAST = 30
"""The least number of operations: an empty list would pass every check."""


@pytest.fixture(scope="module")
def door(running):
    made = Door(*running, bounds=Bounds(linger_s=0.0))
    # A worker that was heard from: without one /readyz says, rightly, that nothing is ready.
    made.redis.hset("ce:workers", "w-1", f"{made.engine.registry.now() + 86_400_000}|idle")
    yield made
    made.close()


@pytest.fixture(scope="module")
def told(capfd_disabled):
    counts = {}
    yield counts
    with capfd_disabled():
        print("\nschemathesis cases: " + ", ".join(f"{who} {n}" for who, n in counts.items()))  # noqa: T201 - the figure


@pytest.fixture(scope="module")
def capfd_disabled(request):
    return request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled


class Gateway:
    """The application as a gateway in use reaches it: a signature is replaced by a valid one, the body as it is."""

    def __init__(self, app, now):
        self._app = app
        self._now = now

    async def __call__(self, scope, receive, send):
        named = HEADER.lower().encode()
        if not scope["path"].startswith("/v1/gateways/") or named not in dict(scope["headers"]):
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = [pair for pair in scope["headers"] if pair[0] != named]
        headers.append((named, sign(SECRET, body, self._now() // 1000).encode()))
        path = f"/v1/gateways/simulated/{scope['path'].rpartition('/')[2]}"

        async def again():
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app({**scope, "path": path, "headers": headers}, again, send)


def document(door):
    """The document without its `default` answers: with them, no answer at all would be undeclared."""
    said = door.call("GET", "/openapi.json").json()
    for methods in said["paths"].values():
        for operation in methods.values():
            assert operation["responses"].pop("default", None) or operation["responses"]
    return said


def asked(door, url, key, folder, *options):
    """Run schemathesis; return its report, or fail with its output."""
    report, described = folder / "report.json", folder / "openapi.json"
    described.write_text(json.dumps(document(door)))
    command = [
        ST, "--config-file", CONFIG, "--no-color", "run", described, "--url", url,
        "--header", f"Authorization: Bearer {key}", "--continue-on-failure", "--generation-database", "none",
        "--warnings", "off", "--request-timeout", HANGS_S, "--report", "json", "--report-json-path", report, *options,
    ]  # fmt: skip
    done = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=HANGS_S * (1 + DEEP), check=False
    )
    assert report.exists(), done.stdout + done.stderr
    said = json.loads(report.read_text())
    assert not said["failures"], done.stdout
    assert not said["errors"], done.stdout
    assert said["complete"], done.stdout
    return said


def depth():
    """The options that set the depth. Without a search they are the same every time, and few for each operation: a
    wrong status or type shows at the first answers, on whichever path it is.
    """
    if DEEP:
        return ["--phases", "examples,coverage,fuzzing,stateful", "--mode", "all", "--max-examples", DEEP]
    return ["--phases", "examples,fuzzing", "--mode", "all", "--max-examples", 10, "--seed", "7"]


@pytest.mark.parametrize("role", Role if DEEP else [Role.ADMIN])
def test_no_route_answers_what_its_document_does_not_say(door, tmp_path, told, role):
    placed = door.place(key=f"for-{role}").json()
    operations = sum(map(len, document(door)["paths"].values()))
    with live(door.app) as url:
        said = asked(door, url, door.keys[role], tmp_path, *depth())
    assert placed
    assert said["operations"]["tested"] == operations >= LEAST
    told[role.value] = said["test_cases"]["generated"]
    assert not door.app.state.front.defects


def test_no_webhook_does_so_either_once_its_proof_is_good(door, tmp_path, told):
    with live(Gateway(door.app, door.engine.registry.now)) as url:
        # The caller is proven by the signature, which is always good here; a wrong item is named in a 200.
        without = "ignored_auth,negative_data_rejection"
        options = ["--include-path-regex", WEBHOOKS, "--exclude-checks", without]
        said = asked(door, url, door.keys[Role.ADMIN], tmp_path, *options, *depth())
    told["webhooks, signed"] = said["test_cases"]["generated"]
    assert said["operations"]["tested"] == 3
    assert not door.app.state.front.defects
