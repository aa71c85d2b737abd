"""What steps ask of the store and the archive, and what they are given."""

from collections.abc import Generator, Mapping
from typing import Any, TypeVar

from msgspec import Struct

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.order import Order
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Commit, Owner, Posted

T = TypeVar("T")


class Load(Struct, frozen=True):
    """Asks for records that can still change."""

    orders: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()


class Save(Struct, frozen=True):
    """Asks for a commit. prove: its success will be reported outside, so it must be durable."""

    commit: Commit
    prove: bool = False


class Prove(Struct, frozen=True):
    """Asks that what was written of an order, or of a call, before is proven durable."""

    record: str
    owner: Owner = Owner.ORDER


class Reserve(Struct, frozen=True):
    """Asks for the reservation of an Idempotency-Key."""

    key: str
    fingerprint: str
    order: str
    claimant: str
    seen: str = ""


class Release(Struct, frozen=True):
    """Gives a reservation back."""

    key: str
    claimant: str


class Post(Struct, frozen=True):
    """Puts a message into its line's inbox, proven."""

    posted: Posted


class Recall(Struct, frozen=True):
    """Asks the archive for the orders that a request's key made (`request_key`); None where it cannot be asked."""

    key: str


class RecallCalls(Struct, frozen=True):
    """Asks the archive for the calls that a request's key made, or whose recording is reserved under it."""

    key: str


class RecallLine(Struct, frozen=True):
    """Asks the archive for the newest orders of a number."""

    line: str
    most: int


class LoadReports(Struct, frozen=True):
    """Asks for reports of calls."""

    reports: tuple[str, ...]


class RecallEndings(Struct, frozen=True):
    """Asks the archive for endings."""

    endings: tuple[str, ...]


class RecallReports(Struct, frozen=True):
    """Asks the archive for reports of calls."""

    reports: tuple[str, ...]


Ask = (
    RecallEndings
    | RecallReports
    | RecallLine
    | Load
    | Save
    | Prove
    | Post
    | Reserve
    | Release
    | Recall
    | RecallCalls
    | LoadReports
)
Step = Generator[Ask, Any, T]


class Loaded(Struct, frozen=True):
    """The instant of the store, and the records that exist."""

    now: Millis
    orders: Mapping[str, Order]
    lines: Mapping[str, Line]
    calls: Mapping[str, Call] = {}
    endings: Mapping[str, Ending] = {}

    def line(self, line_id: str) -> Line:
        """A line that was loaded; raises BrokenRecord when it cannot be read: who refused must not be guessed."""
        try:
            return self.lines[line_id]
        except KeyError:
            raise BrokenRecord("a line's record cannot be read") from None
