"""How many of today's orders are in each state, from SQL."""

from consent_engine.domain.days import GREENWICH
from consent_engine.domain.lifecycle import State
from consent_engine.engine.engine import Engine
from consent_engine.engine.scribe import write_out


def funnel(engine: Engine, days_ago: int = 0) -> dict[State, int]:
    """Bring what waits in the journal to SQL, unless a worker's scribe does, and count the orders of a day."""
    write_out(engine.store, "benchmark")
    day = GREENWICH.of(engine.registry.now() - days_ago * 86_400_000)
    return engine.store.queries.orders.funnel(GREENWICH.begins(day), GREENWICH.ends(day))
