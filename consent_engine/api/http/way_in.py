"""The application as it is served: its edge, a short way to the operations, and Starlette's router."""

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match, Route, Router
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from consent_engine.api.http.problems import Handlers

NAMED = 2
"""So many of an address's first segments name what it is about: `/v1/orders`, `/v1/gateways`."""
Head = tuple[str, ...]


class Application(Starlette):
    """Starlette without its own two layers around every request: the edge does all that is wanted of them.

    edge: makes it, of what lies inside and of the answers to errors
    """

    def __init__(
        self, routes: Sequence[BaseRoute], handlers: Handlers, lifespan: Lifespan[Starlette],
        edge: Callable[[ASGIApp, Handlers], ASGIApp],
    ) -> None:  # fmt: skip
        super().__init__(routes=routes, exception_handlers=handlers, lifespan=lifespan)
        self._edge = edge

    def build_middleware_stack(self) -> ASGIApp:
        """Called by Starlette at the first request, when all routes are there."""
        return self._edge(Ways(self.router), self.exception_handlers)


class Ways:
    """Finds a request's route among the few whose addresses begin as its own; a router tries them all, in turn.

    Which route it is does not change: the few stand in the router's order, and who finds none asks the router.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._few: dict[Head, list[BaseRoute]] = {
            head: [route for route in router.routes if _may_begin(route, head)]
            for head in {_head_of(route.path) for route in router.routes if isinstance(route, Route)}
            if not any("{" in segment for segment in head)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what was asked for. Raises what the operation raises, and HTTPException where there is none."""
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
    """Whether an address that begins so may be this route's. What is no plain route, or takes a path, may have any."""
    if not isinstance(route, Route) or ":path}" in route.path:
        return True
    own = _head_of(route.path)
    return len(own) == len(head) and all("{" in a or a == b for a, b in zip(own, head, strict=True))
