"""axe on every page in every variant, with dialogs and errors. `python -m benchmarks.http.axe`.

Both languages, light and dark, 1280, 360 and 320 px; exit status 1 where anything is serious or critical, or where a
page scrolls sideways. `--pictures FOLDER`: a picture of each variant, to be looked at.
"""

import argparse
import itertools
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, sync_playwright

from benchmarks.browser import chromium
from benchmarks.http.house import in_one_line
from consent_engine.domain.days import CHINA
from tests.acceptance.axe import COLOURS, PAGES, arrived, grave
from tests.acceptance.handset import handset
from tests.acceptance.lived_in import REFUSED, WAITS, lived_in
from tests.acceptance.tab import Tab, begin, read_aloud

LANGUAGES, SCHEMES, WIDTHS = ("zh-CN", "en-GB"), ("light", "dark"), (1280, 360, 320)
REST_MS = 400
FRESH = itertools.count(9401)
"""Numbers that were never called."""
Act = Callable[[Tab], None]


@dataclass(frozen=True, slots=True)
class Scene:
    """A page, and the steps of its user. role: of the user; empty: not signed in"""

    name: str
    path: str
    role: str = "admin"
    act: Act = lambda _: None


@dataclass(slots=True)
class Found:
    """The results so far."""

    looked: int = 0
    wrong: list[str] = field(default_factory=list)


def _click(selector: str, wanted: str) -> Act:
    def act(tab: Tab) -> None:
        tab.page.locator(selector).first.click()
        tab.page.wait_for_selector(wanted)

    return act


def _typed(into: str, text: str, wanted: str) -> Act:
    def act(tab: Tab) -> None:
        tab.page.fill(into, text)
        tab.page.locator(into).press("Enter")
        tab.page.wait_for_selector(wanted)

    return act


def _in_a_call(tab: Tab) -> None:
    begin(tab, next(FRESH))
    tab.page.keyboard.press("ArrowDown")
    tab.page.wait_for_selector("#script li.now")


def _placed(tab: Tab) -> None:
    _in_a_call(tab)
    read_aloud(tab)
    tab.page.keyboard.press("F9")
    tab.page.wait_for_selector("#place:focus")
    tab.press("#place")
    tab.page.wait_for_selector("#timeline [data-trigger=confirmation_accepted]")


def _unread(tab: Tab) -> None:
    _in_a_call(tab)
    tab.page.locator("#now-agreed").click()
    tab.page.locator("#place").click()
    tab.page.wait_for_selector("#wrong:not(:empty)")


def _ended(tab: Tab) -> None:
    _in_a_call(tab)
    tab.page.keyboard.press("F2")
    tab.page.wait_for_selector("#end-do")
    tab.page.locator("#end-do").click()
    tab.page.wait_for_selector("#ending-wrong:not(:empty), #recording-wrong:not(:empty)")


def _failing(tab: Tab) -> None:
    tab.page.wait_for_selector("#sold li")
    tab.page.keyboard.press("f")
    tab.page.wait_for_selector("#reasons input:focus")


def _deciding(tab: Tab) -> None:
    tab.page.wait_for_selector("#due li[aria-current=true]")
    tab.page.keyboard.press("2")
    tab.page.wait_for_selector("#answer:visible")


def _held(tab: Tab) -> None:
    tab.page.locator("#held .no").first.click()
    tab.page.wait_for_selector("#held input:focus")


def _away(tab: Tab) -> None:
    tab.page.wait_for_selector("#lanes tr")
    tab.context.set_offline(True)
    tab.page.wait_for_selector("#fresh.bad")


def _posted(tab: Tab) -> None:
    tab.page.fill("#msisdn", "13800009308")
    tab.page.evaluate("() => document.querySelector('form').setAttribute('novalidate', '')")
    tab.page.locator("form button").first.click()
    tab.page.wait_for_selector("#problem")


def _code_asked(tab: Tab) -> None:
    tab.page.fill("#msisdn", f"138{next(FRESH):08d}")
    tab.page.fill("#caller_number", "10085")
    tab.page.select_option("#carrier", "mobile")
    at = datetime.now(CHINA.zone) - timedelta(hours=1)
    tab.page.fill("#day", f"{at:%Y-%m-%d}")
    tab.page.fill("#time", f"{at:%H:%M}")
    tab.page.locator("form button").first.click()
    tab.page.wait_for_selector("#code")


def _reveal(tab: Tab) -> None:
    tab.page.locator("#reveal").click()
    tab.page.wait_for_selector("#reveal-reason:focus")


def _revealed(tab: Tab) -> None:
    _reveal(tab)
    tab.page.fill("#reveal-reason", {"zh-CN": "用户投诉核查", "en-GB": "a complaint"}[tab.language])
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("#revealed:not(:empty)")


def _listed(tab: Tab) -> None:
    tab.page.wait_for_selector("tbody td")


def _stopped(tab: Tab) -> None:
    """Stop the lane; it stays stopped for the pages looked at next, and their banner says so."""
    stop = tab.page.locator('[data-stop="lane timer"]')
    stop.wait_for()
    if tab.page.locator("#banner li", has_text="升级").count() == 0:
        stop.click()
        tab.page.fill("#why-reason", "升级")
        tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("#banner li")


def _empty(verdict: str) -> Act:
    return _click(f"[data-verdict={verdict}]", "#queue-told:not(:empty)")


SCENES = (
    Scene("sign-in", "/", ""),
    Scene("sign-in wrong", "/", "", _typed("#key", "ce_wrong", "[role=alert]")),
    *(Scene(path.strip("/").replace("/", " ") or "start", path) for path in PAGES),
    *(Scene(f"start {role}", "/", role) for role in ("agent", "reviewer", "ops", "auditor")),
    Scene("help agent", "/help", "agent"),
    Scene("rq jobs finished", "/rq/0/view/jobs/inbound/finished/8/asc/1", "admin", _listed),
    Scene("rq read-only", "/rq/0/view/jobs/inbound/finished/8/asc/1", "auditor", _listed),
    Scene("forbidden", "/ops", "agent"),
    Scene("no such tariff", "/tariffs/none/1", ""),
    Scene("no such order", f"/orders/{'0' * 28}"),
    Scene("order reveal", "/orders/{order}", "admin", _reveal),
    Scene("order revealed", "/orders/{order}", "auditor", _revealed),
    Scene("order waits", "/orders/{waits}", "ops"),
    Scene("order declined", "/orders/{declined}", "ops"),
    Scene("order stuck", "/orders/{stuck}", "ops"),
    Scene("audit listed", "/audit", "auditor"),
    Scene("order agent", "/orders/{order}", "agent"),
    Scene("ops stop", "/ops", "ops", _click('[data-stop="lane timer"]', "#why-reason:focus")),
    Scene("ops cancel all", "/ops", "ops", _click("#causes .danger", "#why-reason:focus")),
    Scene("ops each stuck", "/ops", "ops", lambda tab: tab.page.wait_for_selector("#stuck tr", state="attached")),
    Scene("ops not found", "/ops", "ops", _typed("#wanted", "13800000000", "#find-said:not(:empty)")),
    Scene("ops nothing typed", "/ops", "ops", _typed("#wanted", "zz", "#find-said:not(:empty)")),
    Scene("ops filtered to none", "/ops?state=unnotified", "ops"),
    Scene("ops held", "/ops", "ops", _held),
    Scene("ops auditor", "/ops", "auditor"),
    Scene("ops away", "/ops", "ops", _away),
    Scene("desk wrong number", "/desk", "agent", _typed("#msisdn", "138", "#msisdn-wrong:not(:empty)")),
    Scene("desk refused", "/desk", "agent", _typed("#msisdn", f"138{REFUSED:08d}", "#dial-said .bad")),
    Scene("desk has an order", "/desk", "agent", _typed("#msisdn", f"138{WAITS:08d}", "#dial-said :visible")),
    Scene("desk unread", "/desk", "agent", _unread),
    Scene("desk ending", "/desk", "agent", _ended),
    Scene("desk refusing", "/desk", "agent", _click("#refuse", "#refuse-do")),
    Scene("desk placed", "/desk", "agent", _placed),
    Scene("review failing", "/review", "reviewer", _failing),
    Scene("review second looks", "/review", "reviewer", _empty("contested")),
    Scene("reports deciding", "/reports", "ops", _deciding),
    Scene("reports rewards", "/reports", "ops", _click("[data-shown=rewards]", "#due-told:not(:empty)")),
    Scene("report wrong", "/report", "", _posted),
    Scene("report code", "/report", "", _code_asked),
    Scene("tariffs none", "/tariffs?q=zzzz", ""),
    Scene("tariff of Chinese words alone", "/tariffs/fibre-duo-129/1", ""),
    Scene("ops stopped", "/ops", "ops", _stopped),
    Scene("desk stopped", "/desk", "agent"),
)  # fmt: skip


def looked(page: Page, scene: Scene, language: str, found: Found, pictures: Path | None) -> None:
    """Check one scene in one language, in every scheme and width."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            if pictures:
                page.wait_for_timeout(REST_MS)
                name = re.sub(r"[^a-z0-9]+", "-", f"{scene.name}-{language[:2]}-{scheme}-{width}".lower())
                page.screenshot(path=pictures / f"{name}.png", full_page=True)
            where = f"{scene.name} · {language} · {scheme} · {width}"
            found.wrong += [f"{where}: {each}" for each in grave(page, COLOURS if scheme == "dark" else ())]
            found.looked += 1
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        if wide > width and not scene.path.startswith("/rq"):
            found.wrong.append(f"{scene.name} · {language} · {width}: scrolls sideways, {wide} px")


def stands(tab: Tab, scene: Scene) -> None:
    """Open the scene, and take its user's steps. Raises PlaywrightError where it does not come about."""
    path = scene.path.format(order=tab.home.order, **tab.home.orders)
    if scene.role:
        tab.sign_in("/")
    tab.page.goto(path if path.startswith("http") else tab.home.api + path)
    arrived(tab.page, scene.path if scene.role == "admin" else "")
    scene.act(tab)


def run() -> int:
    """Check every scene; return exit status 1 where anything is wrong."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--pictures", type=Path, help="a folder for the pictures")
    asked.add_argument("--only", default="", help="only scenes whose name has this in it")
    wanted = asked.parse_args()
    if wanted.pictures:
        wanted.pictures.mkdir(parents=True, exist_ok=True)
    found = Found()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playing:
        browser = playing.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        (house := Path(folder) / "house").mkdir()
        with lived_in(house) as home, handset(Path(folder) / "handset") as phone:
            for scene in (*SCENES, Scene("handset", phone, "")):
                for language in LANGUAGES if wanted.only in scene.name else ():
                    tab = Tab(browser, home, scene.role, language=language)
                    try:
                        stands(tab, scene)
                        looked(tab.page, scene, language, found, wanted.pictures)
                    except PlaywrightError as error:
                        found.wrong.append(f"{scene.name} · {language}: cannot be looked at: {error}")
                    tab.close()
                print(f"{scene.name}: {found.looked} looked at, {len(found.wrong)} wrong", file=sys.stderr, flush=True)
        browser.close()
    print("\n".join([*found.wrong, f"{found.looked} combinations, {len(found.wrong)} serious or sideways"]))
    return 1 if found.wrong else 0


if __name__ == "__main__":
    in_one_line(run)
