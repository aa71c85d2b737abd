"""CONSENT_PLAN_APPROVAL: a plan that one admin puts on sale is a proposal, until another admin approves it."""

import pytest
from msgspec import structs

from consent_engine.api.schemas.plan_views import ProposalView
from consent_engine.domain.offer.versions import Sale
from consent_engine.engine.api_keys import Role
from consent_engine.errors import ProposalChanged
from tests.integration.api_door import OTHER, Door, is_problem, order
from tests.plans import PLAN, priced

CODE = "5g-smart-199"
DEARER = PLAN | {"price": {"monthly": "399.00"}}
DEAR = PLAN | {"price": {"monthly": "299.00"}}


@pytest.fixture
def door(running):
    made = Door(*running, CONSENT_PLAN_APPROVAL="on")
    made.keys["second"] = made.engine.keys.add("second-admin", Role.ADMIN)
    yield made
    made.close()


def put(door, plan=DEAR, code=CODE, role=Role.ADMIN, over=None):
    headers = {"X-Consent-Replaces": over} if over else {}
    return door.call("PUT", f"/v1/plans/{code}", role, plan, headers=headers)


def approve(door, role="second", code=CODE, body=None):
    return door.call("POST", f"/v1/plans/{code}/approve", role, body)


def shown(door, code=CODE):
    return door.call("GET", f"/v1/plans/{code}", Role.AGENT).json()


def test_a_change_is_on_sale_once_another_admin_approved_it(door):
    asked = put(door)
    assert asked.status_code == 202
    told = ProposalView.model_validate(asked.json())
    assert (told.by, told.plan.version, told.plan.sale) == ("the-admin", 2, "proposed")
    assert shown(door)["version"] == 1
    assert door.place().json()["plan"]["version"] == 1
    assert door.call("GET", f"/v1/plans/{CODE}/proposal", "second").json() == asked.json()
    approved = approve(door)
    assert (approved.status_code, approved.json()["version"], approved.json()["sale"]) == (200, 2, "on_sale")
    assert approved.json()["hash"] == told.plan.hash
    assert door.engine.plan(CODE).newest.by == ("the-admin", "second-admin")
    is_problem(door.place(order(msisdn=OTHER), "key-2"), 409, "plan_not_public")  # known since its approval
    is_problem(approve(door), 409, "nothing_proposed")


def test_whoever_proposed_it_does_not_approve_it(door):
    put(door)
    is_problem(approve(door, Role.ADMIN), 403, "same_admin")
    assert shown(door)["version"] == 1


def test_a_new_plan_and_one_that_comes_back_wait_and_to_take_one_from_sale_does_not(door):
    assert put(door, PLAN, "new-plan").status_code == 202
    is_problem(door.call("GET", "/v1/plans/new-plan", Role.AGENT), 404, "plan_not_found")
    assert door.call("POST", f"/v1/plans/{CODE}/withdraw", Role.ADMIN).json()["sale"] == "withdrawn"
    assert put(door).status_code == 202
    assert shown(door)["sale"] == "withdrawn"
    assert approve(door, code="new-plan").json()["version"] == 1
    assert approve(door).json()["version"] == 3


def test_what_changes_nothing_is_no_proposal_and_what_cannot_be_sold_is_refused_when_it_is_proposed(door):
    assert put(door, PLAN, "new-plan").status_code == 202
    approve(door, code="new-plan")
    assert put(door, PLAN, "new-plan").status_code == 200
    is_problem(door.call("GET", "/v1/plans/new-plan/proposal", Role.ADMIN), 409, "nothing_proposed")
    is_problem(put(door, PLAN | {"restrictions": ["限" * 120], "english": None}), 422, "malformed")
    since = [each | {"since": "2025-08-01T00:00:00+08:00"} for each in PLAN["published"]]
    is_problem(put(door, DEAR | {"published": since}), 422, "backdated")


def test_a_proposal_that_another_replaced_since_it_was_read_is_not_approved(door):
    read = put(door).json()["plan"]["hash"]
    other = put(door, PLAN | {"price": {"monthly": "399.00"}}).json()["plan"]["hash"]
    is_problem(approve(door, body={"hash": read}), 409, "proposal_changed")
    assert shown(door)["version"] == 1
    for wrong in ({"hash": "9f"}, {"hash": other, "code": CODE}, {}):
        is_problem(approve(door, body=wrong), 422, "malformed")
    as_text = {"content": b"x", "headers": {"Content-Type": "text/plain"}}
    is_problem(door.call("POST", f"/v1/plans/{CODE}/approve", "second", **as_text), 415, "unsupported_media_type")
    is_problem(approve(door, Role.ADMIN, body={"hash": other}), 403, "same_admin")
    approved = approve(door, body={"hash": other}).json()
    assert (approved["hash"], approved["price"]["monthly"]) == (other, "399.00")


def test_a_proposal_that_another_replaces_while_it_is_approved_is_not_approved(door):
    put(door)
    seen = door.engine.catalogue.proposed(CODE)
    put(door, PLAN | {"price": {"monthly": "399.00"}})
    read, second = door.engine.plan(CODE).newest, structs.replace(seen.plan, version=2)
    with pytest.raises(ProposalChanged):
        door.engine.registry.publish(second, Sale.ON_SALE, read, approved=(seen, "second-admin"))
    assert shown(door)["version"] == 1
    assert approve(door).json()["price"]["monthly"] == "399.00"


@pytest.mark.parametrize("on_sale", [False, True], ids=["not on sale", "on sale by now"])
def test_whoever_approves_or_proposes_as_another_replaces_the_proposal_is_told_so(door, on_sale):
    put(door)
    if on_sale:
        door.engine.catalogue.publish(door.engine.catalogue.proposed(CODE).plan)
    meanwhile = []

    def engines():
        engine = door.installation.engine()
        proposals = engine.registry.proposals

        def read():
            found = proposals()
            if meanwhile:
                door.engine.catalogue.offer(structs.replace(found[CODE].plan, tariff=meanwhile.pop()), "third")
            return found

        engine.registry.proposals = read
        return engine

    door.serve(engines)
    for tell, price in ((approve, "399.00"), (lambda door: put(door, PLAN), "499.00")):
        meanwhile.append(priced(door.engine.plan(CODE).plan, price).tariff)
        is_problem(tell(door), 409, "proposal_changed")
        assert door.engine.catalogue.proposed(CODE).by == "third"
        assert shown(door)["version"] == 1 + on_sale


def test_a_proposal_that_is_sent_again_replaces_nothing_that_came_later(door):
    asked, theirs = put(door).json(), put(door, DEARER, role="second").json()
    again = is_problem(put(door), 409, "proposal_replaced")
    assert (again["by"], again["hash"]) == ("second-admin", theirs["plan"]["hash"])
    assert door.engine.catalogue.proposed(CODE).by == "second-admin"
    assert put(door, DEARER, role="second").json() == theirs  # its own repeat is the proposal that stands
    is_problem(put(door, over=asked["plan"]["hash"]), 409, "proposal_replaced")
    wanted = put(door, over=theirs["plan"]["hash"])
    assert (wanted.status_code, wanted.json()["plan"]["hash"]) == (202, asked["plan"]["hash"])
    is_problem(put(door, DEARER, role="second"), 409, "proposal_replaced")
    assert approve(door, body={"hash": asked["plan"]["hash"]}).status_code == 200
    assert put(door, DEARER, role="second").status_code == 202  # nothing stands that it would replace


def test_an_admin_who_proposes_another_price_and_the_first_again_names_the_one_between(door):
    put(door)
    own = put(door, DEARER).json()["plan"]["hash"]
    is_problem(put(door), 409, "proposal_replaced")
    assert put(door, over=own).status_code == 202
