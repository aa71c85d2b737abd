"""axe on a page: its serious and critical findings.

axe.min.js is axe-core 4.12.1 of npm, unchanged, under the Mozilla Public License 2.0; it is in the tests alone.
"""

from pathlib import Path

from playwright.sync_api import Page

PAGES = (
    "/", "/desk", "/board", "/ops", "/review", "/reports", "/audit", "/help", "/orders/{order}", "/report", "/tariffs",
    "/tariffs/5g-smart-199/1", "/docs", "/rq/", "/rq/0/view/jobs", "/rq/0/view/workers", "/nothing/here",
)  # fmt: skip
"""Every page, as an admin may open them all; {order}: the id of an order."""
LISTS = {
    "/board": "#agents tr",
    "/ops": "#found tr", "/review": "#sold li", "/reports": "#due li",
    "/rq/": "tbody td", "/rq/0/view/jobs": "tbody td", "/rq/0/view/workers": "tbody td",
}  # fmt: skip
"""The element that appears last on a page whose lists are fetched."""
_AXE = (Path(__file__).parent / "axe.min.js").read_text("utf-8")
_GRAVE = """async (rules) => (await axe.run(document, rules.length ? { runOnly: rules } : {})).violations
  .filter((each) => ["serious", "critical"].includes(each.impact))
  .map((each) => `${each.impact} ${each.id}: ${each.nodes.map((node) => node.html).slice(0, 3).join(" ")}`)"""
COLOURS = ("color-contrast",)
"""The rules that another colour scheme can break; all others judge the same elements."""


def arrived(page: Page, path: str) -> None:
    """Wait until a page shows everything."""
    page.wait_for_load_state("load")
    page.wait_for_selector(LISTS.get(path, "h1, table"), state="attached")


def grave(page: Page, rules: tuple[str, ...] = ()) -> list[str]:
    """The serious and critical findings, one line each. rules: only these; none named: all"""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_AXE)
    found: list[str] = page.evaluate(_GRAVE, list(rules))
    return found
