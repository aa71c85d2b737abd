"""A masked number is shown for a reason that is recorded first; /audit lists who did that, and other manual actions."""

import pytest

from consent_engine.api.schemas.views import instant
from consent_engine.api.web.audit import A_PAGE, PAGES, look
from consent_engine.api.web.words import words
from consent_engine.domain.decide.decide import MOST_REVEALED
from consent_engine.domain.effects import Lane
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.api_keys import Role
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import StoreUnavailable
from consent_engine.ports.registry import Reveal
from tests.integration.api_door import NUMBER, OTHER, is_problem, reply

WHY = "监管机构调取该订单"


@pytest.fixture
def placed(door):
    told = door.place().json()["id"]
    door.work(Lane.SMS)
    door.post("inbound", reply("要不要钱"))
    door.work(Lane.INBOUND)
    return told


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMIN])
def test_a_number_is_revealed_for_a_reason_that_is_kept_first(door, placed, role):
    masked = door.call("GET", f"/v1/orders/{placed}", role)
    assert NUMBER[3:] not in masked.text
    assert "要不要钱" not in masked.text
    shown = door.call("POST", f"/v1/orders/{placed}/reveal", role, {"reason": WHY}).json()
    assert shown["msisdn"] == NUMBER
    assert [each["reply"]["text"] for each in shown["timeline"] if "reply" in each] == ["要不要钱"]
    assert shown["timeline"][-1]["detail"]["reason"] == WHY
    [kept] = door.engine.reveals.happened()
    assert (kept.what, kept.by, kept.role, kept.reason) == (placed, f"the-{role}", role, WHY)
    again = door.call("GET", f"/v1/orders/{placed}", role).json()
    look = again["timeline"].pop()
    assert (look["trigger"], look["by"], look["detail"]) == ("revealed", f"the-{role}", {"role": role, "reason": WHY})
    assert again["version"] == masked.json()["version"] + 1
    unmoved = {"timeline", "state", "msisdn", "stage", "reply_by"}
    assert {n: again[n] for n in unmoved} == {n: masked.json()[n] for n in unmoved}, "shown once, and masked again"


def test_who_placed_an_order_sees_that_it_was_looked_at_and_not_by_whom_or_why(door, placed):
    door.call("POST", f"/v1/orders/{placed}/reveal", Role.AUDITOR, {"reason": WHY})
    own = door.call("GET", f"/v1/orders/{placed}", Role.AGENT)
    look = own.json()["timeline"][-1]
    assert (look["trigger"], look["by"], look["detail"]) == ("revealed", "", {})
    assert WHY not in own.text
    assert WHY in door.call("GET", f"/v1/orders/{placed}", Role.OPS).text


def test_a_chain_holds_a_bound_of_looks_and_the_audit_lines_all(door, placed):
    for _ in range(MOST_REVEALED + 1):
        door.engine.reveals.reveal(door.engine.show(placed), "the-auditor", Role.AUDITOR, WHY)
    assert sum(1 for _ in door.engine.show(placed).all(Trigger.REVEALED)) == MOST_REVEALED
    assert len(door.engine.reveals.happened()) == MOST_REVEALED + 1


def test_two_looks_of_one_instant_are_two(world):
    order = world.place()
    for _ in range(2):
        world.engine.reveals.reveal(order, "the-auditor", Role.AUDITOR, WHY)
    assert len({each.name for each in world.engine.reveals.happened()}) == 2
    assert sum(1 for _ in world.engine.show(order.id).all(Trigger.REVEALED)) == 2


@pytest.mark.parametrize("reason", [None, "", " ", "x" * 201, f"because of {NUMBER}"])
def test_without_a_reason_that_can_be_kept_nothing_is_revealed(door, placed, reason):
    answer = door.call("POST", f"/v1/orders/{placed}/reveal", Role.AUDITOR, {"reason": reason})
    assert answer.status_code == 422
    assert NUMBER not in answer.text
    assert door.engine.reveals.happened() == []


def test_nothing_is_revealed_that_cannot_be_kept(door, placed):
    def engines():
        engine = door.installation.engine()

        def away(*_):
            raise StoreUnavailable("away")

        engine.reveals.reveal = away
        return engine

    door.serve(engines)
    answer = door.call("POST", f"/v1/orders/{placed}/reveal", Role.AUDITOR, {"reason": WHY})
    is_problem(answer, 503, "store_unavailable")
    assert NUMBER not in answer.text


def test_who_revealed_lifted_decided_and_stopped_stands_on_the_audit_page(door, placed):
    door.call("POST", f"/v1/orders/{placed}/reveal", Role.AUDITOR, {"reason": WHY})
    exported = {"reason": WHY, "plan": "5g-smart-199"}
    assert NUMBER in door.call("POST", "/v1/orders/export", Role.AUDITOR, exported).text
    door.call("POST", "/v1/pauses", Role.OPS, {"to": "lane", "name": "timer", "reason": "a look"})
    door.engine.refuse(RefusalAsked(Msisdn(OTHER), "*", "web", "me"))
    act = {"channel": "counter", "ref": "form-7", "at": instant(door.engine.registry.now())}
    lifted = {"msisdn": OTHER, "evidence": act}
    assert door.call("POST", "/v1/refusals/lift", Role.ADMIN, lifted).status_code == 200
    auditor = door.sign_in(Role.AUDITOR)
    told = {each.act: (each.by, each.what, each.reason) for each in look(door.engine)}
    assert told["lifted"][:2] == ("the-admin", "*")
    assert "form-7" in told.pop("lifted")[2]
    assert told == {
        "revealed": ("the-auditor", placed, WHY),
        "exported": ("the-auditor", "1 · plan=5g-smart-199", WHY),
        "paused": ("the-ops", "timer", "a look"),
    }
    page = auditor.get("/audit?lang=zh").text
    assert NUMBER[3:] not in page
    for word in (
        "查看完整号码",
        WHY,
        "解除限制",
        "所有运营商",
        "定时",
        "1 · plan=5g-smart-199",
        "the-ops",
        f'href="/orders/{placed}"',
    ):
        assert word in page, word


def test_an_act_that_is_no_longer_on_the_first_page_of_the_audit_stands_on_one_of_the_next(door):
    for n in range(A_PAGE + 1):
        name = f"reveal-{n}"
        door.engine.registry.reveals.note(Reveal(n, "a" * 28, "the-auditor", Role.AUDITOR, f"why-{n}", name, None))
    auditor = door.sign_in(Role.AUDITOR)
    first, second = (auditor.get(f"/audit?page={n}&lang=en").text for n in ("1", "2"))
    assert (first.count("<tr data-act"), second.count("<tr data-act")) == (A_PAGE, 1)
    assert [">why-0<" in each for each in (first, second)] == [False, True]
    assert ['rel="next" href="?page=2"' in each for each in (first, second)] == [True, False]
    assert ['rel="prev" href="?page=1"' in each for each in (first, second)] == [False, True]
    for n in ("0", "-1", "x", "", f"{len(PAGES) + 1}"):
        assert ">why-200<" in auditor.get(f"/audit?page={n}").text, n


def test_the_last_page_of_the_audit_says_that_older_acts_are_not_listed(door):
    for n in range(A_PAGE * len(PAGES) + 1):
        door.engine.registry.reveals.note(Reveal(n, "a" * 28, "the-auditor", Role.AUDITOR, WHY, f"reveal-{n}", None))
    last = door.sign_in(Role.AUDITOR).get(f"/audit?page={len(PAGES)}&lang=en").text
    assert words("en")["audit.end"] in last
    assert 'rel="next"' not in last


@pytest.mark.parametrize("role", list(Role))
def test_the_button_is_there_for_those_who_may_reveal(door, placed, role):
    has = 'id="reveal"' in door.sign_in(role).get(f"/orders/{placed}").text
    assert has == (role in {Role.AUDITOR, Role.ADMIN})
