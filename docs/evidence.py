"""Writes the schema of evidence files from their types: `python docs/evidence.py --write`; without it, prints it."""

import json
import sys
from pathlib import Path

from msgspec.json import schema

from consent_engine.verify import FORMAT, File

PAGE = Path(__file__).with_suffix(".schema.json")


def written() -> str:
    """The schema, as JSON Schema 2020-12. An object has the fields that are named, and no others."""
    made = schema(File)
    for kind in made["$defs"].values():
        kind["additionalProperties"] = False
        kind["description"] = " ".join(kind["description"].split())
    made["$defs"]["File"]["properties"]["evidence"] = {"const": FORMAT}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Evidence of an order"}
    return json.dumps(head | made, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(written(), "utf-8")
    else:
        sys.stdout.write(written())
