"""Views of dialling: whether a number may be dialled, and by which permit."""

from pydantic import Field

from consent_engine.api.schemas.views import View


class DialView(View):
    """Whether a number may be dialled."""

    callable: bool
    reason: str | None = Field(
        default=None,
        description="refused; suspected: a reply may be a refusal, and a person has not decided yet; marketing_free; "
        "cool_off: the subscriber declined the plan before; quiet_hours: no calls at this time of day; "
        "too_often: the number was called as often as allowed today; "
        "number_changed: the number has no holder, or left the carrier; minor: its holder is one, as the BSS said",
    )
    since: str | None = None


class PermitRow(View):
    """A permit, or the reason why there is none."""

    permit: str | None = Field(default=None, description="send it with the call as `permit`: POST /v1/calls")
    until: str | None = Field(default=None, description="when the permit ends; a call that began before may continue")
    denied: str | None = Field(
        default=None,
        description="why there is no permit: refused, suspected, marketing_free, cool_off, quiet_hours, too_often, "
        "number_changed or minor, as in the answer of /v1/callable",
    )
    since: str | None = Field(
        default=None, description="since when the reason applies; left out if the record cannot be read"
    )


class PermitsView(View):
    """The answers to a request for permits, in the order of its numbers."""

    id: str = Field(description="id of the request, which is kept with its caller, carrier, plan and counts")
    permits: list[PermitRow]
