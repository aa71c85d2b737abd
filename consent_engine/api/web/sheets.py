"""Sheets: public pages without a script, each with its style inside; and the reading of posted forms."""

import hashlib
from base64 import b64encode
from functools import cache
from importlib.resources import files
from urllib.parse import parse_qsl

import jinja2
from starlette.requests import Request

from consent_engine.api.http.bodies import read_body
from consent_engine.api.http.problems import NotOurMediaType

_FORM = "application/x-www-form-urlencoded"


@cache
def sheet(page: str, *styles: str, form: str = "'self'") -> tuple[jinja2.Template, str, str]:
    """Return a template, its style, and a policy that lets a browser use that style, send forms to `form`, and nothing
    else.
    """
    pages = files("consent_engine.api") / "pages"
    style = "".join(pages.joinpath(name).read_text("utf-8") for name in styles)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    # The policy allows this style by its hash, and no other.
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action {form}; frame-ancestors 'none'"
    )
    return environment.from_string(pages.joinpath(page).read_text("utf-8")), style, policy


async def posted_form(request: Request, most: int, fields: int) -> dict[str, str]:
    """Return the fields of our page's posted form, at most `fields`. Raises NotOurMediaType, TooLarge and TooSlow."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _FORM:
        raise NotOurMediaType("send the form of our page")
    body = await read_body(request, most)
    try:
        return dict(parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=fields))
    except ValueError:
        raise NotOurMediaType("send the form of our page") from None
