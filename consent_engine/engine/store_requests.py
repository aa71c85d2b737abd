"""Requests of steps to the store and the archive (asks), and their results."""

from collections.abc import Generator
from typing import Any, TypeVar

from msgspec import Struct

from consent_engine.domain.order.unlikely_yes import Beat
from consent_engine.errors import ConsentError
from consent_engine.ports import By, Commit, Owner, Posted

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
    """A request to SQL for the records of a kind under these names, as `Archive.recall` has them; None while it cannot
    be asked.
    """

    kind: type
    names: tuple[str, ...]
    by: By = By.ID


Ask = Load | LoadYeses | Save | Prove | Post | Reserve | Release | Recall
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
