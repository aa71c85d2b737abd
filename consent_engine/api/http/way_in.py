"""The application as it is served: its edge, a short way to the operations, and Starlette's router."""

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match, Route, Router
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from consent_engine.api.http.problems import Handlers

NAMED = 2
"""How many first segments of an address name its subject: `/v1/orders`, `/v1/gateways`."""
Head = tuple[str, ...]


class Application(Starlette):
    """Starlette without its own two layers around every request: the edge does all that is needed of them.

    edge: makes the edge from the application inside and the error handlers
    """

    def __init__(
        self, routes: Sequence[BaseRoute], handlers: Handlers, lifespan: Lifespan[Starlette],
        edge: Callable[[ASGIApp, Handlers], ASGIApp],
    ) -> None:  # fmt: skip
        super().__init__(routes=routes, exception_handlers=handlers, lifespan=lifespan)
        self._edge = edge

    def build_middleware_stack(self) -> ASGIApp:
        """Make the edge. Starlette calls this at the first request, when all routes are there."""
        return self._edge(Ways(self.router), self.exception_handlers)


class Ways:
    """Finds a request's route among the few whose addresses begin like its path; a router tries all routes in turn.

    The result is the same: the few stand in the router's order, and if none fits, the router is asked.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        heads = {_head_of(route.path) for route in router.routes if isinstance(route, Route)}
        self._few: dict[Head, list[BaseRoute]] = {head: [] for head in heads if not any("{" in each for each in head)}
        for route in router.routes:
            own = _head_of(route.path) if isinstance(route, Route) else None
            for head in [own] if own in self._few else self._few:  # the most are found without a look at all heads
                if _may_begin(route, head):
                    self._few[head].append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request. Raises what the operation raises, and HTTPException if there is no route."""
        if scope["type"] == "http":
            for route in self._few.get(_head_of(scope["path"]), ()):
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope["router"], scope["route"] = self._router, route
                    scope.update(found)
                    await route.handle(scope, receive, send)
                    return
        await self._router(scope, receive, send)


def _head_of(path: str) -> Head:
    """
    >>> _head_of("/v1/orders/0ce7/cancel"), _head_of("/desk")
    (('v1', 'orders'), ('desk',))
    """
    return tuple(path.split("/", NAMED + 1)[1 : NAMED + 1])


def _may_begin(route: BaseRoute, head: Head) -> bool:
    """Whether an address with this head may be this route's; a route not plain, or with a path, may fit any."""
    if not isinstance(route, Route) or ":path}" in route.path:
        return True
    own = _head_of(route.path)
    return len(own) == len(head) and all("{" in a or a == b for a, b in zip(own, head, strict=True))
