"""A yes that no person can have written: the rules, and the cadence of the yeses of one agent."""

import re
from enum import StrEnum
from itertools import pairwise

from msgspec import Struct

from consent_engine.domain.effects import Millis


class Unlikely(StrEnum):
    """The reason why no person can have written a yes."""

    CALL_UP = "call_up"
    """The call in which the service was sold was not over yet."""
    TOO_FAST = "too_fast"
    """The yes came sooner than the text can be read."""
    NOT_DELIVERED = "not_delivered"
    """No report says yet that the question is on the handset, though its gateway reports."""
    CADENCE = "cadence"
    """Other numbers that the same agent sold to took just as long to answer."""
    LOCKSTEP = "lockstep"
    """The yeses of this and of other numbers that the same agent sold to came at equal intervals."""


class Suspicion(Struct, frozen=True, omit_defaults=True):
    """measured: ms from when the text was there, as far as known, to the yes · least: ms that a person needs at least,
    0 where the rule measures nothing · edition: of the rules · others: numbers that answered in the same cadence.
    """

    rule: Unlikely
    measured: int
    least: int = 0
    edition: int = 1
    others: int = 0


DEPTH, DEPTH_LOOSELY = 16, 32
"""How many of an agent's newest yeses are compared, and so many are kept; and where no delivery is known."""
NEAR: Millis = 250
"""Within which two answers took as long, or two intervals are equal."""
STEP: Millis = 1_000
"""Such an interval at least: a gateway may hand over many replies at once."""
LOOSELY: Millis = 3_000
"""Within which two answers took about as long, where the time that is measured includes the transmission."""
ABOUT: tuple[Millis, Millis] = (4_000, 10_000)
"""From and to which one took a little more or less: people's times thin out gently, a machine's end abruptly."""
TIMES, OTHERS_LOOSELY = 4, 2
"""Those that took about as long must be so many times as many as those a little off, and so many times the policy's
number."""
_KEPT = re.compile(r"(\d+),(\d+),(\w+);", re.ASCII)


class Beat(Struct, frozen=True):
    """A yes to be compared with the newest yeses of its agent, and kept among them by the commit that writes it.

    line: the subscriber's, by a part of which a number counts once · agent: of the call · delay: ms from when the text
    was there to the yes · at: when the yes came · proves: it answers the SMS that asks for the code · delivered:
    `delay` begins with the text on the handset, not with its hand-over. Such yeses are compared with their like alone ·
    most: so many others in the same cadence make it suspect, 0: it is only kept
    """

    line: str
    agent: str
    delay: Millis
    at: Millis
    proves: bool
    delivered: bool
    most: int

    @property
    def among(self) -> str:
        """The name of the yeses of a day that it is compared with."""
        return f"{'p' if self.proves else 'q'}{'' if self.delivered else '~'}|{self.agent}"

    @property
    def number(self) -> str:
        return self.line[-12:]


class Laid(Struct, frozen=True):
    """A yes laid beside others. read: the newest of these as they were compared with · kept: as they are with it"""

    beat: Beat
    read: str
    kept: str


class ReplyCadence(Struct, frozen=True):
    """The finding about a yes: cadence or lockstep, and with how many other numbers."""

    rule: Unlikely
    others: int


class Newest(Struct):
    """The newest yeses of an agent, for the steps that read them at one time: each leaves them as its commit will. So
    many yeses in one batch see each other; their commits follow in the same order, and none makes the next one stale.
    """

    kept: str

    def with_also(self, beat: Beat) -> Laid:
        """Put a yes behind those that it was compared with; the oldest leave."""
        before, others = self.kept, [f"{delay},{at},{number};" for delay, at, number in _others(beat, self.kept)]
        depth = DEPTH if beat.delivered else DEPTH_LOOSELY
        self.kept = "".join((*others[-depth + 1 :], f"{beat.delay},{beat.at},{beat.number};"))
        return Laid(beat, before, self.kept)


def cadence_of(beat: Beat, newest: str) -> ReplyCadence | None:
    """Return the cadence that a yes has in common with other numbers: they took as long, or, where only the hand-over
    is known, about as long while few took a little more or less; or the last of them came at equal intervals.
    """
    if not beat.most:
        return None
    others = [(int(delay), int(at)) for delay, at, _ in _others(beat, newest)]
    apart = [abs(delay - beat.delay) for delay, _ in others[-DEPTH_LOOSELY + 1 :]]
    alike = sum(each <= NEAR for each in apart[-DEPTH + 1 :])
    if alike >= beat.most:
        return ReplyCadence(Unlikely.CADENCE, alike)
    if not beat.delivered:
        alike, (least, most) = sum(each <= LOOSELY for each in apart), ABOUT
        if alike >= OTHERS_LOOSELY * beat.most and alike >= TIMES * sum(least <= each <= most for each in apart):
            return ReplyCadence(Unlikely.CADENCE, alike)
    steps = [after - before for before, after in pairwise(sorted([beat.at, *(at for _, at in others)]))][-beat.most :]
    if len(steps) == beat.most and steps[-1] >= STEP and all(abs(each - steps[-1]) <= NEAR for each in steps):
        return ReplyCadence(Unlikely.LOCKSTEP, beat.most)
    return None


def _others(beat: Beat, newest: str) -> list[tuple[str, str, str]]:
    return [each for each in _KEPT.findall(newest) if each[2] != beat.number]
