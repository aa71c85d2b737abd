"""The data of /ops as JSON: today's funnel, lanes, workers, stuck effects, graphs, held replies. No phone number."""

import json
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import Operations, visitor_of
from consent_engine.api.schemas.forms import MOST_DECIDED
from consent_engine.api.schemas.lists import CauseRow, PauseRow, UndeliverableRow
from consent_engine.api.schemas.views import AsOf, instant
from consent_engine.api.service.callers import OPS
from consent_engine.api.service.service import HEARD_WITHIN_MS, front_of
from consent_engine.api.web.rendering import MAY_OPEN
from consent_engine.domain.days import Days
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.offer.versions import PATIENCE_MS, Listed, Sale
from consent_engine.engine.engine import Engine
from consent_engine.engine.held_replies import HeldGroup, grouped
from consent_engine.engine.metrics import ASKED_WITHIN_MS, FEW_CALLS, SPANS, Series, flow_of, health_of, targets_of
from consent_engine.engine.stuck import Retrying, StuckEffect, causes_of
from consent_engine.errors import ArchiveUnavailable, FieldError, Malformed, OrderNotFound
from consent_engine.ports import ApiKey
from consent_engine.ports.registry import GATEWAY

MOST_PAGES = 20


def unshown(engine: Engine) -> dict[str, Any]:
    """List the longest failing first, and count the others; none where addresses are not checked."""
    if not engine.terms.addresses.checked:
        return {"unshown": [], "more_unshown": 0}
    try:
        listed = engine.catalogue.fresh()
    except (KeyError, ValueError):  # damaged catalogue: the rest of the board is shown all the same
        listed = {}
    rows = sorted((row for each in listed.values() for row in _of(each)), key=lambda row: (row["since"], row["plan"]))
    return {"unshown": rows[:MOST_PAGES], "more_unshown": max(0, len(rows) - MOST_PAGES)}


def _of(listed: Listed) -> list[dict[str, Any]]:
    version = listed.version(listed.plan.version)
    if version is None or listed.sale is not Sale.ON_SALE or not listed.begun:
        return []
    return [
        {
            "plan": version.plan.code,
            "channel": version.plan.published[n].channel,
            "why": seen.why,
            "since": instant(seen.failing),
            "sold_until": instant(seen.good + PATIENCE_MS) if seen.public else None,
        }
        for n, seen in sorted(version.seen.items())
        if seen.why
    ]


operations = Operations(whose=visitor_of)
MOST_SHOWN = 200
MOST_COUNTED = 1_000
LOOKED_S = 1.0
"""The board is made at most once in this many seconds, however many people view it."""
RECORD = re.compile("[0-9a-f]{28}")


@operations.add("GET", "/ops/board", MAY_OPEN["/ops"])
async def board(request: Request, _caller: ApiKey) -> bytes:
    front = front_of(request)
    values = await front.recent.of("board", LOOKED_S, lambda: front.listed(look)) | {"defects": dict(front.defects)}
    return json.dumps(values, ensure_ascii=False).encode()


@operations.add("POST", "/ops/stuck/{record}/retry", OPS)
def retry_other(engine: Engine, caller: ApiKey, record: str) -> Response:
    """Make the parked effects of a line, a call, an ending or a report due now. Role: ops. Raises OrderNotFound if
    `record` is the id of none, and NothingParked.
    """
    if not RECORD.fullmatch(record):
        raise OrderNotFound("no such line, call, ending or report")
    engine.retry_other(record, caller.name)
    return Response(status_code=204)


def look(engine: Engine, as_of: AsOf) -> dict[str, Any]:
    now = engine.registry.now()
    days = engine.terms.reporting.days
    midnight = days.begins(days.of(now))
    stuck = engine.stuck(MOST_COUNTED + 1)
    return {
        "at": instant(now),
        "as_of": as_of,
        "since": instant(midnight),
        **_of_sql(engine, midnight, days),
        "lanes": [
            {"lane": lane.value, "due": d.due, "late_ms": d.late, "parked": d.parked, "waiting": d.waiting}
            for lane, d in engine.depths().items()
        ],
        "workers": [
            {"name": name, "lanes": each.lanes, "in_flight": each.in_flight, "troubles": each.troubles}
            for name, each in sorted(engine.registry.workers(HEARD_WITHIN_MS).items())
        ],
        "outside": _outside(engine, now),
        "retrying": _retrying(engine, now),
        "paused": [PauseRow.of(each).model_dump() for each in engine.pauses.standing()],
        **unshown(engine),
        "causes": [CauseRow.shown(each).model_dump() for each in causes_of(stuck[:MOST_COUNTED])],
        "more_causes": len(stuck) > MOST_COUNTED,
        "stuck": [_shown(each) for each in stuck[:MOST_SHOWN]],
        "more_stuck": len(stuck) > MOST_SHOWN,
    }


def _of_sql(engine: Engine, midnight: Millis, days: Days) -> dict[str, Any]:
    """Count the orders of today and the day before by their present state, and dead sales by cause; None while SQL
    cannot be asked: the rest of the board needs none.
    """

    def counted(day: str) -> dict[str, int]:
        found = engine.store.queries.orders.funnel(days.begins(day), days.ends(day))
        return {state.value: found.get(state, 0) for state in State}

    try:
        dead = [UndeliverableRow.shown(each).model_dump() for each in engine.undeliverable.dead()]
        return {"funnel": counted(days.of(midnight)), "day_before": counted(days.of(midnight - 1)), "dead": dead}
    except ArchiveUnavailable:
        return {"funnel": None, "day_before": None, "dead": []}


def _outside(engine: Engine, now: Millis) -> list[dict[str, Any]]:
    rates, most, routes, used = engine.rates(), engine.outside.rates, engine.outside.routes, engine.used()
    return [
        {
            "to": each.target.to,
            "name": each.target.name,
            "down": each.is_down,
            "refusing": each.refusing,
            "failing_ms": each.failing,
            "failed_share": each.failed_share if each.calls >= FEW_CALLS else 0,
            "last_success": instant(each.known.accepted) if each.known.accepted else None,
            "rate": rates.get(each.target.name) if each.target.to == GATEWAY else None,
            "most": most.get(each.target.name) if each.target.to == GATEWAY else None,
            "may": [of for of, names in routes.items() if each.target.to == GATEWAY and each.target.name in names],
            "has": [of for of, name in used.items() if each.target == (GATEWAY, name)],
        }
        for each in health_of(engine.registry, targets_of(engine.outside), now)
    ]


def _retrying(engine: Engine, now: Millis) -> list[dict[str, Any]]:
    """List gateways and the BSS whose calls failed, or whose last answer took nothing: why, since when, how many wait,
    until nothing of that waits any more. Else lanes are read only while a failure is recent: every effect is retried
    before it is not.
    """
    health = {each.target: each for each in health_of(engine.registry, targets_of(engine.outside), now)}
    known = [each.known for each in health.values()]
    if not any(
        each.answered > each.accepted or (each.failed and now - each.failed <= ASKED_WITHIN_MS) for each in known
    ):
        return []
    found = [each for each in engine.trouble.retrying() if each.target in health]
    silent = [each for each in health.values() if each.is_down and each.target not in {e.target for e in found}]
    rows = [(each, health[each.target]) for each in found]
    rows += [(Retrying(each.target, "", 0, 0, more=False), each) for each in silent]
    return [
        {
            "to": each.target.to,
            "name": each.target.name,
            "reason": each.reason,
            "count": each.count,
            "more": each.more,
            "since": instant(each.since or of.troubled),
            "recovered": not of.troubled and of.known.accepted == of.known.answered,
        }
        for each, of in rows
    ]


def _shown(each: StuckEffect) -> dict[str, Any]:
    return {
        "owner": each.owner.value,
        "id": each.id,
        "order": each.order,
        "effect": each.effect,
        "lane": each.lane.value,
        "state": each.state.value if each.state else "",
        "attempts": each.attempts or 0,
        "why": each.why,
    }


FLOW_S = 5.0
"""A span is looked up at most once in this many seconds, however many people view it."""


@operations.add("GET", "/ops/flow/{span}", MAY_OPEN["/ops"])
async def flow(request: Request, _caller: ApiKey, span: str) -> bytes:
    """Return the series of a span. Roles: ops, auditor. Raises Malformed for a span other than hour or day."""
    if span not in SPANS:
        raise Malformed([FieldError("span", "unknown", "must be hour or day")])
    front = front_of(request)
    return await front.recent.of(("flow", span), FLOW_S, lambda: front.ask(lambda engine: look_flow(engine, span)))


def look_flow(engine: Engine, span: str) -> bytes:
    found = flow_of(engine.registry, span, targets_of(engine.outside), engine.call_ms)
    values = {
        "since": instant(found.since),
        "step_ms": found.step,
        "series": [_series(each) for each in found.series],
    }
    return json.dumps(values, separators=(",", ":")).encode()


def _series(each: Series) -> dict[str, object]:
    return {
        "to": each.target.to, "name": each.target.name, "calls": each.calls, "failed": each.failed, "p50": each.p50,
        "p95": each.p95, "all_p50": each.all_p50, "all_p95": each.all_p95,
    }  # fmt: skip


MOST_GROUPS = 50
HELD_S = 2.0
"""Looked up at most once in this many seconds, however many people view it."""


@operations.add("GET", "/ops/held", MAY_OPEN["/ops"])
async def held(request: Request, _caller: ApiKey) -> bytes:
    front = front_of(request)
    return await front.recent.of("held", HELD_S, lambda: front.listed(look_held))


def look_held(engine: Engine, as_of: AsOf) -> bytes:
    """List groups, earliest deadline first; of a large one, the oldest ids, as many as can be decided at once."""
    groups, cut = grouped(engine.held)
    values = {
        "groups": [_group(each) for each in groups[:MOST_GROUPS]],
        "more": len(groups) - len(groups[:MOST_GROUPS]),
        "count": sum(len(each.ids) for each in groups),
        "cut": cut,
        "as_of": as_of,
    }
    return json.dumps(values, ensure_ascii=False).encode()


def _group(group: HeldGroup) -> dict[str, Any]:
    return {
        "group": group.group, "reason": group.reason, "text": group.text, "count": len(group.ids),
        "ids": group.ids[-MOST_DECIDED:], "since": instant(group.since), "until": instant(group.until),
    }  # fmt: skip
