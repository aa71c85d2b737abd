"""`consent reviews`: orders that wait for a first review, and their release once CONSENT_REVIEW is `after` again."""

import os

import pytest
from msgspec.structs import replace

from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.line.restriction import Kind
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import FULL_SECRET, Door, order
from tests.typed import typed


@pytest.fixture
def consent(door):
    told = {
        "CONSENT_DATA_DIR": str(door.settings.data_dir), "CONSENT_SECRET": FULL_SECRET, "PATH": os.environ["PATH"],
    }  # fmt: skip

    def run(*arguments, **more):
        return typed("reviews", *arguments, environ=told | more)

    return run


def test_what_waited_when_the_setting_changed_is_listed_and_let_go_on(door, consent):
    engine = door.engine
    engine.terms = replace(engine.terms, review_first=True)
    placed = engine.place(Placing("desk", "w-1", PlaceOrder.read(order()))).order
    assert engine.store.queries.restrictions.tally(Kind.REVIEW).count == 1
    early = consent("let-go", "--reason", "nobody can review now", CONSENT_REVIEW="before")
    assert (early.returncode, engine.store.queries.restrictions.tally(Kind.REVIEW).count) == (2, 1)
    assert "set it to `after` first" in early.stderr
    waiting = consent("waiting", CONSENT_TIME_ZONE="Etc/GMT+11").stdout.split("\t")
    assert (waiting[0], waiting[3][-7:-1]) == (placed.id, "-11:00"), "by the clock of the business, as pages are"
    done = consent("let-go", "--reason", "nobody can review now")
    assert (done.returncode, done.stdout) == (0, "orders that go on\t1\ncalls\t1\n"), done.stderr
    assert engine.store.queries.restrictions.tally(Kind.REVIEW).count == 0
    assert consent("waiting").stdout == ""


def waits(door, n):
    """Place an order whose activation waits for the first review of its call."""
    engine = door.engine
    engine.terms = replace(engine.terms, review_first=True)
    placed = engine.place(Placing("desk", f"w-{n}", PlaceOrder.read(order(msisdn=f"+86138001380{n:02}")))).order
    return placed.id, placed.doc.call_id


def test_what_waits_for_a_review_is_listed_and_let_go_on_over_http(door):
    first, second, failed = (waits(door, n) for n in range(3))
    reasons = {"verdict": "fail", "reasons": ["price_not_told"]}
    assert door.call("POST", f"/v1/reviews/{failed[1]}", Role.REVIEWER, reasons).status_code == 200
    listed = door.call("GET", "/v1/reviews/waiting", Role.AUDITOR).json()
    assert [(each["order"], each["call"]) for each in listed["orders"]] == [second, first]
    assert door.call("GET", "/v1/reviews/waiting?cursor=x", Role.OPS).status_code == 422
    path, why = "/v1/reviews/let_go", {"reason": "nobody can review this week"}
    numbered = door.call("POST", path, Role.OPS, {"reason": "rang 13800138000"})
    assert (numbered.status_code, numbered.json()["errors"][0]["field"]) == (422, "reason")
    assert door.call("POST", path, Role.REVIEWER, why).status_code == 403
    done = door.call("POST", path, Role.OPS, why)
    assert (done.status_code, done.json()) == (200, {"orders": 2, "calls": 2, "cursor": ""})
    assert door.call("POST", path, Role.OPS, why).json()["orders"] == 0
    assert door.engine.store.queries.restrictions.tally(Kind.REVIEW).count == 1, "what failed waits for another"
    event = door.engine.calls.show(first[1]).events[-1]
    assert (event.note, event.by) == (why["reason"], "the-ops")


def test_nothing_is_let_go_on_over_http_while_reviews_come_first(running):
    made = Door(*running, CONSENT_REVIEW="before")
    waits(made, 1)
    refused = made.call("POST", "/v1/reviews/let_go", Role.OPS, {"reason": "nobody can review this week"})
    assert (refused.status_code, refused.json()["code"]) == (409, "review_awaited")
    assert made.engine.store.queries.restrictions.tally(Kind.REVIEW).count == 1
    made.close()
