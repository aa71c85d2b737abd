"""The port to pauses: which lanes and gateways a person stopped, and all that was stopped and let go on."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.ports.targets import Target

LANE = "lane"
"""What a Target is `to`, beside a gateway and the BSS: a lane."""


class Pause(Struct, frozen=True, array_like=True):
    """A lane or a gateway that a person stopped: since when, who, and why."""

    at: Millis
    by: str
    reason: str


class PauseEvent(Struct, frozen=True, array_like=True):
    """A lane or a gateway was stopped, or let go on. paused: which of the two"""

    at: Millis
    to: str
    name: str
    paused: bool
    by: str
    reason: str


class Pauses(Protocol):
    """What stands still. Writes are proven."""

    def standing(self) -> Mapping[Target, Pause]:
        """What stands still now."""

    def pause(self, target: Target, pause: Pause) -> bool:
        """Stop it; False where it stood still already: then it stays as it was."""

    def resume(self, target: Target, at: Millis, by: str, reason: str) -> bool:
        """Let it go on; False where it did."""

    def happened(self, most: int) -> list[PauseEvent]:
        """What was stopped and let go on, newest first."""
