"""Bodies that are too large, malformed, of another type or too deep change nothing; and no answer repeats a value."""

import json
import logging

import pytest

from consent_engine.domain.hashing import HEADER, sign
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import NUMBER, SECRET, is_problem, logged, order, reply

KIB = 1024
FORMS = ("/v1/orders", "/v1/orders/{id}/cancel", "/v1/callable", "/v1/refusals")
PLAIN = {"text/plain", "application/x-www-form-urlencoded"}
HOOKS = ("/v1/gateways/simulated/inbound", "/v1/gateways/simulated/receipts")


@pytest.fixture
def unchanged(door):
    """Place an order and return its id; check that nothing in the test changes anything."""
    placed = door.place(key="first").json()["id"]
    before = door.kept()
    yield placed
    assert door.kept() == before


def send(door, path, placed, content, headers=()):
    """Post as the admin, and signed, which any route accepts; `headers` replace the usual ones."""
    whole = b"".join(content) if isinstance(content, list) else content
    ours = {
        "Authorization": f"Bearer {door.keys[Role.ADMIN]}",
        "Idempotency-Key": "bodies",
        "Content-Type": "application/json",
        HEADER: sign(SECRET, whole, door.engine.registry.now() // 1000),
        **dict(headers),
    }
    sent = [(name, value) for name, value in ours.items() if value is not None]
    return door.send("POST", path.format(id=placed), sent, chunks(content) if isinstance(content, list) else content)


async def chunks(parts):
    """Yield a body in chunks, without a declared length."""
    for part in parts:
        yield part


MALFORMED = {
    "nothing": b"",
    "half": b'{"msisdn": ',
    "not JSON": b"msisdn=13800138000",
    "not UTF-8": b'{"msisdn": "\xff\xfe"}',
    "UTF-16": json.dumps(order()).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a field twice": b'{"msisdn": "13800138000", "msisdn": "13900139000"}',
    "a field twice, below": json.dumps(order()).replace('"desk"', '"desk": 1, "desk"').encode(),
    "NaN": json.dumps(order(metadata={"x": float("nan")})).encode(),
    "infinity": json.dumps(order()).replace('"BJ-3"', "1e999").encode(),
    "an endless number": json.dumps(order()).replace('"BJ-3"', "9" * 5_000).encode(),
    "half a character": json.dumps(order(agent="A\ud800")).encode(),
    "half a character as a name": json.dumps(order(metadata={"\udc00": 1})).encode(),
    "depth": json.dumps(order()).replace('"BJ-3"', "[" * 30 + "]" * 30).encode(),
    "great depth": b"[" * 30_000,
    "two texts": b"{}{}",
}


@pytest.mark.parametrize("path", FORMS)
def test_what_is_not_sound_json_is_malformed(door, unchanged, path):
    for name, content in MALFORMED.items():
        said = is_problem(send(door, path, unchanged, content), 422, "malformed")
        assert [error["field"] for error in said["errors"]] == ["body"], name


@pytest.mark.parametrize("path", HOOKS)
def test_a_webhook_that_is_not_json_is_malformed_however_well_signed(door, unchanged, path):
    for name in ("nothing", "half", "not JSON", "not UTF-8", "great depth", "two texts"):
        assert send(door, path, unchanged, MALFORMED[name]).status_code == 422, name


@pytest.mark.parametrize("said", ["null", "1", '"x"', "true", "[]", "{}"])
def test_json_that_is_no_order_is_malformed(door, unchanged, said):
    for path in ("/v1/orders", "/v1/orders/{id}/cancel", "/v1/refusals"):
        answer = send(door, path, unchanged, said.encode())
        assert answer.status_code == 422
        assert answer.json()["errors"]


LIMITS = [(path, 64 * KIB) for path in FORMS if path != "/v1/callable"]
LIMITS += [("/v1/callable", 256 * KIB), ("/v1/orders/{id}/retry", 64 * KIB)]
LIMITS += [(path, 1024 * KIB) for path in HOOKS]


@pytest.mark.parametrize(("path", "most"), LIMITS)
def test_a_body_has_a_limit_whatever_length_was_declared(door, unchanged, path, most):
    large = b" " * (most + 1)
    is_problem(send(door, path, unchanged, large), 413, "too_large")
    is_problem(send(door, path, unchanged, [large[: most // 2]] * 3), 413, "too_large")
    is_problem(send(door, path, unchanged, [large[: most // 2]] * 3, {"Content-Length": "10"}), 413, "too_large")
    is_problem(send(door, path, unchanged, b"{}", {"Content-Length": "9" * 200}), 413, "too_large")


@pytest.mark.parametrize(("path", "most"), LIMITS)
def test_a_body_at_its_limit_is_read(door, unchanged, path, most):
    assert send(door, path, unchanged, b" " * most).status_code in {409, 422}


OTHER_KINDS = [
    "",
    "text/plain",
    "application/jsonp",
    "application/json; charset=gbk",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
]


@pytest.mark.parametrize("path", FORMS)
def test_only_json_is_read(door, unchanged, path):
    body = json.dumps(order()).encode()
    for kind in (*OTHER_KINDS, None):
        is_problem(send(door, path, unchanged, body, {"Content-Type": kind}), 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", [kind for kind in OTHER_KINDS if kind not in PLAIN])  # gateways' own forms
def test_a_webhook_of_another_kind_is_not_read(door, unchanged, kind):
    body = json.dumps(reply()).encode()
    is_problem(send(door, HOOKS[0], unchanged, body, {"Content-Type": kind}), 415, "unsupported_media_type")


@pytest.mark.parametrize("path", [*FORMS, *HOOKS])
def test_a_compressed_body_is_not_unpacked(door, unchanged, path):
    is_problem(send(door, path, unchanged, b"{}", {"Content-Encoding": "gzip"}), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON;charset=UTF-8", 'application/json; charset="utf-8"']
)
def test_json_is_json_however_it_is_called(door, kind):
    body = json.dumps(order()).encode()
    assert send(door, "/v1/orders", "", body, {"Content-Type": kind}).status_code == 201


def test_a_gateway_need_not_name_its_kind(door):
    body = json.dumps(reply()).encode()
    assert send(door, HOOKS[0], "", body, {"Content-Type": None}).status_code == 200


TOKEN = "sk-live-51HxQ7zzTOKENzz"
PERSON = "13812345678"


def everywhere(value):
    """Return requests that carry a value wherever one can stand: method, path, body, header."""
    deep = {
        "msisdn": value,
        value: value,
        "call": {value: [value], "recording_id": 5, "agreed_at": value},
        "agent": [value],
    }
    bodies = [
        deep,
        [deep],
        value,
        {"reason": {value: value}},
        {"reason": 1, value: value},
        {"msisdn": value, "channel": value, "carrier": value},
    ]
    for path in (*FORMS, *HOOKS, "/v1/orders/{id}/retry"):
        for body in bodies:
            yield "POST", path, json.dumps(body).encode(), {}
        yield "POST", path, value.encode(), {}
        yield "POST", path, f'{{"a": "{value}", "a": "{value}"}}'.encode(), {}
        yield "POST", path, b"{}", {"Content-Type": value}
        yield "POST", path, b"{}", {"Authorization": f"Bearer {value}", HEADER: value, "Idempotency-Key": f"{value} x"}
    for method in ("GET", "PUT", "DELETE", value):
        for path in (
            f"/{value}",
            f"/v1/orders/{value}",
            f"/v1/plans/{value}",
            f"/v1/gateways/{value}/inbound",
            f"/docs?q={value}",
        ):
            yield method, path, b"", {}
    yield "POST", f"/v1/gateways/{value}/inbound?from={value}", b"{}", {}
    yield "POST", f"/v1/orders/{value}/cancel", b"{}", {}


@pytest.mark.parametrize("value", [TOKEN, PERSON, f"+86{PERSON}"])
def test_no_error_repeats_what_was_sent(door, value, caplog):
    placed = door.place(key="first").json()["id"]
    caplog.set_level(logging.DEBUG)
    for method, path, body, headers in everywhere(value):
        ours = {
            "Authorization": f"Bearer {door.keys[Role.ADMIN]}",
            "Idempotency-Key": "echo",
            "Content-Type": "application/json",
            HEADER: sign(SECRET, body, door.engine.registry.now() // 1000),
            **headers,
        }
        answer = door.send(method, path.format(id=placed), list(ours.items()), body)
        if not path.startswith("/docs"):
            assert answer.status_code >= 400 or b"rejected" in answer.content, (method, path)
        said = answer.text + repr(answer.headers)
        assert value not in said
        assert PERSON not in said
    assert PERSON not in logged(caplog)
    assert TOKEN not in logged(caplog)


def test_good_requests_log_no_person_either(door, caplog):
    caplog.set_level(logging.DEBUG)
    placed = door.place().json()["id"]
    door.post("inbound", reply("要不要钱"))
    door.call("POST", "/v1/callable", Role.OPS, {"msisdn": NUMBER})
    door.call("GET", f"/v1/orders/{placed}?msisdn={NUMBER}", Role.AGENT)
    told = logged(caplog)
    assert NUMBER[3:] not in told
    assert "要不要钱" not in told
    assert "GET /v1/orders/{order_id} 200" in told
    assert f"'order': '{placed}'" in told, "which order a line is about is a field of it, never a part of its text"
    assert placed not in "".join(line.partition(" {")[0] for line in told.splitlines() if "consent_engine.api" in line)
