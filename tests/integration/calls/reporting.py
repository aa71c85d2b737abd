"""Reports of calls, as tests make and decide them."""

from consent_engine.api.schemas.forms import read
from consent_engine.domain.admission.report_request import DecideReport, MakeReport, ReportDecision, ReportMade
from consent_engine.domain.call.report import ReportTerms
from consent_engine.domain.days import Calendar
from consent_engine.engine.inspector import Inspector
from consent_engine.engine.report_book import ReportBook
from tests.conftest import NUMBER
from tests.integration.calls.desk import instant


def book(desk, rewards=None, calendar=None, **more):
    """Return a book of reports over a desk's store, under other terms."""
    engine = desk.engine
    terms = ReportTerms(calendar=calendar or Calendar(), rewards=rewards or {}, **more)
    inspector = Inspector(engine.store, engine.lookup, "test-secret")
    run, codes = engine._all, engine.registry  # noqa: SLF001
    return ReportBook(engine.store, terms, engine.catalogue, "test-secret", inspector.to_number, run, codes)


def made(desk, ago=0, to=NUMBER, **more):
    body = {
        "msisdn": to, "carrier": "mobile", "caller_number": "10085", "called_at": instant(desk.clock() - ago), **more,
    }  # fmt: skip
    return ReportMade("hotline-1", read(MakeReport, body))


def report(desk, ago=0, of=None, **more):
    return (of or desk.engine.reports).record(made(desk, ago, **more)).report


def decide(desk, told, found, reward=None, of=None, **more):
    body = {"class": found, **({"reward": reward} if reward else {}), **more}
    return (of or desk.engine.reports).decide(ReportDecision(told.id, "ops-1", read(DecideReport, body))).report


def seems(told):
    return told.received.proposed.value, list(told.received.reasons)
