"""The port to the operator's command that hears a call first."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from consent_engine.errors import ConsentError


class CommandFailed(ConsentError, code="command_failed"):
    """The command did not end in time, failed, or said what is no verdict."""


class Heard(Struct, frozen=True):
    """What the command says of a call, and which command: its name, and its version."""

    name: str
    version: str
    passed: bool
    reasons: tuple[str, ...] = ()
    note: str = ""

    @property
    def by(self) -> str:
        """Whose verdict it is, as the call keeps it. No key has such a name."""
        return f"command:{self.name}:{self.version}"


class ReviewCommand(Protocol):
    """Hears calls."""

    async def hear(self, told: Mapping[str, object]) -> Heard:
        """The verdict on a call that is told without its number; raises CommandFailed."""
