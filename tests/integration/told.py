"""The problems that the document tells of an operation, held against the answers that tests get."""

from starlette.routing import Match

from consent_engine.api.document.openapi import FACTS
from consent_engine.api.document.operations import Operation
from consent_engine.api.http.problems import MEDIA_TYPE, NAMED_BY_THE_DOOR, status_for

ANYWHERE = {
    "http_error", "not_found", "method_not_allowed", "too_large", "too_slow", "forbidden", "store_unavailable",
    "internal_error", "broken_record",
}  # fmt: skip
"""Codes answered before any operation is reached, to a session, or for a defect: `default` in the document."""
ALWAYS = {"refusals_kept", "type", "title", "status", "code", "detail", "errors"}


def untold(app, response) -> str:
    """Return a problem that the operation's part of the document lacks, or a fact of it; "" if there is none."""
    if response.headers.get("content-type") != MEDIA_TYPE or not response.content:  # HEAD
        return ""
    said, request = response.json(), response.request
    scope = {"type": "http", "method": request.method, "path": request.url.path, "headers": []}
    route = next((each for each in app.routes if each.matches(scope)[0] is Match.FULL), None)
    if not isinstance(route, Operation) or route.described is None or said["code"] in ANYWHERE:
        return ""
    facts = {each.strip() for each in FACTS.get(said["code"], "").split(",")}
    lacks = said.keys() - ALWAYS - facts or (response.status_code, said["code"]) not in told_of(route)
    return f"{request.method} {route.path}: {response.status_code} {said['code']} {lacks}" if lacks else ""


def told_of(route) -> set[tuple[int, str]]:
    """Return the statuses and codes that an operation may answer."""
    told = {(int(status_for(kind)), kind.code) for kind in route.described.problems}
    of_forms = (422, "malformed") in told and route.method != "GET"
    return told | {(422, code) for code in NAMED_BY_THE_DOOR if of_forms}
