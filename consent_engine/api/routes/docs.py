"""The page at /docs: every operation of /openapi.json, readable without a script and without the internet."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse

from consent_engine.api.document.openapi import document
from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.web.rendering import sheet

operations = Operations()
_CODE = re.compile("`([^`]+)`")


@operations.add("GET", "/openapi.json", PUBLIC)
async def described(request: Request) -> JSONResponse:
    return JSONResponse(document(request.app))


@operations.add("GET", "/docs", PUBLIC)
async def docs(request: Request) -> HTMLResponse:
    template, style, policy = sheet("docs.html", "docs.css", form="'none'")
    said = document(request.app)
    page = template.render(info=said["info"], subjects=_by_subject(said), style=style, coded=_coded)
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def shown(said: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each operation as the page shows it."""
    for path, methods in said["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            yield {
                "method": method.upper(),
                "path": path,
                "keyed": _keyed(operation),
                "operation": operation,
                "curl": _curl(method.upper(), path, operation, content.get("example")),
                "body": _pretty(_resolved(content["schema"], said)) if content else "",
                "answers": list(_answers(operation, said)),
            }


def _by_subject(said: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Group the operations by subject, in the order in which subjects first occur."""
    subjects: dict[str, list[dict[str, Any]]] = {}
    for each in shown(said):
        subjects.setdefault(each["operation"]["tags"][0], []).append(each)
    return subjects


def _coded(text: str) -> Markup:
    """Render text between backticks as code."""
    parts = enumerate(_CODE.split(text))  # every second part is code
    return Markup().join(Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in parts)


def _keyed(operation: Mapping[str, Any]) -> bool:
    return {"key": []} in operation.get("security", [])


def _answers(operation: Mapping[str, Any], said: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for status, answer in operation["responses"].items():
        content = answer.get("content", {}).get("application/json", {})
        schema = _pretty(_resolved(content["schema"], said)) if content.get("schema") else ""
        yield {"status": status, "description": answer["description"], "schema": schema}


def _curl(method: str, path: str, operation: Mapping[str, Any], example: object) -> str:
    parts = [f"curl -X {method} http://127.0.0.1:8080{path}"]
    if _keyed(operation):
        parts.append('-H "Authorization: Bearer $KEY"')
    parts += [f'-H "{p["name"]}: {p["example"]}"' for p in operation.get("parameters", []) if p["in"] == "header"]
    if "text/csv" in operation.get("requestBody", {}).get("content", {}):
        parts += ['-H "Content-Type: text/csv"', f"--data-binary @{operation['tags'][0]}.csv"]
    elif example is not None:
        parts += ['-H "Content-Type: application/json"', f"-d '{json.dumps(example, ensure_ascii=False)}'"]
    return " \\\n  ".join(parts)


def _resolved(schema: Any, said: Mapping[str, Any], depth: int = 6) -> Any:  # noqa: ANN401 - JSON schema
    """Return the schema with its references replaced by the schemas they name, `depth` levels deep."""
    if isinstance(schema, list):
        return [_resolved(each, said, depth) for each in schema]
    if not isinstance(schema, dict) or depth == 0:
        return schema
    if "$ref" in schema:
        return _resolved(said["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], said, depth - 1)
    return {key: _resolved(value, said, depth) for key, value in schema.items() if key != "title"}


def _pretty(schema: object) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2)
