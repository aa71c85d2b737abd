"""`consent gateway` and `consent bss`: check with a handset of your own, and with a service, what is outside."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, NamedTuple

import typer

from consent_engine.cli.opening import opened, real_settings, typed
from consent_engine.cli.tables import table, tell
from consent_engine.config.values import duration
from consent_engine.domain.effects import Accepted, Outcome, Rejected, Unavailable, Uncertain, Untaken
from consent_engine.domain.hitch import in_words
from consent_engine.domain.msisdn import Msisdn, parse
from consent_engine.engine.engine import Engine
from consent_engine.engine.gateway_check import CheckProgress, checking, forgetting, standing, watched
from consent_engine.ports import Activation, Bss, Deactivation
from consent_engine.ports.outside import MAY_GO

PAUSE_S = 0.5
"""The shortest pause before an activation or deactivation that has not ended is asked about again."""

bss = typer.Typer(help="The BSS: check that it switches services on and off as the engine needs it.")


@bss.callback()
def systems() -> None:
    """The BSS: check that it switches services on and off as the engine needs it."""


@bss.command("check")
def check_bss(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in CONSENT_BSS: `http`, `templated`, `http:box`.")],
    to: Annotated[str, typer.Option(metavar="MSISDN", help="A subscriber for tests: services are switched on there.")],
    plan: Annotated[str, typer.Option(help="The code of a plan that this subscriber can have.")],
    refused: Annotated[str, typer.Option(help="The code of a plan that this subscriber is refused.")],
    wait: Annotated[str, typer.Option(help="How long each of them may take, like 20s or 5m.")] = "20s",
) -> int:
    """Switch two services on and off again, one after a doubt, and have a third refused. Exit status 1: something does
    not fit.

    No order is made and no SMS is sent: use it with the BSS's system for tests, before the first order.
    """
    from consent_engine.adapters.bss import registry

    number, seconds = _number(to), _seconds(wait)
    settings = real_settings("a shadow calls no BSS: set it to false for this one command")
    play = _Play(registry.build(name, settings.of, settings.call_timeout), number, plan, refused, seconds)
    asyncio.run(play.whole())
    table(("step", "answer", "verdict"), [(step, _words(came), wrong or "fits") for step, came, wrong in play.steps])
    return int(any(wrong for _, _, wrong in play.steps))


def _number(text: str) -> str:
    with typed("--to", "a Chinese mobile number"):
        return parse(text)


def _seconds(text: str) -> float:

    with typed("--wait", "a duration like 20s or 5m"):
        return duration(text).total_seconds()


class _Step(NamedTuple):
    """A step of the play. wrong: what does not fit, and what should be"""

    name: str
    came: Outcome | None
    wrong: str


class _Play:
    """The steps against one BSS; each service that is switched on is switched off at the end."""

    def __init__(self, bss: Bss, msisdn: str, plan: str, refused: str, seconds: float) -> None:
        self._bss, self._msisdn, self._plan, self._refused, self._seconds = bss, msisdn, plan, refused, seconds
        self._on: dict[Activation, Accepted] = {}
        self.steps: list[_Step] = []

    async def whole(self) -> None:
        """Play all steps that the answers so far allow."""
        unknown = await self._bss.ask(_key())
        wanted = self._wanted(self._plan)
        if first := await self._activated("activation", wanted):
            await self._activated("the same again", wanted, first)
            known = await self._bss.ask(wanted.order_id)
            asked = known is not None or unknown is not None
            self._saw("question about it", known, _like(first, known) if asked else "")
            words = "must be known not to be there: its row `unknown`, with a code"
            self._saw("question about another", unknown, words if asked and not isinstance(unknown, Untaken) else "")
            await self._in_doubt(self._wanted(self._plan))
        await self._activated("activation to be refused", self._wanted(self._refused), refused=True)
        for each, done in self._on.items():
            await self._taken_back(each, done)

    async def _in_doubt(self, wanted: Activation) -> None:
        """Activate with a connection that is cut when the request has been sent; ask, and send the same again."""

        def cut() -> bool:
            asyncio.get_running_loop().call_soon(going.cancel)  # the request is written before
            return True

        kept = MAY_GO.set(cut)
        going = asyncio.ensure_future(self._bss.activate(wanted))
        MAY_GO.reset(kept)
        await asyncio.wait([going])
        await asyncio.sleep(PAUSE_S)
        known = await self._bss.ask(wanted.order_id)
        self._saw("cut off, question about it", known, _MUST_BE_DONE if isinstance(known, Rejected) else "")
        await self._activated("cut off, the same again", wanted, known if isinstance(known, Accepted) else None)

    async def _activated(
        self, step: str, wanted: Activation, first: Accepted | None = None, *, refused: bool = False
    ) -> Accepted | None:  # fmt: skip
        """Switch a service on; return the answer if it is done. first: the answer before, where there was one"""
        order = wanted.order_id
        came = await self._settled(lambda: self._bss.activate(wanted), lambda: self._bss.ask(order))
        expected = "" if isinstance(came, Rejected) else "must be refused, with a code"
        self._saw(step, came, expected if refused else _like(first, came))
        if not isinstance(came, Accepted):
            return None
        return self._on.setdefault(wanted, came)

    async def _taken_back(self, each: Activation, done: Accepted) -> None:

        ending, now = _key(), int(time.time() * 1000)
        wanted = Deactivation(
            ending, each.order_id, done.ref, self._msisdn, each.plan, "withdrawn", now, free_exit=True
        )
        first: Accepted | None = None
        for step in ("deactivation", "deactivation, the same again"):
            came = await self._settled(lambda: self._bss.deactivate(wanted), lambda: self._bss.ask_ending(ending))
            self._saw(step, came, _like(first, came))
            if not isinstance(came, Accepted):
                return
            first = first or came
        known = await self._bss.ask_ending(ending)
        self._saw("deactivation, question about it", known, _like(first, known) if known else "")

    def _wanted(self, plan: str) -> Activation:

        return Activation(_key(), self._msisdn, plan, 1, _key(), int(time.time() * 1000), _key())

    async def _settled(
        self, do: Callable[[], Awaitable[Outcome]], ask: Callable[[], Awaitable[Outcome | None]]
    ) -> Outcome:  # fmt: skip
        """Do it as the engine does: after a doubt ask, and where that answers nothing, do the same again."""
        over, came = time.monotonic() + self._seconds, await do()
        while isinstance(came, Uncertain | Unavailable) and time.monotonic() < over:
            await asyncio.sleep(PAUSE_S)
            known = await ask()
            came = await do() if known is None or isinstance(known, Untaken) else known
        return came

    def _saw(self, name: str, came: Outcome | None, wrong: str) -> None:
        tell(f"{name}: {_words(came)}")
        self.steps.append(_Step(name, came, wrong))


_MUST_BE_DONE = "must be done: a row `done` that names its id"


def _key() -> str:
    return secrets.token_hex(14)


def _like(first: Accepted | None, came: Outcome | None) -> str:
    """Return what is wrong with an answer about something that must be done, with the id that it had before."""
    if not isinstance(came, Accepted):
        return _MUST_BE_DONE
    return "" if first is None or came.ref == first.ref else "must name the first id: was it done twice?"


def _words(came: Outcome | None) -> str:
    match came:
        case Accepted():
            return f"done: {came.ref} {came.note}".rstrip()
        case Rejected():
            return f"refused: {in_words(came.reason)}"
        case Unavailable():
            return f"not taken: {in_words(came.reason)}"
        case Uncertain():
            return f"in doubt: {in_words(came.reason)}"
        case Untaken():
            return "unknown to the BSS"
    return "cannot be asked"


PARTS = 4
LOOK_S = 0.5

gateway = typer.Typer(help="Gateways: check that a long text arrives whole.")


@gateway.callback()
def gateways() -> None:
    """Gateways: check that a long text arrives whole."""


@gateway.command("check")
def check_gateway(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in CONSENT_GATEWAY: `kannel`, or `kannel:box`.")],
    to: Annotated[str, typer.Option(metavar="MSISDN", help="A handset of your own: it gets an SMS of four parts.")],
    wait: Annotated[str, typer.Option(help="How long to wait for the reports, like 90s or 5m.")] = "2m",
) -> int:
    """Send an SMS of four parts to your own handset and show each part's report. Exit status 1: not all arrived.

    It is sent like every SMS, so workers and the API must run. Once after every change at the gateway is enough.
    """
    number, seconds = _number(to), _seconds(wait)
    with opened() as engine:
        used = {name: carrier for carrier, name in engine.used().items()}
        if name not in used:
            wanted = f"one of {', '.join(sorted(used))}; is another one before it in the list: consent pause gateway"
            raise typer.BadParameter(wanted, param_hint="NAME")
        last = _checked(engine, number, used[name], seconds)
    table(("part", "what came"), list(_rows(last)))
    if last.pending is not None:
        tell(_hand_over(last))
    return int(not last.whole)


def _checked(engine: Engine, number: str, carrier: str, seconds: float) -> CheckProgress:

    end, last = time.monotonic() + seconds, CheckProgress(None, ())

    def pause() -> bool:
        time.sleep(LOOK_S)
        return time.monotonic() < end

    under_way = engine.run(checking(engine.line(Msisdn(number)).id, Msisdn(number), carrier))
    try:
        for last in watched(lambda: standing(engine.store.records, under_way), pause):
            tell(f"{_hand_over(last)}; {_reported(last)}")
    finally:
        engine.run(forgetting(under_way))
    return last


def _hand_over(now: CheckProgress) -> str:
    if now.pending is None:
        return "handed over"
    if now.pending.parked:
        return f"not handed over: {in_words(now.pending.why)}"
    if now.pending.why:
        return f"not handed over yet: {in_words(now.pending.why)}"
    return "being handed over" if now.pending.attempts else "waits for a worker: `consent serve`"


def _reported(now: CheckProgress) -> str:
    best = max(now.attempts, key=lambda each: len(each.here), default=None)
    if best is None:
        return "no report yet"
    return f"{len(best.here)} of {best.of} arrived" + (f", {len(best.lost)} lost" if best.lost else "")


def _rows(last: CheckProgress) -> Iterator[tuple[int, str]]:
    """Yield one row for each part: the best result that any attempt reported for it."""
    of = max((each.of for each in last.attempts), default=PARTS)
    reported = {
        "delivered": {n for each in last.attempts for n in each.here},
        "failed": {n for each in last.attempts for n in each.lost},
        "accepted": {n for each in last.attempts for n in each.accepted},
    }
    for n in range(1, of + 1):
        yield n, next((word for word, parts in reported.items() if n in parts), "nothing heard")
