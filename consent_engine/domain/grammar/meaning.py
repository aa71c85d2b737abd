"""The meanings that a reply can have, and the result of reading one."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace


class Keyword(StrEnum):
    """The meaning of a reply, as `consent read` prints it. Only YES is consent; UNKNOWN is no meaning."""

    WITHDRAW = "WITHDRAW"
    """End the service that was activated; where no activation fits, it counts as STOP."""
    STOP = "STOP"
    """Never call again."""
    YES = "YES"
    NO = "NO"
    """Declines the order."""
    HELP = "HELP"
    HOLD = "HOLD"
    """A refusal in other words: a person reads it; meanwhile it bars calls and orders."""
    UNKNOWN = "UNKNOWN"


class Reason(StrEnum):
    """The reason why a reply is held."""

    REFUSING = "refusing"
    DISPUTED = "disputed"
    """The call or the order is denied, or called a fraud."""
    WRONG_PERSON = "wrong_person"
    DOUBTFUL = "doubtful"
    """A short answer that negates, or orders an end, in words that no list has. It bars only orders whose question is
    open, and is UNKNOWN where none is."""
    NO_PERSON = "no_person"
    """A yes that no person can have written. No words express this: it is never read in a text."""


RESTRICTING = frozenset({Keyword.STOP, Keyword.HOLD})
"""The meanings that a person need not address to an order."""


class Read(Struct, frozen=True):
    """The result of reading one reply.

    code: the order's three digits, '' where there is none · reason: of a HOLD · marketing_free: a STOP that also
    registers the number as marketing-free · edition: of the words that read it; kept with the reply
    """

    keyword: Keyword
    code: str
    reason: Reason | None
    marketing_free: bool
    edition: int

    @property
    def is_doubtful(self) -> bool:
        """Whether it concerns single orders, and restricts the number in nothing."""
        return self.reason is Reason.DOUBTFUL

    @property
    def restricts(self) -> bool:
        """Whether it restricts the number, from the door on."""
        return counted(self.keyword) in RESTRICTING and not self.is_doubtful


def doubt_of(said: Read) -> Read:
    """Return a no of which it is not sure what it refuses: a person reads it, and its orders wait meanwhile."""
    return replace(said, keyword=Keyword.HOLD, code="", reason=Reason.DOUBTFUL)


def of_a_fragment(said: Read) -> Read:
    """Return the meaning of a fragment, or of data that is no text: a refusal, one in doubt where it is a no, or a call
    for help; never a code.
    """
    if said.keyword is Keyword.NO:
        return doubt_of(said)
    if counted(said.keyword) not in RESTRICTING | {Keyword.HELP}:
        return replace(said, keyword=Keyword.UNKNOWN, code="")
    return replace(said, keyword=counted(said.keyword), code="")


def counted(keyword: Keyword) -> Keyword:
    """Return the meaning that the engine acts on: a WITHDRAW is also a STOP, since a subscriber who ends a service is
    not called again. The order that it ends, where it fits one, is found by the reader of the inbox.
    """
    return Keyword.STOP if keyword is Keyword.WITHDRAW else keyword
