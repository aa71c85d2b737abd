"""The files of a page: one script, in its visitor's language, with the words that it uses; small, and cached."""

import json
import re

import pytest

from consent_engine.api.web import rendering
from consent_engine.api.web.rendering import words_of
from consent_engine.api.web.words import LANGUAGES, words
from consent_engine.engine.api_keys import Role

PAGES = {"ops": "ops", "desk": "desk", "review": "review", "reports": "reported"}
"""The template of each page, by its address."""
MOST_BYTES = 100_000
"""The limit for a page before its data: with them it has 150,000."""


def loaded(visitor, path):
    """Return a page, and the files that it names."""
    html = visitor.get(path).text
    named = dict.fromkeys(re.findall(r'(?:src|href)="(/assets/[^"]+)"', html))
    return html, {address: visitor.get(address) for address in named}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_one_script_with_its_own_words_in_one_language(door, page, language):
    html, files = loaded(door.sign_in(Role.ADMIN), f"/{page}?lang={language}")
    [script] = [each for address, each in files.items() if address.split("?")[0].endswith(".js")]
    assert html.count("<script src=") == 1
    assert "immutable" in script.headers["cache-control"]
    said = json.loads(re.search(r"^const WORDS = (\{.*\});$", script.text, re.MULTILINE)[1])
    assert said == words_of(PAGES[page], language)
    assert said.items() < words(language).items()
    assert len(said) < len(words(language)) * 0.6


@pytest.mark.parametrize("made", [each for each in rendering._made() if each.endswith(".en.js")])  # noqa: SLF001
def test_no_two_scripts_of_a_page_declare_the_same_name(made):
    """Joined in one file, they would be a syntax error: no script of the page would run at all."""
    script = rendering.joined(made).decode()
    declared = re.findall(r"^(?:async )?(?:const|let|function\*?|class) (\w+)", script, re.MULTILINE)
    assert len(declared) > 1
    assert [name for name in declared if declared.count(name) > 1] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_all_its_files_is_small(door, page):
    html, files = loaded(door.sign_in(Role.ADMIN), f"/{page}?lang=zh")
    assert len(html.encode()) + sum(len(each.content) for each in files.values()) < MOST_BYTES


@pytest.mark.parametrize("page", PAGES)
def test_no_script_waits_for_an_event_that_may_be_over_when_it_is_read(door, page):
    """The script is loaded beside the page, which may be complete long before."""
    _, files = loaded(door.sign_in(Role.ADMIN), f"/{page}?lang=en")
    [script] = [each.text for address, each in files.items() if address.split("?")[0].endswith(".js")]
    assert "firstShown" in script
    assert "DOMContentLoaded" not in script
    assert 'addEventListener("load"' not in script


def test_a_page_without_scripts_loads_none(door):
    html, files = loaded(door.sign_in(Role.ADMIN), "/help")
    assert "<script" not in html
    assert not [address for address in files if ".js" in address]


@pytest.mark.parametrize("name", ["ops.de.js", "help.zh.js", "nobody.zh.js", "base.zh.js", "words.zh.js"])
def test_no_other_page_and_no_other_language_has_a_script(door, name):
    assert door.stranger().get(f"/assets/{name}").status_code == 404


def test_a_stranger_who_asks_for_any_name_leaves_nothing_in_memory_and_meets_no_defect(door):
    def kept():
        caches = {each for each in vars(rendering).values() if hasattr(each, "cache_info")}
        return sum(each.cache_info().currsize for each in caches)

    stranger = door.stranger()
    stranger.get("/assets/none.zh.js")
    before = kept()
    for name in (*(f"none{n}.zh.js" for n in range(20)), f"{'long' * 100}.zh.js", f"{'长' * 60}.en.js"):
        assert stranger.get(f"/assets/{name}").status_code == 404
    assert kept() == before


def test_words_that_a_script_fills_in_come_with_it():
    """They are found by their beginnings: a script names a state, a reason or a problem only when it has one."""
    asked = words_of("ops", "zh")
    for begins in ("state.", "problem.", "violation.", "why.", "ops.waits_for_"):
        all_of = {name for name in words("zh") if name.startswith(begins)}
        assert all_of
        assert all_of <= asked.keys(), begins
    assert words("zh").keys() > words_of("order", "zh").keys() >= {n for n in words("zh") if n.startswith("delivery.")}
