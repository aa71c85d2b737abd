"""/board for supervisors: the day of each agent of their team so far, live; no numbers of subscribers."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations, visitor_of
from consent_engine.api.schemas.calls import WorkdayView
from consent_engine.api.schemas.views import AsOf, Listed
from consent_engine.api.service.service import front_of
from consent_engine.api.web.news import LIFE_S, stream
from consent_engine.api.web.pages import behind_sign_in
from consent_engine.api.web.rendering import FIGURES, MAY_OPEN
from consent_engine.domain.msisdn import hidden
from consent_engine.engine.engine import Engine
from consent_engine.ports import ApiKey

operations = Operations(whose=visitor_of)


class TeamBoard(Listed):
    """The agents with a call or an order of today, those who seem to press first."""

    agents: list[WorkdayView]


@operations.add("GET", "/board", PUBLIC)
async def board(request: Request) -> Response:
    """The page; all figures come by its stream."""
    return await behind_sign_in(request, "board.html", figures=["in_call", *FIGURES, "wrong_rate"])


@operations.add("GET", "/board/news", MAY_OPEN["/board"])
async def news(request: Request, caller: ApiKey) -> Response:
    """Server-sent events: `life`, a TeamBoard, whenever a figure changes; and `banner`, as on every page. A supervisor
    with a team sees the agents of that team: the one that a provider named, or else that of the agent's newest key.
    """
    front = front_of(request)

    async def life() -> bytes:
        def work(engine: Engine, as_of: AsOf) -> bytes:
            return look(engine, caller.team, as_of).json_bytes()

        return await front.recent.of(("team", caller.team), LIFE_S, lambda: front.listed(work))

    return stream(request, caller, MAY_OPEN["/board"], life=life)


def look(engine: Engine, team: str, as_of: AsOf) -> TeamBoard:
    """Count the day of each agent of a team; '': of all. Raises StoreUnavailable and ArchiveUnavailable."""
    days = engine.calls.workdays(engine.registry.now())
    if team:
        keys = sorted(engine.keys.all(), key=lambda key: key.created_at)
        team_of = {key.agent: key.team for key in keys if key.team}
        team_of |= {agent: of for agent, of in engine.registry.teams().items() if of}
        days = [each for each in days if team_of.get(each.agent) == team]
    return TeamBoard(agents=[WorkdayView.shown(each, agent=hidden(each.agent)) for each in days], as_of=as_of)
