"""The base of the forms of requests: fields that it does not name are refused, and nothing is changed afterwards."""

from pydantic import BaseModel, ConfigDict


class StrictForm(BaseModel):
    """The body or the query of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")
