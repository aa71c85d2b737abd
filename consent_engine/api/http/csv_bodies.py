"""CSV files of refusals or registrations, read row by row: all errors are reported at once, by line and column."""

import csv
import re
from collections.abc import Iterator
from io import StringIO
from typing import NamedTuple

from starlette.requests import Request

from consent_engine.api.http.bodies import KIB, is_packed, read_body
from consent_engine.api.http.problems import MOST_ERRORS, NotOurMediaType
from consent_engine.api.schemas.forms import ImportedNumber, read
from consent_engine.domain.line.restriction import EVERY_CARRIER, Kind
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import FieldError, Malformed

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


def refusals_in(content: bytes, by: str) -> list[RefusalAsked]:
    """Return the refusals in a file. Raises Malformed; then none of them is to be stored."""
    asked: list[RefusalAsked] = []
    wrong: list[FieldError] = []
    for line, row in rows_of(content):
        try:
            form = read(ImportedNumber, row, f"{line}.")
        except Malformed as error:
            wrong += [FieldError(e.field, e.code, f"line {line}: {e.message}") for e in error.errors]
            if len(wrong) >= MOST_ERRORS:
                break
        else:
            carrier = form.carrier.value if form.carrier else EVERY_CARRIER
            asked.append(RefusalAsked(Msisdn(form.msisdn), carrier, form.channel, by, form.ref))
    if wrong:
        raise Malformed(wrong)
    return asked


def registrations_in(content: bytes, by: str) -> tuple[list[RefusalAsked], list[str]]:
    """Return the marketing-free numbers of a file, and an error message for each wrong line.

    The messages never repeat the content of a line. Raises Malformed if the file as a whole cannot be read.
    """
    asked: list[RefusalAsked] = []
    wrong: list[str] = []
    for line, row in rows_of(content):
        try:
            form = read(ImportedNumber, row)
        except Malformed as error:
            wrong.append(f"line {line}: {', '.join(f'{each.field}: {each.message}' for each in error.errors)}")
        else:
            carrier = form.carrier.value if form.carrier else EVERY_CARRIER
            whose = Msisdn(form.msisdn)
            asked.append(RefusalAsked(whose, carrier, form.channel, by, form.ref, kind=Kind.MARKETING_FREE))
    return asked, wrong


def rows_of(content: bytes, columns: Columns = OF_NUMBERS) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row by column name, with the number of its last line; empty lines are skipped.

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
            if len(cells) != len(names):
                where = f"must have {len(names)} columns like the header"
                raise Malformed([FieldError(str(lines.line_num), "columns", f"line {lines.line_num}: {where}")])
            yield lines.line_num, dict(zip(names, map(str.strip, cells), strict=True))
    except UnicodeDecodeError:
        raise Malformed([FieldError("body", "not_utf8", "is not UTF-8")]) from None
    except csv.Error:
        raise Malformed([FieldError("body", "not_csv", f"is not CSV: line {lines.line_num}")]) from None


def _header(cells: list[str], columns: Columns) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    if len(set(names)) != len(names) or not set(columns.needed) <= set(names) <= {*columns.needed, *columns.may_be}:
        told = f"line 1: must be {','.join(columns.needed)} and may have {', '.join(columns.may_be)}"
        raise Malformed([FieldError("1", "header", told)])
    return names
