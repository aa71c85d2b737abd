"""The pictures of the READMEs, made anew: `make pictures`. A demo's day, looked at in Chromium as its users see it."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from benchmarks.browser import chromium

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
ORDERS = "120"
SIZE = ViewportSize(width=1280, height=900)
UP = re.compile(r"(http://\S+)/docs is up.*keys: agent (\S+) ops (\S+)")
END_S = 60
READ = 6


@contextmanager
def demo() -> Iterator[tuple[str, str, str]]:
    """A demo that is kept up: its address, the key of an agent, the key of ops."""
    command = [sys.executable, "-m", "consent_engine", "demo", "--orders", ORDERS, "--keep"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        try:
            for line in running.stdout or ():
                print(line, end="")
                if found := UP.search(line):
                    yield found[1], found[2], found[3]
                    return
            raise SystemExit("the demo ended before its pages were up")
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(END_S)


def read_aloud(page: Page) -> None:
    """A call under way: its plan chosen, and the first lines read."""
    page.fill("#msisdn", "13800138099")
    page.keyboard.press("Enter")
    page.wait_for_selector("#call-step:enabled")
    page.fill("#agent", "A1024")
    page.click("#begin")
    page.wait_for_selector("#plan:focus")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("#script li.now")
    for _ in range(READ):
        page.keyboard.press("Space")
    page.wait_for_timeout(1_500)  # what scrolls comes to rest


def an_order(page: Page) -> None:
    """The newest order that went all the way."""
    page.wait_for_selector("#by-state")
    page.select_option("#by-state", "notified")
    page.wait_for_url("**state=notified")
    page.wait_for_timeout(1_500)
    page.click("#found a")
    page.wait_for_selector("#timeline li")
    page.wait_for_timeout(1_000)


def board(page: Page) -> None:
    """The day, with its course."""
    page.wait_for_selector("#lanes tr")
    page.wait_for_timeout(2_500)


def shoot(
    browser: Browser, at: tuple[str, str, str], name: str, path: str, before: Callable[[Page], None], *,
    language: str = "en-GB", dark: bool = False,
) -> None:  # fmt: skip
    """One picture. before: what its user did first"""
    address, agent, ops = at
    context = browser.new_context(
        locale=language, viewport=SIZE, timezone_id="Asia/Shanghai", color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.goto(address + path)
    page.fill("#key", agent if path == "/desk" else ops)
    page.keyboard.press("Enter")
    page.wait_for_selector("#sign-out")
    before(page)
    page.screenshot(path=PICTURES / f"{name}.png")
    print(f"{name}.png: {(PICTURES / f'{name}.png').stat().st_size // 1024} KiB")
    context.close()


def main() -> None:
    """All of them."""
    with sync_playwright() as playing, demo() as at:
        browser = playing.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        shoot(browser, at, "ops", "/ops", board)
        shoot(browser, at, "ops-dark", "/ops", board, dark=True)
        shoot(browser, at, "order", "/ops", an_order)
        shoot(browser, at, "desk", "/desk", read_aloud)
        shoot(browser, at, "ops.zh", "/ops", board, language="zh-CN")
        shoot(browser, at, "desk.zh", "/desk", read_aloud, language="zh-CN")
        browser.close()


if __name__ == "__main__":
    main()
