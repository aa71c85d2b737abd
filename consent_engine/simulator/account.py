"""The report of a run as text: how far the orders came, and the misbehaviour of gateway and BSS with its results."""

from collections import Counter
from collections.abc import Iterator, Sequence

from consent_engine.domain.effects import Purpose
from consent_engine.domain.lifecycle import State
from consent_engine.simulator.case import Case, OrderRun
from consent_engine.simulator.ledger import Ledger, order_of
from consent_engine.simulator.phone import pad, width

BAR, LEAST_BAR = 40, 5
BLOCKS, ASCII = ("█", "░"), ("#", ".")
STAGES = ("通话同意 call agreed", "确认短信 confirmation SMS sent", "用户回复 user reply", "业务开通 service activated",
          "通知短信 notification SMS sent")  # fmt: skip
ENDS: dict[State, str] = {state: " ".join(state.said) for state in State if state.settled}


def progress(
    cases: Sequence[Case], ledger: Ledger, seconds: float, columns: int = 80, signs: tuple[str, str] = BLOCKS
) -> str:
    """Show the run in one line narrower than `columns`: a bar and counts. signs: for done and open orders."""
    runs = [order for case in cases for order in case.orders]
    settled = sum(order.settled.is_set() for order in runs)
    waiting = sum(order.placed.is_set() for order in runs) - settled
    summary = f"已结 settled {settled}/{len(runs)}  等待 waiting {waiting}  SMS {len(ledger.sms)}  {seconds:.0f} s"
    room = min(BAR, columns - 1 - width(summary) - len("  "))
    if room < LEAST_BAR:
        return summary if width(summary) < columns else f"{settled}/{len(runs)}"
    full = room * settled // max(len(runs), 1)
    return f"{signs[0] * full}{signs[1] * (room - full)}  {summary}"


def funnel(cases: Sequence[Case], ledger: Ledger) -> Iterator[str]:
    """Yield how many orders reached each stage, then how many ended in each state."""
    runs = [order for case in cases for order in case.orders if order.id]
    counts = _stages(cases, runs, ledger)
    yield from _bars(dict(zip(STAGES, counts, strict=True)), len(runs))
    yield ""
    ends = Counter(order.state for order in runs)
    known = {label: ends[state] for state, label in ENDS.items()}
    open_still = sum(count for state, count in ends.items() if state not in ENDS)
    turned_away = sum(bool(order.door) for case in cases for order in case.orders)
    yield from _bars(known | {"未结 not settled": open_still, "未受理 turned away": turned_away}, len(runs))


def _stages(cases: Sequence[Case], runs: Sequence[OrderRun], ledger: Ledger) -> tuple[int, ...]:
    asked = {
        order_of(sms.ref) for sms in ledger.sms.values() if sms.purpose is Purpose.CONFIRMATION and sms.accepted_at
    }
    wrote = {said.msisdn for said in ledger.said}
    replied = {order.id for case in cases if case.msisdn in wrote for order in case.orders if order.id in asked}
    on = sum(activation.switched_on > 0 for activation in ledger.activations.values())
    return len(runs), len(asked), len(replied), on, sum(order.state is State.NOTIFIED for order in runs)


def _bars(counts: dict[str, int], whole: int) -> Iterator[str]:
    label = max(map(width, counts))
    for name, count in counts.items():
        yield f"  {pad(name, label)}  {count:4d}  {'█' * round(BAR * count / max(whole, 1))}"


def misbehaviour(cases: Sequence[Case], ledger: Ledger) -> Iterator[str]:
    """Yield each misbehaviour of gateway and BSS: how often, for how many orders, and how those ended."""
    states = {order.id: str(order.state) for case in cases for order in case.orders if order.id}
    for kind, times in sorted(ledger.wrong.items()):
        orders = ledger.hit.get(kind, set())
        ends = Counter(states.get(order, "unknown") for order in orders)
        outcomes = ", ".join(f"{count} {state}" for state, count in ends.most_common())
        yield f"  {pad(kind, 38)} {_counted(times, 'time')}, {_counted(len(orders), 'order')}: {outcomes}"


def _counted(count: int, noun: str) -> str:
    return f"{count:4d} {noun}{'' if count == 1 else 's'}"


def most_telling(cases: Sequence[Case]) -> Case | None:
    """Return the conversation to show: one with two open orders if there is one."""
    heard = [case for case in cases if case.inbox]
    return max(heard, key=lambda case: (_two_open(case), len(case.orders), len(case.inbox)), default=None)


def _two_open(case: Case) -> bool:
    return case.script.name == "two open orders: one yes, one no"
