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
from consent_engine.domain.seal import Seal
from consent_engine.ports import LineKept

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
    digits = fields.get("msisdn", "")[-DIGITS:]
    for name, kept in fields.items():
        if name[:2] == "r:":
            try:
                found = Restriction.decode(name[2:], kept)
            except ValueError:  # a damaged one bars all the same, and is named by the doctor
                log.error("%s: a restriction cannot be read", line)
                continue
            yield {
                "line": line,
                "name": name[2:],
                "kind": found.kind.value,
                "since": found.since,
                "until": found.until,
                "waits": found.kind is Kind.SUSPECTED,
                "receipt": seal.receipt(receipt_of(line, found.name), digits) if seal and digits else None,
            }


def restriction_of(person: str, name: str) -> tuple[str, Restriction]:
    """Return a line's number, and a restriction on it, from the text of its row. Raises ValueError."""
    fields = next((each for each in _PERSON(person) if isinstance(each, dict)), {})
    return fields.get("msisdn", ""), Restriction.decode(name, fields.get(f"r:{name}", ""))


_PERSON = Reader(list[dict[str, str] | str])
