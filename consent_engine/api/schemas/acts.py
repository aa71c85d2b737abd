"""Forms of staff's acts: cancelling a cause's stuck orders, asking again, revealing a number, stopping a lane."""

from typing import Literal

from pydantic import Field

from consent_engine.api.schemas.forms import MOST_REASON, Reasoned, RetryStuck, Word
from consent_engine.domain.admission.fields import StrictForm
from consent_engine.engine.undeliverable import MOST_ASKED


class CancelStuck(RetryStuck):
    """Which effects of the stuck list have their orders cancelled, and why."""

    why: Reasoned = Field(examples=["the plan cannot be switched on any more"])


class AskAgain(StrictForm):
    """Which subscribers of undeliverable orders are asked again; a filter that is left out matches all."""

    reason: str | None = Field(None, max_length=MOST_REASON, description="the reason, as in the list of causes")
    plan: str | None = Field(None, max_length=64)
    cursor: str = Field("", max_length=200, description="the cursor of the answer before, unchanged; empty: the newest")
    limit: int = Field(MOST_ASKED, ge=1, le=MOST_ASKED, strict=True, description="at most this many orders")


class RevealOrder(StrictForm):
    """The reason why the number of an order must be seen."""

    reason: Reasoned = Field(examples=["the regulator asks for this order"])


class StopOrGo(StrictForm):
    """A lane or a gateway, and the reason why it is stopped or resumed."""

    to: Literal["lane", "gateway"]
    name: Word
    reason: Reasoned
