"""One subscriber's week: the subscriber refuses on Monday; Tuesday's permit is denied, and a call made nevertheless is
recorded with its violations and the order it led to; it is reported on Wednesday; marketing-free on Thursday; on
Friday the number gets another holder, and a yes from before counts no more.
"""

import pytest

from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.call.report import RewardTerms
from consent_engine.domain.days import CHINA, later
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.holder import LineEvent
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.permits import PermitsAsked
from consent_engine.errors import DoNotCall
from consent_engine.ports import CallFilter
from tests.conftest import NUMBER
from tests.integration.calls.desk import audio_of, instant
from tests.integration.calls.reporting import book, decide, report, seems

A_DAY_H = 24


def permits(desk):
    return desk.engine.dialler.permits(PermitsAsked([NUMBER], "mobile", None, "desk")).answers[0]


def body_of(desk, plan, agent, recording, caller):
    """Return an order whose body describes its call, of just now."""
    at = instant(desk.clock())
    told = {"caller_number": caller, "recording_id": recording, "recording_sha256": audio_of(recording)}
    told |= {"started_at": at, "agreed_at": at}
    return PlaceOrder.read({"msisdn": NUMBER, "plan": plan, "agent": agent, "call": told})


def monday(desk):
    """Call with a permit, ask for an order, and hear a refusal by voice in a second call."""
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
    return first, again


def tuesday(desk):
    """Get no permit; call nevertheless, without one, and try to place an order."""
    assert permits(desk)[0].reason == "refused"
    with pytest.raises(DoNotCall):
        desk.engine.place(Placing("desk", "tuesday", body_of(desk, "data-pack-10gb", "B2", "rec-tuesday", "10085")))
    [wrong] = desk.engine.calls.page(CallFilter(violation="true")).calls
    assert (wrong.began.agent, wrong.violations) == ("B2", ("refused_number",))
    assert [each.code for each in wrong.events if hasattr(each, "code")] == ["do_not_call"]
    return wrong


def wednesday(desk, wrong):
    """Report the call by hotline; check its finding, the day of the answer, and a reward, granted once and paid."""
    reports = book(desk, {"mobile": RewardTerms("20.00")})
    told = report(desk, desk.clock() - wrong.began.started_at, of=reports)
    assert seems(told) == ("ours_forbidden", ["refused_number"])
    assert (told.received.call, told.reward) == (wrong.id, "eligible")
    assert told.received.answer_by == CHINA.ends(later(CHINA.of(desk.clock()), 15))
    assert decide(desk, told, "ours_forbidden", "granted", of=reports).reward == "granted"
    assert decide(desk, told, "ours_forbidden", "paid", of=reports).reward == "paid"
    again = report(desk, desk.clock() - wrong.began.started_at - 60_000, of=reports)
    assert (again.reward, again.received.why) == ("none", "once_a_call")
    desk.run(Lane.SMS)
    assert {sms.purpose for sms in desk.gateway.sent} >= {"report", "reward"}


def thursday(desk):
    """Register as marketing-free by the subscriber's own SMS, which is confirmed. Another carrier, which was refused
    nothing, places an order; the yes waits to be read.
    """
    desk.say("免营销")
    desk.run()
    assert [sms.purpose for sms in desk.gateway.sent][-1:] == ["marketing_free"]
    kinds = {(each.kind.value, each.carrier) for each in desk.engine.line(NUMBER).restrictions}
    assert kinds == {("refused", "mobile"), ("marketing_free", "mobile")}
    wanted = body_of(desk, "fibre-duo-129", "C3", "rec-thursday", "10001")
    order = desk.engine.place(Placing("desk", "thursday", wanted)).order
    desk.run(Lane.SMS)
    desk.clock.forward(hours=A_DAY_H - 1)
    desk.say("是", to="10001")
    return order


def friday(desk, order):
    """Give the number to another holder before that yes is read. Nothing is sent, nothing is activated."""
    sent = len(desk.gateway.sent)
    recycled = LineEventAsked(NUMBER, LineEvent.ASSIGNED, desk.clock(), "ops")
    assert desk.engine.line_event(recycled).happened.ended == 1
    desk.run()
    assert (desk.state(order), desk.bss.asked, len(desk.gateway.sent)) == ("cancelled", [], sent)
    assert desk.engine.show(order.id).events[-1].as_json()["reason"] == "number_changed"
    assert desk.engine.dial(NUMBER, "mobile").reason == "refused", "refusals stay, whoever has the number"
    assert desk.engine.dial(NUMBER, "telecom").callable


def test_one_subscribers_week(desk):
    first, again = monday(desk)
    desk.clock.forward(hours=A_DAY_H)
    wrong = tuesday(desk)
    desk.clock.forward(hours=A_DAY_H)
    wednesday(desk, wrong)
    desk.clock.forward(hours=A_DAY_H)
    order = thursday(desk)
    friday(desk, order)

    # A week later, from the archive: the calls to this number, their permits, and what was wrong with them.
    desk.move(hours=7 * A_DAY_H)
    desk.move(hours=1)
    found = desk.engine.inspector.to_number(NUMBER)
    assert [call.id for call in found] == [order.doc.call_id, wrong.id, again.id, first.id]
    assert [desk.engine.inspector.permit_of(call) is not None for call in found] == [False, False, True, True]
    assert desk.engine.dial(NUMBER, "mobile").reason == "refused"
    assert desk.bss.asked == []
