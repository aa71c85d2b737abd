"""May a number be dialled?"""

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import Kind


class Dial(Struct, frozen=True):
    """May this number be called? When not: since when, and why."""

    callable: bool
    since: Millis | None = None
    reason: Kind | None = None


def dial_of(line: Line, carrier: str | None, plan: str | None = None) -> Dial:
    """Whether `carrier` may call this number, about `plan`; without a carrier: any that stands against one counts."""
    against = line.restriction(carrier, plan)
    if against is None:
        return Dial(callable=True)
    return Dial(callable=False, since=against.since, reason=against.kind)
