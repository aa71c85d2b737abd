"""An operator's night: one trouble after another in a working town, watched as deploy/ says, told as it was seen.

Desks place orders and subscribers of many kinds answer (as in the chaos run); meanwhile the gateway goes away, Redis
goes away, a worker is lost and then the others, the disk of Redis fills. Reported of each: what /readyz, /ops and
`consent doctor` said, which alert was sent and after how long, the page it names, and how long after the mend all was
right. At the end ledger, store and notes are compared (benchmarks/promises/audit.py); then Redis' data are lost and a
`consent backup` of just before is restored. Real Prometheus and Alertmanager, the rules as they are. Status 1 when a
promise broke, or an alert that should have come did not.

    python -m benchmarks.operations.night                 # 15 to 25 minutes; --only gateway for one of them
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.operations.lost import restored
from benchmarks.operations.troubles import TROUBLES, Night, full_disk
from benchmarks.operations.watching import Watching, missing, tell, watching
from benchmarks.ports import free_ports
from benchmarks.promises.chaos import judged
from benchmarks.promises.desks import DESKS, Wanted, beside
from benchmarks.promises.processes import Part, Town, build
from consent_engine.config.settings import Settings
from consent_engine.domain.roles import Role
from consent_engine.wiring import installation

WINDOW_S = 60.0
SETTINGS = {
    "CONSENT_REMINDER_AFTER": "off", "CONSENT_REPLY_WINDOW": f"{WINDOW_S:g}s", "CONSENT_CONFIRM_WITHIN": "20m",
    "CONSENT_UNCERTAIN_HOLD": "20s",
}  # fmt: skip
"""A subscriber's day takes a minute. All else is the default."""
HEAD = """\
| Trouble | Alert, after | Its page | /readyz | doctor | /ops | All right, after the mend |
|---|---|---|---|---|---|---|"""
A_TROUBLE_S = 260.0
"""About how many seconds a trouble takes; the orders are spread over this time."""


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=2.0, help="orders a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=[*TROUBLES, "restore"], default=[*TROUBLES, "restore"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, help="copy logs and data here")
    return parser.parse_args()


def built(folder: Path, seed: int) -> Town:
    """Build a town whose gateway is behind a proxy of its own, and whose API and workers show metrics."""
    town = build(folder, dict(SETTINGS), seed, WINDOW_S, faults=False)
    town.ports |= dict(zip(("gateway", "control", "metrics"), free_ports(3), strict=True))
    town.environ["CONSENT_HTTP_JSON__URL"] = f"http://127.0.0.1:{town.ports['gateway']}/sms"
    town.environ["CONSENT_PUBLICATION"] = "stated"
    for part in town.parts["api"] + town.parts["worker"]:
        part.environ = town.environ | {"CONSENT_METRICS_ADDR": f"127.0.0.1:{town.ports['metrics']}"}
    proxy = ["--to", f"127.0.0.1:{town.ports['ledger']}", "--port", str(town.ports["gateway"])]
    command = [sys.executable, "-m", "tests.fault_proxy", *proxy, "--control", str(town.ports["control"])]
    town.parts["gateway"] = [Part("gateway", command, town.environ, folder / "gateway.log")]
    return town


async def play(args: argparse.Namespace, town: Town, seen: Watching) -> dict[str, Any]:
    """Run the whole night; return the figures."""
    town.look()
    while not town.serving():
        await asyncio.sleep(0.05)
    with installation(Settings.load(town.environ, env_file=None)) as found:
        keys = {role: found.engine().keys.add(f"night-{role}", role) for role in (Role.AGENT, Role.OPS)}
    troubles = [name for name in TROUBLES if name in args.only]
    length = A_TROUBLE_S * len(troubles)
    wanted = Wanted(int(args.rate * length), 1, args.seed, length, WINDOW_S, faults=False)
    jar, timeout = aiohttp.CookieJar(unsafe=True), aiohttp.ClientTimeout(total=15)
    connector = aiohttp.TCPConnector(limit=2 * DESKS)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector, cookie_jar=jar) as session:
        made = Night(wanted, town, keys, session, seen=seen, troubles=troubles)
        async with beside(made.care()):
            await made.ask("GET", "/readyz")
            await made.sign_in()
            figures: dict[str, Any] = {"broken": []}
            if troubles:
                async with beside(made.watch()), beside(made.operate()):
                    await made.go()
                figures = await judged(made, time.monotonic() - made.began)
            if "restore" in args.only:
                figures["broken"] += await restored(made)
    figures["night"] = made.told
    figures["broken"] += [
        f"{each.trouble}: {each.wants} was not sent" for each in made.told if each.wants and not each.fired
    ]
    return figures


@contextmanager
def small_disk(folder: Path, *, wanted: bool) -> Iterator[None]:
    """Give Redis a disk of its own, small enough to be filled. Root only."""
    if not wanted:
        yield
        return
    with full_disk.mounted(folder):
        yield


def main() -> None:
    """Run and print; exit with status 1 when something was not as it should be."""
    args = options()
    if absent := missing():
        sys.exit(f"not here: {', '.join(absent)} (Debian's packages of that name)")
    if os.geteuid() != 0 and "disk" in args.only:
        tell("not root: no disk of its own for Redis, so `disk` is left out")
        args.only = [name for name in args.only if name != "disk"]
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="consent-night-", ignore_cleanup_errors=True) as folder:
        town = built(Path(folder), args.seed)
        targets = [f"127.0.0.1:{town.ports['metrics'] + n}" for n in range(8)]  # of the API, and behind it of workers
        with (
            small_disk(Path(folder, "redis"), wanted="disk" in args.only),
            watching(Path(folder, "w"), targets) as seen,
        ):
            try:
                figures = asyncio.run(play(args, town, seen))
            finally:
                town.end()
                if args.keep:
                    with contextlib.suppress(OSError, shutil.Error):
                        shutil.copytree(folder, args.keep, dirs_exist_ok=True)
    if args.json:
        print(json.dumps(figures | {"night": [asdict(each) for each in figures["night"]]}, ensure_ascii=False))
    else:
        print(HEAD, *(each.row() for each in figures["night"]), sep="\n")
    for name, value in figures.items():
        if name != "night":
            tell(f"  {name:50} {value}")
    sys.exit(bool(figures["broken"]))


if __name__ == "__main__":
    main()
