"""The subscribers' scripts: each line of these tables is a person, the faults they meet, and the results required."""

from consent_engine.domain.effects import Purpose
from consent_engine.domain.lifecycle import State
from consent_engine.simulator.scripts import SILENCE, Answer, Before, BssHop, Desk, Dlr, Hop, Order, Script, Turn, When

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
