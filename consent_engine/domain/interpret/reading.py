"""A reading: the facts, SMS and fields that one message of a line's inbox asks for."""

from collections.abc import Mapping

from msgspec import Struct, field

from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.order.facts import Fact

TOO_MANY = "too_many"


class Reading(Struct, frozen=True):
    """The result of reading a message: facts about orders, SMS of the line's own, or nothing (`unmatched` says why)."""

    facts: tuple[tuple[str, Fact], ...] = ()
    put: tuple[Put, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[tuple[str, Drop], ...] = ()
    unmatched: str = ""
