"""CSV files, read row by row (a wrong line is named, and the others are taken), and reports written as CSV."""

import csv
import re
from collections.abc import Callable, Iterator
from io import StringIO
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, model_validator
from starlette.requests import Request

from consent_engine.api.http.bodies import KIB, is_packed, read_body
from consent_engine.api.http.problems import NotOurMediaType
from consent_engine.api.schemas.forms import ImportedNumber, read, read_refusal
from consent_engine.domain.admission.report_request import Heard, MakeReport, ReportMade
from consent_engine.domain.call.report import ReportDoor
from consent_engine.domain.line.restriction import EVERY_CARRIER, Kind
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.report import DOOR
from consent_engine.errors import FieldError, Malformed

Form = TypeVar("Form", bound=BaseModel)
MOST_BYTES = 2 * 1024 * KIB
MOST_ROWS = 10_000


class Columns(NamedTuple):
    """The columns of a file's header: those that it must have, and those that it may have."""

    needed: tuple[str, ...]
    may_be: tuple[str, ...]


OF_NUMBERS = Columns(("msisdn", "carrier", "channel"), ("ref",))
_CSV = re.compile(r"""text/csv(\s*;\s*(charset="?utf-?8"?|header="?present"?))*""", re.IGNORECASE)


async def read_csv(request: Request) -> bytes:
    """Return the file. Raises NotOurMediaType before anything is read, then TooLarge and TooSlow."""
    kinds = request.headers.getlist("content-type")
    if len(kinds) != 1 or not _CSV.fullmatch(kinds[0].strip()) or is_packed(request):
        raise NotOurMediaType("send Content-Type: text/csv, in UTF-8 and not compressed")
    return await read_body(request, MOST_BYTES)


def numbers_in(content: bytes, by: str, kind: Kind, digest: str) -> tuple[list[RefusalAsked], list[str]]:
    """Return the restrictions of this kind in a file of numbers, and an error message for each wrong line: where its
    number and its carrier are right, it is a restriction nevertheless. digest: SHA-256 of the file

    Raises Malformed if the file as a whole cannot be read.
    """
    forms, wrong = forms_in(content, OF_NUMBERS, ImportedNumber, read_refusal)
    return [number_asked(form, by, kind, digest) for _, form in forms], [text for _, text in wrong]


def number_asked(form: ImportedNumber, by: str, kind: Kind, digest: str) -> RefusalAsked:
    """Return what a row of a file of numbers asks for; where it has no `ref` of its own, it has the file's."""
    ref = form.ref or f"file {digest[:32]}"
    return RefusalAsked(Msisdn(form.msisdn), form.carrier or EVERY_CARRIER, form.channel, by, ref, kind=kind)


def _faultless(form: type[Form], row: object) -> tuple[Form, None]:
    return read(form, row), None


def forms_in(
    content: bytes,
    columns: Columns,
    form: type[Form],
    reading: Callable[[type[Form], object], tuple[Form, Malformed | None]] = _faultless,
) -> tuple[list[tuple[int, Form]], list[tuple[int, str]]]:
    """Return the forms in a file and an error message for each wrong line, both with the number of the line. reading:
    may return the form of a wrong line, too

    The messages never repeat the content of a line. Raises Malformed if the file as a whole cannot be read.
    """
    forms, wrong = list[tuple[int, Form]](), list[tuple[int, str]]()
    for line, names, cells in _rows(content, columns):
        if len(cells) != len(names):
            wrong.append((line, f"line {line}: must have {len(names)} columns like the header"))
            continue
        try:
            found, error = reading(form, dict(zip(names, map(str.strip, cells), strict=True)))
            forms.append((line, found))
        except Malformed as unread:
            error = unread
        if error:
            wrong.append((line, f"line {line}: {', '.join(f'{each.field}: {each.message}' for each in error.errors)}"))
    return forms, wrong


def _rows(content: bytes, columns: Columns) -> Iterator[tuple[int, list[str], list[str]]]:
    """Yield the number of each row's last line, the header's names, and the row's cells; empty lines are skipped.

    Raises Malformed if the file is not CSV in UTF-8 with the expected columns, or has too many rows.
    """
    try:
        lines = csv.reader(StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        names = _header(next(lines, []), columns)
        count = 0
        for cells in lines:
            if not cells:
                continue
            count += 1
            if count > MOST_ROWS:
                raise Malformed([FieldError("body", "too_long", f"must have at most {MOST_ROWS} rows: send several")])
            yield lines.line_num, names, cells
    except UnicodeDecodeError:
        raise Malformed([FieldError("body", "not_utf8", "is not UTF-8")]) from None
    except csv.Error:
        raise Malformed([FieldError("body", "not_csv", f"is not CSV: line {lines.line_num}")]) from None


def _header(cells: list[str], columns: Columns) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    if len(set(names)) != len(names) or not set(columns.needed) <= set(names) <= {*columns.needed, *columns.may_be}:
        message = f"line 1: must be {','.join(columns.needed)} and may have {', '.join(columns.may_be)}"
        raise Malformed([FieldError("1", "header", message)])
    return names


COLUMNS = Columns(("msisdn", "carrier", "caller_number", "called_at"), ("what", "channel", "ref", "reported_at"))


class _Row(MakeReport):
    @model_validator(mode="before")
    @classmethod
    def _empty_cells_are_left_out(cls, row: dict[str, str]) -> dict[str, str]:
        return {"channel": ReportDoor.CENTRE.value, **{name: each for name, each in row.items() if each}}


def reports_in(
    content: bytes, by: str
) -> tuple[list[ReportMade], list[int], list[tuple[int, str]], list[RefusalAsked]]:
    """Return the reports in a file, the last line of each, an error message for each wrong line, and the refusals in
    wrong lines that say who refuses whose calls.

    Raises Malformed if the file as a whole cannot be read.
    """
    forms, wrong = forms_in(content, COLUMNS, _Row)
    lines = {line for line, _ in wrong}
    heard = forms_in(content, COLUMNS, Heard)[0] if wrong else []
    refusals = [refusal_in(form, by) for line, form in heard if line in lines]
    return [ReportMade(by, form) for _, form in forms], [line for line, _ in forms], wrong, refusals


def refusal_in(report: Heard, by: str) -> RefusalAsked:
    """Return the refusal that a report is, whatever else is wrong with it."""
    return RefusalAsked(Msisdn(report.msisdn), report.carrier.value, DOOR, by)
