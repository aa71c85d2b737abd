"""One subscriber's week, as far as it is built: who refused on Monday is denied on Tuesday, and a call all the same is
kept with what was wrong, with the order that was wanted of it.
"""

import pytest

from consent_engine.domain.admission.request import PlaceOrder, Placing
from consent_engine.domain.effects import Lane
from consent_engine.engine.permits import PermitsAsked
from consent_engine.errors import DoNotCall
from consent_engine.ports import CallFilter
from tests.conftest import NUMBER
from tests.integration.calls.desk import SHA, instant

A_DAY_H = 24


def permits(desk):
    return desk.engine.dialler.permits(PermitsAsked([NUMBER], "mobile", None, "desk")).answers[0]


def test_one_subscribers_week(desk):
    # Monday: called with a permit, asked for an order, and refused by voice in a second call.
    dial, token = permits(desk)
    assert dial.callable
    first = desk.start(permit=token)
    desk.clock.forward(seconds=60)
    desk.end(first, "agreed", plan="5g-smart-199")
    at = instant(desk.clock())
    body = {"msisdn": NUMBER, "plan": "5g-smart-199", "agent": "A1024", "call_id": first.id, "agreed_at": at}
    order = desk.engine.place(Placing("desk", "monday", PlaceOrder.read(body))).order
    desk.run(Lane.SMS)
    assert desk.state(order) == "awaiting_reply"
    again = desk.start(permit=permits(desk)[1])
    desk.clock.forward(seconds=60)
    desk.end(again, "refused")
    desk.run()
    assert (desk.state(order), desk.bss.asked) == ("cancelled", [])
    assert desk.says(again) == []

    # Tuesday: no permit; called all the same, by somebody who has none, and an order is wanted of it.
    desk.clock.forward(hours=A_DAY_H)
    assert permits(desk)[0].reason == "refused"
    at = instant(desk.clock())
    told = {"caller_number": "10085", "recording_id": "rec-tuesday", "recording_sha256": SHA}
    told |= {"started_at": at, "agreed_at": at}
    body = {"msisdn": NUMBER, "plan": "data-pack-10gb", "agent": "B2", "call": told}
    with pytest.raises(DoNotCall):
        desk.engine.place(Placing("desk", "tuesday", PlaceOrder.read(body)))
    [wrong] = desk.engine.calls.page(CallFilter(violation="true")).calls
    assert (wrong.began.agent, wrong.violations) == ("B2", ("refused_number",))
    assert [each.code for each in wrong.events if hasattr(each, "code")] == ["do_not_call"]

    # A week later, from the archive: who called this number, by which permit, and what was wrong with it.
    desk.move(hours=7 * A_DAY_H)
    desk.move(hours=1)
    found = desk.engine.inspector.to_number(NUMBER)
    assert [call.id for call in found] == [wrong.id, again.id, first.id]
    assert [desk.engine.inspector.permit_of(call) is not None for call in found] == [False, True, True]
    assert desk.engine.dial(NUMBER, "mobile").reason == "refused"
    assert desk.bss.asked == []
