"""Views of dialling: whether a number may be dialled, and by which permit."""

from pydantic import Field

from consent_engine.api.schemas.views import View


class DialView(View):
    """Whether a number may be dialled."""

    callable: bool
    reason: str | None = Field(
        default=None,
        description="refused; suspected: a reply that may be a refusal waits for a person; marketing_free; "
        "cool_off: the plan was declined before; quiet_hours: nobody is called at this time of the day; "
        "too_often: as many calls as there may be were made today; "
        "number_changed: it has no holder, or left the carrier",
    )
    since: str | None = None


class PermitRow(View):
    """A permit, or the reason why there is none."""

    permit: str | None = Field(default=None, description="to be named by the call: POST /v1/calls")
    until: str | None = Field(default=None, description="when it ends; a call that has begun may go on")
    denied: str | None = Field(
        default=None,
        description="refused, suspected, marketing_free, cool_off, quiet_hours, too_often or number_changed, as of "
        "/v1/callable",
    )
    since: str | None = Field(default=None, description="since when; left out where that cannot be read any more")


class PermitsView(View):
    """The answers to a request for permits, in the order of its numbers."""

    id: str = Field(description="the request's, which is kept with who asked, what for and the counts")
    permits: list[PermitRow]
