"""Query parameters of lists, read as strictly as a body. Errors name the parameter and never repeat its value."""

from datetime import MAXYEAR, MINYEAR, date, timedelta
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError
from starlette.requests import Request

from consent_engine.api.schemas.forms import MOST_LISTED, MOST_REASON, Instant, read
from consent_engine.domain.call.report import ReportClass, ReportDoor, ReportState, Reward
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.carriers import Carrier
from consent_engine.domain.effects import Lane
from consent_engine.domain.forms import StrictForm
from consent_engine.domain.lifecycle import State
from consent_engine.errors import FieldError, Malformed
from consent_engine.ports.queries import ANY

Form = TypeVar("Form", bound=BaseModel)
MOST_DAYS = 92


def _plus(value: object) -> object:
    """Restore a plus sign: one that was not encoded arrives as a blank in a query."""
    return value.replace(" ", "+") if isinstance(value, str) else value


def _in_calendar(day: str) -> str:
    try:
        if MINYEAR < date.fromisoformat(day).year < MAXYEAR:  # there is a day before it and one after it, in any zone
            return day
    except ValueError:
        pass
    raise PydanticCustomError("invalid_day", "must be a day, as in 2025-08-01")


Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$"), AfterValidator(_in_calendar)]
_Word = Annotated[str, Field(min_length=1, max_length=64)]


_Verdict = Literal["pending", "passed", "contested", "failed"]


class Waits(StrictForm):
    """Whether a list or a sum is asked for at once, or once it has the newest."""

    wait: bool = Field(
        default=False,
        description="true: wait, 2 s at most, until all that was answered before this request is in it; see `as_of`",
    )


class AskProof(StrictForm):
    """An entry of the public log."""

    leaf: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$", description="what is published of it: 32 bytes in base64url")


class Paged(Waits):
    """Parameters that choose a page of a list."""

    cursor: str = Field("", max_length=200, description="the cursor of the page before, unchanged; empty: the newest")
    limit: int = Field(50, ge=1, le=MOST_LISTED, description="at most this many rows")


class ListOrders(Paged):
    """Parameters that choose orders."""

    state: State | None = Field(None, description="only orders in this state")
    agent: _Word | None = Field(None, description="only those of this agent")
    plan: _Word | None = Field(None, description="only those for this plan")
    since: Annotated[Instant, BeforeValidator(_plus)] | None = Field(
        None, description="only orders placed at this instant or later", examples=["2025-08-01T00:00:00+08:00"]
    )
    void_yes: bool | None = Field(
        None, description="true: only orders with a yes that led to nothing; false: only the others"
    )


class ListCalls(Paged):
    """Parameters that choose calls."""

    agent: _Word | None = Field(None, description="only those of this agent")
    day: Day | None = Field(None, description="only calls that began on this day, in China", examples=["2025-08-01"])
    carrier: Carrier | None = Field(None, description="only those of this carrier")
    violation: Annotated[str, Field(pattern=f"^({'|'.join([*Violation, ANY])})$")] | None = Field(
        None, description="only calls with this violation; true: with any"
    )
    verdict: _Verdict | None = Field(None, description="only recorded calls with this verdict")


class ListReviews(Paged):
    """Parameters that choose calls by their review."""

    verdict: _Verdict = Field(
        "pending", description="pending: not reviewed yet; contested: failed, and waiting for a second look"
    )


class OverDays(Waits):
    """The days that are counted, both included."""

    from_: Day = Field(alias="from", description="the first day, in China", examples=["2025-08-01"])
    to: Day = Field(description="the last day", examples=["2025-08-31"])

    def days(self) -> list[str]:
        """Return the days from the first to the last. Raises Malformed for none, and for more than MOST_DAYS."""
        begins = date.fromisoformat(self.from_)
        count = (date.fromisoformat(self.to) - begins).days + 1
        if not 0 < count <= MOST_DAYS:
            raise Malformed([FieldError("to", "invalid_day", f"must be 1 to {MOST_DAYS} days from the first")])
        return [str(begins + timedelta(days=n)) for n in range(count)]


class Coverage(OverDays):
    """The days whose reviews are counted, and the grouping."""

    by: Literal["day", "agent", "carrier"] = Field("day", description="how to group the counts")


class ListReports(Paged):
    """Parameters that choose reports."""

    state: ReportState | None = Field(None, description="open: not decided yet")
    channel: ReportDoor | None = Field(None, description="only reports that came by this channel")
    class_: ReportClass | None = Field(None, alias="class", description="only those of this class, decided or proposed")
    carrier: Carrier | None = Field(None, description="only those about this carrier")
    overdue: Literal["true"] | None = Field(None, description="true: only reports past their deadline")
    reward: Reward | None = Field(None, description="only reports whose reward is in this state")


class AskPressure(OverDays):
    """The days whose sales under pressure are counted, and the grouping."""

    by: Literal["agent", "plan"] = Field("agent", description="how to group the counts")


class ListRefusals(Paged):
    """Parameters that choose refusals."""

    state: Literal["held"] | None = Field(
        None, description="held: replies that may be a refusal, for a person to decide; left out: the refusals"
    )


class ListStuck(StrictForm):
    """Parameters that choose effects of the stuck list."""

    lane: Lane | None = Field(None, description="only those of this lane")
    reason: str | None = Field(None, max_length=MOST_REASON, description="only effects stuck for this reason")
    plan: _Word | None = Field(None, description="only those of orders for this plan")


class ListUndeliverable(Waits):
    """Parameters that choose undeliverable orders."""

    reason: str | None = Field(None, max_length=MOST_REASON, description="only orders that failed for this reason")
    plan: _Word | None = Field(None, description="only orders for this plan")
    cursor: str = Field("", max_length=200, description="the cursor of the answer before, unchanged; empty: the newest")


class WhichVersion(StrictForm):
    """The version of a plan to show."""

    version: int | None = Field(None, ge=1, le=1_000_000, description="left out: the current one")


def read_query(form: type[Form], request: Request) -> Form:
    """Read the form from the query. Raises Malformed, which names wrong parameters, or `query` for an unknown one."""
    asked = request.query_params
    twice = {name for name in asked if len(asked.getlist(name)) > 1}
    if twice:
        known = sorted({name if name in form.model_fields else "query" for name in twice})
        raise Malformed([FieldError(name, "duplicate_parameter", "must be given once") for name in known])
    return read(form, dict(asked), whole="query")
