"""The list of all operations."""

from tests.crashes import (
    at_the_door,
    calls,
    endings,
    holder,
    in_the_lanes,
    reports,
    reviews,
    sealing,
    suspected_refusals,
)
from tests.crashes.operation import Operation


def every() -> list[Operation]:
    """All of them, in the order in which they are written in the modules."""
    modules = (at_the_door, in_the_lanes, suspected_refusals, calls, holder, sealing, endings, reports, reviews)
    kinds = [kind for module in modules for kind in vars(module).values()]
    return [kind() for kind in kinds if isinstance(kind, type) and issubclass(kind, Operation) and kind.name]


WITH_SERVER = ("place", "receive: a STOP", "inbound: yes", "inbound: yes, carried on", "activation", "cancel")
"""Operations in which the server, too, is killed in a usual run; `make search` does it in all of them."""
