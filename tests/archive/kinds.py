"""Every kind of record, how one is made that is to leave the store, and how it leaves."""

from typing import NamedTuple

from consent_engine.adapters.sql.tables import CALLS, ORDERS, RECORDS
from consent_engine.domain.call.ending import Cause, Ending, Why
from consent_engine.domain.effects import Lane
from consent_engine.engine.scribe import write_out
from consent_engine.ports import Owner
from tests.archive.house import LONG
from tests.conftest import NUMBER
from tests.integration.calls.reporting import decide, report

MONTH = 31 * 24


class Kind(NamedTuple):
    """A kind of record. made: has one that is to leave, and returns its id · shown: its chain's head, wherever it is ·
    hours: after which it leaves
    """

    owner: Owner
    made: object
    shown: object
    table: object = None
    hours: int = LONG


def an_order(desk):
    return desk.settled().id


def a_call(desk):
    return desk.end(desk.start()).id


def an_ending(desk):
    order = desk.settled()
    ending = desk.engine.endings.ask(desk.engine.show(order.id), Why(Cause.WITHDRAWN, "hotline", "desk")).ending
    desk.run()
    desk.move()  # the order goes first
    desk.clock.forward(hours=1)
    return ending.id


def a_report(desk):
    told = report(desk)
    decide(desk, told, "ours_unrecorded")
    return told.id


def a_line(desk):
    desk.say("你好")
    desk.run()
    return desk.engine.line(NUMBER).id


def head_of_an_ending(desk, name):
    found = desk.engine.lookup.of(Ending, [name])
    return found[name].head


KINDS = {
    "order": Kind(Owner.ORDER, an_order, lambda desk, name: desk.engine.show(name).head, ORDERS),
    "call": Kind(Owner.CALL, a_call, lambda desk, name: desk.engine.calls.show(name).head, CALLS),
    "ending": Kind(Owner.ENDING, an_ending, head_of_an_ending, RECORDS, 2),
    "report": Kind(Owner.REPORT, a_report, lambda desk, name: desk.engine.reports.show(name)[0].head, RECORDS),
    "line": Kind(Owner.LINE, a_line, lambda desk, name: desk.engine.line(NUMBER).msisdn and "", None, MONTH),
}


def made(desk, kind):
    """Have a record of this kind that is to leave, and that the scribe has written; return its id."""
    name = kind.made(desk)
    write_out(desk.engine.store, "one")
    return name


def leave(desk, kind):
    """Let time pass until the record is to leave, and run timers: what another timer wrote to is put off a minute."""
    desk.clock.forward(hours=kind.hours)
    desk.run(Lane.TIMER)
    desk.clock.forward(seconds=61)
    desk.run(Lane.TIMER)
