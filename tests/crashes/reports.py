"""Operations on reports of calls: taken, and decided."""

from collections import Counter
from collections.abc import Mapping

from consent_engine.domain.admission.report_request import DecideReport, MakeReport, ReportDecision, ReportMade
from consent_engine.domain.call.report import Report, ReportState
from consent_engine.domain.effects import WAKE_PERSON, Lane
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Order
from consent_engine.engine.engine import Engine
from consent_engine.ports import ReportFilter
from tests.crashes.calls import instant
from tests.crashes.dying import Told
from tests.crashes.in_the_lanes import Slice
from tests.crashes.operation import ONE, Operation
from tests.crashes.town import Life, Town


def reported(town: Town) -> ReportMade:
    body = {"msisdn": ONE, "carrier": "mobile", "caller_number": "10085", "called_at": instant(town.clock())}
    return ReportMade("hotline", MakeReport.model_validate(body))


class ReportComes(Operation):
    """A subscriber with an open order reports a call: no report exists without its refusal, and it is one report."""

    name, least = "report: comes", 10
    ends = {"cancelled": 1}  # noqa: RUF012 - as in Operation
    tells = ("report",)

    def before(self, town: Town) -> None:
        town.asked()
        town.clock.forward(seconds=60)
        self.made = reported(town)

    def act(self, engine: Engine, told: Told) -> None:
        told(report=engine.reports.record(self.made).report.id)

    def learnt(self, town: Town, life: Life) -> None:
        there = town.engine.reports.page(ReportFilter()).reports
        refused = not town.engine.dial(Msisdn(ONE), "mobile").callable
        assert refused or not there, "a report without its refusal"
        assert not life.said("report") or [each.id for each in there] == [life.said("report")]
        town.refused(ONE, "mobile", sure=refused)

    def again(self, town: Town, life: Life) -> None:
        taken = town.engine.reports.record(self.made)
        if known := life.said("report"):
            assert (taken.report.id, taken.is_new) == (known, False)
        assert [each.id for each in town.engine.reports.page(ReportFilter()).reports] == [taken.report.id]
        assert len(town.engine.line(Msisdn(ONE)).reported) == 1
        assert town.engine.store.queries.reports.due(9) == [taken.report.id]
        town.refused(ONE, "mobile")


class ReportIsDecided(Operation):
    """A person decides a report: one event, however often and by whomever it is asked."""

    name, least = "report: is decided", 6
    tells = ("report",)

    def before(self, town: Town) -> None:
        self.report = town.engine.reports.record(reported(town)).report
        town.refused(ONE, "mobile")
        asked = DecideReport.model_validate({"class": "ours_unrecorded"})
        self.wanted = ReportDecision(self.report.id, "ops", asked)

    def act(self, engine: Engine, told: Told) -> None:
        told(decided=engine.reports.decide(self.wanted).report.head)

    def learnt(self, town: Town, life: Life) -> None:
        found, _ = town.engine.reports.show(self.report.id)
        waits = town.engine.store.queries.reports.due(9)
        assert (found.state is ReportState.OPEN) == (waits == [self.report.id]), "it waits until it is decided"
        assert not life.said("decided") or found.head == life.said("decided")

    def again(self, town: Town, life: Life) -> None:
        taken = town.engine.reports.decide(self.wanted)
        assert len(taken.report.events) == 1
        assert not life.said("decided") or not taken.is_new

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        assert not states, "no order was there"


class PersonGoes(Slice):
    """The retention of a decided report's person part is over: it goes, whoever dies over it, and nothing else does."""

    name, lane, least = "timer: a report's person goes", Lane.TIMER, 4

    def before(self, town: Town) -> None:
        told = town.engine.reports.record(reported(town)).report
        town.refused(ONE, "mobile")
        asked = DecideReport.model_validate({"class": "ours_unrecorded"})
        self.head = town.engine.reports.decide(ReportDecision(told.id, "ops", asked)).report.head
        self.report = told.id
        town.clock.forward(hours=24 * 154)

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        found = town.engine.records.look({Report: [self.report]}).of(Report)[self.report]
        assert (found.head, found.person_text, WAKE_PERSON in found.effects) == (self.head, "", False)
        assert not states, "no order was there"
