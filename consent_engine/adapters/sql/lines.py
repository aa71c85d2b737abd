"""Numbers in SQL, as the store kept them, and the restrictions that stand on them. Only the scribe writes them."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, delete

from consent_engine.adapters.sql.bulk import bulk
from consent_engine.adapters.sql.tables import LINES, RESTRICTIONS, among
from consent_engine.domain.canonical_json import Reader, compact
from consent_engine.domain.line.restriction import Kind, Restriction, receipt_of
from consent_engine.domain.msisdn import DIGITS
from consent_engine.domain.seal import Seal, cipher_of
from consent_engine.errors import BrokenRecord
from consent_engine.ports import LineKept
from consent_engine.ports.queries import StandingRestriction

log = logging.getLogger(__name__)


def keep_lines(connection: Connection, lines: Mapping[str, LineKept], seal: Seal | None) -> None:
    """Write lines, and what stands on them, in place of what is here of them; delete those that the store has no more.

    The caller holds the log's head: no other scribe may write an earlier state later.
    """
    names = sorted(lines)
    for table, column in ((RESTRICTIONS, RESTRICTIONS.c.line), (LINES, LINES.c.id)):
        some = [each for each in names if table is RESTRICTIONS or not lines[each].fields]
        if some:
            connection.execute(delete(table).where(among(connection, column, some)))
    rows = [
        {"id": each, "version": int(kept.fields.get("v", "0")), "person": compact([dict(kept.fields), *kept.unread])}
        for each in names
        if (kept := lines[each]).fields
    ]
    bulk(connection, LINES, rows, anew=True)
    standing = [row for each in names for row in _restrictions(each, lines[each].fields, seal)]
    bulk(connection, RESTRICTIONS, standing)


def _restrictions(line: str, fields: Mapping[str, str], seal: Seal | None) -> Iterator[dict[str, Any]]:
    for name, kept in fields.items():
        if name[:2] == "r:":
            try:
                found = Restriction.decode(name[2:], kept)
            except ValueError:  # a damaged one bars all the same, and is named by the doctor
                log.error("%s: a restriction cannot be read", line)
                continue
            digits = _digits(line, fields, seal)
            yield {
                "line": line,
                "name": name[2:],
                "kind": found.kind.value,
                "since": found.since,
                "until": found.until,
                "waits": found.kind is Kind.SUSPECTED,
                "receipt": seal.receipt(receipt_of(line, found.name), digits) if seal and digits else None,
            }


def _digits(line: str, fields: Mapping[str, str], seal: Seal | None) -> str:
    try:
        return cipher_of(seal).open(line, fields.get("msisdn", ""))[-DIGITS:]
    except BrokenRecord as error:  # what stands on it is written all the same: it bars
        log.error("%s: %s", line, error)
        return ""


def standing(row: Any, seal: Seal | None) -> StandingRestriction:  # noqa: ANN401 - a row
    """Return the restriction of a row (line, name, version, person). Raises ValueError, and BrokenRecord."""
    line, name = row.line, row.name
    kept = next((each for each in _PERSON(row.person) if isinstance(each, dict)), {})
    fields = cipher_of(seal).opened(line, {each: kept[each] for each in ("msisdn", f"r:{name}") if each in kept})
    found = Restriction.decode(name, fields.get(f"r:{name}", ""))
    return StandingRestriction(line, row.version, fields.get("msisdn", ""), found)


_PERSON = Reader(list[dict[str, str] | str])
