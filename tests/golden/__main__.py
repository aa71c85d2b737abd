"""Writes what the conversations leave, each record once, with the code of today."""

import gzip
import json
import sys
from pathlib import Path

from tests.golden import kind_of
from tests.golden.roads import played


def write(file: Path, *scenarios: str) -> None:
    """A record that stands in several conversations, or unchanged for several lines, is written once."""
    records: dict[str, object] = {}
    seen: set[str] = set()
    for dump in played(scenarios):
        for key, record in dump.items():
            row = f"{key} {json.dumps(record, ensure_ascii=False)}"
            if row not in seen:
                seen.add(row)
                offers = kind_of(key) == "offers" and key in records
                records[key if offers else f"{key}:{len(seen)}"] = record
    told = json.dumps(records, ensure_ascii=False, separators=(",", ":")).encode()
    file.write_bytes(gzip.compress(told, mtime=0))
    sys.stdout.write(f"{file}: {len(records)} records, {file.stat().st_size} bytes\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]), *sys.argv[2:])
