"""Forms of what ops do to many things at once: a cause's orders are cancelled, a lane or a gateway is stopped."""

from typing import Literal

from pydantic import Field

from consent_engine.api.schemas.forms import Reasoned, RetryStuck, Word
from consent_engine.domain.admission.strict_form import StrictForm


class CancelStuck(RetryStuck):
    """Which effects of the stuck list; the orders that they are of are cancelled, and why."""

    why: Reasoned = Field(examples=["the plan cannot be switched on any more"])


class RevealOrder(StrictForm):
    """Why the number of an order must be seen."""

    reason: Reasoned = Field(examples=["the regulator asks for this order"])


class StopOrGo(StrictForm):
    """A lane or a gateway, and why it is stopped or let go on."""

    to: Literal["lane", "gateway"]
    name: Word
    reason: Reasoned
