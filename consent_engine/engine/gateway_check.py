"""The gateway check: whether a long text of four parts arrives whole at an operator's handset, sent as any other SMS.

It is an SMS of the number's own: an effect of its line, done by the workers, reported at the webhook and counted on the
line when its inbox is read. So no number is logged, and what holds for this SMS holds for a question.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct

from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import FRESH, WAKE_LINE, Pending, Purpose, sms_effect
from consent_engine.domain.inbox import Attempt, SmsReports
from consent_engine.domain.line.line import STRANGER_MS, Line
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.change_order import wakes_of
from consent_engine.engine.listing import part_reports
from consent_engine.engine.round_trips import Step, load, save, saving, transact
from consent_engine.errors import DoNotCall
from consent_engine.ports import Change, Commit, Owner, Records


class Check(Struct, frozen=True):
    """A check under way: its line, and the effect that sends its SMS."""

    line: str
    effect: str

    @property
    def field(self) -> str:
        """The line's field in which its delivery reports are counted."""
        return f"d:{self.line}.{self.effect.removeprefix('sms.')}"


class CheckProgress(Struct, frozen=True):
    """The state of a check. pending: the effect until it is handed over · attempts: the reports on its parts"""

    pending: Pending | None
    attempts: tuple[Attempt, ...]

    @property
    def whole(self) -> bool:
        """Whether all of it has arrived. Until the gateway has answered, an arrived part may be one of several."""
        asked = self.pending is not None and self.pending.leased_at > 0
        return not asked and any(len(each.here) >= each.of for each in self.attempts)

    @property
    def over(self) -> bool:
        """Whether there is nothing to wait for: it arrived, a part was lost, or it is refused or in doubt for good."""
        parked = self.pending is not None and bool(self.pending.parked)
        return self.whole or parked or any(each.lost for each in self.attempts)


@transact
def checking(line_id: str, msisdn: Msisdn, carrier: str) -> Step[Check]:
    """Request the SMS. Raises DoNotCall for a number that refused, StoreUnavailable after too many lost races."""
    loaded = yield from load({Line: [line_id]})
    line = loaded.line(line_id)
    if restriction := line.restriction(carrier):
        message = "this number refused: check with a handset of your own"
        raise DoNotCall(message, since=restriction.since, reason=restriction.kind.value)
    check = Check(line_id, sms_effect(Purpose.PROVE, line.version))
    put: tuple[Put, ...] = (Put(check.effect, loaded.now, Pending(about=(carrier,))),)
    wakes = wakes_of(put, loaded.now)
    if not line.version:
        put = (*put, Put(WAKE_LINE, loaded.now + STRANGER_MS, FRESH))
    fields = {
        "msisdn": msisdn,
        "seen": str(max(line.seen, loaded.now)),
        check.field: SmsReports(loaded.now).encode(),
    }
    change = Change.of(line, fields, put)
    yield from saving(Commit("", (change,), wakes=wakes), prove=True)
    return check


def forgetting(check: Check) -> Step[None]:
    """Remove the check: an SMS that was not handed over is not sent any more."""
    change = Change(Owner.LINE, check.line, fields={check.field: ""}, drop=((check.effect, Drop.ANYWAY),))
    yield from save(Commit("", (change,)))


def standing(records: Records, check: Check) -> CheckProgress:
    """Return the present state of a check."""
    line = records.look({Line: [check.line]}).of(Line).get(check.line, Line(check.line, 0, "", (), (), {}))
    sms = check.effect.removeprefix("sms.")
    attempts = tuple(attempt for name, attempt in part_reports(records, check.line, check.line) if name == sms)
    return CheckProgress(line.effects.get(check.effect), attempts)


def watched(look: Callable[[], CheckProgress], pause: Callable[[], bool]) -> Iterator[CheckProgress]:
    """Yield the state of a check whenever it changes, until it is over. pause: waits; False once no caller waits."""
    last = None
    while True:
        now = look()
        if now != last:
            yield now
        last = now
        if now.over or not pause():
            return
