"""The writer of golden files: a record of each shape that no file holds yet, by the code of today."""

import gzip
import json
import sys
from pathlib import Path

from tests.golden import kept, kind_of
from tests.golden.roads import played
from tests.golden.shapes import shapes


def fresh(*scenarios: str) -> dict[str, object]:
    """The records with a shape that no earlier record has, neither here nor in the files."""
    known = {shape for key, record in kept().items() for shape in shapes(key, record)}
    records: dict[str, object] = {}
    offers: dict[str, dict[str, str]] = {}
    for dump in played(scenarios):
        for key, record in dump.items():
            if kind_of(key) == "offers":
                offers.setdefault(key, {}).update(record)
            elif new := shapes(key, record) - known:
                known |= new
                records[f"{key}:{len(records)}"] = record
    # An order is read with the offers it was asked by: all of them go along.
    return records | (dict(offers) if any(kind_of(key) == "order" for key in records) else {})


def write(file: Path, *scenarios: str) -> None:
    """Write them, where there are any; an older file is never written over."""
    records = fresh(*scenarios)
    if not records:
        sys.stdout.write("nothing new: the golden files hold every shape\n")
        return
    told = json.dumps(records, ensure_ascii=False, separators=(",", ":")).encode()
    with file.open("xb") as written:
        written.write(gzip.compress(told, mtime=0))
    sys.stdout.write(f"{file}: {len(records)} records, {file.stat().st_size} bytes\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]), *sys.argv[2:])
