"""Kannel bound to an SMSC that loses, delays, doubles and fails single parts, and how the engine handles it."""

import pytest

from tests.acceptance.kannel_stack import SENDER, everything
from tests.acceptance.smsc import REFUSED, Fate, Smsc

PARTS = 5
"""The number of parts of the question."""


@pytest.fixture(scope="module")
def kannel():
    fates = {}
    smsc = Smsc(lambda one: fates.get((one.to[-3:], one.n), Fate()))
    smsc.fates = fates
    try:
        with everything(smsc) as stack:
            yield stack
    finally:
        smsc.close()


def asked(kannel, number, **parts):
    """Place an order whose question's parts have these fates; its number ends with `number`."""
    kannel.smsc.fates |= {(number, int(name[1:])): fate for name, fate in parts.items()}
    return kannel.place(f"+8613800138{number}")


def reports(kannel, order, effect="sms.confirmation.1"):
    """The reports in the timeline: (part, status, error)."""
    timeline = kannel.order(order["id"])["timeline"]
    told = [entry["detail"] for entry in timeline if entry["trigger"] == "reported"]
    return sorted((d["segment"], d["status"], d["error"]) for d in told if d["effect"] == effect)


def test_the_whole_text_arrives_part_by_part_and_is_worth_delivering_for_as_long_as_a_yes_counts(kannel):
    order = asked(kannel, "101")
    assert kannel.smsc.handset(order["msisdn"], PARTS) == order["confirmation"]["text"]
    kannel.wait_for_event(order, "delivered")
    told = [entry["trigger"] for entry in kannel.order(order["id"])["timeline"]][1:]
    assert (told.count("confirmation_accepted"), told.count("delivered")) == (1, 1)
    assert {*told} <= {"confirmation_accepted", "delivered", "reported", "ended_late"}, (
        "reports may overtake the answer"
    )
    assert all(one.validity for one in kannel.smsc.submitted if one.to == order["msisdn"][1:])
    kannel.smsc.say(order["msisdn"], SENDER, "是")
    kannel.wait_for_event(order, "notification_accepted")
    assert len(kannel.activations(order)) == 1


@pytest.mark.parametrize(
    ("number", "stat", "why"),
    [
        ("111", "EXPIRED", "with_error:027:sms_expired:"),
        ("112", "DELETED", "with_error:027:deleted_at_smsc:"),
        ("113", "UNDELIV", "with_error:027:undeliverable:"),
        ("114", "REJECTD", "with_error:027:rejected_by_smsc:"),
    ],
)
def test_one_part_that_never_arrives_ends_the_order_and_the_timeline_says_which_and_why(kannel, number, stat, why):
    order = asked(kannel, number, n3=Fate((stat,)))
    kannel.wait_for_event(order, "confirmation_failed")
    assert (3, "failed", why) in reports(kannel, order)
    kannel.smsc.say(order["msisdn"], SENDER, "是")
    kannel.wait_for_event(order, "replied_late")
    assert kannel.activations(order) == []


def test_a_part_that_the_smsc_refuses_ends_the_order(kannel):
    order = asked(kannel, "121", n2=Fate(status=REFUSED))
    kannel.wait_for_event(order, "confirmation_failed")
    assert (2, "failed", "nack_for:0x45:submit_failed:") in reports(kannel, order)


def test_a_part_that_the_smsc_lost_sight_of_ends_nothing(kannel):
    order = asked(kannel, "131", n2=Fate(("UNKNOWN",)))
    told = "of 5 taken 1,2,3,4,5 arrived 1,3,4,5"
    assert told in kannel.parts(order, told)
    kannel.smsc.say(order["msisdn"], SENDER, "是")
    kannel.wait_for_event(order, "notification_accepted")


def test_reports_that_are_late_and_doubled_are_counted_once(kannel):
    order = asked(kannel, "141", n1=Fate(("DELIVRD", "DELIVRD"), delay_s=1), n4=Fate(("DELIVRD",) * 3))
    kannel.wait_for_event(order, "delivered")
    timeline = kannel.order(order["id"])["timeline"]
    assert [entry["trigger"] for entry in timeline].count("delivered") == 1


def test_a_report_that_is_lost_shows_as_the_part_that_was_not_told_of(kannel):
    order = asked(kannel, "151", n3=Fate(()))
    told = "of 5 taken 1,2,3,4,5 arrived 1,2,4,5"
    assert told in kannel.parts(order, told)
    assert reports(kannel, order) == [(1, "accepted", "")]
    assert kannel.order(order["id"])["state"] == "awaiting_reply"


def test_no_failure_is_forgotten_however_close_the_other_reports_come(kannel):
    """Taken and failed leave Kannel within a millisecond of each other, and of its answer to us."""
    failed = {f"n{n}": Fate(("UNDELIV",)) for n in range(1, PARTS + 1)}
    orders = [asked(kannel, str(number), **failed) for number in range(200, 220)]
    for order in orders:
        kannel.wait_for_event(order, "confirmation_failed")
    assert {kannel.order(order["id"])["state"] for order in orders} == {"undeliverable"}


def test_the_check_of_a_gateway_says_that_four_parts_arrived_whole(kannel):
    done = kannel.consent("gateway", "check", "kannel", "--to", "13800138301")
    assert (done.returncode, done.stdout.splitlines()) == (0, [f"{n}\tdelivered" for n in (1, 2, 3, 4)]), done.stderr
    assert "4 of 4 arrived" in done.stderr
    assert "第4段，共4段" in kannel.smsc.handset("+8613800138301", 4)


def test_the_check_of_a_gateway_says_which_part_was_lost(kannel):
    kannel.smsc.fates |= {("302", 3): Fate(("UNDELIV",))}
    done = kannel.consent("gateway", "check", "kannel", "--to", "+8613800138302")
    assert done.returncode == 1
    assert "3\tfailed" in done.stdout.splitlines()
    assert "13800138302" not in done.stdout + done.stderr + "".join(kannel.workers.lines + kannel.api.lines)
