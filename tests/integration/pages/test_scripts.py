"""The files of a page: modules that import each other, the words of one language, packed, and kept by browsers."""

import json
import re

import pytest

from consent_engine.api.web import rendering
from consent_engine.api.web.rendering import ASSETS, version, words_of
from consent_engine.api.web.words import LANGUAGES, words
from consent_engine.engine.api_keys import Role

PAGES = {"ops": "ops", "desk": "desk", "review": "review", "reports": "reported"}
"""The template of each page, by its address."""
MOST_CARRIED, MOST_READ = 45_000, 115_000
"""The limits for a page before its data: the bytes that the network carries, and what the browser makes of them; with
its data it has 150,000.
"""


def loaded(visitor, path):
    """Return a page, and the files that it names, with all that their modules import."""
    html = visitor.get(path).text
    named = list(dict.fromkeys(re.findall(r'(?:src|href)="(/assets/[^"]+)"', html)))
    found = {}
    for address in named:
        found[address] = visitor.get(address)
        if address.endswith(".js"):
            others = re.findall(r'^(?:import|\} from|.* from) "\./(\w+\.js)";$', found[address].text, re.MULTILINE)
            named += {f"{address.rpartition('/')[0]}/{each}" for each in others} - {*named}
    return html, found


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_its_words_and_one_module_and_keeps_all_that_it_imports(door, page):
    html, files = loaded(door.sign_in(Role.ADMIN), f"/{page}?lang=en")
    scripts = ["palette.js", f"{PAGES[page]}.en.js", f"{PAGES[page]}.js"]
    assert re.findall(r'<script type="module" src="/assets/\w+/([^"]+)">', html) == scripts
    assert len(re.findall(r"<script [^>]*src=", html)) == 3
    assert {each.headers["cache-control"] for each in files.values()} == {"public, max-age=31536000, immutable"}
    assert sum(address.endswith(".js") for address in files) > 3
    assert all(each.status_code == 200 for each in files.values())
    assert not [address for address, each in files.items() if re.search(r"^ *(//|/\*)", each.text, re.MULTILINE)]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_all_its_files_is_small(door, page):
    html, files = loaded(door.sign_in(Role.ADMIN), f"/{page}?lang=zh")
    carried = sum(each.num_bytes_downloaded for each in files.values())
    assert len(html.encode()) + carried < MOST_CARRIED
    assert len(html.encode()) + sum(len(each.content) for each in files.values()) < MOST_READ


def test_files_are_packed_for_browsers_that_can_unpack_them(door):
    address = f"/assets/{version()}/ops.js"
    packed, plain = (door.stranger().get(address, **{"Accept-Encoding": each}) for each in ("br, gzip", "identity"))
    assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert (packed.headers["vary"], packed.content) == ("Accept-Encoding", plain.content)
    assert packed.num_bytes_downloaded < len(plain.content) / 2


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_its_own_words_in_one_language(door, page, language):
    _, files = loaded(door.sign_in(Role.ADMIN), f"/{page}?lang={language}")
    [text] = [each.text for address, each in files.items() if address.endswith(f"/{PAGES[page]}.{language}.js")]
    said = json.loads(text.partition("learn(")[2].removesuffix(");\n"))
    assert said == words_of(PAGES[page], language)
    assert said.items() < words(language).items()
    assert len(said) < len(words(language)) * 0.6


def test_the_words_of_a_page_are_those_that_its_scripts_name_or_put_together():
    said = words_of("desk", "en")
    assert {"desk.tries", "desk.tries.single", "state.agreed", "figure.calls", "why.nack"} <= said.keys()
    assert {"desk.handset", "board.hint", "review.pass"} & said.keys() == set()


def test_a_change_of_one_file_is_another_address_of_all(monkeypatch):
    before = version()
    was = rendering.asset
    monkeypatch.setattr(rendering, "asset", lambda name: b"changed" if name == "icon.svg" else was(name))
    assert version.__wrapped__() != before


def test_no_script_waits_for_an_event_that_may_be_over_when_it_is_read():
    """The modules come after the page, which may be complete long before."""
    scripts = {name: rendering.asset(name).decode() for name in ASSETS if name.endswith(".js")}
    assert [name for name, text in scripts.items() if re.search(r'DOMContentLoaded|Listener\("load"', text)] == []


def test_a_page_without_scripts_of_its_own_loads_the_palette_alone_and_the_sign_in_none(door):
    _, files = loaded(door.sign_in(Role.ADMIN), "/help")
    assert [address for address in files if ".js" in address] == [f"/assets/{version()}/palette.js"]
    assert "<script" not in door.stranger().get("/").text


@pytest.mark.parametrize(
    "name", ["ops.js", "0/ops.de.js", "0/help.zh.js", "0/none.js", "0/words.yaml", "0/base.html", "/ops.js"]
)
def test_there_is_no_other_file_and_no_other_language(door, name):
    assert door.stranger().get(f"/assets/{name}").status_code == 404


def test_a_stranger_who_asks_for_any_name_leaves_nothing_in_memory_and_meets_no_defect(door):
    def kept():
        caches = {each for each in vars(rendering).values() if hasattr(each, "cache_info")}
        return sum(each.cache_info().currsize for each in caches)

    stranger = door.stranger()
    stranger.get("/assets/0/none.js")
    before = kept()
    for name in (*(f"none{n}.js" for n in range(20)), f"{'long' * 100}.js", f"{'长' * 60}.js"):
        assert stranger.get(f"/assets/{name}/{name}").status_code == 404
    assert kept() == before
