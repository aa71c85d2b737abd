"""The held replies of /ops, which may be refusals: their texts, equal ones grouped. They hold no phone number."""

import json
from typing import Any

from starlette.requests import Request

from consent_engine.api.coalescing.ttl_cache import Recent
from consent_engine.api.document.operations import Operations, visitor_of
from consent_engine.api.schemas.forms import MOST_DECIDED
from consent_engine.api.schemas.views import AsOf, instant
from consent_engine.api.service.service import front_of
from consent_engine.api.web.rendering import MAY_OPEN
from consent_engine.engine.engine import Engine
from consent_engine.engine.held_replies import HeldGroup, grouped
from consent_engine.ports import ApiKey

operations = Operations(whose=visitor_of)
MOST_SHOWN = 50
LOOKED_S = 2.0
"""Looked up at most once in this many seconds, however many people view it."""


@operations.add("GET", "/ops/held", MAY_OPEN["/ops"])
async def held(request: Request, _caller: ApiKey) -> bytes:
    looked: Recent[bytes] = request.app.state.held
    return await looked.of("", lambda: front_of(request).listed(look))


def look(engine: Engine, as_of: AsOf) -> bytes:
    """List groups, earliest deadline first; of a large one, the oldest ids, as many as can be decided at once."""
    groups, cut = grouped(engine.held)
    values = {
        "groups": [_shown(each) for each in groups[:MOST_SHOWN]],
        "more": len(groups) - len(groups[:MOST_SHOWN]),
        "count": sum(len(each.ids) for each in groups),
        "cut": cut,
        "as_of": as_of,
    }
    return json.dumps(values, ensure_ascii=False).encode()


def _shown(group: HeldGroup) -> dict[str, Any]:
    return {
        "group": group.group, "reason": group.reason, "text": group.text, "count": len(group.ids),
        "ids": group.ids[-MOST_DECIDED:], "since": instant(group.since), "until": instant(group.until),
    }  # fmt: skip
