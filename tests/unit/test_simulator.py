"""The simulator: its scripts are consistent, its judge finds what is wrong, its gateway and BSS honour keys."""

import asyncio
import io
import itertools
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from consent_engine.domain.effects import Purpose
from consent_engine.domain.grammar import Keyword, read
from consent_engine.domain.hashing import HEADER, check, sign
from consent_engine.domain.lifecycle import State
from consent_engine.simulator.__main__ import SECRETS, main, secrets_of
from consent_engine.simulator.account import (
    ASCII,
    conversation,
    funnel,
    judge,
    misbehaviour,
    most_telling,
    progress,
    width,
    wrap,
)
from consent_engine.simulator.callcentre import MOST_UNASKED, CallCentre
from consent_engine.simulator.demo import DIFFERS, TOO_SLOW, Run, Watch, run, settings_for
from consent_engine.simulator.ledger import ActivationSeen, Attempt, Ledger, Said, SmsSeen
from consent_engine.simulator.outside import BssDesk, GatewayDesk, Outside
from consent_engine.simulator.scripts import SILENCE, Answer, Before, BssHop, Desk, Hop, Script, Turn, When
from consent_engine.simulator.subscribers import SCRIPTS, Case, Handsets, OrderRun, crowd
from consent_engine.simulator.wire import Answers, Reply, Tasks
from tests.waiting import HANGS_S

PLANS = {"mobile": ["m1", "m2"], "telecom": ["t1", "t2"], "unicom": ["u1", "u2"]}
NAMES = {script.name for script in SCRIPTS}
CONF, NOTE = Purpose.CONFIRMATION, Purpose.NOTIFICATION


# ---- the scripts -----------------------------------------------------------------------------------------------------


def test_there_are_many_scripts_and_no_two_have_one_name():
    assert len(SCRIPTS) == len(NAMES) >= 25


def test_every_turn_waits_for_an_sms_that_may_land():
    for script in SCRIPTS:
        for turn in script.turns:
            assert isinstance(turn.on, When) or turn.nth <= script.sms[turn.on][1], script.name
            assert turn.order < len(script.orders), script.name
            turn.say.format(*("234" for _ in script.orders))


def test_no_script_has_a_clock_and_only_a_hasty_one_waits_for_a_window_to_close():
    for script in SCRIPTS:
        hops = [hop for each in (*script.gateway.values(), script.bss) for hop in each]
        reports = [report for hop in hops if isinstance(hop, Hop) for report in hop.reports]
        seconds = [*(turn.after for turn in script.turns), *(h.delay for h in hops), *(r.after for r in reports)]
        assert not any(seconds), script.name
        assert script.hasty == any(State.EXPIRED in order.ends for order in script.orders), script.name


def test_only_a_notified_order_has_an_activation():
    for script in SCRIPTS:
        for order in script.orders:
            assert all((count == 1) == (state is State.NOTIFIED) for state, count in order.ends.items()), script.name
            assert all(state.settled for state in order.ends), script.name


def test_the_notifications_fit_the_ends():
    for script in SCRIPTS:
        taken = [order for order in script.orders if not order.door]
        surely = sum(set(order.ends) == {State.NOTIFIED} for order in taken)
        maybe = sum(State.NOTIFIED in order.ends for order in taken)
        least, most = script.sms.get(NOTE, (0, 0))
        assert surely <= most, script.name
        assert least <= most, script.name
        assert (least > 0) == (surely > 0), script.name
        assert (most > 0) == (maybe > 0), script.name


def test_nobody_is_activated_who_never_said_yes():
    for script in SCRIPTS:
        own = [turn.say.format("234", "345") for turn in script.turns if turn.desk is None and not turn.stranger]
        agrees = any(read(text).keyword is Keyword.YES for text in own)
        assert agrees or all(State.NOTIFIED not in o.ends for o in script.orders if not o.door), script.name


def test_who_refuses_must_not_be_called_again():
    for script in SCRIPTS:
        refuses = any(turn.desk is Desk.REFUSE or read(turn.say).keyword is Keyword.STOP for turn in script.turns)
        assert refuses == (script.callable is False), script.name


def test_a_refusing_bss_ends_in_a_failure_that_is_told():
    for script in SCRIPTS:
        refused = any(hop.answer is Answer.REJECT for hop in script.bss)
        assert refused == (State.ACTIVATION_FAILED in script.orders[0].ends) == (Purpose.FAILURE in script.sms), (
            script.name
        )


def test_two_hundred_orders_use_every_script_more_than_once_and_the_same_seed_deals_the_same():
    cases = crowd(200, 1, PLANS)
    assert sum(len(case.orders) for case in cases) == 200
    used = Counter(case.script.name for case in cases)
    assert set(used) == NAMES
    assert min(used.values()) >= 2
    assert len({case.msisdn for case in cases}) == len(cases)
    again = [(case.msisdn, case.script.name) for case in crowd(200, 1, PLANS)]
    assert again == [(case.msisdn, case.script.name) for case in cases]
    assert again != [(case.msisdn, case.script.name) for case in crowd(200, 2, PLANS)]


def test_one_carrier_with_one_plan_is_enough_for_a_small_day():
    cases = crowd(3, 1, {"mobile": ["m1"]})
    assert sum(len(case.orders) for case in cases) == 3


# ---- the judge -------------------------------------------------------------------------------------------------------


def ended(name: str) -> tuple[Case, Ledger]:
    """Return a case that went as its script says: each order took its first end, each SMS came as seldom as it may."""
    case = next(case for case in crowd(200, 1, PLANS) if case.script.name == name)
    ledger = Ledger(now=lambda: 1000.0)
    if case.script.callable is not None:
        case.callable[case.orders[0].carrier] = case.script.callable
    for index, order in enumerate(case.orders):
        order.id, order.code, order.state = f"o{index}", f"{234 + index}", next(iter(order.script.ends))
        if order.script.ends[order.state]:
            activate(case, ledger, index)
    for purpose, (least, _) in case.script.sms.items():
        for index in range(least):
            land(case, ledger, purpose, f"o{index % len(case.orders)}.{purpose}.{index + 1}")
    say(case, ledger, "是")
    return case, ledger


def land(case: Case, ledger: Ledger, purpose: Purpose, ref: str) -> None:
    sms = SmsSeen(ref, purpose, case.orders[0].official, case.msisdn, "…", "sim-1")
    sms.attempts.append(Attempt(100.0, Answer.OK, accepted=True))
    sms.landed.append(100.0)
    ledger.sms[ref] = sms


def say(case: Case, ledger: Ledger, text: str, at: float = 101.0) -> None:
    ledger.said.append(Said("mo-1", case.msisdn, case.orders[0].official, text, at, at, stored=True))


def activate(case: Case, ledger: Ledger, index: int) -> ActivationSeen:
    order = case.orders[index]
    seen = ActivationSeen(order.id, case.msisdn, order.plan, verdict=Answer.OK, switched_on=1)
    seen.attempts.append(Attempt(102.0, Answer.OK, accepted=True))
    ledger.activations[order.id] = seen
    return seen


@pytest.mark.parametrize("name", ["plain yes", "no", "stop", "silent", "bss: refuses", "gateway: rejects"])
def test_the_judge_is_content_when_all_went_as_scripted(name):
    case, ledger = ended(name)
    assert judge([case], ledger) == []


def differences(case: Case, ledger: Ledger) -> str:
    found = judge([case], ledger)
    assert found
    assert all(case.msisdn not in difference for difference in found)
    return " | ".join(found)


def test_the_judge_finds_a_wrong_state():
    case, ledger = ended("plain yes")
    case.orders[0].state = State.DECLINED
    assert "ended as declined, must be notified" in differences(case, ledger)


def test_the_judge_finds_an_order_that_never_settled():
    case, ledger = ended("silent")
    case.orders[0].state = State.AWAITING_REPLY
    assert "did not settle" in differences(case, ledger)


def test_the_judge_finds_a_double_activation():
    case, ledger = ended("plain yes")
    ledger.activations["o0"].switched_on = 2
    assert "switched on 2 times" in differences(case, ledger)


def test_the_judge_finds_an_activation_under_another_key():
    case, ledger = ended("plain yes")
    ledger.activations["o9"] = ActivationSeen("o9", case.msisdn, "m1", switched_on=1)
    assert "nobody placed such an order" in differences(case, ledger)


@pytest.mark.parametrize(
    ("text", "at"), [("好的", 101.0), ("不", 101.0), ("是", 99.0), ("是", 103.0), ("是345", 101.0), ("234", 101.0)]
)
def test_the_judge_finds_an_activation_without_consent(text, at):
    case, ledger = ended("plain yes")
    ledger.said.clear()
    say(case, ledger, text, at)
    assert "no yes from that number" in differences(case, ledger)


def test_the_judge_finds_that_the_yes_came_from_another_number():
    case, ledger = ended("plain yes")
    ledger.said[0].msisdn = "+8613900001234"
    assert "no yes from that number" in differences(case, ledger)


def test_a_bare_code_after_an_ambiguous_yes_is_consent():
    case, ledger = ended("plain yes")
    ledger.said.clear()
    say(case, ledger, "是345", 100.5)
    say(case, ledger, "234", 101.0)
    assert judge([case], ledger) == []


def test_the_judge_finds_a_missing_and_a_needless_sms():
    case, ledger = ended("plain yes")
    del ledger.sms["o0.notification.1"]
    land(case, ledger, Purpose.DECLINED, "o0.declined.1")
    told = differences(case, ledger)
    assert "0 notification SMS on the handset, must be 1" in told
    assert "1 declined SMS on the handset, must be 0" in told


def test_the_judge_finds_who_may_be_called_after_a_refusal():
    case, ledger = ended("stop")
    case.callable[case.orders[0].carrier] = True
    assert "must be False" in differences(case, ledger)


def test_the_judge_finds_an_open_and_a_shut_door():
    case, ledger = ended("called again after a stop")
    assert "must be turned away with do_not_call" in differences(case, ledger)
    case, ledger = ended("plain yes")
    case.orders[0].door = "plan_unknown"
    assert "was turned away with plan_unknown, must be taken" in differences(case, ledger)


def test_who_was_not_asked_in_time_by_the_engines_own_account_need_have_got_no_question():
    case, ledger = ended("silent")
    del ledger.sms["o0.confirmation.1"]
    assert "0 confirmation SMS on the handset, must be 1" in differences(case, ledger)
    case.orders[0].timeline = [{"trigger": "too_late_to_ask"}]
    assert judge([case], ledger) == []


def test_a_day_that_is_not_over_is_judged_by_what_must_never_happen_alone():
    case, ledger = ended("plain yes")
    case.orders[0].state = State.AWAITING_REPLY
    assert judge([case], ledger, over=False) == []
    ledger.said.clear()
    assert "no yes from that number" in " | ".join(judge([case], ledger, over=False))


def test_what_the_outside_found_wrong_is_a_difference():
    case, ledger = ended("plain yes")
    ledger.errors.append("activation o0: another body under the same key")
    assert judge([case], ledger) == ["activation o0: another body under the same key"]


# ---- the outside -----------------------------------------------------------------------------------------------------

NOBODY = "http://127.0.0.1:9"
SMS = {"ref": "o1.confirmation.1", "from": "10085", "to": "+8613800138000", "text": "?", "purpose": "confirmation"}
ACTIVATION = {
    "order_id": "o1",
    "msisdn": "+8613800138000",
    "plan": "m1",
    "plan_version": 1,
    "plan_hash": "h",
    "confirmed_at": "2025-08-01T10:00:00+08:00",
    "head": "c",
}
Post = Callable[..., Awaitable[tuple[int, dict]]]


def with_outside(
    scenario: Callable[[Outside, Post], Awaitable[None]], script: Script | None = None, engine: str = NOBODY
) -> Ledger:
    async def go() -> Ledger:
        outside = Outside("gw-secret", "bss-secret")
        async with outside.serving(engine), aiohttp.ClientSession() as session:
            if script is not None:
                case = next(case for case in crowd(1, 1, PLANS))
                case.script, case.msisdn = script, SMS["to"]
                outside.play([case])

            async def post(path: str, payload: dict, key: str, secret: str = "") -> tuple[int, dict]:
                body = json.dumps(payload).encode()
                signed = sign(secret or ("gw-secret" if path == "/sms" else "bss-secret"), body, int(time.time()))
                headers = {HEADER: signed, "Idempotency-Key": key}
                async with session.post(outside.url + path, data=body, headers=headers) as response:
                    json_like = response.content_type == "application/json"
                    return response.status, await response.json() if json_like else {}

            await scenario(outside, post)
        return outside.ledger

    return asyncio.run(go())


def quiet(*hops: Hop) -> Script:
    return Script("test", "-", gateway={CONF: hops})


def test_the_same_ref_again_is_a_repeat_and_lands_once():
    async def scenario(_: Outside, post: Post) -> None:
        first = await post("/sms", SMS, SMS["ref"])
        assert first == await post("/sms", SMS, SMS["ref"])
        assert first[0] == 201

    ledger = with_outside(scenario, quiet(Hop(reports=SILENCE), Hop(reports=SILENCE)))
    sms = ledger.sms[SMS["ref"]]
    assert (len(sms.attempts), len(sms.landed), ledger.errors) == (2, 1, [])


def test_a_repeat_lands_again_only_where_the_script_says_so():
    async def scenario(_: Outside, post: Post) -> None:
        assert await post("/sms", SMS, SMS["ref"]) == (200, {})
        assert (await post("/sms", SMS, SMS["ref"]))[0] == 201

    script = quiet(Hop(Answer.GARBAGE, reports=SILENCE), Hop(again=True, reports=SILENCE))
    ledger = with_outside(scenario, script)
    assert len(ledger.sms[SMS["ref"]].landed) == 2
    assert ledger.wrong["gateway: garbage answer, taken"] == 1


def test_an_sms_that_was_not_taken_does_not_land():
    async def scenario(_: Outside, post: Post) -> None:
        assert (await post("/sms", SMS, SMS["ref"]))[0] == 503
        assert (await post("/sms", SMS, SMS["ref"]))[0] == 422

    ledger = with_outside(scenario, quiet(Hop(Answer.BUSY), Hop(Answer.REJECT)))
    assert ledger.sms[SMS["ref"]].landed == []


def test_another_text_under_the_same_ref_is_an_error():
    async def scenario(_: Outside, post: Post) -> None:
        await post("/sms", SMS, SMS["ref"])
        await post("/sms", SMS | {"text": "!"}, SMS["ref"])

    assert with_outside(scenario).errors == ["SMS o1.confirmation.1: another body under the same ref"]


def test_what_is_unsigned_or_breaks_the_contract_is_not_taken():
    async def scenario(_: Outside, post: Post) -> None:
        assert (await post("/sms", SMS, SMS["ref"], "wrong"))[0] == 401
        assert (await post("/sms", SMS, "another key"))[0] == 400
        assert (await post("/sms", SMS | {"purpose": "advertising"}, SMS["ref"]))[0] == 400
        assert (await post("/bss/activations", ACTIVATION, "another key"))[0] == 400
        assert (await post("/bss/activations", {"order_id": "o1"}, "o1"))[0] == 400
        other = {"order_id": "o1", "more": "than was agreed"}
        assert (await post("/bss/activations", other, "o1"))[0] == 400

    ledger = with_outside(scenario)
    assert (ledger.sms, ledger.activations, len(ledger.errors)) == ({}, {}, 6)


def test_the_bss_honours_its_key():
    async def scenario(outside: Outside, post: Post) -> None:
        assert (await post("/bss/activations", ACTIVATION, "o1"))[0] == 500
        first = await post("/bss/activations", ACTIVATION, "o1")
        assert first == await post("/bss/activations", ACTIVATION, "o1")
        async with aiohttp.ClientSession() as session:
            async with session.get(outside.bss_url + "/activations/o1") as response:
                assert (response.status, await response.json()) == (200, first[1])
            async with session.get(outside.bss_url + "/activations/o2") as response:
                assert response.status == 404
        await post("/bss/activations", ACTIVATION | {"head": "d"}, "o1")

    ledger = with_outside(scenario, Script("test", "-", bss=(BssHop(Answer.ERROR),)))
    seen = ledger.activations["o1"]
    assert (seen.switched_on, len(seen.attempts), seen.asked) == (1, 4, 1)
    assert ledger.errors == ["activation o1: another body under the same key"]


def test_a_refusal_of_the_bss_stands():
    async def scenario(_: Outside, post: Post) -> None:
        assert (await post("/bss/activations", ACTIVATION, "o1"))[0] == 422
        assert (await post("/bss/activations", ACTIVATION, "o1"))[0] == 422

    ledger = with_outside(scenario, Script("test", "-", bss=(BssHop(Answer.REJECT),)))
    assert ledger.activations["o1"].switched_on == 0


def test_a_handset_answers_signed_and_in_order_and_a_person_can_write_from_it():
    heard: list[str] = []
    both = asyncio.Event()

    async def inbound(request: web.Request) -> web.Response:
        body = await request.read()
        check("gw-secret", request.headers[HEADER], body, int(time.time() * 1000))
        heard.append(json.loads(body)["text"])
        if len(heard) == 3:
            both.set()
        return web.json_response({"accepted": 1, "rejected": []})

    async def scenario(outside: Outside, post: Post) -> None:
        async with aiohttp.ClientSession() as session:
            wanted = {"from": SMS["to"], "to": "10085", "text": "帮助"}
            async with session.post(outside.url + "/say", json=wanted) as response:
                assert (await response.json())["engine_answered"] == 200
            async with session.post(outside.url + "/say", json={"text": "是"}) as response:
                assert response.status == 400
            async with session.get(outside.url + "/ledger") as response:
                assert (await response.json())["said"][0]["stored"] is True
        await post("/sms", SMS, SMS["ref"])
        await asyncio.wait_for(both.wait(), HANGS_S)

    async def engine() -> Ledger:
        app = web.Application()
        app.router.add_post("/v1/gateways/http_json/inbound", inbound)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            return await asyncio.to_thread(with_outside_on_its_own_loop, site.name)
        finally:
            await runner.cleanup()

    turns = (Turn("是", after=0.0), Turn("TD", after=0.0))
    script = Script("test", "-", turns, gateway={CONF: (Hop(reports=SILENCE),)})

    def with_outside_on_its_own_loop(url: str) -> Ledger:
        return with_outside(scenario, script, url)

    ledger = asyncio.run(engine())
    assert (heard, ledger.errors) == (["帮助", "是", "TD"], [])


def day_at(engine: str, limit_s: float, out: io.StringIO) -> int:
    outside = Outside("a", "b")
    assert settings_for(outside)["CONSENT_HTTP_JSON__URL"] == f"http://127.0.0.1:{outside.port}/sms"
    return run(Run(engine, engine, "key", "ops", outside, 10, 1, limit_s, out))


def test_an_engine_without_plans_is_a_difference_and_nothing_hangs():
    async def plans(_: web.Request) -> web.Response:
        return web.json_response([])

    async def go() -> int:
        app = web.Application()
        app.router.add_get("/v1/plans", plans)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            return await asyncio.to_thread(day_at, site.name, 60.0, out)
        finally:
            await runner.cleanup()

    out = io.StringIO()
    assert asyncio.run(go()) == DIFFERS
    assert "the catalogue shows no plans" in out.getvalue()


def test_a_day_that_is_not_done_in_time_is_no_difference_and_says_that_the_machine_was_too_slow():
    out = io.StringIO()
    assert day_at(NOBODY, 0.0, out) == TOO_SLOW
    assert "too slow: the time was over, and 10 of 10 orders had not settled" in out.getvalue()
    assert "✗" not in out.getvalue()


# ---- no clock --------------------------------------------------------------------------------------------------------


class StandingClock(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still: whatever waits for time waits for ever."""

    def time(self) -> float:
        return 0.0


def without_time(played: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=StandingClock) as runner:
        runner.run(played())


async def rest() -> None:
    """Let everything happen that waits for nothing but its turn."""
    for _ in range(200):
        await asyncio.sleep(0)


class Request:
    """A signed request of the engine. transport: None, as once a connection is lost"""

    transport = None

    def __init__(self, path: str, key: str, body: dict) -> None:
        self.path, self._raw = path, json.dumps(body).encode()
        self.headers = {HEADER: sign("secret", self._raw, int(time.time())), "Idempotency-Key": key}

    async def read(self) -> bytes:
        return self._raw


class Town:
    """One subscriber, gateway and BSS, and the engine as they see it: all that it is sent, acknowledged once `may`."""

    def __init__(self, script: Script) -> None:
        [self.case] = crowd(1, 1, {"mobile": ["m1"]})
        self.case.script = script
        self.case.orders = [OrderRun(o, f"m{o.plan + 1}", "mobile") for o in script.orders]
        for n, order in enumerate(self.case.orders):
            order.id, order.code = f"o{n}", f"{234 + n}"
            order.placed.set()
        self.heard: list[str] = []
        self.may = asyncio.Event()
        self.may.set()
        self.ledger = Ledger(now=time.time)
        self.tasks = Tasks(self.ledger.errors)
        self.handsets = Handsets(self.ledger, self.tasks, self, self._desk, {self.case.msisdn: self.case})
        answers = Answers(self.tasks)
        self.gateway = GatewayDesk(
            "secret", self.ledger, self.handsets, self.tasks, self, answers, lambda *_: None, itertools.count(1), Hop()
        )
        self.bss = BssDesk("secret", self.ledger, self.handsets, self.tasks, answers, lambda *_: None)

    async def _desk(self, _: Case, turn: Turn) -> None:
        self.heard.append(turn.desk)

    async def post_signed(self, _: str, payload: dict) -> Reply:
        """Take a webhook as the engine does."""
        self.heard.append(payload.get("text", payload.get("status")))
        await self.may.wait()
        return Reply(200, {})

    def ask(self, purpose: Purpose, order: int = 0, n: int = 1) -> "asyncio.Task[web.StreamResponse]":
        """Hand an SMS to the gateway."""
        ref = f"o{order}.{purpose}.{n}"
        body = {"ref": ref, "from": "10085", "to": self.case.msisdn, "text": "?", "purpose": purpose.value}
        return asyncio.create_task(self.gateway.receive(Request("/sms", ref, body)))

    def activate(self) -> "asyncio.Task[web.StreamResponse]":
        body = ACTIVATION | {"order_id": "o0", "msisdn": self.case.msisdn}
        return asyncio.create_task(self.bss.activate(Request("/bss/activations", "o0", body)))


async def answered(request: "asyncio.Task[web.StreamResponse]") -> bool:
    """Give what is under way its turn; give the request up if it is unanswered then."""
    await rest()
    done = request.done()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await rest()
    return done


async def play(script: Script) -> list[str]:
    """Let happen what a script waits for, and nothing else; return what its subscriber did not do, or did beyond it."""
    town = Town(script)
    for order in range(len(script.orders)):
        for _ in range(min(3, 1 + len(script.gateway.get(CONF, ())))):
            await answered(town.ask(CONF, order))
    for purpose in {turn.on for turn in script.turns} & set(Purpose) - {CONF}:
        await answered(town.ask(purpose))
    await answered(town.activate())
    for moment in (When.PLACED, When.SETTLED):
        await town.handsets.act(town.case, moment)
    said = Counter(turn.desk or turn.say.format("234", "235") for turn in script.turns for _ in range(turn.repeats))
    heard = Counter(what for what in town.heard if what not in REPORTED)
    await town.tasks.close()
    return [*(said - heard), *(heard - said), *town.ledger.errors]


def test_every_subscriber_does_all_that_the_script_says_while_the_clock_stands_still():
    wrong: dict[str, list[str]] = {}

    async def played() -> None:
        for script in SCRIPTS:
            wrong[script.name] = await play(script)

    without_time(played)
    assert {name: what for name, what in wrong.items() if what} == {}


REPORTED = {"delivered", "accepted", "failed"}


def test_a_subscriber_answers_once_the_engine_has_acknowledged_that_the_question_is_there():
    async def played() -> None:
        town = Town(Script("test", "-", (Turn("是"),)))
        town.may.clear()
        assert await answered(town.ask(CONF))
        assert town.heard == ["delivered"]
        town.may.set()
        await rest()
        assert town.heard == ["delivered", "是"]
        await town.tasks.close()

    without_time(played)


@pytest.mark.parametrize(
    ("before", "heard"), [(Before.TAKEN, []), (Before.REPORTED, ["delivered"]), (Before.REPLIED, ["delivered", "是"])]
)
def test_a_gateway_that_never_answers_waits_for_the_engine_to_give_up_as_far_as_its_script_says(before, heard):
    async def played() -> None:
        town = Town(Script("test", "-", (Turn("是"),), gateway={CONF: (Hop(Answer.HOLD, before=before),)}))
        request = town.ask(CONF)
        await rest()
        assert town.heard == heard
        assert not await answered(request)
        assert town.heard == ["delivered", "是"]
        await town.tasks.close()

    without_time(played)


def test_an_answer_that_waits_for_the_reply_comes_once_the_engine_has_acknowledged_that():
    async def played() -> None:
        hops = {CONF: (Hop(before=Before.REPLIED, reports=SILENCE),)}
        turns = (Turn("是"), Turn("TD", When.ACTIVATING))
        town = Town(Script("test", "-", turns, gateway=hops, bss=(BssHop(before=Before.REPLIED),)))
        for ask, said in ((lambda: town.ask(CONF), "是"), (town.activate, "TD")):
            town.may.clear()
            request = ask()
            await rest()
            assert (town.heard[-1], request.done()) == (said, False)
            town.may.set()
            assert await answered(request)
        await town.tasks.close()

    without_time(played)


LANES = [(count, lane) for count in ("due", "pending", "parked") for lane in ("inbound", "activation", "sms", "timer")]


@pytest.mark.parametrize(
    ("busy", "idle"),
    [
        ({}, True),
        ({("pending", "timer"): 9}, True),  # windows that close some day
        ({("due", "timer"): 1}, False),
        ({("pending", "sms"): 1}, False),
        ({("pending", "inbound"): 1}, False),
        ({("pending", "activation"): 1}, False),
        ({("pending", "sms"): 1, ("parked", "sms"): 1}, True),  # a person must look
    ],
)
def test_nothing_is_left_when_the_engine_says_so(busy, idle):
    class Says:
        async def call(self, *_):
            return Reply(
                200, {}, text="".join(f'consent_lane_{c}{{lane="{n}"}} {busy.get((c, n), 0)}\n' for c, n in LANES)
            )

    assert asyncio.run(Watch(Says(), "key", "ops", [], Tasks([]), Ledger()).idle()) is idle


def test_an_engine_that_cannot_ask_its_store_is_not_done():
    class Silent:
        async def call(self, *_):
            return Reply(200, {}, text="consent_http_requests_total 3\n")

    assert not asyncio.run(Watch(Silent(), "key", "ops", [], Tasks([]), Ledger()).idle())


# ---- what is shown ---------------------------------------------------------------------------------------------------


def test_the_screen_keeps_its_right_edge():
    case, ledger = ended("two open orders: one yes, one no")
    say(case, ledger, "不同意，谢谢你" * 8, 105.0)
    lines = list(conversation(case, ledger))
    assert len({width(line) for line in lines}) == 1
    assert case.msisdn not in "".join(lines)


def test_chinese_wraps_by_columns():
    assert wrap("一二三四\nab", 4) == ["一二", "三四", "ab"]


def test_the_funnel_counts_each_order_once():
    case, ledger = ended("plain yes")
    case.land(next(iter(ledger.sms.values())))
    assert most_telling([case]) is case
    lines = list(funnel([case], ledger))
    assert all("   1  █" in line for line in lines[:6] if line)


# ---- progress --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
@pytest.mark.parametrize("orders", [1, 10_000])
def test_the_line_of_progress_is_narrower_than_the_terminal(columns, orders):
    cases, ledger = crowd(orders, 1, PLANS), Ledger()
    for case in cases[: len(cases) // 2]:
        for each in case.orders:
            each.turned_away("busy")
    line = progress(cases, ledger, 599.6, columns)
    assert width(line) < columns
    assert "\n" not in line


def test_progress_has_a_bar_that_fills_and_needs_no_other_signs_than_the_terminal_has():
    cases = crowd(40, 1, PLANS)
    runs = [each for case in cases for each in case.orders]
    nothing = progress(cases, Ledger(), 0, 80, ASCII)
    assert nothing.startswith("." * 20)
    for each in runs:
        each.turned_away("busy")
    everything = progress(cases, Ledger(), 12, 80, ASCII)
    assert everything.startswith("#" * 20)
    assert f"{len(runs)}/{len(runs)}" in everything


def test_the_next_is_called_as_fast_as_the_engine_asks():
    """However slow a machine is, a question is never far behind its call."""
    cases = crowd(5 * MOST_UNASKED, 1, PLANS)
    for case in cases:
        case.script = Script("test", "-")
    called = []

    class Calls(CallCentre):
        async def _serve(self, case):
            called.append(case)

    async def day():
        people = Handsets(Ledger(), Tasks([]), None)
        centre = Calls(None, None, "key", 1, people)
        calls = [asyncio.create_task(centre.serve(case)) for case in cases]
        for seen in range(len(cases)):
            await _until(called, min(len(cases), seen + MOST_UNASKED))
            called[seen].asked.set()
        for case in cases:
            for each in case.orders:
                each.settled.set()
        await asyncio.gather(*calls)

    asyncio.run(day())


async def _until(called, count):
    """Wait until so many were called, and check that no more were."""
    async with asyncio.timeout(HANGS_S):
        while len(called) < count:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(called) == count


# ---- its secrets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"CONSENT_HTTP_JSON__SECRET": "-of-the-gateway", "CONSENT_BSS_HTTP__SECRET": "-b"}, ("-of-the-gateway", "-b")),
        ({"CONSENT_HTTP_JSON__SECRET": "one"}, ("one", "one")),
        ({"CONSENT_HTTP_JSON__SECRET": "", "CONSENT_BSS_HTTP__SECRET": "one"}, ("one", "one")),
    ],
)
def test_its_secrets_come_from_the_environment_whatever_they_begin_with(environ, found):
    assert secrets_of(environ) == found


def test_without_a_secret_it_says_in_one_line_what_to_set(monkeypatch, capsys):
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    assert main([]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "set CONSENT_HTTP_JSON__SECRET or CONSENT_BSS_HTTP__SECRET in the environment, to the value that the engine has"
    ]


def test_a_conversation_has_the_clock_of_its_texts_wherever_the_machine_is():
    case, ledger = ended("plain yes")
    assert "08:01:41 to " in "\n".join(conversation(case, ledger))  # 101 s after the epoch, in China


def test_what_happened_once_is_told_as_once():
    case, ledger = ended("plain yes")
    ledger.wrong["gateway: 503"] = 1
    ledger.hit["gateway: 503"] = {case.orders[0].id}
    [told] = misbehaviour([case], ledger)
    assert "   1 time,    1 order: 1 notified" in told
