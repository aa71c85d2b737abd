"""The troubles of a night: how each begins and is mended, and what an operator sees of it."""

import asyncio
import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp

from benchmarks.operations.watching import Watching, tell
from benchmarks.promises.desks import SETTLE_S, Run, beside
from benchmarks.promises.processes import Part, Town
from consent_engine.domain.roles import Role

LOOK_S, LINGER_S = 5.0, 20.0
MOST_S = 420.0
"""How long a trouble may last without its alert, and how long it may then take until all is right."""
QUIET_S = 60.0
"""How long a trouble without an alert lasts."""
DISK_MB = 96
MOUNT, UNMOUNT = "/usr/bin/mount", "/usr/bin/umount"
ACCEPTED = "older than their archive"
"""A finding that doctor repeats after a restore until a thousand newer entries are in the log: it is true."""


@dataclass(slots=True)
class Told:
    """One trouble as it was seen. wants: the alert it should cause · readyz, doctor, board: what they said, and after
    how many seconds · right: seconds after the mend
    """

    trouble: str
    wants: str
    alerts: list[tuple[str, str, float, str]] = field(default_factory=list)
    readyz: dict[str, float] = field(default_factory=dict)
    doctor: dict[str, float] = field(default_factory=dict)
    board: dict[str, float] = field(default_factory=dict)
    right: dict[str, float] = field(default_factory=dict)

    def row(self) -> str:
        """Return the trouble as a row of the table that the night prints."""
        sent = "<br>".join(f"`{name}` ({severity}) {at:.0f} s" for name, severity, at, _ in self.alerts) or "none"
        pages = "<br>".join(dict.fromkeys(page for *_, page in self.alerts)) or "-"
        said = [_times(each) for each in (self.readyz, self.doctor, self.board)]
        return f"| {' | '.join([self.trouble, sent, pages, *said, _times(self.right)])} |"

    @property
    def fired(self) -> bool:
        """Whether the wanted alert was sent."""
        return any(name == self.wants for name, *_ in self.alerts)


class full_disk:  # noqa: N801 - a name for two functions
    """A disk of its own for Redis, and filling it."""

    @staticmethod
    @contextmanager
    def mounted(folder: Path) -> Iterator[None]:
        """Mount it at this folder until the block ends."""
        subprocess.run([MOUNT, "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", folder], check=True)
        try:
            yield
        finally:
            subprocess.run([UNMOUNT, "--lazy", folder], check=False)

    @staticmethod
    def fill(folder: Path) -> None:
        """Fill the disk to the last byte."""
        with contextlib.suppress(OSError), (folder / "somebody-elses").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))


TROUBLES = {
    "gateway": ("the gateway is away", "ConsentOutside"),
    "redis": ("Redis is killed, and stays away", "ConsentStoreUnreachable"),
    "worker": ("one of two workers is killed, and stays away", ""),
    "workers": ("no worker is left", "ConsentWorkers"),
    "disk": ("the disk of Redis is full", "ConsentStoreUnreachable"),
}


AWAY = {
    "gateway": ["gateway"],
    "redis": ["server"],
    "worker": ["worker-0"],
    "workers": ["worker-0", "worker-1"],
}
"""The processes that are killed, and stay away."""


@dataclass
class Night(Run):
    """A run of desks and subscribers, in which troubles come one after another. away: parts that are not restarted."""

    seen: Watching = field(kw_only=True)
    troubles: list[str] = field(default_factory=list)
    away: set[str] = field(default_factory=set)
    told: list[Told] = field(default_factory=list)

    # -- who runs -----------------------------------------------------------------------------------------------------

    async def care(self) -> None:
        """Restart what died, as a supervisor does, but without a pause."""
        while True:
            for part in _parts(self.town):
                if part.name not in self.away:
                    part.look()
            await asyncio.sleep(0.05)

    def take_away(self, *names: str) -> None:
        """Kill the parts; they stay away."""
        self.away |= set(names)
        for part in _parts(self.town):
            if part.name in names:
                part.kill()

    async def sign_in(self) -> None:
        """Sign in as an operator, for /ops."""
        form = {"key": self.keys[Role.OPS], "next": "/ops"}
        async with self.session.post(f"{self.town.api}/sign-in", data=form, headers={"Origin": self.town.api}) as said:
            if said.status != 200:  # noqa: PLR2004 - the page
                sys.exit(f"the operator was not signed in: {said.status}")

    async def operate(self) -> None:
        """Type `retry` for all that is stuck, as the page of ConsentStuck tells an operator to. In the chaos run a
        question in doubt is left to end with its order; here that would be twenty minutes of an alert.
        """
        while True:
            await asyncio.sleep(4 * LOOK_S)
            for order in [order for order, m in self.minded.items() if m.parked and not m.settled]:
                status, _ = await self.ask("POST", f"/v1/orders/{order}/retry", {}, Role.OPS)
                self.retries_by_ops += status == HTTPStatus.OK

    # -- the night ----------------------------------------------------------------------------------------------------

    async def go(self) -> None:
        """Place orders until the last trouble is over; then wait until everything has settled."""
        people, gap = self.wanted.people(), self.wanted.gap_s / self.wanted.orders
        working: set[asyncio.Task[None]] = set()
        async with beside(self.kill()) as troubles:
            for n, who in enumerate(people):
                if troubles.done():
                    break
                working.add(asyncio.ensure_future(self.serve(who, n)))
                await asyncio.sleep(gap)
            await troubles
        await asyncio.gather(*working)
        deadline = time.monotonic() + self.wanted.window_s + 5 * SETTLE_S
        while time.monotonic() < deadline:
            if len(self.minded) == len(self.placed) and all(m.settled for m in self.minded.values()):
                break
            await asyncio.sleep(1.0)
        await asyncio.sleep(10.0)

    async def kill(self) -> None:
        """Run one trouble after another, each with a quiet half minute before it."""
        for name in self.troubles:
            await asyncio.sleep(30.0)
            what, wants = TROUBLES[name]
            tell(f"== {what}")
            await self.lived_through(Told(what, wants), name)

    async def lived_through(self, told: Told, name: str) -> None:
        """Run a trouble from its beginning until all is right again."""
        self.told.append(told)
        began = time.monotonic()
        self.begin(name)
        while time.monotonic() < began + (MOST_S if told.wants else QUIET_S):
            await self.look(told, began)
            if told.wants and told.fired and time.monotonic() > self.rang(told, began) + LINGER_S:
                break
        mended = time.monotonic()
        tell(f"   mended after {mended - began:.0f} s")
        self.mend(name)
        await self.until_right(told, began, mended)

    def begin(self, name: str) -> None:
        """Cause the trouble."""
        if name == "disk":
            full_disk.fill(self.town.folder / "redis")
        else:
            self.take_away(*AWAY[name])

    def mend(self, name: str) -> None:
        """Mend it as the runbook says."""
        if name == "disk":
            (self.town.folder / "redis" / "somebody-elses").unlink()
        self.away.clear()

    def rang(self, told: Told, began: float) -> float:
        """Return when its first alert was sent."""
        return began + min(at for _, _, at, _ in told.alerts)

    async def until_right(self, told: Told, began: float, mended: float) -> None:
        """Look until /readyz, /ops, doctor and the alerts are right."""
        while time.monotonic() < mended + MOST_S and len(told.right) < 4:  # noqa: PLR2004 - as many as below
            ready, bad, board = await self.look(told, began)
            after = time.monotonic() - mended
            checks = {
                "/readyz": not ready,
                "/ops": not board,
                "doctor": not [each for each in bad if ACCEPTED not in each],
                "alerts": not self.seen.alerts(),
            }
            for name, right in checks.items():
                if right:
                    told.right.setdefault(name, after)
                else:  # it was right only for a moment
                    told.right.pop(name, None)
        tell(told.row())

    # -- what is seen -------------------------------------------------------------------------------------------------

    async def look(self, told: Told, began: float) -> tuple[list[str], list[str], list[str]]:
        """Look at everything; return what is wrong by /readyz, by doctor, and by /ops."""
        pause = asyncio.create_task(asyncio.sleep(LOOK_S))
        ready, board, bad = await self._ready(), await self._board(), await self.doctor()
        for where, lines in ((told.readyz, ready), (told.board, board), (told.doctor, bad)):
            for line in lines:
                where.setdefault(_plain(line), time.monotonic() - began)
        known = {name for name, *_ in told.alerts}
        for call in list(self.seen.telephone.calls):
            if call.status == "firing" and call.at > began and call.alert not in known:
                known.add(call.alert)
                told.alerts.append((call.alert, call.severity, call.at - began, call.page))
                tell(f"   {call.at - began:.0f} s: {call.alert}: {call.summary}")
        await pause
        return ready, bad, board

    async def _ready(self) -> list[str]:
        try:
            async with self.session.get(f"{self.town.api}/readyz") as answer:
                said = await answer.json()
                return [] if answer.status == 200 else [str(each) for each in said.get("reasons", [said])]  # noqa: PLR2004
        except (aiohttp.ClientError, TimeoutError, OSError):
            return ["nobody answers"]

    async def _board(self) -> list[str]:
        """Return what /ops shows beside the day's figures."""
        try:
            async with self.session.get(f"{self.town.api}/ops/board", allow_redirects=False) as answer:
                if answer.status != 200:  # noqa: PLR2004
                    return [f"no figures: {answer.status}"]
                said = await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return ["nobody answers"]
        shown = [f"{each['to']} {each['name']} does not answer" for each in said["outside"] if each["down"]]
        shown += [f"lane {each['lane']} is late" for each in said["lanes"] if each["late_ms"] > 30_000]  # noqa: PLR2004
        return shown + ([f"workers heard from: {len(said['workers'])}"] if len(said["workers"]) < 2 else [])  # noqa: PLR2004

    async def doctor(self) -> list[str]:
        """Return what `consent doctor` finds wrong."""
        status, said = await self.typed("doctor")
        rows = [line.split("\t") for line in said.splitlines()]
        found = [" -> ".join(row[1:3]) for row in rows if row[0] == "bad"]
        return found or ([said.strip().splitlines()[-1]] if status and said.strip() else [])

    async def typed(self, *words: str, **more: str) -> tuple[int, str]:
        """Run a `consent` command; return its status and output."""
        made = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "consent_engine", *words, env=self.town.environ | more, cwd=self.town.folder,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(made.communicate(), 120)
        return made.returncode or 0, said.decode(errors="replace")


def _times(told: dict[str, float]) -> str:
    return "<br>".join(f"{at:.0f} s: {what}" for what, at in told.items()) or "nothing"


def _plain(line: str) -> str:
    """Return the line without the parts that change at each look, so that it is reported once."""
    line = re.sub(r"\b[0-9a-f]{24,}\b", "ORDER", line)
    return re.sub(r"\b\d[\d.,:]*\b", "N", line)


def _parts(town: Town) -> list[Part]:
    return [*town.still, *(part for parts in town.parts.values() for part in parts)]
