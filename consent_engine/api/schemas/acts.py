"""Forms of what ops do to many things at once: a cause's orders are cancelled, a lane or a gateway is stopped."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from consent_engine.api.schemas.forms import Reasoned, RetryStuck, Word


class CancelStuck(RetryStuck):
    """Which effects of the stuck list; the orders that they are of are cancelled, and why."""

    why: Reasoned = Field(examples=["the plan cannot be switched on any more"])


class RevealOrder(BaseModel):
    """Why the number of an order must be seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reasoned = Field(examples=["the regulator asks for this order"])


class StopOrGo(BaseModel):
    """A lane or a gateway, and why it is stopped or let go on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: Literal["lane", "gateway"]
    name: Word
    reason: Reasoned
