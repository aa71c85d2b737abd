"""Review: a person hears a recording and decides whether the sale was proper. A failed review gets a second look."""

import hashlib
from collections.abc import Sequence
from enum import StrEnum

from consent_engine.domain.call.hash_chain import AuthoredEvent
from consent_engine.errors import Forbidden, Refused

SECOND_LOOK_MS = 24 * 3_600_000
"""How long a failed review waits for the second look; without one it stands."""
BY_ENGINE = "engine"


class Verdict(StrEnum):
    """The verdict on a recorded call."""

    PENDING = "pending"
    """No reviewer has heard it."""
    PASSED = "passed"
    CONTESTED = "contested"
    """One reviewer failed it, and another is to look again: its open orders are frozen."""
    FAILED = "failed"


UNDECIDED = frozenset({Verdict.PENDING, Verdict.CONTESTED})
"""The verdicts of calls that a reviewer is still to hear."""


class Reviewed(AuthoredEvent, frozen=True, tag="reviewed"):
    """The first review. by: the reviewer's key · passed: 1 or 0 · reasons: for a failure · note: no phone number ·
    heard: how many seconds of the recording were played; None: not said · unplayed: 1 where it cannot be played
    """

    passed: int
    reasons: tuple[str, ...] = ()
    note: str = ""
    heard: int | None = None
    unplayed: int = 0


class SecondLook(AuthoredEvent, frozen=True, tag="second_look"):
    """Another reviewer's look at a failed review. upheld: 1 where the failure stands, 0 where the sale goes on · heard,
    unplayed: as of the first
    """

    upheld: int
    note: str = ""
    heard: int | None = None
    unplayed: int = 0


class CommandHeard(AuthoredEvent, frozen=True, tag="command_heard"):
    """The operator's command passed a call that a person reviews all the same: its verdict is no review.

    by: `command:NAME:VERSION` · seed: of the day's sample, which is that share of all calls; or `disputed`
    """

    passed: int
    reasons: tuple[str, ...] = ()
    seed: str = ""
    share: float = 0


class NotAwaited(AuthoredEvent, frozen=True, tag="not_awaited"):
    """An operator let the orders go on that waited for the call's first review. The call is reviewed all the same."""

    note: str = ""


class OwnCall(Forbidden, code="own_call"):
    """Reviewers may not review calls of their own."""


class SameReviewer(Forbidden, code="same_reviewer"):
    """The second look must be another reviewer's."""


class AlreadyReviewed(Refused, code="already_reviewed"):
    """The call was reviewed before."""


class NotContested(Refused, code="not_contested"):
    """No failed review of the call waits for a second look."""


class NotReviewable(Refused, code="not_reviewable"):
    """The call has no recording."""


class ReviewAwaited(Refused, code="review_awaited"):
    """CONSENT_REVIEW is `before`: no order may go on before a reviewer has heard its call."""


def first_review(events: Sequence[object]) -> Reviewed | None:
    """The first review among a call's events."""
    return next((each for each in events if isinstance(each, Reviewed)), None)


def verdict_of(events: Sequence[object]) -> Verdict:
    """The verdict on a call with these events, if it was recorded."""
    first = first_review(events)
    if first is None:
        return Verdict.PENDING
    if first.passed:
        return Verdict.PASSED
    again = next((each for each in events if isinstance(each, SecondLook)), None)
    if again is None:
        return Verdict.CONTESTED
    return Verdict.FAILED if again.upheld else Verdict.PASSED


def may_review(verdict: Verdict | None, *, own: bool) -> None:
    """Raise if a first review is forbidden: NotReviewable, OwnCall, AlreadyReviewed. own: it is the reviewer's call"""
    if verdict is None:
        raise NotReviewable("a call without a recording is not reviewed")
    if own:
        raise OwnCall("this is a call of your own: another reviewer hears it")
    if verdict is not Verdict.PENDING:
        raise AlreadyReviewed("this call was reviewed")


def may_look_again(events: Sequence[object], verdict: Verdict | None, by: str, *, own: bool) -> None:
    """Raise if a second look is forbidden: NotContested, OwnCall, SameReviewer. own: it is the reviewer's call"""
    first = first_review(events)
    if verdict is not Verdict.CONTESTED or first is None:
        raise NotContested("no failed review of this call waits for a second look")
    if own:
        raise OwnCall("this is a call of your own: another reviewer looks again")
    if by == first.by:
        raise SameReviewer("whoever failed it does not look again")


def lot(seed: str, call: str) -> bytes:
    """Return the lot of a call in a sample, which can be drawn again from its seed."""
    return hashlib.sha256(f"{seed}\n{call}".encode("utf-8", "surrogatepass")).digest()


def is_drawn(seed: str, call: str, share: float) -> bool:
    """Whether a call is drawn into a sample that is a share (0 to 1) of all calls.

    >>> sum(is_drawn("seed", f"call-{n}", 0.05) for n in range(10_000))
    501
    """
    return int.from_bytes(lot(seed, call)[:8]) < share * 2**64
