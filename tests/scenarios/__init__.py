"""The player of conversations from a file of lines; each line is an event or an expectation.

place A 5g-smart-199 [in NUMBER]      place A 5g-smart-199 -> do_not_call
subscriber: 是<A>                      <A> is A's code; `subscriber NUMBER: ...`, `subscriber to 10001: ...`
gateway: timeout, reports+accepts     its next answers: accepts timeout unavailable rejects; behind an event
gateway: hears 是+accepts              a reply that overtakes the answer
bss: refuses                          likewise: accepts timeout unavailable refuses
report A confirmation.1 failed m2     a delivery report with a message id; behind it, why the SMS failed
clock +24h | clock A -1ms             forward; or to an instant before (after) the end of A's window
workers: none | sms timer | all       the lanes that are worked from now on; everything due is done after every line
cancel A | resend A | retry A | give up A | refuse mobile | line assigned | leases lost inbound | break A | mend A
expect A state=notified               expect A confirmation_accepted, said_yes     (its whole timeline)
expect sms confirmation, late         (all SMS handed over since the last such line; `none`)
expect A activated 1 | A stuck activate | A stuck nothing | mobile refused | mobile callable
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from consent_engine.domain.effects import Accepted, Lane, Rejected, Unavailable, Uncertain
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.msisdn import parse
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.sms import Delivery, DeliveryReport
from consent_engine.engine.engine import RefusalAsked
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.errors import Refused
from tests.conftest import NUMBER, World
from tests.memory import a_store

FILES = sorted(Path(__file__).parent.glob("*.txt"))
UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
ANSWERS = {
    "accepts": Accepted("m1"),
    "timeout": Uncertain("timeout"),
    "unavailable": Unavailable("busy"),
    "rejects": Rejected("no such number"),
    "refuses": Rejected("contract forbids"),
}


def span(text: str) -> int:
    sign, count, unit = re.fullmatch(r"([+-])(\d+)(ms|s|m|h)", text).groups()
    return int(sign + count) * UNITS[unit]


class Play:
    """One conversation under way."""

    def __init__(self) -> None:
        self.world = World(a_store(), Policy(retry_base=1_000, reminder_after=12 * 3_600_000))
        self.orders = {}
        self.lanes = tuple(Lane)
        self.seen = 0
        self.broken = {}

    def line(self, line: str) -> None:
        """Let one line happen, then let the workers work."""
        verb, _, rest = line.partition(" ")
        word, _, said = line.partition(":")
        if word.split()[0] in {"subscriber", "gateway", "bss", "workers"}:
            verb = word.split()[0]
            getattr(self, f"on_{verb}")(said.strip(), *word.split()[1:])
        else:
            getattr(self, f"on_{verb}")(*rest.split(" -> ") if verb == "place" else rest.split(" "))
        if self.lanes and verb != "expect":
            self.world.run(*self.lanes)

    def on_place(self, what: str, refusal: str = "") -> None:
        name, plan, *where = what.split()
        with self.refused(refusal):
            self.orders[name] = self.world.place(parse(where[1]) if where else NUMBER, plan)

    def on_subscriber(self, text: str, *where: str) -> None:
        coded = re.sub(r"<(\w+)>", lambda name: self.orders[name[1]].doc.code, text)
        if where[:1] == ("to",):
            self.world.say(coded, to=where[1])
        else:
            self.world.say(coded, parse(where[0]) if where else NUMBER)

    def on_gateway(self, answers: str) -> None:
        self.world.gateway.answers += [self.answer(each.strip()) for each in answers.split(",")]

    def on_bss(self, answers: str) -> None:
        self.world.bss.answers += [ANSWERS[each.strip()] for each in answers.split(",")]

    def answer(self, words: str) -> object:
        before, _, outcome = words.rpartition("+")
        if not before:
            return ANSWERS[words]

        def answers(sms) -> object:
            if before == "reports":
                report = DeliveryReport("test", sms.ref, "m1", Delivery.DELIVERED)
                self.world.engine.receive([report])
            else:
                self.world.say(before.removeprefix("hears "))
            if Lane.INBOUND in self.lanes:
                self.read_inbox()
            return ANSWERS[outcome]

        return answers

    def read_inbox(self) -> None:
        """Let another process read while the call is in flight."""
        step = self.world.another().performer.perform(Lane.INBOUND, 0)
        with suppress(StopIteration):  # an inbox is read without waiting for any other call
            step.send(None)

    def on_report(self, name: str, effect: str, status: str, message_id: str = "m1", *why: str) -> None:
        self.world.report(self.orders[name], Delivery(status), effect, message_id=message_id, error=" ".join(why))

    def on_clock(self, *words: str) -> None:
        if len(words) == 1:
            self.world.clock.forward(span(words[0]))
        else:
            self.world.clock.now = self.shown(words[0]).reply_by + span(words[1])

    def on_workers(self, names: str) -> None:
        self.lanes = tuple(Lane) if names == "all" else tuple(Lane(name) for name in names.split() if name != "none")

    def on_cancel(self, name: str, *refusal: str) -> None:
        self.asked(lambda order: self.world.engine.cancel(order, "A1024", "changed his mind"), name, *refusal)

    def on_resend(self, name: str, *refusal: str) -> None:
        self.asked(lambda order: self.world.engine.resend(order, "A1024"), name, *refusal)

    def on_give(self, _: str, name: str, *refusal: str) -> None:
        self.asked(lambda order: self.world.engine.give_up(order, "ops", "out of service"), name, *refusal)

    def on_retry(self, name: str, *refusal: str) -> None:
        self.asked(lambda order: self.world.engine.retry(order, "ops"), name, *refusal)

    def asked(self, ask: Callable[[str], object], name: str, *refusal: str) -> None:
        with self.refused(refusal[-1] if refusal else ""):
            ask(self.orders[name].id)

    @contextmanager
    def refused(self, code: str) -> Iterator[None]:
        """Assert that the engine refuses inside the block with this code ("": that it accepts)."""
        said = ""
        try:
            yield
        except Refused as error:
            said = error.code
        assert said == code, f"the engine said: {said or 'yes'}"

    def on_refuse(self, carrier: str) -> None:
        self.world.engine.refuse(RefusalAsked(NUMBER, carrier, "voice", "A1024"))

    def on_line(self, event: str) -> None:
        now = self.world.clock.now
        self.world.engine.line_event(LineEventAsked(NUMBER, LineEvent(event), now, "ops"))

    def on_leases(self, _lost: str, lane: str) -> None:
        self.world.engine.store.lanes.lease(Lane(lane), 100)
        self.world.clock.forward(seconds=61)

    def on_break(self, name: str) -> None:
        key = f"ce:{{0}}:order:{self.orders[name].id}"
        self.broken[name] = self.world.client.hget(key, "state")
        self.world.client.hset(key, "state", "of a later release")

    def on_mend(self, name: str) -> None:
        self.world.client.hset(f"ce:{{0}}:order:{self.orders[name].id}", "state", self.broken.pop(name))

    def shown(self, name: str):
        return self.world.engine.show(self.orders[name].id)

    def on_expect(self, about: str, *words: str) -> None:
        told = " ".join(words)
        if about == "sms":
            sent = [str(sms.purpose) for sms in self.world.gateway.sent[self.seen :]]
            self.seen = len(self.world.gateway.sent)
            assert ", ".join(sent) == told.replace("none", "")
        elif told in {"refused", "callable"}:
            assert self.world.engine.dial(NUMBER, about).callable == (told == "callable")
        elif told.startswith("state="):
            assert self.shown(about).state == told.removeprefix("state=")
        elif words[0] == "activated":
            asked = [each for each in self.world.bss.asked if each.order_id == self.orders[about].id]
            assert len(asked) == int(words[1])
        elif words[0] == "stuck":
            stuck = [each.effect for each in self.world.engine.stuck() if each.id == self.orders[about].id]
            assert stuck == [word for word in words[1:] if word != "nothing"]
        else:
            assert ", ".join(self.world.triggers(self.orders[about])) == told
