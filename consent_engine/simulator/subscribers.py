"""The subscribers' scripts: each line of these tables is a person, the faults they meet, and the results required."""

from consent_engine.domain.effects import Purpose
from consent_engine.domain.lifecycle import State
from consent_engine.simulator.scripts import (
    SILENCE,
    TOO_LATE_S,
    Answer,
    BssHop,
    Desk,
    Dlr,
    Hop,
    Order,
    Script,
    Turn,
    When,
)

CONF, CLAR, NOTE = Purpose.CONFIRMATION, Purpose.CLARIFICATION, Purpose.NOTIFICATION
ONE, MAYBE, TWICE = (1, 1), (0, 1), (1, 2)

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


def _yes(name: str, text: str, after: float = 0.25) -> Script:
    return Script(name, "yes", (Turn(text, after=after),), sms=GOOD, callable=True)


def _unclear(name: str, text: str) -> Script:
    # HELP may have an answer of its own instead of a clarification: the order waits all the same.
    sms = {CONF: ONE, CLAR: MAYBE, Purpose.HELP: MAYBE} if text == "帮助" else UNCLEAR
    return Script(name, "nonsense", (Turn(text),), EXPIRES, sms=sms, callable=True)


# fmt: off
ANSWERS: tuple[Script, ...] = (
    _yes("plain yes", "是"),
    _yes("full-width yes", "Ｙ"),
    _yes("yes with a full stop", "是。"),
    _yes("yes with courtesy", "同意办理，谢谢"),
    _yes("yes in English", "yes please"),
    _yes("yes in traditional characters", "我確認"),
    _yes("yes after some thought", " 是 👍", after=3.0),
    _yes("yes with the code", "是{0}"),
    _unclear("sentence", "好的，麻烦你了"),
    _unclear("question", "是吗？"),
    _unclear("conditional yes", "如果免费就是"),
    _unclear("two words", "是 不是"),
    _unclear("bare code that nobody asked for", "{0}"),
    _unclear("help", "帮助"),
    Script("silent", "nothing", orders=EXPIRES, sms=ASKED, callable=True),
    Script("nonsense, then yes", "nonsense, yes", (Turn("ok"), Turn("同意", CLAR)), sms=CLEARED, callable=True),
    Script("nonsense twice: asked once", "nonsense", (Turn("嗯"), Turn("行", CLAR)), EXPIRES, sms=UNCLEAR),
    Script("no", "no", (Turn("不同意"),), DECLINES, sms=NOED),
    Script("no in one letter", "no", (Turn("N"),), DECLINES, sms=NOED),
    Script("no, then yes", "no, yes", (Turn("不"), Turn("是", after=0.9)), DECLINES,
           sms={**NOED, Purpose.LATE: MAYBE}),
    Script("stop", "stop", (Turn("TD"),), DECLINES, sms=STOPPED, callable=False),
    Script("stop in Chinese", "stop", (Turn("退订。"),), DECLINES, sms=STOPPED, callable=False),
    Script("stop, then yes", "stop, yes", (Turn("TD"), Turn("是", after=0.26)), DECLINES,
           sms={**STOPPED, Purpose.LATE: MAYBE}, callable=False),
    # Both ends are within the rules: before the activation was started the STOP wins, after that it is too late.
    Script("yes, then stop at once", "yes, stop", (Turn("是"), Turn("TD", after=0.26)), EITHER,
           sms={CONF: ONE, Purpose.OPTED_OUT: MAYBE, NOTE: MAYBE}, callable=False),
    Script("stop after activation", "yes, stop", (*YES, Turn("TD", NOTE)),
           sms={**GOOD, Purpose.OPTED_OUT: MAYBE}, callable=False),
    Script("yes twice", "yes, yes", (Turn("是"), Turn("是", after=0.3)),
           sms={**GOOD, Purpose.LATE: MAYBE}, callable=True),
    Script("yes again after the end", "yes, yes", (*YES, Turn("是", NOTE)), sms={**GOOD, Purpose.LATE: MAYBE}),
    Script("one yes, posted three times", "yes", (Turn("是", repeats=3),), sms=GOOD, callable=True),
    Script("too late", "yes, too late", (Turn("是", after=TOO_LATE_S),), EXPIRES,
           sms={**ASKED, Purpose.LATE: MAYBE}, callable=True),
    Script("an old yes, delivered late", "yes, before the question", (Turn("是", written_ago=3600.0),), EXPIRES,
           sms={**ASKED, CLAR: MAYBE}, callable=True),
    Script("a stranger's yes", "yes, from another number", (Turn("是{0}", stranger=True),), EXPIRES, sms=ASKED),
    Script("yes to another carrier's number", "yes, to another number", (Turn("是", to="other"),), EXPIRES,
           sms={**ASKED, CLAR: MAYBE}),
    Script("the agent cancels", "nothing", (Turn(desk=Desk.CANCEL),), (Order(ends={State.CANCELLED: 0}),),
           sms={**ASKED, Purpose.CANCELLED: MAYBE}),
    Script("never again, said by voice", "never again, by voice", (Turn(desk=Desk.REFUSE),),
           (Order(ends={State.CANCELLED: 0, State.DECLINED: 0}),),
           sms={**ASKED, Purpose.CANCELLED: MAYBE, Purpose.OPTED_OUT: MAYBE}, callable=False),
)

SEVERAL: tuple[Script, ...] = (
    Script("two open orders: 是, then by code", "ambiguous, then both by code",
           (Turn("是", nth=2, after=0.8), Turn("是{1}", CLAR), Turn("{0}是", CLAR, after=0.8)), TWO,
           sms={CONF: (2, 2), CLAR: TWICE, NOTE: (2, 2)}, callable=True),
    Script("two open orders: one yes, one no", "ambiguous, then yes and no by code",
           (Turn("同意", nth=2, after=0.8), Turn("是{1}", CLAR), Turn("不{0}", CLAR, after=0.8)),
           (Order(ends={State.DECLINED: 0}), Order(plan=1)),
           sms={CONF: (2, 2), CLAR: TWICE, NOTE: ONE, Purpose.DECLINED: ONE}),
    Script("two open orders: 是, then the bare code", "ambiguous, then a bare code",
           (Turn("是", nth=2, after=0.8), Turn("{0}", CLAR)),
           (Order(), Order(plan=1, ends={State.EXPIRED: 0})),
           sms={CONF: (2, 2), CLAR: TWICE, NOTE: ONE}, callable=True),
    Script("two open orders: 是, and no more", "ambiguous, then nothing", (Turn("是", nth=2, after=0.8),),
           (Order(ends={State.EXPIRED: 0}), Order(plan=1, ends={State.EXPIRED: 0})),
           sms={CONF: (2, 2), CLAR: TWICE}, callable=True),
    Script("two open orders: stop", "stop", (Turn("TD", nth=2, after=0.8),),
           (Order(ends={State.DECLINED: 0}), Order(plan=1, ends={State.DECLINED: 0})),
           sms={CONF: (2, 2), Purpose.OPTED_OUT: TWICE}, callable=False),
    Script("two carriers: stop to one, yes to the other", "stop, yes",
           (Turn("TD", order=0, after=0.8, nth=2), Turn("是", order=1, after=0.8, nth=2)),
           (Order(ends={State.DECLINED: 0}), Order(carrier=1)),
           sms={CONF: (2, 2), Purpose.OPTED_OUT: ONE, NOTE: ONE}, callable=False),
    Script("a second 是 to a finished order", "yes, yes again; the next order gets no answer",
           (*YES, Turn("是", nth=2, after=0.8)),
           (Order(), Order(plan=1, when=When.SETTLED, ends={State.EXPIRED: 0})),
           sms={CONF: (2, 2), NOTE: ONE, CLAR: TWICE, Purpose.LATE: MAYBE}, callable=True),
    Script("a second order, confirmed by its code", "yes, then yes by code",
           (*YES, Turn("是{1}", nth=2, after=0.8)), (Order(), Order(plan=1, when=When.SETTLED)),
           sms={CONF: (2, 2), NOTE: (2, 2)}, callable=True),
    # On a busy machine, milliseconds decide whether the yes is too soon; if it is in time, no code is asked for.
    Script("a phone that answers by itself, then its owner", "yes at once, yes by code",
           (Turn("是", after=0.0), Turn("是{0}", on=Purpose.PROVE, after=0.6)),
           sms={CONF: ONE, Purpose.PROVE: MAYBE, NOTE: ONE, CLAR: MAYBE}, callable=True),
    Script("asked for the same plan twice", "yes", (Turn("是", after=2.0),),
           (Order(), Order(when=When.ASKED, door="duplicate_order")), sms=GOOD, callable=True),
    Script("called again after a stop", "stop", (Turn("T"),),
           (*DECLINES, Order(plan=1, when=When.SETTLED, door="do_not_call")), sms=STOPPED, callable=False),
)

LATE_DLR = (Dlr(after=1.4),)
QUIET = Hop(reports=SILENCE)
BUSY = Hop(Answer.BUSY)
LOST = Hop(Answer.HOLD, reports=SILENCE)

GATEWAY: tuple[Script, ...] = (
    Script("gateway: slow", "yes", YES, gateway={CONF: (Hop(delay=0.6),), NOTE: (Hop(delay=0.6),)}, sms=GOOD),
    Script("gateway: 503 first", "yes", YES, gateway={CONF: (BUSY, BUSY), NOTE: (BUSY,)}, sms=GOOD),
    Script("gateway: 429 first", "yes", YES, gateway={CONF: (Hop(Answer.SLOW_DOWN),)}, sms=GOOD),
    Script("gateway: 503 to the end", "-", orders=EXPIRES, gateway={CONF: (BUSY,) * 500}, callable=True),
    Script("gateway: rejects", "-", orders=UNREACHED, gateway={CONF: (Hop(Answer.REJECT),)}, callable=True),
    Script("gateway: silence, no reports", "yes", YES, gateway={CONF: (QUIET,), NOTE: (QUIET,)}, sms=GOOD),
    Script("gateway: reports twice", "yes", YES, gateway={CONF: (Hop(reports=(Dlr(times=2),)),)}, sms=GOOD),
    Script("gateway: reports before it answers", "yes", (Turn("是", after=0.9),),
           gateway={CONF: (Hop(delay=0.5, reports=(Dlr(after=0.05),)),)}, sms=GOOD),
    Script("gateway: reports and yes before it answers", "yes", YES,
           gateway={CONF: (Hop(delay=0.7, reports=(Dlr(after=0.05),)),)}, sms=GOOD),
    Script("gateway: reports by segment, out of order", "yes", YES,
           gateway={CONF: (Hop(reports=(Dlr(segments=(3, 1, 2)),)),)}, sms=GOOD),
    Script("gateway: an id for every part", "yes", YES,
           gateway={CONF: (Hop(part_ids=True),), NOTE: (Hop(part_ids=True),)}, sms=GOOD),
    Script("gateway: an id for every part, reports before it answers", "yes", (Turn("是", after=0.9),),
           gateway={CONF: (Hop(delay=0.5, reports=(Dlr(after=0.05),), part_ids=True),)}, sms=GOOD),
    Script("gateway: delivered, then accepted, then failed", "yes", YES,
           gateway={CONF: (Hop(reports=(Dlr(), Dlr("accepted", 0.5), Dlr("failed", 0.9))),)}, sms=GOOD),
    Script("gateway: failed report", "-", orders=UNREACHED,
           gateway={CONF: (Hop(lands=False, reports=(Dlr("failed"),)),)}, callable=True),
    Script("gateway: times out after taking, reports", "yes", YES,
           gateway={CONF: (Hop(Answer.HOLD, reports=LATE_DLR),)}, sms=GOOD),
    Script("gateway: reports, then times out", "yes", (Turn("是", after=1.8),),
           gateway={CONF: (Hop(Answer.HOLD),), NOTE: (Hop(Answer.HOLD),)}, sms=GOOD),
    Script("gateway: times out, reports failure", "-", orders=UNREACHED,
           gateway={CONF: (Hop(Answer.HOLD, lands=False, reports=(Dlr("failed", 1.4),)),)}),
    # This question was sent without a code, so knowing one proves nothing: the early yes is void once it is sent again.
    Script("gateway: times out, a code nobody told", "yes by code, once", (Turn("是{0}", after=1.5),), EXPIRES,
           gateway={CONF: (LOST,)}, sms=ASKED),
    # The early yes is void once the question is sent again; the second copy on the handset is answered again.
    Script("gateway: times out, asks twice", "yes, yes", (Turn("是"), Turn("是", nth=2, after=0.6)),
           gateway={CONF: (LOST, Hop(again=True))}, sms={CONF: (2, 2), NOTE: ONE}),
    Script("gateway: times out, early yes is void", "yes, once", YES, EXPIRES,
           gateway={CONF: (LOST,)}, sms=ASKED),
    Script("gateway: times out twice", "nothing", orders=EXPIRES, gateway={CONF: (LOST, LOST)}, sms=ASKED),
    Script("gateway: 500 after taking, reports", "yes", (Turn("是", after=0.5),),
           gateway={CONF: (Hop(Answer.ERROR, reports=(Dlr(after=0.3),)),)}, sms=GOOD),
    Script("gateway: reset, not taken", "yes", YES,
           gateway={CONF: (Hop(Answer.RESET, taken=False),)}, sms=GOOD),
    Script("gateway: garbage after taking, reports", "yes", (Turn("是", after=0.5),),
           gateway={CONF: (Hop(Answer.GARBAGE, reports=(Dlr(after=0.3),)),)}, sms=GOOD),
    Script("gateway: notification doubtful, asked again", "yes", YES,
           gateway={NOTE: (LOST, Hop(again=True))}, sms={CONF: ONE, NOTE: (2, 2)}),
    Script("gateway: notification doubtful twice, operator", "yes", YES,
           gateway={NOTE: (LOST, LOST)}, sms=GOOD, operator=True),
)

FAILED = {CONF: ONE, Purpose.FAILURE: ONE}

BSS: tuple[Script, ...] = (
    Script("bss: refuses", "yes", YES, FAILS, bss=(BssHop(Answer.REJECT),), sms=FAILED, callable=True),
    Script("bss: slow", "yes", YES, bss=(BssHop(delay=0.6),), sms=GOOD),
    Script("bss: 503 first", "yes", YES, bss=(BssHop(Answer.BUSY), BssHop(Answer.BUSY)), sms=GOOD),
    Script("bss: in progress first", "yes", YES, bss=(BssHop(Answer.IN_PROGRESS),) * 2, sms=GOOD),
    Script("bss: times out after taking", "yes", YES, bss=(BssHop(Answer.HOLD),), sms=GOOD),
    Script("bss: times out, not taken", "yes", YES, bss=(BssHop(Answer.HOLD, taken=False),), sms=GOOD),
    Script("bss: 500 after taking", "yes", YES, bss=(BssHop(Answer.ERROR),), sms=GOOD),
    Script("bss: garbage after taking", "yes", YES, bss=(BssHop(Answer.GARBAGE),), sms=GOOD),
    Script("bss: reset after taking", "yes", YES, bss=(BssHop(Answer.RESET),), sms=GOOD),
    # A refusal after doubt is not believed until an operator has looked at both answers.
    Script("bss: refuses after doubt, operator", "yes", YES, FAILS,
           bss=(BssHop(Answer.HOLD, taken=False), BssHop(Answer.REJECT)), sms=FAILED, operator=True),
)
# fmt: on

SCRIPTS: tuple[Script, ...] = ANSWERS + SEVERAL + GATEWAY + BSS
