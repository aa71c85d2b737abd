"""The port to pauses: the lanes and gateways that a person stopped, and the history of pauses."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.ports.endpoints import Endpoint

LANE = "lane"
"""The `to` of an Endpoint that is a lane; the others are a gateway and the BSS."""


class Pause(Struct, frozen=True, array_like=True):
    """A pause of a lane or a gateway: its beginning, the person, and the reason."""

    at: Millis
    by: str
    reason: str


class PauseEvent(Struct, frozen=True, array_like=True):
    """One entry in the history of pauses. paused: whether the target was stopped; else it was resumed"""

    at: Millis
    to: str
    name: str
    paused: bool
    by: str
    reason: str


class Pauses(Protocol):
    """The pauses of an installation. Writes are proven durable."""

    def standing(self) -> Mapping[Endpoint, Pause]:
        """Return the pauses in force, by target."""

    def pause(self, target: Endpoint, pause: Pause) -> bool:
        """Stop a target; False where it was stopped already: then that pause stays as it was."""

    def resume(self, target: Endpoint, at: Millis, by: str, reason: str) -> bool:
        """Resume a target; False where it was not stopped."""

    def happened(self, most: int) -> list[PauseEvent]:
        """Return the history of pauses, newest first."""
