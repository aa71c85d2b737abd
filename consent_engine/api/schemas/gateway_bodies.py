"""The bodies that the generic gateway posts to our webhooks, for the OpenAPI document."""

from typing import Literal

from pydantic import BaseModel, Field


class PartOf(BaseModel):
    """The place of a part in a longer SMS: the n-th of so many, under the reference that all parts share."""

    reference: str | int
    n: int = Field(ge=1, le=255)
    of: int = Field(ge=1, le=255)


class MobileOriginated(BaseModel):
    """A subscriber's SMS (MO), as the generic gateway posts it: one, or a list."""

    message_id: str | int
    from_: str | int = Field(alias="from")
    to: str | int
    text: str
    received_at: str | None = None
    part: PartOf | None = None


class DeliveryReceipt(BaseModel):
    """A report on one of our SMS (DLR), as the generic gateway posts it: one, or a list."""

    ref: str
    message_id: str | int | None = None
    status: Literal["accepted", "delivered", "failed"]
    segment: int = 1
    segments: int = 1
    error: str | int | None = None
    at: str | None = None
