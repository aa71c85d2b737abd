"""/audit: acts of people that an audit may question: numbers revealed, restrictions lifted, doubtful replies decided,
lanes and gateways paused, lists imported; each with name, time and reason. Newest first, without phone numbers.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations, visitor_of
from consent_engine.api.schemas.views import View, instant
from consent_engine.api.service.callers import AUDITOR
from consent_engine.api.service.service import front_of
from consent_engine.api.service.sessions import Session
from consent_engine.api.web.pages import behind_sign_in
from consent_engine.domain.canonical_json import parsed
from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import hidden
from consent_engine.engine.engine import Engine
from consent_engine.ports import ApiKey
from consent_engine.ports.registry import Import, Reveal

operations = Operations(whose=visitor_of)
MOST_SHOWN = 200


class FileRow(View):
    """A file that was imported."""

    sha256: str
    lines: int = Field(description="without those refused")
    refused: int
    new: int | None = Field(description="numbers that were not restricted so before; null: it begins")


class ActRow(View):
    """One act of a person."""

    at: str
    act: str = Field(
        description="revealed, exported, lifted, decided (that a reply is no refusal), paused, resumed, importing, "
        "imported"
    )
    by: str
    what: str = Field(
        description="the order's id; how many orders an export had, and of which list; the kind and carrier of a "
        "restriction; the lane or gateway; the kind of the restrictions that a list imports"
    )
    reason: str = Field(description="empty where a list is imported")
    file: FileRow | None = Field(default=None, description="of a list that is imported")


class Acts(View):
    """Acts of people, newest first."""

    acts: list[ActRow]


@operations.add("GET", "/audit", PUBLIC)
async def audit(request: Request) -> Response:
    async def shown(_session: Session) -> Mapping[str, Any]:
        return {"acts": (await front_of(request).ask(look)).acts}

    return await behind_sign_in(request, "audit.html", shown)


@operations.add("GET", "/audit/acts", AUDITOR)
def acts(engine: Engine, _caller: ApiKey) -> Acts:
    return look(engine)


def look(engine: Engine) -> Acts:
    """Return the newest acts of all kinds. Raises StoreUnavailable."""
    rows = [
        *(_shown(each) for each in engine.reveals.happened()),
        *(_lifted(each) for each in engine.records.lifted(MOST_SHOWN)),
        *(
            (each.at, _row(each.at, "paused" if each.paused else "resumed", each.by, each.name, each.reason))
            for each in engine.pauses.happened(MOST_SHOWN)
        ),
        *(_imported(each) for each in engine.registry.imports.newest(MOST_SHOWN)),
    ]
    rows.sort(key=lambda row: row[0], reverse=True)
    return Acts(acts=[row for _, row in rows[:MOST_SHOWN]])


def _shown(reveal: Reveal) -> tuple[Millis, ActRow]:
    if reveal.size is None:
        return reveal.at, _row(reveal.at, "revealed", reveal.by, reveal.what, reveal.reason)
    return reveal.at, _row(reveal.at, "exported", reveal.by, f"{reveal.size} · {reveal.what}", reveal.reason)


def _imported(list_: Import) -> tuple[Millis, ActRow]:
    file = FileRow(sha256=list_.digest, lines=list_.lines, refused=list_.refused, new=list_.new)
    row = _row(list_.at, "importing" if list_.new is None else "imported", list_.by, list_.kind, "")
    return list_.at, row.model_copy(update={"file": file})


def _lifted(kept: str) -> tuple[Millis, ActRow]:
    lifting = parsed(kept)
    at, kind = int(lifting.get("at", 0)), str(lifting.get("carrier", ""))
    act = "decided" if kind.startswith("suspected:") else "lifted"
    return at, _row(at, act, str(lifting.get("by", "")), kind, str(lifting.get("evidence", "")))


def _row(at: Millis, act: str, by: str, subject: str, reason: str) -> ActRow:
    return ActRow(at=instant(at), act=act, by=hidden(by), what=subject, reason=hidden(reason))
