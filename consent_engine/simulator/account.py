"""The account of a run: its results compared with those that each script requires, and as text how far the orders
came, and the misbehaviour of gateway and BSS with its results.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from consent_engine.domain.days import CHINA
from consent_engine.domain.effects import Purpose
from consent_engine.domain.grammar import Keyword, read
from consent_engine.domain.grammar.words import YES_OF
from consent_engine.domain.lifecycle import State
from consent_engine.domain.msisdn import mask
from consent_engine.simulator.ledger import ActivationSeen, Ledger, Said, order_of
from consent_engine.simulator.subscribers import Case, OrderRun

NEVER = (0, 0)
CLOCK_SLACK_S = 0.05


def judge(cases: Sequence[Case], ledger: Ledger, *, over: bool = True) -> list[str]:
    """List every difference; none if each order ended as its subscriber's script says. over: nothing more is to come;
    else only what must never happen is a difference
    """
    found: list[str] = []
    for case in cases if over else ():
        prefix = f"[{case.script.name}] {mask(case.msisdn)}"
        found += [f"{prefix}: {difference}" for difference in _case(case, ledger)]
    owners = {order.id: (case, order) for case in cases for order in case.orders if order.id}
    for activation in ledger.activations.values():
        found += _activation(activation, owners.get(activation.order_id), ledger)
    return found + ledger.errors


def _case(case: Case, ledger: Ledger) -> Iterator[str]:
    yield from case.notes
    for index, order in enumerate(case.orders, 1):
        difference = _door(order) or _end(order, ledger)
        if difference:
            yield f"order {index} {order.id}: {difference}".replace(" :", ":")
    yield from _sms(case, ledger)
    dialled = case.orders[0].carrier
    if case.script.callable is not None and case.callable.get(dialled) is not case.script.callable:
        yield f"callable by {dialled} is {case.callable.get(dialled)}, must be {case.script.callable}"


def _door(order: OrderRun) -> str:
    """Describe a wrong admission or rejection of the order; '' if it was right."""
    if order.door == order.script.door:
        return ""
    if order.door:
        return f"was turned away with {order.door}, must " + (
            f"be turned away with {order.script.door}" if order.script.door else "be taken"
        )
    return f"was taken, must be turned away with {order.script.door}"


def _end(order: OrderRun, ledger: Ledger) -> str:
    """Describe a wrong ending of the order; '' if it was right."""
    if order.door:
        return ""
    allowed = " or ".join(order.script.ends)
    if order.state is None or not order.state.settled:
        return f"did not settle: it is {order.state}, must be {allowed}"
    if order.state not in order.script.ends:
        return f"ended as {order.state}, must be {allowed}"
    activation = ledger.activations.get(order.id)
    seen, must = activation.switched_on if activation else 0, order.script.ends[order.state]
    return "" if seen == must else f"ended as {order.state} with {seen} activations, must be {must}"


def _sms(case: Case, ledger: Ledger) -> Iterator[str]:
    landed: Counter[Purpose] = Counter(sms.purpose for _, sms in ledger.on_handset(case.msisdn))
    unasked = sum(order.unasked for order in case.orders)
    for purpose in Purpose:
        least, most = case.script.sms.get(purpose, NEVER)
        least = max(0, least - unasked)
        if not least <= landed[purpose] <= most:
            must = str(least) if least == most else f"{least} to {most}"
            yield f"{landed[purpose]} {purpose} SMS on the handset, must be {must}"


def _activation(activation: ActivationSeen, owner: tuple[Case, OrderRun] | None, ledger: Ledger) -> list[str]:
    """Check the promises that hold for every script: at most one activation, and none without a yes."""
    prefix = f"activation {activation.order_id}"
    if owner is None:
        return [f"{prefix}: nobody placed such an order"]
    case, order = owner
    wrong = []
    if activation.switched_on > 1:
        wrong.append(f"{prefix}: switched on {activation.switched_on} times")
    if (activation.msisdn, activation.plan) != (case.msisdn, order.plan):
        wrong.append(f"{prefix}: another number or plan than was ordered")
    if not _consented(activation, case, order, ledger):
        wrong.append(f"{prefix} [{case.script.name}]: no yes from that number after the question was handed over")
    return wrong


def _consented(activation: ActivationSeen, case: Case, order: OrderRun, ledger: Ledger) -> bool:
    questions = [s for s in ledger.sms.values() if order_of(s.ref) == order.id and s.purpose is Purpose.CONFIRMATION]
    accepted = [sms.accepted_at for sms in questions if sms.accepted_at is not None]
    if not accepted:
        return False
    since, until = min(accepted) - CLOCK_SLACK_S, activation.attempts[0].at + CLOCK_SLACK_S
    heard = [
        said
        for said in ledger.said
        if said.msisdn == case.msisdn and said.to.startswith(order.official) and since <= said.written_at
    ]
    return any(said.at <= until and _means_yes(said, order, heard) for said in heard)


def _means_yes(said: Said, order: OrderRun, heard: Sequence[Said]) -> bool:
    """Whether a reply is a yes to this order; or the bare code, after a yes that fitted several orders."""
    own = YES_OF.get(order.carrier, ())
    meant = read(said.text, yes=own)
    if meant.keyword is Keyword.YES:
        return meant.code in {"", order.code}
    if meant.keyword is not Keyword.UNKNOWN or not meant.code or meant.code != order.code:
        return False
    return any(earlier.at < said.at and read(earlier.text, yes=own).keyword is Keyword.YES for earlier in heard)


SCREEN = 66
BUBBLE = 46


def width(text: str) -> int:
    """Count the columns of a text on a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, columns: int) -> str:
    """Return the text, filled with blanks to a number of columns."""
    return text + " " * max(0, columns - width(text))


def wrap(text: str, columns: int) -> list[str]:
    """Break a text into lines of at most this many columns; Chinese breaks anywhere."""
    lines = [""]
    for character in text:
        if character == "\n" or width(lines[-1] + character) > columns:
            lines.append("")
        if character != "\n":
            lines[-1] += character
    return lines


def conversation(case: Case, ledger: Ledger) -> Iterator[str]:
    """Yield the screen by line: the engine's SMS to the left, the subscriber's to the right, each with its time."""
    theirs = [(at, sms.sender, sms.text, False) for at, sms in ledger.on_handset(case.msisdn)]
    own_side = [(said.at, said.to, said.text, True) for said in ledger.said if said.msisdn == case.msisdn]
    yield "╭" + "─" * (SCREEN + 2) + "╮"
    yield _row(f"{mask(case.msisdn)}   {case.script.says}")
    yield "├" + "─" * (SCREEN + 2) + "┤"
    for at, number, text, own in sorted(theirs + own_side):
        clock = CHINA.at(int(at * 1000)).strftime("%H:%M:%S")  # as in the texts, wherever this machine is
        yield from _bubble(text, f"{clock} {'to' if own else 'from'} {number}", own)
    for order in case.orders:
        yield _row(f"{order.plan} ({order.code or '-'}): {order.state or order.door}")
    yield "╰" + "─" * (SCREEN + 2) + "╯"


def _bubble(text: str, caption: str, own: bool) -> Iterator[str]:  # noqa: FBT001 - which side it stands on
    lines = wrap(text, BUBBLE - 4)
    inner = max(map(width, lines))
    box = ["╭" + "─" * (inner + 2) + "╮", *(f"│ {pad(line, inner)} │" for line in lines)]
    box += ["╰" + "─" * (inner + 2) + "╯", caption]
    for line in box:
        yield _row(" " * (SCREEN - width(line)) + line if own else line)


def _row(text: str) -> str:
    return f"│ {pad(text, SCREEN)} │"


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
