"""Writes the schemas of evidence and inspection files from their types: `python docs/evidence.py --write`; without it,
prints them.
"""

import json
import sys
from pathlib import Path

from msgspec.json import schema

from consent_engine.verify import FORMAT, INSPECTION, File, Inspection

HERE = Path(__file__).parent


def written() -> dict[Path, str]:
    """The schemas by their pages, as JSON Schema 2020-12. An object has the fields that are named, and no others."""
    return {
        HERE / "evidence.schema.json": _schema(File, "evidence", FORMAT, "Evidence of an order"),
        HERE / "inspection.schema.json": _schema(Inspection, "inspection", INSPECTION, "A period for an inspector"),
    }


def _schema(of: type, name: str, form: str, title: str) -> str:
    made = schema(of)
    for kind in made["$defs"].values():
        kind["additionalProperties"] = False
        kind["description"] = " ".join(kind["description"].split())
    made["$defs"][of.__name__]["properties"][name] = {"const": form}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return json.dumps(head | made, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    for page, text in written().items():
        if "--write" in sys.argv:
            page.write_text(text, "utf-8")
        else:
            sys.stdout.write(text)
