"""What every detail is."""

from typing import ClassVar

from msgspec import Struct

from consent_engine.domain.lifecycle import Trigger


class Detail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is said of any event."""

    trigger: ClassVar[Trigger]
