"""/audit: acts of people that an audit may question: numbers revealed, restrictions lifted, doubtful replies decided,
lanes and gateways paused, lists imported; each with name, time and reason. Newest first, without phone numbers.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.schemas.views import instant
from consent_engine.api.service.service import front_of
from consent_engine.api.service.sessions import Session
from consent_engine.api.web.pages import behind_sign_in
from consent_engine.domain.canonical_json import parsed
from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import hidden
from consent_engine.engine.engine import Engine
from consent_engine.ports.registry import Import, Reveal

operations = Operations()
A_PAGE = 200
PAGES = frozenset(map(str, range(1, 51)))
"""The pages of the list: each is found by reading all acts that are newer than it."""


class ActRow(NamedTuple):
    """One act of a person. act: revealed, exported, lifted, decided (that a reply is no refusal), paused, resumed,
    importing, imported · what: the order's id; how many orders an export had, and of which list; the kind and carrier
    of a restriction; the lane or gateway; the kind of the restrictions that a list imports · reason: empty where a
    list is imported · file: of such a list
    """

    at: str
    act: str
    by: str
    what: str
    reason: str
    file: Import | None = None


@operations.add("GET", "/audit", PUBLIC)
async def audit(request: Request) -> Response:
    asked = request.query_params.get("page", "")
    n = int(asked) if asked in PAGES else 1

    async def shown(_session: Session) -> Mapping[str, Any]:
        acts = await front_of(request).ask(lambda engine: look(engine, n))
        return {"acts": acts[:A_PAGE], "older": len(acts) > A_PAGE, "page": n, "last": n == len(PAGES)}

    return await behind_sign_in(request, "audit.html", shown)


def look(engine: Engine, page: int = 1) -> list[ActRow]:
    """Return a page of the acts of all kinds, newest first, and one more if there are older ones. Raises
    StoreUnavailable.
    """
    most = page * A_PAGE + 1
    rows = [
        *(_shown(each) for each in engine.reveals.happened(most)),
        *(_lifted(each) for each in engine.records.lifted(most)),
        *(
            (each.at, _row(each.at, "paused" if each.paused else "resumed", each.by, each.name, each.reason))
            for each in engine.pauses.happened(most)
        ),
        *(_imported(each) for each in engine.registry.imports.newest(most)),
    ]
    rows.sort(key=lambda row: row[0], reverse=True)
    return [row for _, row in rows[most - 1 - A_PAGE : most]]


def _shown(reveal: Reveal) -> tuple[Millis, ActRow]:
    if reveal.size is None:
        return reveal.at, _row(reveal.at, "revealed", reveal.by, reveal.what, reveal.reason)
    return reveal.at, _row(reveal.at, "exported", reveal.by, f"{reveal.size} · {reveal.what}", reveal.reason)


def _imported(list_: Import) -> tuple[Millis, ActRow]:
    row = _row(list_.at, "importing" if list_.new is None else "imported", list_.by, list_.kind, "")
    return list_.at, row._replace(file=list_)


def _lifted(kept: str) -> tuple[Millis, ActRow]:
    lifting = parsed(kept)
    at, kind = int(lifting.get("at", 0)), str(lifting.get("carrier", ""))
    act = "decided" if kind.startswith("suspected:") else "lifted"
    return at, _row(at, act, str(lifting.get("by", "")), kind, str(lifting.get("evidence", "")))


def _row(at: Millis, act: str, by: str, subject: str, reason: str) -> ActRow:
    return ActRow(at=instant(at), act=act, by=hidden(by), what=subject, reason=hidden(reason))
