"""The form of everything that a request may say: no field that is not named, and nothing is changed afterwards."""

from pydantic import BaseModel, ConfigDict


class StrictForm(BaseModel):
    """The body or the query of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")
