"""What a page's scripts are sent as: one file a page and language, with the words that they ask for and no others.

A template names its scripts one by one; they are joined in that order. So a browser asks once for what it may keep for
a year, and a page is as small as what it shows.
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
ONE = ".single"
"""Ends the name of what is said where it is one, beside what is said of many."""
_WHOLE = re.compile(r"""["'`]([a-z_]+\.[a-z_.0-9]+)["'`]""")
_BEGUN = re.compile(r"""`([a-z_]+\.[a-z_.]*)\$\{|["']([a-z_]+\.)["']""")
"""What is filled in: a template's beginning, or one that a table of the script ends with a dot."""


class OneScript(Extension):
    """A template's scripts become one, which `base.html` loads: none stands in its way to the first paint."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """The template without its tags."""
        return _TAG.sub("", source)


@cache
def name_of(template: str, language: str) -> str:
    """The joined scripts of a template, as an asset; nothing where it has none."""
    stem = template.removesuffix(".html")
    return f"{stem}.{language}.js" if _TAG.search(_source(stem)) else ""


def joined(name: str) -> bytes | None:
    """An asset of that name: the words first, then each script; none where no page has it."""
    found = _made().get(name)
    if found is None:
        return None
    stem, language = found
    said = json.dumps(dict(words_of(stem, language)), ensure_ascii=False, separators=(",", ":"))
    return "\n".join(['"use strict";', f"const WORDS = {said};", *map(_script, _TAG.findall(_source(stem)))]).encode()


@cache
def _made() -> Mapping[str, tuple[str, str]]:
    """Every joined asset: its page and language. Anybody may ask for any name: none is looked for, and none is kept."""
    stems = [each.name.removesuffix(".html") for each in _PAGES.iterdir() if each.name.endswith(".html")]
    return {made: (stem, each) for stem in stems for each in LANGUAGES if (made := name_of(f"{stem}.html", each))}


@cache
def words_of(stem: str, language: str) -> Mapping[str, str]:
    """The words that a page's scripts ask for: named whole, or by what they begin with."""
    told = "\n".join(map(_script, _NAMED.findall(_source(stem))))
    whole, begun = set(_WHOLE.findall(told)), tuple({one or other for one, other in _BEGUN.findall(told)})
    return {
        name: said
        for name, said in words(language).items()
        if name.removesuffix(ONE) in whole or name.startswith(begun)
    }


def _source(stem: str) -> str:
    return (_PAGES / f"{stem}.html").read_text("utf-8")


@cache
def _script(name: str) -> str:
    return (_PAGES / name).read_text("utf-8")
