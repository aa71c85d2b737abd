"""Forms of staff's acts: cancelling a cause's stuck orders, revealing a number, stopping a lane or a gateway."""

from typing import Literal

from pydantic import Field

from consent_engine.api.schemas.forms import Reasoned, RetryStuck, Word
from consent_engine.domain.admission.strict_form import StrictForm


class CancelStuck(RetryStuck):
    """Which effects of the stuck list have their orders cancelled, and why."""

    why: Reasoned = Field(examples=["the plan cannot be switched on any more"])


class RevealOrder(StrictForm):
    """The reason why the number of an order must be seen."""

    reason: Reasoned = Field(examples=["the regulator asks for this order"])


class StopOrGo(StrictForm):
    """A lane or a gateway, and the reason why it is stopped or resumed."""

    to: Literal["lane", "gateway"]
    name: Word
    reason: Reasoned
