"""CSV files of reports, as 12321 forwards them: wrong lines are named, the others are taken."""

from consent_engine.api.http.csv_bodies import Columns, rows_of
from consent_engine.api.schemas.forms import read
from consent_engine.domain.admission.report_request import MakeReport, ReportMade
from consent_engine.domain.call.report import ReportDoor
from consent_engine.errors import Malformed

COLUMNS = Columns(("msisdn", "carrier", "caller_number", "called_at"), ("what", "channel", "ref", "reported_at"))


def reports_in(content: bytes, by: str) -> tuple[list[ReportMade], list[int], list[tuple[int, str]]]:
    """Return the reports in a file, the last line of each, and an error message for each wrong line.

    The messages never repeat the content of a line. Raises Malformed if the file as a whole cannot be read.
    """
    made: list[ReportMade] = []
    lines: list[int] = []
    wrong: list[tuple[int, str]] = []
    for line, row in rows_of(content, COLUMNS):
        told = {name: value for name, value in row.items() if value}
        try:
            form = read(MakeReport, {"channel": ReportDoor.CENTRE.value, **told})
        except Malformed as error:
            told_wrong = ", ".join(f"{each.field}: {each.message}" for each in error.errors)
            wrong.append((line, f"line {line}: {told_wrong}"))
        else:
            made.append(ReportMade(by, form))
            lines.append(line)
    return made, lines, wrong
