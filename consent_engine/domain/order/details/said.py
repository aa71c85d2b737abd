"""Details of events that record a subscriber's words."""

from msgspec import convert, to_builtins

from consent_engine.domain.effects import Millis
from consent_engine.domain.grammar import Keyword, Reason
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.order.details.base import Detail
from consent_engine.domain.order.facts import Rule
from consent_engine.domain.order.unlikely_yes import Suspicion


class Words(Detail, frozen=True, kw_only=True):
    """A reply: its meaning, the edition of the words that read it, and the orders it might have meant."""

    keyword: Keyword
    rule: Rule
    candidates: tuple[str, ...]
    received_at: Millis
    gateway: str
    edition: int | None = None


class Reply(Words, frozen=True, kw_only=True):
    """A reply whose other details, if it has any, are kept after these.

    reason: why a person must read it · written_by: the latest instant it can have been written
    """

    reason: Reason | None = None
    written_by: Millis | None = None


class SaidYes(Reply, frozen=True, kw_only=True):
    """A yes. early: 1 where it came before the hand-over was recorded · seen: why no person can have written it, where
    policy accepts it all the same.
    """

    trigger = Trigger.SAID_YES
    early: int = 0
    seen: Suspicion | None = None


class RepliedSuspect(Reply, frozen=True, kw_only=True):
    """A yes that no person can have written. asked: 1 where it was answered with the request for YES with the code ·
    early: as in `SaidYes`.
    """

    trigger = Trigger.REPLIED_SUSPECT
    seen: Suspicion
    asked: int = 0
    early: int = 0


class SaidNo(Reply, frozen=True, kw_only=True):
    """A no. may_be_asked: 1 where the question may be with the subscriber though nothing says so."""

    trigger = Trigger.SAID_NO
    may_be_asked: int = 0


class OptedOut(Reply, frozen=True, kw_only=True):
    """A STOP. may_be_asked: as in `SaidNo`."""

    trigger = Trigger.OPTED_OUT
    may_be_asked: int = 0


class RepliedBefore(Words, frozen=True, kw_only=True):
    """A reply written before the question. clarified: 1 where it was answered with a clarification."""

    trigger = Trigger.REPLIED_BEFORE
    clarified: int | None = None
    reason: Reason | None = None
    written_by: Millis | None = None


class RepliedBarred(Reply, frozen=True, kw_only=True):
    """A yes that came under a restriction."""

    trigger = Trigger.REPLIED_BARRED


class Suspected(Reply, frozen=True, kw_only=True):
    """A reply that may be a refusal. seen: for a yes that is held, why no person can have written it."""

    trigger = Trigger.SUSPECTED
    seen: Suspicion | None = None


class AskedHelp(Reply, frozen=True, kw_only=True):
    """A request for help."""

    trigger = Trigger.ASKED_HELP


class Unclear(Words, frozen=True, kw_only=True):
    """A reply that was not understood. clarified: 1 where it was answered with a clarification · which: the keyword it
    gave, where the answer to "which one?" can make it count; None where it fits this order alone.
    """

    trigger = Trigger.UNCLEAR
    clarified: int
    which: str | None = None
    reason: Reason | None = None
    written_by: Millis | None = None


class RepliedEarly(Words, frozen=True, kw_only=True):
    """An early yes. last: when the attempt it can have answered began, or 0 · seen: why no person can have said it."""

    trigger = Trigger.REPLIED_EARLY
    last: Millis
    reason: Reason | None = None
    written_by: Millis | None = None
    seen: Suspicion | None = None

    def counts(self, *, trusted: bool) -> SaidYes | RepliedSuspect:
        """Return the yes it is once that attempt was handed over. trusted: also where no person can have written it."""
        fields = {name: getattr(self, name) for name in Reply.__struct_fields__}
        if self.seen is None or trusted:
            return SaidYes(**fields, early=1, seen=self.seen)
        return RepliedSuspect(**fields, early=1, seen=self.seen, asked=1)


class RepliedLate(Detail, frozen=True, kw_only=True):
    """A reply, or a request to cancel (with reason and door), that came too late.

    answered: 1 where the subscriber got an answer; None where no answer was in question
    """

    trigger = Trigger.REPLIED_LATE
    keyword: Keyword | None = None
    rule: Rule | None = None
    candidates: tuple[str, ...] | None = None
    received_at: Millis | None = None
    gateway: str | None = None
    edition: int | None = None
    answered: int | None = None
    reason: str | None = None
    written_by: Millis | None = None
    door: str = ""
    limited: int = 0

    def counts(self) -> SaidNo | OptedOut:
        """Return the no or the STOP as it counts once nothing stands against it."""
        fields = to_builtins(self)
        return convert(fields, OptedOut) if self.keyword is Keyword.STOP else convert(fields, SaidNo)
