"""The subscribers of a run. Each line of the tables is a script: a person, the faults they meet, the results required.

A person is dealt a number, alike for the same seed; the handset receives SMS from the gateway, and answers by script.
"""

import asyncio
import itertools
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Purpose
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.simulator.ledger import Ledger, Said, SmsSeen
from consent_engine.simulator.scripts import SILENCE, Answer, Before, BssHop, Desk, Dlr, Hop, Order, Script, Turn, When
from consent_engine.simulator.wire import Reply, Tasks, Wire, instant

CONF, CLAR, NOTE = Purpose.CONFIRMATION, Purpose.CLARIFICATION, Purpose.NOTIFICATION
ONE, MAYBE = (1, 1), (0, 1)

GOOD = {CONF: ONE, NOTE: ONE}
ASKED = {CONF: ONE}
UNCLEAR = {CONF: ONE, CLAR: ONE}
CLEARED = {CONF: ONE, CLAR: ONE, NOTE: ONE}
NOED = {CONF: ONE, Purpose.DECLINED: ONE}
STOPPED = {CONF: ONE, Purpose.OPTED_OUT: ONE}

EXPIRES = (Order(ends={State.EXPIRED: 0}),)
DECLINES = (Order(ends={State.DECLINED: 0}),)
FAILS = (Order(ends={State.ACTIVATION_FAILED: 0}),)
UNREACHED = (Order(ends={State.UNDELIVERABLE: 0}),)
EITHER = (Order(ends={State.DECLINED: 0, State.NOTIFIED: 1}),)
TWO = (Order(), Order(plan=1))

YES = (Turn("是"),)


def _yes(name: str, text: str) -> Script:
    return Script(name, "yes", (Turn(text),), sms=GOOD, callable=True)


def _unclear(name: str, text: str, answer: Purpose = CLAR) -> Script:
    """Return a script with words that are no consent: the order waits, is answered, and what is said next counts."""
    turns = (Turn(text), Turn("不同意", answer))
    return Script(name, "nonsense, then no", turns, DECLINES, sms={**NOED, answer: ONE}, callable=True)


# fmt: off
ANSWERS: tuple[Script, ...] = (
    _yes("plain yes", "是"),
    _yes("full-width yes", "Ｙ"),
    _yes("yes with a full stop", "是。"),
    _yes("yes with courtesy", "同意办理，谢谢"),
    _yes("yes in English", "yes please"),
    _yes("yes in traditional characters", "我確認"),
    _yes("yes with a thumb up", " 是 👍"),
    _yes("yes with the code", "是{0}"),
    _unclear("sentence", "好的，麻烦你了"),
    _unclear("question", "是吗？"),
    _unclear("conditional yes", "如果免费就是"),
    _unclear("two words", "是 不是"),
    _unclear("bare code that nobody asked for", "{0}"),
    _unclear("help", "帮助", Purpose.HELP),
    Script("silent", "nothing", orders=EXPIRES, sms=ASKED, callable=True, hasty=True),
    Script("nonsense, then yes", "nonsense, yes", (Turn("ok"), Turn("同意", CLAR)), sms=CLEARED, callable=True),
    Script("nonsense twice: asked once", "nonsense, nonsense, no", (Turn("嗯"), Turn("行", CLAR), Turn("否", CLAR)),
           DECLINES, sms={**NOED, CLAR: ONE}),
    Script("no", "no", (Turn("不同意"),), DECLINES, sms=NOED),
    Script("no in one letter", "no", (Turn("N"),), DECLINES, sms=NOED),
    Script("no, then yes", "no, yes", (Turn("不"), Turn("是")), DECLINES, sms={**NOED, Purpose.LATE: ONE}),
    Script("stop", "stop", (Turn("TD"),), DECLINES, sms=STOPPED, callable=False),
    Script("stop in Chinese", "stop", (Turn("退订。"),), DECLINES, sms=STOPPED, callable=False),
    Script("stop, then yes", "stop, yes", (Turn("TD"), Turn("是")), DECLINES, sms=STOPPED, callable=False),
    # Both ends are within the rules: before the activation was started the STOP wins, after that it is too late.
    Script("yes, then stop at once", "yes, stop", (Turn("是"), Turn("TD")), EITHER,
           sms={**STOPPED, NOTE: MAYBE}, callable=False),
    Script("stop after activation", "yes, stop", (*YES, Turn("TD", NOTE)),
           sms={**GOOD, Purpose.OPTED_OUT: ONE}, callable=False),
    Script("yes twice", "yes, yes", (Turn("是"), Turn("是")), sms=GOOD, callable=True),
    Script("yes again after the end", "yes, yes", (*YES, Turn("是", NOTE)), sms=GOOD),
    Script("one yes, posted three times", "yes", (Turn("是", repeats=3),), sms=GOOD, callable=True),
    Script("too late", "yes, too late", (Turn("是", When.SETTLED),), EXPIRES,
           sms={**ASKED, Purpose.LATE: ONE}, callable=True, hasty=True),
    Script("an old yes, delivered late", "yes, before the question; no",
           (Turn("是", written_ago=3600.0), Turn("否", CLAR)), DECLINES, sms={**NOED, CLAR: ONE}, callable=True),
    Script("a stranger's yes", "yes, from another number", (Turn("是{0}", stranger=True),), EXPIRES, sms=ASKED,
           hasty=True),
    Script("yes to another carrier's number", "yes, to another number; no", (Turn("是", to="other"), Turn("否")),
           DECLINES, sms=NOED),
    Script("the agent cancels", "nothing", (Turn(desk=Desk.CANCEL),), (Order(ends={State.CANCELLED: 0}),),
           sms=ASKED),
    Script("never again, said by voice", "never again, by voice", (Turn(desk=Desk.REFUSE),),
           (Order(ends={State.CANCELLED: 0}),), sms=ASKED, callable=False),
    Script("yes while the call is up, then by code", "yes in the call, yes by code after it",
           (*YES, Turn(desk=Desk.HANG_UP, on=Purpose.PROVE), Turn("是{0}", Purpose.PROVE)), (Order(in_call=True),),
           sms={**GOOD, Purpose.PROVE: ONE}, callable=True),
)

SEVERAL: tuple[Script, ...] = (
    Script("two open orders: 是, then by code", "ambiguous, then both by code",
           (Turn("是", nth=2), Turn("是{1}", CLAR), Turn("{0}是", CLAR)), TWO,
           sms={CONF: (2, 2), CLAR: ONE, NOTE: (2, 2)}, callable=True),
    Script("two open orders: one yes, one no", "ambiguous, then yes and no by code",
           (Turn("同意", nth=2), Turn("是{1}", CLAR), Turn("不{0}", CLAR)),
           (Order(ends={State.DECLINED: 0}), Order(plan=1)),
           sms={CONF: (2, 2), CLAR: ONE, NOTE: ONE, Purpose.DECLINED: ONE}),
    Script("two open orders: 是, then the bare code", "ambiguous, then a bare code, then no",
           (Turn("是", nth=2), Turn("{0}", CLAR), Turn("不{1}", NOTE)),
           (Order(), Order(plan=1, ends={State.DECLINED: 0})),
           sms={CONF: (2, 2), CLAR: ONE, NOTE: ONE, Purpose.DECLINED: ONE}, callable=True),
    Script("two open orders: 是, and no more", "ambiguous; the agent cancels both",
           (Turn("是", nth=2), Turn(on=CLAR, desk=Desk.CANCEL), Turn(on=CLAR, desk=Desk.CANCEL, order=1)),
           (Order(ends={State.CANCELLED: 0}), Order(plan=1, ends={State.CANCELLED: 0})),
           sms={CONF: (2, 2), CLAR: ONE}, callable=True),
    Script("two open orders: stop", "stop", (Turn("TD", nth=2),),
           (Order(ends={State.DECLINED: 0}), Order(plan=1, ends={State.DECLINED: 0})),
           sms={CONF: (2, 2), Purpose.OPTED_OUT: ONE}, callable=False),
    Script("two carriers: stop to one, yes to the other", "stop, yes",
           (Turn("TD", order=0, nth=2), Turn("是", order=1, nth=2)),
           (Order(ends={State.DECLINED: 0}), Order(carrier=1)),
           sms={CONF: (2, 2), Purpose.OPTED_OUT: ONE, NOTE: ONE}, callable=False),
    Script("a second 是 to a finished order", "yes, yes again; the next order is declined",
           (*YES, Turn("是", nth=2), Turn("不{1}", CLAR)),
           (Order(), Order(plan=1, when=When.SETTLED, ends={State.DECLINED: 0})),
           sms={CONF: (2, 2), NOTE: ONE, CLAR: ONE, Purpose.DECLINED: ONE}, callable=True),
    Script("a second order, confirmed by its code", "yes, then yes by code",
           (*YES, Turn("是{1}", nth=2)), (Order(), Order(plan=1, when=When.SETTLED)),
           sms={CONF: (2, 2), NOTE: (2, 2)}, callable=True),
    Script("asked for the same plan twice", "yes", (Turn("是", When.PLACED),),
           (Order(), Order(when=When.ASKED, door="duplicate_order")), sms=GOOD, callable=True),
    Script("called again after a stop", "stop", (Turn("T"),),
           (*DECLINES, Order(plan=1, when=When.SETTLED, door="do_not_call")), sms=STOPPED, callable=False),
)

QUIET = Hop(reports=SILENCE)
BUSY = Hop(Answer.BUSY)
LOST = Hop(Answer.RESET, reports=SILENCE)
EARLY = Hop(before=Before.REPORTED)
IN_VAIN = Hop(Answer.RESET, before=Before.REPORTED, lands=False, again=True, reports=(Dlr("failed"),))
# The early yes is void once the question is sent again; if that is too late, the subscriber gets an SMS.
VOID = {**ASKED, Purpose.LATE: MAYBE}

GATEWAY: tuple[Script, ...] = (
    Script("gateway: 503 first", "yes", YES, gateway={CONF: (BUSY, BUSY), NOTE: (BUSY,)}, sms=GOOD),
    Script("gateway: 429 first", "yes", YES, gateway={CONF: (Hop(Answer.SLOW_DOWN),)}, sms=GOOD),
    Script("gateway: 503 to the end", "-", orders=EXPIRES, gateway={CONF: (BUSY,) * 500}, callable=True, hasty=True),
    Script("gateway: rejects", "-", orders=UNREACHED, gateway={CONF: (Hop(Answer.REJECT),)}, callable=True),
    Script("gateway: silence, no reports", "yes", YES, gateway={CONF: (QUIET,), NOTE: (QUIET,)}, sms=GOOD),
    Script("gateway: reports twice", "yes", YES, gateway={CONF: (Hop(reports=(Dlr(times=2),)),)}, sms=GOOD),
    Script("gateway: reports before it answers", "yes", YES, gateway={CONF: (EARLY,), NOTE: (EARLY,)}, sms=GOOD),
    Script("gateway: reports and yes before it answers", "yes", YES, gateway={CONF: (Hop(before=Before.REPLIED),)},
           sms=GOOD),
    Script("gateway: yes before it answers, no reports", "yes", YES,
           gateway={CONF: (Hop(before=Before.REPLIED, reports=SILENCE),)}, sms=GOOD),
    Script("gateway: reports by segment, out of order", "yes", YES,
           gateway={CONF: (Hop(reports=(Dlr(segments=(3, 1, 2)),)),)}, sms=GOOD),
    Script("gateway: an id for every part", "yes", YES,
           gateway={CONF: (Hop(part_ids=True),), NOTE: (Hop(part_ids=True),)}, sms=GOOD),
    Script("gateway: an id for every part, reports before it answers", "yes", YES,
           gateway={CONF: (Hop(before=Before.REPORTED, part_ids=True),)}, sms=GOOD),
    Script("gateway: delivered, then accepted, then failed", "yes", YES,
           gateway={CONF: (Hop(reports=(Dlr(), Dlr("accepted"), Dlr("failed"))),)}, sms=GOOD),
    Script("gateway: failed report", "-", orders=UNREACHED,
           gateway={CONF: (Hop(lands=False, reports=(Dlr("failed"),)),)}, callable=True),
    Script("gateway: times out after taking, then reports", "yes", YES, gateway={CONF: (Hop(Answer.HOLD),)}, sms=GOOD),
    Script("gateway: reports, then times out", "yes", YES,
           gateway={CONF: (Hop(Answer.HOLD, before=Before.REPORTED),),
                    NOTE: (Hop(Answer.RESET, before=Before.REPORTED),)}, sms=GOOD),
    Script("gateway: reports failure, then drops it", "-", orders=UNREACHED, gateway={CONF: (IN_VAIN,) * 50}),
    # This question was sent without a code, so knowing one proves nothing: the early yes is void once it is sent again.
    Script("gateway: drops it, a code nobody told", "yes by code, once", (Turn("是{0}"),), EXPIRES,
           gateway={CONF: (Hop(Answer.RESET, before=Before.REPLIED, reports=SILENCE),)}, sms=VOID, hasty=True),
    # The second copy on the handset is answered again.
    Script("gateway: times out, asks twice", "yes, yes", (Turn("是"), Turn("是", nth=2)),
           gateway={CONF: (Hop(Answer.HOLD, before=Before.REPLIED, reports=SILENCE), Hop(again=True))},
           sms={CONF: (2, 2), NOTE: ONE}),
    Script("gateway: times out, early yes is void", "yes, once", YES, EXPIRES,
           gateway={CONF: (Hop(Answer.RESET, before=Before.REPLIED, reports=SILENCE),)}, sms=VOID, hasty=True),
    Script("gateway: drops it twice", "nothing", orders=EXPIRES, gateway={CONF: (LOST, LOST)}, sms=ASKED, hasty=True),
    Script("gateway: 500 after taking, reports", "yes", YES, gateway={CONF: (Hop(Answer.ERROR),)}, sms=GOOD),
    Script("gateway: reset, not taken", "yes", YES,
           gateway={CONF: (Hop(Answer.RESET, accepted=False),)}, sms=GOOD),
    Script("gateway: garbage after taking, reports", "yes", YES, gateway={CONF: (Hop(Answer.GARBAGE),)}, sms=GOOD),
    Script("gateway: notification doubtful, sent again", "yes", YES,
           gateway={NOTE: (LOST, Hop(again=True))}, sms={CONF: ONE, NOTE: (2, 2)}),
    Script("gateway: notification doubtful twice, operator", "yes", YES,
           gateway={NOTE: (LOST, LOST)}, sms=GOOD, operator=True),
)

FAILED = {CONF: ONE, Purpose.FAILURE: ONE}

BSS: tuple[Script, ...] = (
    Script("bss: refuses", "yes", YES, FAILS, bss=(BssHop(Answer.REJECT),), sms=FAILED, callable=True),
    Script("bss: answers after a second yes", "yes, yes", (*YES, Turn("是", When.ACTIVATING)),
           bss=(BssHop(before=Before.REPLIED),), sms=GOOD, callable=True),
    Script("bss: answers after a stop", "yes, stop", (*YES, Turn("TD", When.ACTIVATING)),
           bss=(BssHop(before=Before.REPLIED),), sms={**GOOD, Purpose.OPTED_OUT: ONE}, callable=False),
    Script("bss: 503 first", "yes", YES, bss=(BssHop(Answer.BUSY), BssHop(Answer.BUSY)), sms=GOOD),
    Script("bss: in progress first", "yes", YES, bss=(BssHop(Answer.IN_PROGRESS),) * 2, sms=GOOD),
    Script("bss: times out after taking", "yes", YES, bss=(BssHop(Answer.HOLD),), sms=GOOD),
    Script("bss: times out, not taken", "yes", YES, bss=(BssHop(Answer.HOLD, accepted=False),), sms=GOOD),
    Script("bss: 500 after taking", "yes", YES, bss=(BssHop(Answer.ERROR),), sms=GOOD),
    Script("bss: garbage after taking", "yes", YES, bss=(BssHop(Answer.GARBAGE),), sms=GOOD),
    Script("bss: reset after taking", "yes", YES, bss=(BssHop(Answer.RESET),), sms=GOOD),
    # A refusal after doubt is not believed until an operator has looked at both answers.
    Script("bss: refuses after doubt, operator", "yes", YES, FAILS,
           bss=(BssHop(Answer.RESET, accepted=False), BssHop(Answer.REJECT)), sms=FAILED, operator=True),
)
# fmt: on

SCRIPTS: tuple[Script, ...] = ANSWERS + SEVERAL + GATEWAY + BSS
_CODE_IN_TEXT = re.compile(r"(?:是|Y|y)\s?([2-9]\d{2})(?!\d)")


@dataclass(slots=True)
class OrderRun:
    """One order of a case. door: the error code of its rejection · state: as the engine last showed it."""

    script: Order
    plan: str
    carrier: str
    id: str = ""
    door: str = ""
    code: str = ""
    state: State | None = None
    timeline: list[dict[str, Any]] = field(default_factory=list)
    placed: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def official(self) -> str:
        """The carrier's official number, from which its call comes."""
        return CARRIERS[self.carrier].outbound

    @property
    def unasked(self) -> bool:
        """Whether the engine says that it was too late to ask: then nobody need have got the question."""
        return any(each.get("trigger") == Trigger.TOO_LATE_TO_ASK for each in self.timeline)

    def show(self, body: dict[str, Any]) -> None:
        """Take the engine's answer about this order."""
        self.state = State(body["state"])
        self.timeline = body.get("timeline") or []
        if self.state.settled:
            self.settled.set()

    def turned_away(self, code: str) -> None:
        """Keep the code with which the order was rejected; the order is over then."""
        self.door = code
        self.placed.set()
        self.settled.set()


@dataclass(slots=True)
class Case:
    """One subscriber under way. asked: the engine has begun to ask · call: the call that is up, for an order placed
    in it · notes: errors that the call centre saw, in plain words.
    """

    script: Script
    msisdn: str
    orders: list[OrderRun]
    landed: Counter[Purpose] = field(default_factory=Counter)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    inbox: list[SmsSeen] = field(default_factory=list)
    call: str = ""
    callable: dict[str, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        return all(order.settled.is_set() for order in self.orders)

    def land(self, sms: SmsSeen) -> int:
        """Put an SMS on the handset; return its position among those of its purpose, from 1."""
        self.inbox.append(sms)
        self.landed[sms.purpose] += 1
        return self.landed[sms.purpose]

    def sender(self, order: int) -> str:
        """Return the number that an order's SMS came from, to which a handset would reply."""
        official = self.orders[order].official
        return next((sms.sender for sms in reversed(self.inbox) if sms.sender.startswith(official)), official)

    async def words(self, template: str) -> str:
        """Return the text that the handset writes: `{n}` becomes the code of the n-th order, nothing if it has none."""
        if "{" not in template:
            return template
        return template.format(*[await self._code(order) for order in self.orders])

    async def _code(self, order: OrderRun) -> str:
        await order.placed.wait()
        return order.code or self._code_read(order)

    def _code_read(self, order: OrderRun) -> str:
        """Return the code as a person reads it in the SMS."""
        texts = [sms.text for sms in self.inbox if sms.ref.startswith(order.id or "\0")]
        found = (_CODE_IN_TEXT.search(text) for text in texts)
        return next((match.group(1) for match in found if match), "")


RANGE = "+8613800"
STEP = 7


def crowd(orders: int, seed: int, plans: Mapping[str, Sequence[str]]) -> list[Case]:
    """Make cases of `orders` orders in all, each script once before any is repeated. plans: carrier -> plan codes."""
    rng = random.Random(seed)  # noqa: S311 - dealing scripts, no secret
    dealt = _deal(orders, rng, plans)
    rng.shuffle(dealt)
    first = rng.randrange(1_000_000)
    return [_case(script, first + STEP * index, index, plans) for index, script in enumerate(dealt)]


def _deal(orders: int, rng: random.Random, plans: Mapping[str, Sequence[str]]) -> list[Script]:
    usable = [script for script in SCRIPTS if _carriers(script, plans)]
    dealt: list[Script] = []
    left = orders
    while left > 0:
        for script in rng.sample(usable, len(usable)):
            # The plain yes, one order, fills up the last round.
            chosen = script if len(script.orders) <= left else SCRIPTS[0]
            dealt.append(chosen)
            left -= len(chosen.orders)
            if left <= 0:
                break
    return dealt


def _carriers(script: Script, plans: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the carriers with enough plans for the orders that a script places with its first order's carrier."""
    needed = max(order.plan for order in script.orders) + 1
    others = max(order.carrier for order in script.orders)
    fit = [carrier for carrier, codes in plans.items() if len(codes) >= needed]
    return fit if len(plans) > others else []


def _case(script: Script, number: int, index: int, plans: Mapping[str, Sequence[str]]) -> Case:
    fit = _carriers(script, plans)
    home = fit[index % len(fit)]
    away = next((carrier for carrier in plans if carrier != home), home)
    runs = []
    for order in script.orders:
        carrier = away if order.carrier else home
        runs.append(OrderRun(order, plans[carrier][order.plan], carrier))
    return Case(script, f"{RANGE}{number % 1_000_000:06d}", runs)


INBOUND = "/v1/gateways/http_json/inbound"
STRANGER = "+861390000"

DeskAct = Callable[[Case, Turn], Awaitable[None]]


@dataclass(slots=True)
class Handsets:
    """All handsets of a run. desk: called when the script says that an agent acts."""

    ledger: Ledger
    tasks: Tasks
    wire: Wire
    desk: DeskAct | None = None
    cases: dict[str, Case] = field(default_factory=dict)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def land(self, sms: SmsSeen) -> int:
        """Put an SMS on its handset; return its position among those of its purpose, from 1; 0 for no subscriber's."""
        sms.landed.append(self.ledger.now())
        case = self.cases.get(sms.to)
        return case.land(sms) if case is not None else 0

    async def act(self, case: Case, on: Purpose | When, nth: int = 1) -> None:
        """Do what the subscriber's script says for this moment, one act after the other: as with one person, the next
        begins once the engine has acknowledged the last.
        """
        for turn in case.script.turns:
            if (turn.on, turn.nth) != (on, nth):
                continue
            await self.tasks.pause(turn.after)
            if turn.desk is None:
                await self._say(case, turn)
            elif self.desk is not None:
                await self.desk(case, turn)

    async def _say(self, case: Case, turn: Turn) -> None:
        msisdn = STRANGER + case.msisdn[-4:] if turn.stranger else case.msisdn
        to = self._addressed(case, turn)
        text = await case.words(turn.say)
        await self.write(msisdn, to, text, turn.repeats, turn.written_ago)

    def _addressed(self, case: Case, turn: Turn) -> str:
        if turn.to == "other":
            used = {order.official for order in case.orders}
            return next(profile.outbound for profile in CARRIERS.values() if profile.outbound not in used)
        return turn.to or case.sender(turn.order)

    async def write(self, msisdn: str, to: str, text: str, repeats: int = 1, ago: float = 0.0) -> Reply:
        """Write an SMS on a handset: the gateway signs it and posts it to the engine, repeats under the same id."""
        at = self.ledger.now()
        said = Said(f"mo-{next(self._ids)}-{int(at * 1000)}", msisdn, to, text, at, at - ago)
        self.ledger.said.append(said)
        payload = {
            "message_id": said.message_id,
            "from": msisdn,
            "to": to,
            "text": text,
            "received_at": instant(said.written_at),
        }
        for _ in range(repeats):
            reply = await self.wire.post_signed(INBOUND, payload)
            said.stored = reply.status == HTTPStatus.OK and not reply.body.get("rejected")
            if not said.stored:
                self.ledger.errors.append(f"the engine did not take a reply: {reply.status} {reply.body}")
        return reply
