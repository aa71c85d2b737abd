"""A line's entries for the calls to its number, and the judgement of all of them together.

Calls come in any order: one that began earlier may come later, and so may an event of the number. Whatever comes
changes the judgement of the calls that are known as if it had been known first, in the commit that records it; a call
that turns out unlawful takes its open orders with it.
"""

from collections.abc import Callable, Mapping, Set
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.call.call import Call, JudgedAgain
from consent_engine.domain.call.violation import Violation, shown_by
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import WAKE_LINE, WAKE_UNLAWFUL, Lane, Millis
from consent_engine.domain.line.line import CALLS_KNOWN_MS, MOST_CALLS, STRANGER_MS, CallEntry, Line
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.order_and_call import gated
from consent_engine.engine.round_trips import Step, load
from consent_engine.ports import Change


class Judged(Struct, frozen=True):
    """The calls whose judgement a commit changes, the fields of their line that it writes, and the lanes it wakes."""

    changes: tuple[Change, ...] = ()
    fields: Mapping[str, str] = {}
    wakes: frozenset[Lane] = frozenset()


def telling(line: Line, entry: CallEntry, now: Millis, terms: Terms) -> Step[Judged]:
    """Name a call of the last days on its line, and judge the others anew. Of each day the line names the earliest, as
    many as may be allowed in a day.
    """
    if entry.at <= now - CALLS_KNOWN_MS:
        return Judged()
    after, days = line.with_call(entry), terms.reporting.days
    shown = partial(shown_by, most=terms.calls_a_day, days=days)
    judged = yield from judging_again(line, after, now, shown)
    beyond = {f"c:{each.call}": "" for each in after.calls_of_day(entry.at, days)[MOST_CALLS:]}
    return replace(judged, fields={**judged.fields, f"c:{entry.call}": entry.encode(), **beyond})


def judging_again(
    before: Line, after: Line, now: Millis, shown: Callable[[Line, CallEntry], Set[Violation]] = shown_by
) -> Step[Judged]:
    """Judge the calls that a line names on the line as it becomes. Those whose judgement changes say so, and their open
    orders are barred at once, then cancelled. A call that has left for the archive is not judged again.
    """
    turned = {each.call: (shown(after, each), shown(before, each)) for each in before.calls}
    turned = {call: both for call, both in turned.items() if both[0] != both[1]}
    if not turned:  # as nearly always
        return Judged()
    changes, fields = list[Change](), dict[str, str]()
    for call in (yield from load({Call: list(turned)})).of(Call).values():
        shows, showed = (tuple(each for each in Violation if each in some) for some in turned[call.id])
        taken_back = tuple(each for each in showed if each not in shows)
        judged, kept = call.with_events(JudgedAgain(now, f"judged:{len(call.events)}", shows, taken_back))
        if judged.violations != call.violations:
            gates, cancels = yield from gated(after, judged, now)
            fields |= gates
            changes.append(Change.of(judged, kept, (Put(WAKE_UNLAWFUL, now),) if cancels else ()))
    wakes = frozenset({Lane.TIMER}) if any(each.put for each in changes) else frozenset[Lane]()
    return Judged(tuple(changes), fields, wakes)


def named_on(line: Line, judged: Judged, now: Millis, msisdn: Msisdn) -> Change:
    """Return the line's change that names a call; a new line is deleted when it has no entries."""
    fields = {**dict.fromkeys(line.aged, ""), "msisdn": str(msisdn), "seen": str(max(line.seen, now)), **judged.fields}
    put = () if line.version else (Put(WAKE_LINE, now + STRANGER_MS),)
    return Change.of(line, fields, put)
