"""/rq: RQ's dashboard behind our sign-in, read-only except for ops, and closed to other sites."""

import re

import pytest
from rq import Worker
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from consent_engine.adapters.rq_queue import RESULT_TTL_S, connect_rq, lane_queue
from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import is_problem, order
from tests.integration.page_door import ORIGIN, SAME, PageDoor

ACTORS = {Role.OPS, Role.ADMIN}
READS = [
    "/rq/", "/rq/0/view/workers", "/rq/0/view/jobs", "/rq/0/view/jobs/sms/failed/8/asc/1", "/rq/0/data/queues.json",
    "/rq/0/data/workers.json", "/rq/0/data/jobs/sms/queued/8/asc/1.json",
]  # fmt: skip


@pytest.fixture
def door(running):
    made = PageDoor(*running)
    made.rq = connect_rq(running[0])
    yield made
    made.rq.close()
    made.close()


def failed_job(door):
    """Leave a wake-up at which a worker failed; return its id."""
    queue = lane_queue(Lane.SMS, door.rq)
    job = queue.enqueue_call("workers.jobs.perform", args=["sms"], result_ttl=RESULT_TTL_S, description="sms: 3 due")
    queue.remove(job.id)
    FailedJobRegistry(queue=queue).add(job, 600, "sms: parked 1")
    return job.id


def failed(door):
    return [each.decode() for each in door.rq.zrange("rq:failed:sms", 0, -1)]


def test_a_stranger_sees_no_job(door):
    for path in READS:
        answer = door.stranger().get(path)
        if "/data/" in path:
            is_problem(answer, 401, "unauthenticated")
        else:
            assert (answer.status_code, answer.headers["location"]) == (303, "/?next=/rq/")


@pytest.mark.parametrize("role", [Role.OPS, Role.AUDITOR, Role.ADMIN])
def test_who_may_open_ops_may_look(door, role):
    door.place()
    visitor = door.sign_in(role)
    for path in READS:
        assert visitor.get(path).status_code == 200, path
    [job] = visitor.get("/rq/0/data/jobs/sms/queued/8/asc/1.json").json()["jobs"]
    assert job["description"] == "sms: 1 due"
    assert visitor.get(f"/rq/0/view/job/{job['id']}").status_code == 200
    assert visitor.get(f"/rq/0/data/job/{job['id']}.json").json()["description"] == "sms: 1 due"


def test_the_way_back_from_it_speaks_the_visitors_language(door):
    visitor = door.sign_in(Role.OPS)
    for language, told in (
        ("zh", 'lang="zh-CN"><a href="/">← 营销二次确认平台'),
        ("en", 'lang="en"><a href="/">← Consent Engine'),
    ):
        visitor.get(f"/?lang={language}")
        assert told in visitor.ask("GET", "/rq/", headers={"X-Consent-Language": "fr"}).text


@pytest.mark.parametrize("role", list(Role))
def test_only_ops_and_admin_may_act_and_only_from_its_own_page(door, role):
    job = failed_job(door)
    visitor = door.sign_in(role)
    for path in (f"/rq/job/{job}/delete", f"/rq/job/{job}/requeue", "/rq/requeue/sms", "/rq/queue/sms/failed/empty"):
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"X-None": "told"}):
            is_problem(visitor.ask("POST", path, headers=headers), 403, "forbidden")
        if role not in ACTORS:
            is_problem(visitor.ask("POST", path, headers=SAME), 403, "forbidden")
    assert failed(door) == [job]
    if role in ACTORS:
        assert visitor.ask("POST", "/rq/requeue/sms", headers=ORIGIN).json() == {"status": "OK", "count": 1}
        assert failed(door) == []
        assert Job.fetch(job, connection=door.rq, serializer=JSONSerializer).is_queued


def test_ops_requeue_and_delete_a_single_job(door):
    job = failed_job(door)
    visitor = door.sign_in(Role.OPS)
    assert visitor.ask("POST", f"/rq/job/{job}/requeue", headers=SAME).json() == {"status": "OK"}
    assert failed(door) == []
    assert visitor.ask("POST", f"/rq/job/{job}/delete", headers=SAME).json() == {"status": "OK"}
    assert not door.rq.exists(f"rq:job:{job}")


@pytest.mark.parametrize("path", ["/rq/requeue/sms", "/rq//requeue/sms", "/rq/./requeue/sms", "/rq/%72equeue/sms"])
def test_looking_changes_nothing_not_even_for_ops(door, path):
    job = failed_job(door)
    visitor = door.sign_in(Role.OPS)
    for method in ("GET", "HEAD"):
        assert visitor.ask(method, path, headers=SAME).status_code in {301, 308, 403, 404}
    assert failed(door) == [job]


def test_other_methods_are_refused_to_strangers_too(door):
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "POST"):
        assert door.stranger().ask(method, "/rq/requeue/sms", headers=SAME).status_code in {401, 405}


def test_its_scripts_run_by_name_and_everything_it_loads_is_here(door):
    visitor = door.sign_in(Role.OPS)
    answer = visitor.get("/rq/")
    policy = answer.headers["content-security-policy"]
    nonce = re.search(r"'nonce-([\w-]+)'", policy).group(1)
    assert nonce not in visitor.get("/rq/").text
    assert "script-src 'self'" in policy
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    for tag in re.findall(r"<script[^>]*>", answer.text):
        assert "src=" in tag or 'type="text/template"' in tag or f'nonce="{nonce}"' in tag
    for address in re.findall(r'<(?:script|link)[^>]+(?:src|href)="([^"]+)"', answer.text):
        assert address.startswith("/")
        assert visitor.get(address).status_code == 200, address


def test_who_only_looks_is_shown_nothing_to_press(door):
    assert "rq-read-only" in door.sign_in(Role.AUDITOR).get("/rq/0/view/jobs").text
    assert "rq-read-only" not in door.sign_in(Role.OPS).get("/rq/0/view/jobs").text


@pytest.mark.parametrize("role", [Role.AGENT, Role.REVIEWER])
def test_who_may_not_open_ops_may_not_look_either(door, role):
    session = door.sign_in(role)
    assert [session.get(f"/rq/{path}").status_code for path in ("", "0/view/jobs", "0/data/queues.json")] == [403] * 3
    assert "/rq/" not in session.get("/help").text


@pytest.mark.parametrize("name", ["x_consent_language", "X-Consent-Language", "x_consent_read_only"])
def test_what_we_tell_the_dashboard_nobody_else_tells_it(door, name):
    answer = door.sign_in(Role.OPS).get("/rq/0/view/jobs", **{name: "zz"})
    assert answer.status_code == 200
    assert "rq-read-only" not in answer.text


def test_a_worker_at_work_is_shown_with_its_wake_up(door):
    queue = lane_queue(Lane.SMS, door.rq)
    job = queue.enqueue_call("workers.jobs.perform", args=["sms"], description="sms: 3 due")
    worker = Worker([queue], connection=door.rq, serializer=JSONSerializer)
    worker.register_birth()
    worker.prepare_execution(job)
    [shown] = door.sign_in(Role.AUDITOR).get("/rq/0/data/workers.json").json()["workers"]
    assert shown["current_job"]["description"] == "sms: 3 due"


def test_it_shows_no_address_and_no_person(door):
    door.place(order())
    visitor = door.sign_in(Role.OPS)
    for path in READS:
        told = visitor.get(path).text
        assert door.installation.rq_url not in told
        assert "redis://" not in told
        assert "13800138000" not in told


def test_our_session_never_reaches_it(door):
    # Its pages get neither cookie nor key: no print of a request can contain a session.
    visitor = door.sign_in(Role.OPS)
    assert visitor.cookies["consent"] not in visitor.get("/rq/").text
