"""Views of lanes and gateways that a person stopped."""

from collections.abc import Sequence

from pydantic import Field

from consent_engine.api.schemas.views import At, Hidden, View, instant
from consent_engine.engine.pausing import PauseInForce
from consent_engine.ports.pauses import PauseEvent


class PauseRow(View):
    """A lane or a gateway that is stopped."""

    to: str = Field(description="lane or gateway")
    name: str
    since: str
    by: str
    reason: Hidden
    drained: str = Field(description="when everything begun before the stop has ended")

    @classmethod
    def of(cls, each: PauseInForce) -> "PauseRow":
        to, name = each.target
        return cls(
            to=to, name=name, since=instant(each.pause.at), by=each.pause.by, reason=each.pause.reason,
            drained=instant(each.drained),
        )  # fmt: skip


class PauseEventRow(View):
    """The stop or the resumption of a lane or a gateway."""

    at: At
    to: str
    name: str
    paused: bool = Field(description="false: it was resumed")
    by: str
    reason: Hidden


class PauseList(View):
    """Stopped lanes and gateways, the oldest first, and the latest stops and resumptions, newest first."""

    paused: list[PauseRow]
    events: list[PauseEventRow]

    @classmethod
    def of(cls, standing: Sequence[PauseInForce], happened: Sequence[PauseEvent]) -> "PauseList":
        return cls(paused=[PauseRow.of(each) for each in standing], events=[PauseEventRow.shown(e) for e in happened])
