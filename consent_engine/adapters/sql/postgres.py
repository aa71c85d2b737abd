"""PostgreSQL connections that never wait long, even when the server is frozen or its disk hangs."""

from collections.abc import Generator
from time import monotonic
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event

if TYPE_CHECKING:
    import psycopg


def bound_waits(engine: Engine, seconds: float) -> None:
    """Bound every wait of the engine's connections: the server's own timeouts work only while the server does."""

    import psycopg  # noqa: PLC0415 - an extra: needed with PostgreSQL alone

    class Bounded(psycopg.Connection[Any]):
        def wait(self, gen: Generator[Any, Any, Any], *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as it is there
            return super().wait(self._until(gen, monotonic() + seconds), *args, **more)

        def _until(self, gen: Generator[Any, Any, Any], end: float) -> Generator[Any, Any, Any]:
            try:
                wanted = next(gen)
                while True:
                    ready = yield wanted
                    if not ready and monotonic() > end:
                        self.pgconn.finish()  # its answer can no longer be known
                        raise psycopg.OperationalError("no answer in time")
                    wanted = gen.send(ready)
            except StopIteration as done:
                return done.value

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: object, _record: object, args: list[Any], more: dict[str, Any]) -> "psycopg.Connection[Any]":
        return Bounded.connect(*args, **more)
