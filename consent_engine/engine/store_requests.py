"""Requests of steps to the store and the archive (asks), and their results."""

from collections.abc import Generator
from typing import Any, TypeVar

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.reply_cadence import Beat
from consent_engine.errors import ConsentError
from consent_engine.ports import Commit, Owner, Posted

T = TypeVar("T")


class Load(Struct, frozen=True):
    """A request for records that can still change."""

    orders: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()


class LoadYeses(Struct, frozen=True):
    """A request for the newest yeses that one is to be compared with."""

    beat: Beat


class Save(Struct, frozen=True):
    """A request for a commit. prove: its success will be reported outside, so it must be durable."""

    commit: Commit
    prove: bool = False


class Prove(Struct, frozen=True):
    """A request to prove that earlier writes of an order, or of a call, are durable."""

    record: str
    owner: Owner = Owner.ORDER


class Reserve(Struct, frozen=True):
    """A request for the reservation of an Idempotency-Key."""

    key: str
    fingerprint: str
    order: str
    claimant: str
    seen: str = ""


class Release(Struct, frozen=True):
    """A request to give a reservation back."""

    key: str
    claimant: str


class Post(Struct, frozen=True):
    """A request to put a message into its line's inbox, proven durable."""

    posted: Posted


class Recall(Struct, frozen=True):
    """A request to the archive for the orders made under a key (`request_key`); None while it is unavailable."""

    key: str


class RecallCalls(Struct, frozen=True):
    """A request to the archive for the calls made under a request's key, or whose recording is reserved under it."""

    key: str


Page = tuple[list[Order], tuple[Millis, str] | None]
"""A page of a number's archived orders, and the position after which the next one begins; None: it was the last."""


class RecallLine(Struct, frozen=True):
    """A request to the archive for a page of a number's orders, newest first. whole: an unreadable one is an error ·
    before: the position after which the page begins
    """

    line: str
    most: int
    whole: bool = False
    before: tuple[Millis, str] | None = None


class RecallEndings(Struct, frozen=True):
    """A request to the archive for endings. whole: one that cannot be read is an error of this step"""

    endings: tuple[str, ...]
    whole: bool = False


class RecallReports(Struct, frozen=True):
    """A request to the archive for reports of calls."""

    reports: tuple[str, ...]


Ask = (
    RecallEndings
    | RecallReports
    | RecallLine
    | Load
    | LoadYeses
    | Save
    | Prove
    | Post
    | Reserve
    | Release
    | Recall
    | RecallCalls
)
Step = Generator[Ask, Any, T]


def answered(ask: Ask) -> Generator[Ask, Any, Any]:
    """Ask, and return the answer, or the error that came in its place: for a step around another one (`resumed`)."""
    try:
        return (yield ask)
    except ConsentError as error:
        return error


def resumed(step: Step[T], answer: object) -> Ask:
    """Let a step go on with the answer to what it asked, and return what it asks next; an error is raised where the
    step waits, as `yield from` would. Raises StopIteration at its end, and the errors that it lets pass.
    """
    return step.throw(answer) if isinstance(answer, ConsentError) else step.send(answer)
