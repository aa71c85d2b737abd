"""CSV files of reports, as 12321 forwards them: wrong lines are named, the others are taken."""

from pydantic import model_validator

from consent_engine.api.http.csv_bodies import Columns, forms_in
from consent_engine.domain.admission.report_request import MakeReport, ReportMade
from consent_engine.domain.call.report import ReportDoor

COLUMNS = Columns(("msisdn", "carrier", "caller_number", "called_at"), ("what", "channel", "ref", "reported_at"))


class _Row(MakeReport):
    @model_validator(mode="before")
    @classmethod
    def _empty_cells_are_left_out(cls, row: dict[str, str]) -> dict[str, str]:
        return {"channel": ReportDoor.CENTRE.value, **{name: each for name, each in row.items() if each}}


def reports_in(content: bytes, by: str) -> tuple[list[ReportMade], list[int], list[tuple[int, str]]]:
    """Return the reports in a file, the last line of each, and an error message for each wrong line.

    Raises Malformed if the file as a whole cannot be read.
    """
    forms, wrong = forms_in(content, COLUMNS, _Row)
    return [ReportMade(by, form) for _, form in forms], [line for line, _ in forms], wrong
