"""Operations at the door: placing, receiving, refusing, and what callers of the API ask for."""

import contextlib
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.effects import Lane, Outcome, Rejected, Uncertain
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.offer.versions import Proposal
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import Delivery, DeliveryReport, Reply
from consent_engine.engine.engine import Engine
from consent_engine.engine.place import Placed
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.reserving import RESERVED_MS
from consent_engine.errors import (
    ConsentError,
    DoNotCall,
    NothingParked,
    StoreUnavailable,
    TooLate,
)
from consent_engine.ports import Sms
from tests.conftest import SENDERS
from tests.crashes.dying import Fate, Told
from tests.crashes.operation import BEST, FIBRE, ONE, PACK, TWO, Operation
from tests.crashes.town import Life, Town
from tests.plans import priced, undated

# -- place ------------------------------------------------------------------------------------------------------------


class Place(Operation):
    name, least, says, ends = "place", 25, "是", {"notified": 1}
    plan, key = BEST, "key-1"

    def before(self, town: Town) -> None:
        self.wanted = [town.wanted(plan=self.plan, key=self.key)]

    def act(self, engine: Engine, told: Told) -> None:
        self.answer([engine.place(self.wanted[0])], told)

    def answer(self, results: list[Placed | ConsentError], told: Told) -> None:
        told(placed=[[r.order.id, r.order.head] for r in results if isinstance(r, Placed)])

    def learnt(self, town: Town, life: Life) -> None:
        town.look()
        for order, head in life.said("placed") or ():
            shown = town.engine.show(order)
            assert shown.publics, "an order that was acknowledged is there"
            call = town.engine.calls.show(shown.doc.call_id)
            assert call.recording_keys, "with its call, whose recording is nobody else's"
            town.model.heads[order] = (0, head)

    def again(self, town: Town, life: Life) -> None:
        """Repeat the same request, answered before or not: it yields the same order, made once."""
        known = {order.id for order in town.shown()}
        results = town.engine.place_many(self.wanted)
        assert all(isinstance(result, Placed) for result in results)
        placed = [(r.order.id, r.created) for r in results if isinstance(r, Placed)]
        assert sum(created for _, created in placed) == len({order for order, _ in placed} - known)
        if life.said("placed"):
            assert [order for order, _ in placed] == [order for order, _ in life.said("placed")]
            assert not any(created for _, created in placed)


class PlaceAgain(Place):
    """The second of two identical requests."""

    name, least = "place: the same again", 12

    def before(self, town: Town) -> None:
        super().before(town)
        town.engine.place(self.wanted[0])


class PlaceMany(Place):
    """Requests that the HTTP front commits together: orders of one line, of two, and one request twice."""

    name, least, says, ends = "place: a group", 30, "是{}", {"notified": 4}

    def before(self, town: Town) -> None:
        rows = [(ONE, BEST, "a"), (ONE, PACK, "b"), (TWO, BEST, "c"), (ONE, FIBRE, "d"), (TWO, BEST, "c")]
        self.wanted = [town.wanted(*row) for row in rows]

    def act(self, engine: Engine, told: Told) -> None:
        self.answer(engine.place_many(self.wanted), told)

    def again(self, town: Town, life: Life) -> None:
        super().again(town, life)
        assert len(town.shown()) == 4


class PlaceOverStaleKey(Place):
    """A request for another order takes over a reservation whose own request died long ago."""

    name, least = "place: a key taken over", 25

    def before(self, town: Town) -> None:
        super().before(town)
        dead = town.wanted(plan=PACK, key=self.key)
        engine = town.another()

        def die(*args: Any, **more: Any) -> Any:
            raise StoreUnavailable("it died")

        engine.store.records.commit = die
        try:
            engine.place(dead)
        except StoreUnavailable:
            town.clock.forward(seconds=61)


class PlaceRefused(Operation):
    """An order that is refused at the door: its key is released, and serves another request."""

    name, least, says, ends = "place: refused at the door", 12, "是", {"notified": 1}

    def before(self, town: Town) -> None:
        town.engine.refuse(RefusalAsked(ONE, "mobile", "voice", "A1024"))
        town.refused(ONE, "mobile")
        self.wanted = town.wanted()
        self.other = town.wanted(plan=FIBRE, key="key-1")

    def act(self, engine: Engine, told: Told) -> None:
        try:
            engine.place(self.wanted)
        except DoNotCall:
            told(refused=True)

    def again(self, town: Town, life: Life) -> None:
        assert town.shown() == []
        if not life.said("refused"):
            [answer] = town.engine.place_many([self.wanted])
            assert isinstance(answer, DoNotCall), "placed after a refusal"
            town.clock.forward(
                RESERVED_MS
            )  # the first try may still be under way, for all that is known: both had the key
        town.engine.place(self.other)


# -- receive ----------------------------------------------------------------------------------------------------------


class Receive(Operation):
    """A webhook message: acknowledged or repeated."""

    name, least, ends = "receive: a yes", 12, {"notified": 1}
    words: tuple[str, ...] = ("是",)

    def before(self, town: Town) -> None:
        [order] = town.asked()
        town.clock.forward(seconds=60)
        self.messages: list[Any] = [town.reply(words, order, f"mo-{n}") for n, words in enumerate(self.words)]

    def act(self, engine: Engine, told: Told) -> None:
        told(stored=[[each.is_new, each.at] for each in engine.receive(self.messages)])

    def learnt(self, town: Town, life: Life) -> None:
        stored = life.said("stored")
        for n, message in enumerate(self.messages):
            if hasattr(message, "text"):
                town.learn(message, stored[n][1] if stored else town.clock.now, sure=bool(stored))

    def again(self, town: Town, life: Life) -> None:
        stored = town.engine.receive(self.messages)
        for message, each in zip(self.messages, stored, strict=True):
            if hasattr(message, "text"):
                assert not (each.is_new and life.said("stored")), "what was acknowledged is known"
                town.learn(message, each.at)


class ReceiveAfterAJump(Receive):
    """The store's clock stood two days ahead for one message: later questions and replies are still due and in time."""

    name = "receive: a yes after the clock went back"

    def before(self, town: Town) -> None:
        town.clock.forward(hours=48)
        town.engine.receive([Reply("test", "mo-ahead", ONE, SENDERS["mobile"], "你好")])
        town.clock.forward(hours=-48)
        super().before(town)


class ReceiveStop(Receive):
    name, words, ends = "receive: a STOP", ("TD",), {"declined": 1}


class ReceiveReport(Receive):
    name, ends = "receive: a report of failure", {"undeliverable": 1}

    def before(self, town: Town) -> None:
        [order] = town.asked()
        ref = f"{order.id}.confirmation.1"
        self.messages = [DeliveryReport("test", ref, f"m-{ref}", Delivery.FAILED, error="absent")]


class ReceiveStrangeReport(Receive):
    """A report on no SMS of ours becomes unmatched; a repeat may do so twice, which is harmless."""

    name, ends = "receive: a report on nothing of ours", {"expired": 1}

    def before(self, town: Town) -> None:
        town.asked()
        self.messages = [DeliveryReport("test", "0000nobody.confirmation.1", "m", Delivery.DELIVERED)]

    def again(self, town: Town, life: Life) -> None:
        super().again(town, life)
        assert 1 <= town.client.xlen("ce:{0}:unmatched") <= 2


class ReceiveMany(Receive):
    """A list: a yes, a STOP from another number, reports on both, and one message twice."""

    name, least, ends = "receive: a list", 14, {"notified": 1, "declined": 1}

    def before(self, town: Town) -> None:
        [one], [two] = town.asked(), town.asked(number=TWO)
        town.clock.forward(seconds=60)
        yes, stop = town.reply("是", one, "mo-yes"), town.reply("TD", two, "mo-stop")
        refs = [f"{order.id}.confirmation.1" for order in (one, two)]
        reports = [DeliveryReport("test", ref, f"m-{ref}", Delivery.DELIVERED) for ref in refs]
        self.messages = [yes, reports[0], stop, yes, reports[1]]

    def again(self, town: Town, life: Life) -> None:
        super().again(town, life)
        assert not any(each.is_new for each in town.engine.receive(self.messages))


# -- refuse -----------------------------------------------------------------------------------------------------------


class Refuse(Operation):
    name, least, ends = "refuse: one carrier", 12, {"cancelled": 1, "expired": 1}
    carrier = "mobile"

    def before(self, town: Town) -> None:
        town.asked(BEST, FIBRE)
        self.asked = RefusalAsked(ONE, self.carrier, "voice", "A1024")

    def act(self, engine: Engine, told: Told) -> None:
        told(refused=engine.refuse(self.asked).is_new)

    def learnt(self, town: Town, life: Life) -> None:
        sure = life.said("refused") is not None
        town.refused(ONE, self.carrier, sure=sure)

    def again(self, town: Town, life: Life) -> None:
        assert not (town.engine.refuse(self.asked).is_new and life.said("refused")), "it stands"
        town.refused(ONE, self.carrier)


class RefuseAll(Refuse):
    name, carrier, ends = "refuse: every carrier", "*", {"cancelled": 2}

    def learnt(self, town: Town, life: Life) -> None:
        for carrier in SENDERS if life.said("refused") is None else ("*",):
            town.refused(ONE, carrier, sure=life.said("refused") is not None)


class RefuseAgain(Refuse):
    """A repeat of a refusal that is in force already proves it again."""

    name, least = "refuse: again", 4

    def before(self, town: Town) -> None:
        super().before(town)
        town.engine.refuse(self.asked)
        town.refused(ONE, self.carrier)


class RefusePlan(Refuse):
    """A refusal of one plan: its open orders are cancelled, and nothing else is barred."""

    name = "refuse: one plan"

    def before(self, town: Town) -> None:
        super().before(town)
        self.asked = RefusalAsked(ONE, self.carrier, "voice", "A1024", plan=BEST)

    def learnt(self, town: Town, life: Life) -> None:
        if life.said("refused"):
            assert not town.engine.dial(ONE, self.carrier, BEST).callable, "what was acknowledged is in force"

    def again(self, town: Town, life: Life) -> None:
        assert not (town.engine.refuse(self.asked).is_new and life.said("refused")), "it stands"
        dials = [town.engine.dial(ONE, self.carrier, plan).callable for plan in (BEST, PACK)]
        assert dials == [False, True]


# -- requests of other callers ----------------------------------------------------------------------------------------


class Cancel(Operation):
    name, ends = "cancel", {"cancelled": 1}
    least = 5

    def before(self, town: Town) -> None:
        [self.order] = town.asked()

    def act(self, engine: Engine, told: Told) -> None:
        told(cancelled=engine.cancel(self.order.id, "A1024", "changed his mind").version)

    def again(self, town: Town, life: Life) -> None:
        if not life.said("cancelled"):
            with contextlib.suppress(TooLate):
                town.engine.cancel(self.order.id, "A1024", "changed his mind")
        assert town.engine.show(self.order.id).state is State.CANCELLED

    def learnt(self, town: Town, life: Life) -> None:
        if life.said("cancelled"):
            assert town.engine.show(self.order.id).state is State.CANCELLED


class CancelConfirmed(Cancel):
    """A cancellation after the order was confirmed and before its activation began."""

    name = "cancel: confirmed"

    def before(self, town: Town) -> None:
        [self.order] = town.asked()
        town.clock.forward(seconds=60)
        town.hear(town.reply("是", self.order, "mo-1"))
        town.run(Lane.INBOUND)

    def again(self, town: Town, life: Life) -> None:
        if life.said("cancelled"):
            super().again(town, life)

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        assert states in ({"cancelled": 1}, {"notified": 1})


class CancelUnasked(Cancel):
    """A cancellation before the question went out: it never does."""

    name = "cancel: before the question"

    def before(self, town: Town) -> None:
        self.order = town.place(ONE, BEST)
        town.look()

    def again(self, town: Town, life: Life) -> None:
        if life.said("cancelled"):
            assert not town.model.sent
            super().again(town, life)

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        assert states in ({"cancelled": 1}, {"expired": 1})


class Resend(Operation):
    name, says, ends = "resend", "是", {"notified": 1}

    def before(self, town: Town) -> None:
        [self.order] = town.asked()

    def act(self, engine: Engine, told: Told) -> None:
        told(resent=engine.resend(self.order.id, "A1024").version)

    def again(self, town: Town, life: Life) -> None:
        if not life.said("resent"):
            town.engine.resend(self.order.id, "A1024")
        town.run()
        assert [sms for _, sms in town.model.sent if sms.ref == f"{self.order.id}.confirmation.2"]


class Retry(Operation):
    """A parked effect is tried again."""

    name, ends = "retry", {"notified": 1}

    def before(self, town: Town) -> None:
        self.works = False
        [self.order] = town.asked()
        town.clock.forward(seconds=60)
        town.hear(town.reply("是", self.order, "mo-1"))
        town.run()
        assert town.engine.show(self.order.id).state is State.ACTIVATED
        self.works = True

    def on_sms(self, sms: Sms, fate: Fate) -> Outcome:
        return super().on_sms(sms, fate) if self.works or sms.purpose != "notification" else Rejected("no")

    def act(self, engine: Engine, told: Told) -> None:
        told(retried=engine.retry(self.order.id, "ops").version)

    def again(self, town: Town, life: Life) -> None:
        if not life.said("retried"):
            with contextlib.suppress(NothingParked):
                town.engine.retry(self.order.id, "ops")

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        super().ended(town, states, shown)
        assert any(event.trigger is Trigger.RETRIED for event in shown[self.order.id].events)


class RetryLine(Operation):
    """The same for an SMS that belongs to the line."""

    name, ends, least, most_times = "retry: a line", {"expired": 2}, 6, 3
    tells = ("clarification",)

    def before(self, town: Town) -> None:
        self.works = False
        order = town.asked(BEST, PACK)[0]
        town.hear(town.reply("是", order, "mo-1"))
        town.run()
        town.clock.forward(seconds=601)
        town.run()
        self.line = order.line
        assert any(effect.parked for effect in town.engine.line(ONE).effects.values())
        self.works = True

    def on_sms(self, sms: Sms, fate: Fate) -> Outcome:
        return Uncertain("timeout") if sms.purpose == "clarification" and not self.works else super().on_sms(sms, fate)

    def act(self, engine: Engine, told: Told) -> None:
        engine.retry_other(self.line, "ops")
        told(retried=True)

    def again(self, town: Town, life: Life) -> None:
        with contextlib.suppress(NothingParked):
            town.engine.retry_other(self.line, "ops")
        town.run()
        assert not town.engine.line(ONE).effects


class Lift(Operation):
    """A refusal is lifted, and the act that lifts it is kept."""

    name, least, ends = "lift", 4, {"expired": 1}

    def before(self, town: Town) -> None:
        town.asked(FIBRE)
        town.engine.refuse(RefusalAsked(ONE, "mobile", "voice", "A1024"))
        town.refused(ONE, "mobile")
        town.run()

    def act(self, engine: Engine, told: Told) -> None:
        told(lifted=engine.lift(ONE, "mobile", "admin", "form 7", engine.registry.now()).value)

    def learnt(self, town: Town, life: Life) -> None:
        town.model.refused.clear()
        town.refused(ONE, "mobile", sure=False)
        if life.said("lifted"):
            assert town.engine.dial(ONE, "mobile").callable

    def again(self, town: Town, life: Life) -> None:
        town.engine.lift(ONE, "mobile", "admin", "form 7", town.engine.registry.now())
        town.unsure_refusals.clear()
        town.model.refused.clear()
        assert town.engine.dial(ONE, "mobile").callable
        assert town.client.xlen("ce:{0}:lifted") == 1, "one act, kept once"


class Revoke(Operation):
    """A plan is withdrawn: no new orders, and its open orders are cancelled with a notice."""

    name, least, ends = "revoke a plan", 20, {"cancelled": 2, "expired": 1}
    tells = ("cancelled",)

    def before(self, town: Town) -> None:
        town.asked(BEST, FIBRE)
        town.place(TWO, BEST)

    def act(self, engine: Engine, told: Told) -> None:
        told(revoked=engine.revoke(BEST, "admin"))

    def learnt(self, town: Town, life: Life) -> None:
        if life.said("revoked") is not None:
            assert sum(order.state is State.CANCELLED for order in town.shown()) == 2

    def again(self, town: Town, life: Life) -> None:
        town.engine.revoke(BEST, "admin")
        assert sum(order.state is State.CANCELLED for order in town.shown()) == 2


def _agreed_now(town: Town) -> Placing:
    """Return a call that ends now: a new plan version cannot be sold to an earlier call."""
    now = datetime.fromtimestamp(town.clock.now / 1000, UTC).isoformat()
    return Placing("desk", "key-1", town.request(ONE, BEST, started_at=now, agreed_at=now))


class Publish(Operation):
    """A plan is changed: the old version or the new one is on sale, never none; the next caller can change it again."""

    name, least, says, ends = "publish a plan", 10, "是", {"notified": 1}

    def before(self, town: Town) -> None:
        self.old = town.engine.plan(BEST).plan
        self.new = undated(priced(self.old, "188.00"))

    def act(self, engine: Engine, told: Told) -> None:
        told(published=engine.catalogue.publish(self.new).version)

    def again(self, town: Town, life: Life) -> None:
        now = town.another().plan(BEST).plan
        assert now.version == 2 if life.said("published") else now.version in {1, 2}
        assert now.tariff == (self.new.tariff if now.version == 2 else self.old.tariff)
        assert town.engine.catalogue.publish(self.new).version == 2
        placed = town.engine.place(_agreed_now(town)).order
        assert (placed.doc.offer.plan_version, placed.doc.offer.plan_hash) == (2, self.new.hash)


class Approve(Publish):
    """A version that one admin proposed is on sale with both names and proposed no longer; or it is still proposed."""

    name = "approve a plan"

    def before(self, town: Town) -> None:
        super().before(town)
        town.engine.registry.propose(Proposal(self.new, "one", town.clock.now))

    def act(self, engine: Engine, told: Told) -> None:
        told(published=engine.catalogue.approve(BEST, "two").version)

    def again(self, town: Town, life: Life) -> None:
        catalogue = town.another().catalogue
        if catalogue.show(BEST).plan.version == 1:
            assert life.said("published") is None
            assert catalogue.approve(BEST, "two").version == 2
        assert catalogue.show(BEST).newest.by == ("one", "two")
        assert catalogue.proposals() == {}
        super().again(town, life)


class PublishAnother(Publish):
    """A publisher that died half way leaves nothing behind: another caller publishes another version."""

    name = "publish a plan, then another"

    def again(self, town: Town, life: Life) -> None:
        other = undated(priced(self.old, "177.00"))
        assert town.another().catalogue.publish(other).version in {2, 3}
        now = town.another().plan(BEST).plan
        assert now.tariff == other.tariff
        placed = town.engine.place(_agreed_now(town)).order
        assert placed.doc.offer.plan_hash == now.hash
