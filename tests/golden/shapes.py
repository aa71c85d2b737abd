"""The shapes of kept records: which fields there are, and how each is written; not their values."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.golden import kind_of

_NAMES = re.compile(r"[0-9a-f]{20,}|(?<=[a-z:])\d+$|\+\d+")


def shapes(key: str, record: Any) -> set[str]:
    """The shapes of one record, each with the record's kind."""
    return {f"{kind_of(key)} {each}" for each in _of(record)}


def _of(record: Any) -> Iterator[str]:
    if isinstance(record, list):
        for row in record:
            yield _written(row)
        return
    for name, row in record.items() if isinstance(record, dict) else ():
        yield f"{_NAMES.sub('#', name)} {_written(row)}"


def _written(row: Any) -> str:
    """How a value is written: a row by its tag and length, an object by its names, all else by its type."""
    try:
        said = json.loads(row) if isinstance(row, str) else row
    except ValueError:
        return "text"
    if isinstance(said, list):
        tag = said[0] if said and isinstance(said[0], str) and re.fullmatch("[a-z_.]{1,40}", said[0]) else ""
        inner = [",".join(sorted(each)) for each in said if isinstance(each, dict)]
        return f"[{tag} {len(said)} {' '.join(inner)}]"
    if isinstance(said, dict):
        return "{" + ",".join(sorted(said)) + "}"
    return type(said).__name__
