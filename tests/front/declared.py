"""What the pages' scripts are checked with, made from the code that it belongs to.

The shapes of the API's answers come from its OpenAPI document; the words and the elements that a page's scripts find,
from its list and its templates. A script is checked with those of each page that it is part of.
"""

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from consent_engine.api.app import PARTS
from consent_engine.api.document.openapi import document
from consent_engine.api.web.pages import LIFECYCLE
from consent_engine.api.web.rendering import SCRIPTED, named_by, words_of

HERE = Path(__file__).parent
NAMES = {"integer": "number", "number": "number", "string": "string", "boolean": "boolean", "null": "null"}
OF_PAGES = ("board.", "desk.", "list.", "ops.", "order.", "paused.", "reported.", "review.", "span.")
"""Groups of words that scripts name as they are. The others are completed at run time by the engine's codes, each of
which has a word (`test_words.py`).
"""
TAGS = {
    "a": "Anchor", "audio": "Audio", "button": "Button", "details": "Details", "dialog": "Dialog",
    "fieldset": "FieldSet", "form": "Form", "input": "Input", "ol": "OList", "script": "Script", "select": "Select",
}  # fmt: skip
_ID = re.compile(r'<(\w+)(?=\s)[^>]*?\sid="([\w-]+)"')


def type_of(schema: Mapping[str, Any]) -> str:
    """Write a JSON Schema as a type of TypeScript."""
    if ref := schema.get("$ref"):
        return f"Api.{ref.rpartition('/')[2]}"
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(each) for each in schema.get("enum", [schema.get("const")]))
    if many := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(type_of(each) for each in many)
    if schema.get("type") == "array":
        return f"({type_of(schema.get('items', {}))})[]"
    if fields := schema.get("properties"):
        wanted = schema.get("required", ())
        told = (f"{json.dumps(name)}{'' if name in wanted else '?'}: {type_of(each)}" for name, each in fields.items())
        return f"{{ {'; '.join(told)} }}"
    if isinstance(values := schema.get("additionalProperties"), dict):
        return f"Record<string, {type_of(values)}>"
    return NAMES.get(schema.get("type", ""), "any")


def shapes() -> str:
    """Declare what the API's document describes."""
    app = Starlette(routes=[route for part in PARTS for route in part.routes])
    made = (f"  type {name} = {type_of(each)};" for name, each in document(app)["components"]["schemas"].items())
    lifecycle = " | ".join(map(json.dumps, LIFECYCLE))
    return "\n".join(["declare namespace Api {", *made, "}", f"type Lifecycle = {lifecycle};", ""])


def words(page: str) -> str:
    """Declare the words of a page."""
    names = [json.dumps(name) for name in words_of(page, "zh")]
    groups = [each for each in named_by(page)[1] if each not in OF_PAGES]
    return f"type Word = {' | '.join([*names, *(f'`{each}${{string}}`' for each in groups)])};\n"


def elements(*templates: Traversable) -> str:
    """Declare the elements of a page that have an id."""
    found = {name: tag for each in templates for tag, name in _ID.findall(each.read_text("utf-8"))}
    told = (f"  {json.dumps(name)}: HTML{TAGS.get(tag, '')}Element;" for name, tag in found.items())
    return "\n".join(["interface Elements {", *told, "}", ""])


def write(folder: Path, *more: Path) -> list[Path]:
    """Write a project of TypeScript for each page, and one for the handset; return their files. more: other scripts"""
    ours, phone = files("consent_engine.api") / "pages", files("consent_engine.simulator") / "pages"
    (folder / "api.d.ts").write_text(shapes(), "utf-8")
    around = {page: words(page) + elements(ours / "base.html", ours / f"{page}.html") for page in SCRIPTED}
    around["handset"] = "type Word = never;\n" + elements(phone / "handset.html")
    for page, told in around.items():
        (folder / f"{page}.d.ts").write_text(told, "utf-8")
        sources = [
            str((ours if page in SCRIPTED else phone) / f"{page}.js"),
            str(HERE / "pages.d.ts"),
            "api.d.ts",
            f"{page}.d.ts",
        ]
        sources += map(str, (ours / "palette.js", *more) if page in SCRIPTED else ())
        project = {"extends": str(HERE / "tsconfig.json"), "files": sources}
        (folder / f"{page}.json").write_text(json.dumps(project), "utf-8")
    return [folder / f"{page}.json" for page in around]
