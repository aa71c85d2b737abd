"""`consent pause`, `resume`, `paused`: stopping a lane or a gateway from a terminal; `gateways`: how each is doing."""

from enum import StrEnum
from typing import Annotated

import typer

from consent_engine.cli.opening import by, opened, sound_reason
from consent_engine.cli.tables import instant, record, table
from consent_engine.engine.metrics import health_of, targets_of
from consent_engine.ports import Endpoint, LaneDepth
from consent_engine.ports.registry import GATEWAY


class To(StrEnum):
    """The kinds of things that can be stopped."""

    LANE = "lane"
    GATEWAY = "gateway"
    SPOOL = "spool"


_Which = Annotated[To, typer.Argument(metavar="lane|gateway|spool")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="sms, activation, inbound or timer; a gateway's name.")]
_Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with your name. No telephone number.")]


def pause(to: _Which, name: _Name, reason: _Reason) -> None:
    """Stop a lane or a gateway: nothing new begins, calls under way end, nothing is lost; deadlines keep running."""
    sound = sound_reason(reason)
    with opened() as engine:
        is_new = engine.pauses.pause(Endpoint(to.value, name), by(), sound)
        found = {each.target: each for each in engine.pauses.standing()}.get(Endpoint(to.value, name))
    rows: list[tuple[object, ...]] = [("stopped" if is_new else "stood still already", f"{to.value} {name}")]
    if found is not None:
        rows += [("since", instant(found.pause.at)), ("by", found.pause.by), ("reason", found.pause.reason)]
        rows += [("drained by", instant(found.drained))]
    record(rows)


def resume(to: _Which, name: _Name, reason: _Reason) -> None:
    """Resume a stopped lane or gateway. A spool only where its machine is lost: the replies in it are lost then."""
    sound = sound_reason(reason)
    with opened() as engine:
        engine.pauses.resume(Endpoint(to.value, name), by(), sound)
    record([("goes on", f"{to.value} {name}")])


def paused(
    *, history: Annotated[bool, typer.Option("--history", help="All stops and resumptions, newest first.")] = False
) -> None:
    """List stopped lanes and gateways: since when, who stopped each, and why."""
    with opened() as engine:
        if history:
            happened = engine.pauses.happened(1_000)
            rows = [
                (instant(e.at), "stopped" if e.paused else "went on", e.to, e.name, e.by, e.reason) for e in happened
            ]
            table(("at", "what", "to", "name", "by", "reason"), rows, "nothing was ever stopped")
            return
        found = engine.pauses.standing()
    stops = [(*each.target, instant(each.pause.at), each.pause.by, each.pause.reason) for each in found]
    table(("to", "name", "since", "by", "reason"), stops, "nothing is stopped")


def gateways() -> None:
    """List gateways: whose SMS each gets, how many a second at most, whether it answers, and how many are due.

    One that has not answered for three seconds is away: one call in five seconds tries it, and all else that is due
    there waits for its first answer, or goes to the next one of the carrier's list; what is in doubt waits for it. One
    that answered 429 gets less than its rate for a while, or has one.
    """
    with opened() as engine:
        outside, stopped = engine.outside, {each.target for each in engine.pauses.standing()}
        used = engine.used()
        served = {each.gateway: each.carriers for each in outside.named()}
        depths, rates, rows = engine.lanes.depths_of_all(), engine.rates(), list[tuple[object, ...]]()
        for each in health_of(engine.registry, targets_of(outside), engine.registry.now()):
            if each.target.to != GATEWAY:
                continue
            now = [carrier for carrier, name in used.items() if name == each.target.name]
            depth = LaneDepth.of([LaneDepth(0, 0, 0, 0), *(depths[carrier] for carrier in now)])
            refuses, away = each.refusing and "refuses our account", each.is_away and "away"
            state = (each.target in stopped and "stopped") or refuses or away or "open"
            since = instant(each.troubled) if each.is_away else "-"
            last = instant(each.known.accepted) if each.known.accepted else "never"
            rate = _rate(rates.get(each.target.name), outside.rates.get(each.target.name))
            shown = (rate, depth.due, depth.late // 1000, depth.waiting - depth.parked, depth.parked)
            carriers = " ".join(served[each.target.name]), " ".join(now) or "-"
            rows.append((each.target.name, *carriers, state, since, last, f"{each.failed_share:.0%}", *shown))
    known = ("gateway", "carriers", "now for", "state", "since", "last taken", "fail")
    table((*known, "SMS/s", "due", "oldest, s", "waiting", "stuck"), rows)


def _rate(now: int | None, most: int | None) -> str:
    """Return how many SMS a second a gateway gets now at most. most: as it is set"""
    if now is None or now == most:
        return "-" if now is None else str(now)
    return f"{now} of {most}" if most else f"{now} after 429"
