"""A number as the BSS knows it at this moment: the carrier it is a customer of, and since when its holder has it."""

from msgspec import Struct

from consent_engine.domain.effects import Millis


class Subscriber(Struct, frozen=True):
    """network: the carrier whose customer the number is, '' where the BSS does not say · holder_since: since when its
    holder has it, 0 where the BSS does not say · adult: whether its holder is of age, None where the BSS does not say.
    """

    network: str = ""
    holder_since: Millis = 0
    adult: bool | None = None

    def is_elsewhere(self, carrier: str) -> bool:
        """Whether the number is known to be another network's customer."""
        return self.network not in {"", carrier}

    def came_after(self, call_began: Millis) -> bool:
        """Whether the holder got the number only after that call began."""
        return self.holder_since > call_began
