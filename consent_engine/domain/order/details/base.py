"""The base of all event details."""

from typing import ClassVar

from msgspec import Struct

from consent_engine.domain.lifecycle import Trigger


class Detail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The details of one event."""

    trigger: ClassVar[Trigger]
