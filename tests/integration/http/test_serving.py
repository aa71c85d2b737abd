"""Serving: batches, revoked keys, health, headers, documentation, unforeseen errors, and the server itself."""

import asyncio
import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import threading
from collections import Counter
from dataclasses import replace

import httpx
import pytest
import uvicorn

from consent_engine.adapters.redis.client import PROOF_TIMEOUT_MS
from consent_engine.api.app import PATIENCE_S
from consent_engine.api.coalescing.group_commit import Batcher, EnginePool
from consent_engine.api.coalescing.ttl_cache import Recent
from consent_engine.api.http.bodies import USUAL, parse
from consent_engine.api.http.problems import STATUS, status_of
from consent_engine.api.http.protocol import BoundedHttp
from consent_engine.api.service.service import Post, weigh
from consent_engine.domain.hashing import HEADER, sign
from consent_engine.engine.api_keys import Role
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import BrokenRecord, ConsentError, Malformed, StoreUnavailable
from consent_engine.ports import WebhookCall
from consent_engine.ports.registry import WorkerReport
from tests.archive.house import broken
from tests.integration.api_door import FULL_SECRET, NUMBER, OTHER, SECRET, is_problem, logged, order, reply
from tests.integration.http.process import api_command
from tests.integration.http.routes import ROUTES
from tests.waiting import HANGS_S

# -- batches ----------------------------------------------------------------------------------------------------------


class Bench:
    """A batcher whose first batch is held until the rest has come."""

    def __init__(self, work=None, **more):
        self.batches, self.go = [], threading.Event()
        self.threads = set()
        self.pool = EnginePool(object, 1, "test")
        self.defects = Counter()
        self.work = work or (lambda items: [item * 2 for item in items])
        more = {"most": 10_000} | more
        self.batcher = Batcher(self.pool, self.run, defects=self.defects, **more)

    def run(self, engine, items):
        self.threads.add(threading.current_thread())
        self.batches.append(list(items))
        assert self.go.wait(HANGS_S)
        return self.work(items)

    def put(self, *items):
        """Put the first item, then, once it is under way, the others; return a result or an error for each."""

        async def all_of_them():
            async with asyncio.timeout(HANGS_S):
                first = asyncio.ensure_future(self.batcher.put(items[0]))
                while not self.batches:
                    await asyncio.sleep(0)
                rest = [asyncio.ensure_future(self.batcher.put(item)) for item in items[1:]]
                await asyncio.sleep(0)
                self.go.set()
                return await asyncio.gather(first, *rest, return_exceptions=True)

        try:
            return asyncio.run(all_of_them())
        finally:
            self.pool.close()


def test_what_comes_while_a_batch_is_under_way_is_the_next_batch():
    bench = Bench()
    assert bench.put(1, 2, 3, 4) == [2, 4, 6, 8]
    assert bench.batches == [[1], [2, 3, 4]]
    assert len(bench.threads) == 1


def test_a_batch_is_bounded_and_so_is_what_waits():
    bench = Bench(most=1_200)
    results = bench.put(*range(1_400))
    assert [len(batch) for batch in bench.batches] == [1, 500, 500, 200]
    turned_away = [result for result in results if isinstance(result, StoreUnavailable)]
    assert len(turned_away) == 199
    assert results[:1_201] == [n * 2 for n in range(1_201)]


def test_a_batch_is_bounded_by_weight_but_holds_one_at_least():
    bench = Bench(weigh=lambda item: item)
    assert bench.put(1, 400, 200, 9_000, 1) == [2, 800, 400, 18_000, 2]
    assert bench.batches == [[1], [400], [200], [9_000], [1]]


def test_an_unreachable_store_is_told_to_all():
    def fails(items):
        raise StoreUnavailable("gone")

    results = Bench(fails).put(1, 2, 3)
    assert [str(result) for result in results] == ["gone"] * 3
    assert len(set(map(id, results))) == 3


@pytest.mark.parametrize("defect", [RuntimeError, BrokenRecord])
def test_a_poison_item_does_not_sink_its_batch(defect, caplog):
    def poisoned(items):
        if 3 in items:
            raise defect(NUMBER)
        return [item * 2 for item in items]

    bench = Bench(poisoned)
    results = bench.put(1, 2, 3, 4)
    assert results[:2] == [2, 4]
    assert isinstance(results[2], defect)
    assert results[3] == 8
    assert bench.defects[defect.__name__] == 2
    assert NUMBER not in logged(caplog)


def test_results_that_do_not_fit_are_nobodys():
    results = Bench(lambda items: [*items, "more"]).put(1, 2, 3)
    assert [type(result) for result in results] == [ValueError] * 3


def test_an_engine_that_cannot_be_made_is_told_to_all():
    def engines():
        raise StoreUnavailable("no engine")

    async def ask():
        batcher = Batcher(pool, lambda engine, items: items, most=10, defects=Counter())
        return await asyncio.gather(*(batcher.put(n) for n in range(3)), return_exceptions=True)

    pool = EnginePool(engines, 1, "test")
    assert [str(result) for result in asyncio.run(ask())] == ["no engine"] * 3
    pool.close()


def test_all_that_waits_behind_a_store_that_does_not_answer_is_answered_with_it():
    def silent(items):
        raise StoreUnavailable("no answer", silent=True)

    bench = Bench(silent)
    results = bench.put(*range(1_500))
    assert all(isinstance(result, StoreUnavailable) and result.silent for result in results)
    assert len(bench.batches) == 1


def test_of_many_that_ask_a_store_that_does_not_answer_each_thread_asks_once():
    asked, go = [], threading.Event()

    def silent(_):
        asked.append(1)
        assert go.wait(HANGS_S)
        raise StoreUnavailable("no answer", silent=True)

    async def ask():
        waiting = [asyncio.ensure_future(pool.ask(silent)) for _ in range(100)]
        while len(asked) < 4:
            await asyncio.sleep(0)
        go.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        return results, await pool.ask(lambda _: "it answers again")

    pool = EnginePool(object, 4, "test")
    results, after = asyncio.run(ask())
    assert all(isinstance(result, StoreUnavailable) and result.silent for result in results)
    assert len(asked) == 4
    assert after == "it answers again"
    pool.close()


def test_who_left_is_left_out():
    bench = Bench()

    async def leave():
        async with asyncio.timeout(HANGS_S):
            stays = [asyncio.ensure_future(bench.batcher.put(n)) for n in (1, 2, 3)]
            while not bench.batches:
                await asyncio.sleep(0)
            leaves = asyncio.ensure_future(bench.batcher.put(4))
            await asyncio.sleep(0)
            leaves.cancel()
            await asyncio.sleep(0)
            bench.go.set()
            return [*await asyncio.gather(*stays), await bench.batcher.put(5)]

    assert asyncio.run(leave()) == [2, 4, 6, 10]
    assert bench.batches == [[1, 2, 3], [5]]
    bench.pool.close()


def test_every_thread_has_an_engine_of_its_own():
    made, gate = [], threading.Barrier(3)

    def engines():
        made.append(object())
        return made[-1]

    def meet(engine):
        gate.wait(HANGS_S)
        return engine

    async def ask():
        return [engine for _ in range(2) for engine in await asyncio.gather(*(pool.ask(meet) for _ in range(3)))]

    pool = EnginePool(engines, 3, "test")
    assert set(map(id, asyncio.run(ask()))) == set(map(id, made))
    assert len(made) == 3
    pool.close()


def test_a_crew_turns_away_what_is_too_much():
    go = threading.Event()

    async def ask():
        asked = [asyncio.ensure_future(pool.ask(lambda _: go.wait(HANGS_S))) for _ in range(5)]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    pool = EnginePool(object, 1, "test", most=3)
    results = asyncio.run(ask())
    assert results[:3] == [True] * 3
    assert [type(result) for result in results[3:]] == [StoreUnavailable] * 2
    pool.close()


def test_a_webhook_is_weighed_by_its_body():
    call = WebhookCall({}, {}, b" " * 100_000, 0)
    assert weigh(Post("g", call, reports=False)) == 501
    assert weigh(RefusalAsked(NUMBER, "*", "web", "me")) == 1


# -- look-ups shared --------------------------------------------------------------------------------------------------


def test_a_crowd_asks_once_and_failures_are_not_kept():
    asked = []

    async def look_up():
        asked.append(1)
        await asyncio.sleep(0)
        if len(asked) == 1:
            raise StoreUnavailable("gone")
        return len(asked)

    async def crowd():
        recent = Recent()
        failed = await asyncio.gather(*(recent.of("x", 60, look_up) for _ in range(3)), return_exceptions=True)
        return failed, await asyncio.gather(*(recent.of("x", 60, look_up) for _ in range(3)))

    failed, found = asyncio.run(crowd())
    assert [type(each) for each in failed] == [StoreUnavailable] * 3
    assert found == [2, 2, 2]


def test_an_answer_is_forgotten_in_time():
    async def ask():
        recent, answers = Recent(), iter(range(3))

        async def look_up():
            return next(answers)

        return [await recent.of("x", 0, look_up) for _ in range(3)]

    assert asyncio.run(ask()) == [0, 1, 2]


def test_a_revoked_key_is_dead_within_a_second(door):
    assert USUAL.known_s <= 1
    door.bounded(known_s=0)  # the second is over at once
    assert door.call("GET", "/v1/plans", Role.AGENT).status_code == 200
    door.engine.keys.revoke("the-agent")
    is_problem(door.call("GET", "/v1/plans", Role.AGENT), 401, "unauthenticated")


def test_keys_are_not_kept_in_memory_as_they_are(door):
    door.call("GET", "/v1/plans", Role.AGENT)
    assert door.keys[Role.AGENT] not in repr(vars(door.app.state.front.callers._recent))  # noqa: SLF001


def test_two_authorizations_are_none(door):
    headers = [("Authorization", f"Bearer {door.keys[Role.AGENT]}")] * 2
    is_problem(door.send("GET", "/v1/plans", headers), 401, "unauthenticated")


# -- health -----------------------------------------------------------------------------------------------------------


def test_alive_needs_nothing(door):
    assert door.call("GET", "/healthz").json() == {"status": "alive"}


def test_ready_says_what_is_missing(door):
    said = is_problem(door.call("GET", "/readyz"), 503, "not_ready")
    assert said["reasons"] == ["no worker was heard from within 15 s"]
    door.engine.registry.announce("w1", WorkerReport())
    door.engine.registry.announce("w2", WorkerReport())
    assert door.call("GET", "/readyz").json() == {"status": "ready", "workers": 2, "archive": True}


def test_a_server_that_does_not_keep_what_it_is_told_is_not_ready(door):
    door.engine.registry.announce("w1", WorkerReport())
    door.redis.config_set("appendfsync", "everysec")
    try:
        said = is_problem(door.call("GET", "/readyz"), 503, "not_ready")
    finally:
        door.redis.config_set("appendfsync", "always")
    assert "appendfsync" in said["reasons"][0]


def test_a_frozen_store_is_503_at_the_door_and_not_ready_and_all_goes_on_once_it_thaws(door):
    door.serve(replace(door.installation, patience_s=PATIENCE_S).engine)
    door.engine.registry.announce("w1", WorkerReport())
    assert door.place().status_code == 201
    pid = door.redis.info("server")["process_id"]
    body = json.dumps(reply()).encode()
    signed = {HEADER: sign(SECRET, body, door.engine.registry.now() // 1000)}
    os.kill(pid, signal.SIGSTOP)
    try:
        said = is_problem(door.call("GET", "/readyz"), 503, "not_ready")
        assert said["reasons"] == ["the store cannot be reached, or takes no writes"]
        is_problem(door.place(key="k-2", body=order(msisdn=OTHER)), 503, "store_unavailable")
        said = door.call("POST", "/v1/gateways/simulated/inbound", content=body, headers=signed)
        is_problem(said, 503, "store_unavailable")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert door.place(key="k-2", body=order(msisdn=OTHER)).status_code == 201
    assert door.call("GET", "/readyz").status_code == 200


def test_a_request_waits_less_than_three_seconds_for_a_store_and_longer_than_a_proof():
    assert PROOF_TIMEOUT_MS / 1000 < PATIENCE_S < 3


def test_an_archive_that_is_away_stands_in_the_answer_and_is_no_reason_not_to_serve(door):
    door.engine.registry.announce("w1", WorkerReport())
    assert door.call("GET", "/readyz").json()["archive"] is True
    door.serve(door.installation.engine)
    with broken(door.archive):
        answer = door.call("GET", "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "workers": 1, "archive": False})


def test_without_the_store_everything_says_try_again(door):
    door.serve(door.nowhere())
    is_problem(door.place(), 503, "store_unavailable")
    is_problem(door.call("GET", "/v1/plans", Role.AGENT), 503, "store_unavailable")
    is_problem(door.post("inbound", reply()), 503, "store_unavailable")
    said = is_problem(door.call("GET", "/readyz"), 503, "not_ready")
    assert said["reasons"] == ["the store cannot be reached, or takes no writes"]
    assert door.call("GET", "/healthz").status_code == 200
    assert FULL_SECRET not in json.dumps(said)


def test_a_body_that_never_ends_is_not_waited_for(door):
    door.bounded(body_s=0.01)

    async def endless():
        yield b"{"
        await asyncio.Event().wait()

    headers = {
        "Authorization": f"Bearer {door.keys[Role.AGENT]}",
        "Idempotency-Key": "k",
        "Content-Type": "application/json",
    }
    is_problem(door.send("POST", "/v1/orders", list(headers.items()), endless()), 408, "too_slow")


def test_too_many_requests_under_way_are_turned_away(door):
    door.bounded(most_under_way=0)
    is_problem(door.call("GET", "/healthz"), 503, "store_unavailable")


def test_a_client_that_leaves_is_no_defect(door, caplog):
    caplog.set_level(logging.INFO)
    left, sent = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}], []
    headers = {
        "authorization": f"Bearer {door.keys[Role.AGENT]}",
        "idempotency-key": "k",
        "content-type": "application/json",
    }
    scope = {
        "type": "http", "method": "POST", "path": "/v1/orders", "query_string": b"", "root_path": "", "scheme": "http",
        "http_version": "1.1", "server": ("door", 80), "client": ("there", 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip

    async def receive():
        return left.pop(0)

    async def send(message):
        sent.append(message)

    door.runner.run(door.app(scope, receive, send))
    assert sent == []
    assert not door.app.state.front.defects
    assert "POST /v1/orders 499" in logged(caplog)


@pytest.mark.parametrize("told", ["desk-7:42", "a", "x" * 64])
def test_a_callers_request_id_is_given_back_and_stands_in_the_log_with_key_and_order(door, told, caplog):
    caplog.set_level(logging.INFO)
    sent = {"Idempotency-Key": "k", "X-Request-Id": told}
    placed = door.call("POST", "/v1/orders", Role.AGENT, order(), headers=sent)
    assert placed.headers["x-request-id"] == told
    [line] = [each for each in caplog.records if each.getMessage().startswith("POST /v1/orders 201")]
    assert (line.about["request"], line.about["key"], line.about["order"]) == (told, "the-agent", placed.json()["id"])


@pytest.mark.parametrize("told", ["", "x" * 65, "a b", "a/b", NUMBER[1:], NUMBER[3:], "\u8eab"])
def test_what_is_no_request_id_is_replaced_by_one_of_ours(door, told):
    answers = [door.send("GET", "/healthz", [(b"X-Request-Id", told.encode())]) for _ in range(2)]
    answers.append(door.send("GET", "/healthz", [(b"X-Request-Id", b"a"), (b"X-Request-Id", b"b")]))
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in ids)


def test_an_order_that_may_be_an_invention_is_in_no_log(door, caplog):
    caplog.set_level(logging.INFO)
    made_up = f"{NUMBER[1:]:0<28}"
    is_problem(door.call("GET", f"/v1/orders/{made_up}", Role.OPS), 404, "order_not_found")
    assert made_up not in logged(caplog).replace(repr(made_up), "")


def test_a_servers_error_is_no_info_and_503_a_warning(door, caplog):
    caplog.set_level(logging.INFO)
    door.serve(door.nowhere())
    assert door.call("GET", "/v1/plans", Role.OPS).status_code == 503
    assert door.call("GET", "/v1/plans", Role.OPS).status_code == 503
    told = [each for each in caplog.records if each.getMessage().startswith("GET /v1/plans 503")]
    assert [each.levelname for each in told] == ["WARNING"], "one line an outage, however often callers ask again"
    assert told[0].getMessage().endswith("(store_unavailable; said again when it is over)")


# -- what nobody foresaw ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("defect", [RuntimeError, BrokenRecord, ExceptionGroup])
def test_a_defect_is_told_by_its_type_alone(door, defect, caplog):
    caplog.set_level(logging.DEBUG)

    def engines():
        engine = door.installation.engine()

        def show(_order_id):
            raise (
                ExceptionGroup(NUMBER, [ValueError(SECRET)])
                if defect is ExceptionGroup
                else defect(f"{NUMBER} {SECRET}")
            )

        engine.show = show
        return engine

    door.serve(engines)
    answer = door.call("GET", f"/v1/orders/{'0' * 28}", Role.ADMIN)
    is_problem(answer, 500, "broken_record" if defect is BrokenRecord else "internal_error")
    assert door.app.state.front.defects[defect.__name__] == 1
    told = answer.text + logged(caplog)
    assert re.search(rf"a request failed: {defect.__name__} at \w+\.py:\d+, GET /v1/orders/{{order_id}}", told)
    assert NUMBER not in told
    assert SECRET not in told


@pytest.mark.parametrize("path", ["/nothing", "/v1/orders/", "/v1", "//v1/plans", "/v1/plans/a/b"])
def test_what_is_not_there_is_a_problem_too(door, path):
    is_problem(door.call("GET", path, Role.ADMIN), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/v1/orders"), ("DELETE", "/v1/orders/x"), ("PUT", "/healthz"), ("BREW", "/docs")]
)
def test_another_method_is_a_problem_too(door, method, path):
    answer = door.call(method, path, Role.ADMIN)
    is_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"]


def kinds(of):
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_every_error_of_ours_has_a_status_and_a_code_of_its_own():
    ours = {kind for kind in kinds(ConsentError) if kind.__module__.startswith("consent_engine")}
    assert all(400 <= STATUS[next(k for k in kind.__mro__ if k in STATUS)] <= 503 for kind in ours)
    codes = [kind.code for kind in ours]
    assert len(codes) == len(set(codes))
    assert status_of(StoreUnavailable("x")) == 503


def test_every_answer_carries_the_headers_that_keep_browsers_quiet(door):
    answers = [door.call("GET", path) for path in ("/healthz", "/nothing", "/v1/plans", "/openapi.json", "/docs")]
    for answer in [*answers, door.place()]:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert not {"set-cookie", "server", "access-control-allow-origin"} & set(answer.headers)


async def _answers(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def test_a_request_on_its_way_when_an_api_ends_is_answered_and_is_the_last_of_its_connection():
    """A proxy that keeps its connections cannot know whether it was done, and must not send a POST once more."""

    async def asked_twice():
        config = uvicorn.Config(_answers, lifespan="off", log_config=None, ws="none")
        config.load()
        made = []

        def connection():
            made.append(BoundedHttp(config, uvicorn.server.ServerState(), {}))
            return made[-1]

        loop = asyncio.get_running_loop()
        async with await loop.create_server(connection, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(request := b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n")
            first = await reader.readuntil(b"\r\n\r\n")
            made[0].shutdown()
            writer.write(request)
            last = await reader.read()
            writer.close()
        return first, last

    async def bounded():
        async with asyncio.timeout(HANGS_S):
            return await asked_twice()

    first, last = asyncio.run(bounded())
    assert b"connection: close" not in first
    assert last.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in last


# -- documentation ----------------------------------------------------------------------------------------------------


def documented_path(path):
    """Return a path of the table of roles, as the document writes it."""
    return path.replace("{id}", "{order_id}").replace("{call}", "{call_id}").replace("{report}", "{report_id}")


def documented(door):
    return door.call("GET", "/openapi.json").json()


def test_the_document_lists_every_route(door):
    said = documented(door)
    assert said["openapi"].startswith("3.1")
    listed = {(method.upper(), path) for path, methods in said["paths"].items() for method in methods}
    known = {(method, documented_path(path)) for method, path in ROUTES}
    hooks = {("POST", f"/v1/gateways/{{name}}/{kind}") for kind in ("inbound", "receipts")}
    hooks.add(("GET", "/v1/gateways/{name}/receipts"))
    tariffs = {("GET", f"/tariffs{part}.json") for part in ("", "/{code}", "/{code}/{version}")}
    public = {("POST", "/v1/reports/code"), ("GET", "/v1/log/proof"), ("GET", "/healthz"), ("GET", "/readyz")}
    public |= {("POST", f"/v1/receipts{part}") for part in ("", "/code", "/all")}
    assert listed == known | hooks | public | tariffs


def test_the_document_says_who_needs_a_key(door):
    paths = documented(door)["paths"]
    keyed = {
        path for path, methods in paths.items() for each in methods.values() if {"key": []} in each.get("security", [])
    }
    assert keyed == {documented_path(path) for _, path in ROUTES}
    assert documented(door)["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def refs(said):
    if isinstance(said, dict):
        yield from ([said["$ref"]] if "$ref" in said else [])
        said = list(said.values())
    for each in said if isinstance(said, list) else ():
        yield from refs(each)


def test_the_document_refers_to_nothing_that_is_not_there(door):
    said = documented(door)
    assert set(refs(said)) == {f"#/components/schemas/{name}" for name in said["components"]["schemas"]}
    assert "HTTPValidationError" not in json.dumps(said)


def test_errors_are_documented_as_problems(door):
    for methods in documented(door)["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if not status.startswith("2"):
                    assert list(answer["content"]) == ["application/problem+json"]


def test_the_documents_example_can_be_placed(door):
    operation = documented(door)["paths"]["/v1/orders"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    assert door.place(example).status_code == 201


def test_the_page_needs_no_script_and_no_internet(door):
    answer = door.call("GET", "/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script" not in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?[a-z]*:?//""", answer.text)
    for method, path in ROUTES:
        assert f"{method} {documented_path(path)}" in answer.text


def test_the_page_groups_calls_by_subject_and_shows_codes_as_code(door):
    page = door.call("GET", "/docs").text
    subjects = re.findall(r"<h2>(\w+)</h2>", page)
    assert subjects[0] == "Orders"
    assert len(subjects) == len(set(subjects)) > 5
    assert "<code>too_late</code>" in page
    assert "`too_late`" not in page


# -- the server itself ------------------------------------------------------------------------------------------------


def test_it_serves_and_ends_when_told_to(door, served):
    url, process = served
    with httpx.Client(base_url=url) as client:
        headers = {"Authorization": f"Bearer {door.keys[Role.AGENT]}", "Idempotency-Key": "k"}
        answer = client.post("/v1/orders", json=order(), headers=headers)
        assert answer.status_code == 201
        assert "server" not in answer.headers
        assert client.get(f"/v1/orders/{answer.json()['id']}?secret={SECRET}", headers=headers).status_code == 200
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=HANGS_S)
    assert process.returncode == 0
    assert "and back" in told
    assert "POST /v1/orders 201" in told
    assert SECRET not in told
    assert NUMBER[3:] not in told
    assert "Traceback" not in told
    assert door.orders() == 1


def test_a_body_longer_than_it_was_said_to_be_is_cut_there(door, served):
    url, _ = served
    line = http.client.HTTPConnection(url.host, url.port, timeout=HANGS_S)
    line.putrequest("POST", "/v1/orders")
    headers = {
        "Authorization": f"Bearer {door.keys[Role.AGENT]}",
        "Idempotency-Key": "k",
        "Content-Type": "application/json",
    }
    for name, value in (headers | {"Transfer-Encoding": "chunked"}).items():
        line.putheader(name, value)
    line.endheaders()
    for _ in range(5):
        line.send(b"4000\r\n" + b" " * 0x4000 + b"\r\n")  # 80 KiB in all, without an end
    answer = line.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["code"] == "too_large"
    line.close()


def test_an_address_that_is_taken_is_told_in_one_line(running):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = api_command(*running, port)
        ended = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, check=False)
    assert ended.returncode == 1
    assert f"cannot listen at 127.0.0.1 port {port}" in ended.stderr.strip().splitlines()[-1]


def test_json_is_read_in_one_way_only():
    assert parse(b'{"a": [1, 2.5, "\\ud83d\\ude00", null]}') == {"a": [1, 2.5, "😀", None]}
    deepest = b"[" * 19 + b"1" + b"]" * 19
    assert parse(deepest)
    with pytest.raises(Malformed):
        parse(b"[" + deepest + b"]")
