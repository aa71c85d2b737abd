"""Offer: the part of the question that many orders share: the plan as it stood, the words, the policy.

Stored once, under its hash, and never changed; every order names the hash in the first link of its chain. So the text
is frozen when an order is placed, and costs nothing again for the next order.
"""

from datetime import timedelta
from enum import IntEnum
from functools import lru_cache

from msgspec import Struct

from consent_engine.domain.canonical_json import Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.domain.offer.plan import Tariff

DAY_MINUTES = 24 * 60
UNDELIVERED_MS = int(timedelta(hours=48).total_seconds() * 1000)
"""How long after its hand-over a question may stay undelivered where the gateway reports: then the window closes."""
LATE_MARGIN = int(timedelta(hours=48).total_seconds() * 1000)
"""How long after its window an order still counts as one that a reply may mean (design part 7, rule 3)."""

FASTEST = 500
"""Characters a second. Set higher, no person answers (a test, a load generator), and no cadence is looked for."""


class Suspects(IntEnum):
    """The treatment of a yes that no person can have written."""

    NOT_LOOKED_FOR = 0
    CODE = 1
    """The subscriber is asked once for YES with the order's code; a yes that had the code already is held."""
    HOLD = 2
    """A person decides first."""
    OFF = 3
    """The yes counts, and the history names the suspicion."""


class Policy(Struct, frozen=True, array_like=True):
    """All durations in milliseconds, flags 0 and 1. Kept in each offer as a row of its numbers; a new one comes last.

    reply_window: from hand-over of the question to the end of the wait · confirm_within: from placing to hand-over ·
    retry_base, retry_max: backoff, exponential with full jitter · max_attempts: bounds doubts and lost leases only ·
    uncertain_hold: how long a doubtful SMS waits for a report before it is sent once more ·
    tell_declined: answer a NO with an SMS · reminder_after: from hand-over to the reminder, 0 = none · resend_max: how
    often the question may be asked again on request · quiet_from, quiet_to: minutes of the UTC day between which SMS
    that can wait are held, -1 = none · cool_off: how long a plan is not offered again after a NO, 0 = for ever ·
    suspects: the treatment of a yes that no person can have written, see `Suspects` · reading_speed: the most
    characters that a person reads in a second, 0 = any number · reports: 1 where the gateway reports deliveries ·
    cadence: how many other numbers of one agent that answer in the same cadence make a yes suspect, 0 = never ·
    free_exit: how long after its activation a service may be left without the plan's early fee, 0 = never
    """

    reply_window: int = 24 * 3_600_000
    confirm_within: int = 2 * 3_600_000
    retry_base: int = 2_000
    retry_max: int = 600_000
    max_attempts: int = 5
    uncertain_hold: int = 600_000
    tell_declined: int = 1
    reminder_after: int = 0
    resend_max: int = 3
    quiet_from: int = -1
    quiet_to: int = -1
    cool_off: int = 0
    suspects: int = 0
    reading_speed: int = 0
    reports: int = 0
    cadence: int = 0
    free_exit: int = 0

    def reading_ms(self, characters: int) -> Millis:
        """The shortest time in which a text of so many characters can be read."""
        return characters * 1000 // self.reading_speed if self.reading_speed else 0

    def quiet_until(self, at: Millis) -> Millis:
        """The end of the quiet hours that `at` lies in; 0 outside them."""
        minute = at // 60_000 % DAY_MINUTES
        length = (self.quiet_to - self.quiet_from) % DAY_MINUTES
        if self.quiet_from < 0 or (minute - self.quiet_from) % DAY_MINUTES >= length:
            return 0
        return (at // 60_000 + (self.quiet_to - minute) % DAY_MINUTES) * 60_000

    def quiet_since(self, at: Millis) -> Millis:
        """The beginning of the quiet hours that `at` lies in; 0 outside them."""
        if not self.quiet_until(at):
            return 0
        minute = at // 60_000 % DAY_MINUTES
        return (at // 60_000 - (minute - self.quiet_from) % DAY_MINUTES) * 60_000

    def quiet_after(self, at: Millis) -> Millis:
        """The beginning of the next quiet hours after `at`; 0 where there are none."""
        if self.quiet_from in {-1, self.quiet_to}:
            return 0
        minutes = at // 60_000
        return (minutes + 1 + (self.quiet_from - minutes - 1) % DAY_MINUTES) * 60_000

    def backoff(self, attempt: int, roll: float, after: int = 0) -> int:
        """Milliseconds until the next try after `attempt` (from 1): full jitter by `roll` (0..1), at least `after`."""
        ceiling = min(self.retry_max, self.retry_base * 2 ** min(max(attempt, 1) - 1, 20))
        return max(after, int(ceiling * (0.1 + 0.9 * roll)))

    def remembered_until(self, settled_at: Millis) -> Millis:
        """Until when a reply may still mean an order that settled at `settled_at`."""
        return settled_at + self.reply_window + LATE_MARGIN


def usual_reminder(reply_window: timedelta) -> timedelta:
    """How long after the hand-over the reminder goes out, unless set otherwise: half the window, 12 h at most."""
    return min(timedelta(hours=12), reply_window / 2)


class Offer(Struct, frozen=True):
    """One offer.

    language, words: the language and the edition of our texts · text: the question as it is asked where no code is
    needed, with its segments · hash: its name
    """

    carrier: str
    plan: str
    plan_version: int
    plan_hash: str
    plan_name: str
    sender: str
    language: str
    words: int
    text: str
    segments: int
    policy: Policy
    tariff: Tariff
    hash: str = ""

    def encode(self) -> str:
        """The offer as stored, and as hashed."""
        plan = self.plan, self.plan_version, self.plan_hash, self.plan_name
        question = self.sender, self.language, self.words, self.text, self.segments
        return _ROWS.encode(_Kept(self.carrier, plan, question, self.policy, self.tariff))

    @staticmethod
    @lru_cache(4096)
    def decode(kept: str) -> "Offer":
        """Read an offer from the text that `encode` wrote. Raises ValueError."""
        row = _ROWS.decode(kept)
        sender, language, words, text, segments = row.question
        return Offer(
            row.carrier, *row.plan, sender, language, words, text, segments, row.policy, row.tariff, digest(kept)
        )  # fmt: skip


class _Kept(Struct, frozen=True, array_like=True):
    carrier: str
    plan: tuple[str, int, str, str]
    question: tuple[str, str, int, str, int]
    policy: Policy
    tariff: Tariff


_ROWS = Rows(_Kept, least=5)
