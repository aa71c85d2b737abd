"""/help: the daily work of a role as a printable page; Chinese first. An admin sees the pages of all roles."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.service.sessions import Session
from consent_engine.api.web.pages import behind_sign_in
from consent_engine.api.web.words import LANGUAGES, language_of
from consent_engine.config.environment import read_yaml
from consent_engine.domain.roles import Role

operations = Operations()


@operations.add("GET", "/help", PUBLIC)
async def shown(request: Request) -> Response:
    """The visitor's own role; an admin sees all of them."""

    async def of(session: Session) -> Mapping[str, object]:
        own = session.caller.role
        pages = lines(language_of(request))
        return {"told": pages if own == Role.ADMIN else {own: pages[own]}}

    return await behind_sign_in(request, "help.html", of)


@cache
def lines(language: str) -> Mapping[str, Sequence[str]]:
    """Return the lines of each role's page."""
    file = read_yaml((files("consent_engine.api") / "pages" / "help.yaml").read_text("utf-8"))
    column = LANGUAGES.index(language)
    return {role: [line[column] for line in rows] for role, rows in file.items()}
