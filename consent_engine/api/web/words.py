"""The words on our pages, in two languages, and the choice of a visitor's language."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.config.environment import read_yaml
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.lifecycle import State, Trigger

R = TypeVar("R", bound=Response)
YEAR_S = 365 * 24 * 3600
LANGUAGES = ("zh", "en")
COOKIE = "lang"
HTML_LANG = {"zh": "zh-CN", "en": "en"}


@cache
def _file() -> dict[str, Any]:
    return dict(read_yaml((files("consent_engine.api") / "pages" / "words.yaml").read_text("utf-8")))


@cache
def words(language: str) -> Mapping[str, str]:
    file = _file() | {f"carrier.{name}": (each.name, each.english) for name, each in CARRIERS.items()}
    file |= {f"state.{state}": state.said for state in State} | {f"trigger.{each}": each.said for each in Trigger}
    file |= {f"why.{hitch}": hitch.said for hitch in Hitch}
    file = {f"say.{state}": state.said[0] for state in State} | file  # for agents, if the file has no better sentence
    column = LANGUAGES.index(language)
    return MappingProxyType({name: said if isinstance(said, str) else said[column] for name, said in file.items()})


def language_of(request: Request) -> str:
    """Return the language named in the URL, else in the cookie, else the browser's preferred one, else Chinese."""
    for asked in (request.query_params.get(COOKIE), request.cookies.get(COOKIE)):
        if asked in LANGUAGES:
            return asked
    return _preferred(request.headers.get("accept-language", ""))


def keeping_language(response: R, request: Request, language: str) -> R:
    """Return the response; a language that the URL names is kept in a cookie."""
    if request.query_params.get(COOKIE) in LANGUAGES:
        response.set_cookie(COOKIE, language, max_age=YEAR_S, path="/", httponly=True, samesite="lax")
    return response


def _preferred(accepted: str) -> str:
    """The first of our languages in a header like `en-GB,en;q=0.9,zh;q=0.8`; its order is its weight in practice.

    >>> _preferred("fr, en-GB;q=0.9, zh;q=0.8"), _preferred("zh-CN,en"), _preferred("")
    ('en', 'zh', 'zh')
    """
    named = (part.split(";")[0].strip().lower()[:2] for part in accepted.split(","))
    return next((name for name in named if name in LANGUAGES), LANGUAGES[0])
