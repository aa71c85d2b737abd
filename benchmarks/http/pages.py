"""Loading times of pages with 100,000 orders, by Chromium's own entries. `python -m benchmarks.http.pages`.

First paint and the moment when a page's first list is there (its scripts have run, it answers) are the browser's
figures, from the navigation's start. CPU of the browser and of the API's process are shown beside them: a busy machine
changes milliseconds, but hardly these. `--against TREE`: the pages of another checkout on the same data, in turn. On a
machine that others use, `chrt -r 1 python -m benchmarks.http.pages` (as root) runs before them: the figures of a
quiet one.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from benchmarks.browser import chromium
from benchmarks.http.house import ROOT, in_one_line, positive, running, wait_for
from benchmarks.machine import below, cpu_of, load
from benchmarks.ports import free_ports
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.config.settings import Settings
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.roles import Role
from consent_engine.engine.engine import Engine
from consent_engine.wiring import Installation, installation

MANY, BATCH, FIRST, AGENTS = 100_000, 200, 13_900_000_000, 50
PLANS = ("5g-smart-199", "data-pack-10gb")
FLOOR = "/healthz"
PAGES = {
    "/healthz": (Role.OPS, "pre"),
    "/ops": (Role.OPS, "#found tr"),
    "/desk": (Role.AGENT, "#mine-list li"),
    "/audit": (Role.AUDITOR, "main h1"),
}
"""Each page: the role that opens it, and the element it has once it can be used. The first is no page, but plain text:
how long this browser takes on this machine to show anything.
"""
LIMITS = {"first paint": 150, "usable": 400, "bytes": 150_000, "bytes an order": 300, "search": 500}
WATCH = """(wanted) => new MutationObserver((_, self) => {
  if (document.querySelector(wanted)) { self.disconnect(); performance.mark("usable"); }
}).observe(document, { childList: true, subtree: true })"""
TOLD = """() => {
  const files = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return {
    "first paint": performance.getEntriesByName("first-contentful-paint")[0].startTime,
    usable: performance.getEntriesByName("usable")[0].startTime,
    bytes: files.reduce((sum, each) => sum + each.decodedBodySize, 0),
    "first byte": files[0].responseStart, requests: files.length,
  };
}"""
SEARCH = """async ([wanted, csrf]) => {
  const began = performance.now();
  const answer = await fetch("/ops/find", { method: "POST", body: JSON.stringify({ wanted }),
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf } });
  return { found: (await answer.json()).orders.length, ms: performance.now() - began };
}"""
LISTED = """async () => {
  const text = await (await fetch("/ops/orders?limit=100")).text();
  const { orders } = JSON.parse(text);
  return { each: text.length / orders.length, tail: orders[7].id.slice(-6) };
}"""


@dataclass(slots=True)
class Tree:
    """One checkout, serving. seen: the measurements, by page and figure"""

    name: str
    url: str
    pid: int
    seen: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def note(self, path: str, figures: dict[str, float]) -> None:
        """Keep the figures of one look at a page."""
        for name, value in figures.items():
            self.seen.setdefault(path, {}).setdefault(name, []).append(value)


def fill(engine: Engine, many: int) -> None:
    """Place so many orders that wait, as the API places them."""
    now = datetime.now(UTC)
    call = {
        "caller_number": "10085",
        "started_at": (now - timedelta(minutes=4)).isoformat(),
        "agreed_at": now.isoformat(),
    }
    for first in range(0, many, BATCH):
        items = [
            Placing(Role.AGENT.value, f"pages-{n}", PlaceOrder.read({
                "msisdn": f"+86{FIRST + n}", "plan": PLANS[n % 2], "agent": f"A{n % AGENTS}",
                "call": {**call, "recording_id": f"r{n:x}"},
            }))
            for n in range(first, min(many, first + BATCH))
        ]  # fmt: skip
        engine.place_many(items)
        if first % 10_000 == 0:
            print(f"{first:,} orders", file=sys.stderr)


def filled(engine: Engine, kept: Path, many: int) -> dict[Role, str]:
    """Return a key of each role; keys and orders are made once for a folder."""
    if not kept.exists():
        keys = {role.value: engine.keys.add(role.value, role) for role in Role}
        fill(engine, many)
        kept.write_text(json.dumps(keys))
    return {Role(name): key for name, key in json.loads(kept.read_text()).items()}


@contextmanager
def serving(stack: ExitStack, found: Installation, settings: dict[str, str], trees: list[Path]) -> Iterator[list[Tree]]:
    """Run `consent api` of each checkout, on the same data."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    up = []
    for tree, port in zip(trees, free_ports(len(trees)), strict=True):
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environ = clean | settings | found.environ() | {"PYTHONPATH": str(tree)}
        command = [sys.executable, "-m", "consent_engine", "api", "--port", str(port)]
        [pid] = stack.enter_context(running([command], environ, folder))
        wait_for(f"http://127.0.0.1:{port}/healthz", folder)
        up.append(Tree(tree.name, f"http://127.0.0.1:{port}", pid))
    yield up


def signed_in(browser: Browser, tree: Tree, key: str) -> Page:
    """Open a tab of its own, and sign in."""
    context: BrowserContext = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(tree.url)
    page.fill("#key", key)
    page.keyboard.press("Enter")
    page.wait_for_selector("#sign-out")
    return page


def browser_cpu() -> float:
    """Return the milliseconds of CPU that the browser's processes used so far."""
    return 1000 * sum(cpu_of(pid) for pid in below(os.getpid()) if "chrom" in name_of(pid))


def name_of(pid: int) -> str:
    """Return the program of a process; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def looked(page: Page, tree: Tree, path: str, wanted: str) -> None:
    """Measure one look at a page, from its address to its list."""
    server, browser = cpu_of(tree.pid), browser_cpu()
    page.goto(tree.url + path)
    page.wait_for_selector(wanted, state="attached")
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length > 0")
    figures: dict[str, float] = page.evaluate(TOLD)
    own = {"browser CPU": browser_cpu() - browser, "server CPU": 1000 * (cpu_of(tree.pid) - server)}
    tree.note(path, figures | own)


def measured(browser: Browser, trees: list[Tree], keys: dict[Role, str], rounds: int, *, cold: bool) -> None:
    """Measure every page of every checkout, in turn."""
    for path, (role, wanted) in PAGES.items():
        tabs = []
        for tree in trees:
            page = signed_in(browser, tree, keys[role])
            session = page.context.new_cdp_session(page)
            session.send("Network.enable")
            session.send("Network.setCacheDisabled", {"cacheDisabled": cold})
            page.add_init_script(f"({WATCH})({json.dumps(wanted)})")
            tabs.append((page, tree))
        for n in range(rounds):
            for page, tree in tabs if n % 2 else tabs[::-1]:
                looked(page, tree, path, wanted)
        for page, tree in tabs:
            if path == "/ops":
                searched(page, tree, rounds)
            page.context.close()


def searched(page: Page, tree: Tree, rounds: int) -> None:
    """Measure the list's weight, and the time of a search: by a whole number, by an order's last characters."""
    csrf = page.evaluate("() => JSON.parse(document.getElementById('page').textContent).csrf")
    listed: dict[str, Any] = page.evaluate(LISTED)
    tree.note("/ops", {"bytes an order": listed["each"]})
    for wanted in (str(FIRST + 7), str(listed["tail"])):
        for _ in range(rounds):
            found: dict[str, float] = page.evaluate(SEARCH, [wanted, csrf])
            if not found["found"]:
                raise SystemExit("a search found nothing")
            tree.note("/ops", {"search": found["ms"]})


def table(trees: list[Tree]) -> bool:
    """Print least, middle and most of each figure; return whether the medians here are within their limits."""
    fits = True
    for path in PAGES:
        for name in trees[0].seen[path]:
            for tree in trees:
                values = tree.seen[path][name]
                low, mid, high = min(values), statistics.median(values), max(values)
                over = mid > LIMITS.get(name, mid) and path != FLOOR
                fits = fits and not (over and tree is trees[0])
                print(
                    f"{path:7} {name:15} {tree.name:12} {low:9,.0f} {mid:9,.0f} {high:9,.0f} {'over' if over else ''}"
                )
    return fits


def run() -> int:
    """Measure the pages; return exit status 1 where something is above its limit."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--orders", type=positive, default=MANY)
    asked.add_argument("--rounds", type=positive, default=10)
    asked.add_argument("--against", type=Path, help="another checkout, whose pages are measured in turn")
    asked.add_argument("--folder", type=Path, help="where the data are, or will be: filled once, used again")
    asked.add_argument("--cold", action="store_true", help="as a browser that has nothing of the pages yet")
    wanted = asked.parse_args()
    with ExitStack() as stack:
        folder = wanted.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = {
            "CONSENT_DATA_DIR": str(folder / "data"), "CONSENT_DURABILITY": "everysec", "CONSENT_PLANS": "sample",
            "CONSENT_CONFIRM_WITHIN": "24h",
        }  # fmt: skip
        found = stack.enter_context(installation(Settings.load(settings, env_file=None), own=True))
        assert isinstance(found.server, EmbeddedServer)  # noqa: S101 - `own` says so
        engine = found.engine()
        keys = filled(engine, folder / "keys.json", wanted.orders)
        checkouts = [ROOT, *([wanted.against] if wanted.against else [])]
        trees = stack.enter_context(serving(stack, found, settings, checkouts))
        playing = stack.enter_context(sync_playwright())
        browser = playing.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        stack.callback(browser.close)
        measured(browser, trees, keys, wanted.rounds, cold=wanted.cold)
        print(f"load {load()}")
        return 0 if table(trees) else 1


if __name__ == "__main__":
    in_one_line(run)
