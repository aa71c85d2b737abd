"""The persons in a store of tests, closed and open, for tests that look into Redis or SQL by hand."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import product
from typing import Any

from consent_engine.domain.seal import Seal
from consent_engine.errors import BrokenRecord

SEAL = Seal("test-secret")
_TOKEN = re.compile(r"~[0-9a-f]{8}[A-Za-z0-9+/]{22,}={0,2}")
_LINE = re.compile(r"(?<![0-9a-f])[0-9a-f]{28}(?![0-9a-f])")


def in_clear(key: str, record: Any, seal: Seal = SEAL) -> Any:
    """Return a record of Redis, or the rows of an inbox, as they were before they were closed."""
    line = key.rpartition(":")[2]
    if isinstance(record, list):
        rows = (row.partition("{") for row in record)
        return [f"{before}{seal.cipher.opened_message(line, begins + body)}" for before, begins, body in rows]
    return dict(seal.cipher.opened(record.get("line", line), record)) if isinstance(record, Mapping) else record


def rewritten(client: Any, key: str, name: str, before: str, after: str, seal: Seal = SEAL) -> None:
    """Change a text in a person part as only the holder of the key could."""
    fields = client.hgetall(key)
    line = fields["line"]
    said = seal.cipher.open(line, fields[name])
    assert before in said
    client.hset(key, name, seal.cipher.close(line, said.replace(before, after)))


def entry_in_clear(entry: str, seal: Seal = SEAL) -> str:
    """Return an unmatched message as it was."""
    return seal.cipher.opened_entry(entry)


def opened_in(text: str, seal: Seal = SEAL) -> Iterator[str]:
    """Yield all that is closed anywhere in a text, opened under any line that stands in it."""
    tokens = set(_TOKEN.findall(text.replace("\\\\/", "/").replace("\\/", "/")))
    for token, line in product(tokens, {"", *_LINE.findall(text)}):
        with suppress(BrokenRecord):
            yield seal.cipher.open(line, token)
