"""The joined scripts of a page: one file per page and language, with the words that the scripts use and no others.

A template names its scripts one by one; they are joined in that order. So a browser makes one request for a file that
it may cache for a year, and a page loads no more than it shows.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from jinja2.ext import Extension

from consent_engine.api.web.words import LANGUAGES, words

_PAGES = files("consent_engine.api") / "pages"
_NAMED = re.compile(r"asset\('(\w+\.js)'\)")
_TAG = re.compile(r"""^<script src="\{\{ asset\('(\w+\.js)'\) \}\}" defer></script>\n""", re.MULTILINE)
_COMMENT = re.compile(r"^ *(?://.*|/\*\*[^*]*\*/)\n", re.MULTILINE)
"""Lines of comments: for readers of the repository, and no bytes for those of the page."""
ONE = ".single"
"""The suffix of a word's singular form, beside the plural under the plain name."""
_WHOLE = re.compile(r"""["'`]([a-z_]+\.[a-z_.0-9]+)["'`]""")
_BEGUN = re.compile(r"""`([a-z_]+\.[a-z_.]*)\$\{|["']([a-z_]+\.)["']""")
"""Beginnings of names completed at run time: in a template string, or in a script's table, ending with a dot."""


class OneScript(Extension):
    """Removes a template's script tags: `base.html` loads one joined script, so that none delays the first paint."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Return the template without its script tags."""
        return _TAG.sub("", source)


@cache
def name_of(template: str, language: str) -> str:
    """Return the asset name of a template's joined scripts; '' if it has none."""
    stem = template.removesuffix(".html")
    return f"{stem}.{language}.js" if _TAG.search(_source(stem)) else ""


def joined(name: str) -> bytes | None:
    """Return an asset's content: the words first, then each script; None if no page has such an asset."""
    found = _made().get(name)
    if found is None:
        return None
    stem, language = found
    said = json.dumps(dict(words_of(stem, language)), ensure_ascii=False, separators=(",", ":"))
    return "\n".join(['"use strict";', f"const WORDS = {said};", *map(_script, _TAG.findall(_source(stem)))]).encode()


@cache
def _made() -> Mapping[str, tuple[str, str]]:
    """Map every joined asset to its page and language. Names from requests are only looked up here, never kept."""
    stems = [each.name.removesuffix(".html") for each in _PAGES.iterdir() if each.name.endswith(".html")]
    return {made: (stem, each) for stem in stems for each in LANGUAGES if (made := name_of(f"{stem}.html", each))}


@cache
def words_of(stem: str, language: str) -> Mapping[str, str]:
    """Return the words that a page's scripts use: by full name, or by the beginning of a name."""
    source = "\n".join(map(_script, _NAMED.findall(_source(stem))))
    whole, begun = set(_WHOLE.findall(source)), tuple({one or other for one, other in _BEGUN.findall(source)})
    return {
        name: said
        for name, said in words(language).items()
        if name.removesuffix(ONE) in whole or name.startswith(begun)
    }


def _source(stem: str) -> str:
    return (_PAGES / f"{stem}.html").read_text("utf-8")


@cache
def _script(name: str) -> str:
    return _COMMENT.sub("", (_PAGES / name).read_text("utf-8"))
