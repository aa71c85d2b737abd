"""The port to the operator's command that gives a call its first review."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from consent_engine.errors import ConsentError


class CommandFailed(ConsentError, code="command_failed"):
    """The command did not end in time, failed, or answered something other than a verdict."""


class Heard(Struct, frozen=True):
    """The command's verdict on a call, with the name and version of the command."""

    name: str
    version: str
    passed: bool
    reasons: tuple[str, ...] = ()
    note: str = ""

    @property
    def by(self) -> str:
        """The reviewer's name that the call keeps with the verdict. No API key has such a name."""
        return f"command:{self.name}:{self.version}"


class ReviewCommand(Protocol):
    """The operator's command that reviews calls."""

    async def hear(self, description: Mapping[str, object]) -> Heard:
        """Return the verdict on a call, whose description leaves its number out. Raises CommandFailed."""
