"""Commands for operators: show an order, list stuck work, retry, refuse a number, whether it may be dialled."""

from collections.abc import Iterator
from typing import Annotated

import typer

from consent_engine.cli.opening import CARRIER_NAMES, by, carrier_named, listing, lists, one_of, opened, typed
from consent_engine.cli.tables import instant, line, manner, record, table, tell
from consent_engine.config.values import duration, millis
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.effects import Lane
from consent_engine.domain.hitch import in_words
from consent_engine.domain.inbox import Attempt
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.restriction import EVERY_CARRIER
from consent_engine.domain.msisdn import hidden, mask, parse
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.history import failure_of, yes_in_vain
from consent_engine.domain.order.order import Order
from consent_engine.engine.engine import Engine
from consent_engine.engine.listing import part_reports
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.stuck import MOST_STUCK, Retried, Wanted, causes_of
from consent_engine.engine.undeliverable import AskedAgain, unreached_of
from consent_engine.errors import NothingParked, OrderNotFound
from consent_engine.ports.queries import OrderFilter

_AT_ONCE = 200


def retry_all(wanted: Wanted, limit: int, *, dry_run: bool) -> None:
    """Count the chosen effects by cause (dry_run), or retry up to `limit` of them and report the progress."""
    with opened() as engine:
        found = engine.stuck(MOST_STUCK, wanted)
        if dry_run:
            rows = [
                (c.count, c.lane.value, c.plan or "-", instant(c.since), c.reason, in_words(c.reason))
                for c in causes_of(found)
            ]
            table(("count", "lane", "plan", "since", "reason", "in words"), rows, "no such effect is stuck")
            return
        chosen, done = found[:limit], Retried()
        for start in range(0, len(chosen), _AT_ONCE):
            done += engine.retry_many(chosen[start : start + _AT_ONCE], by())
            tell(f"{min(start + _AT_ONCE, len(chosen))} of {len(chosen)}")
    left = len(found) - len(chosen)
    record([("retried", done.retried), ("gone", done.gone), ("unreadable", done.unreadable), ("left", left)])


def ask_again(
    *,
    every: Annotated[bool, typer.Option("--all", help="All of them, or those the other options name.")] = False,
    reason: Annotated[str | None, typer.Option(help="Only for this reason, as --dry-run shows it.")] = None,
    plan: Annotated[str | None, typer.Option(help="Only orders for this plan.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 10_000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them, by plan and reason.")] = False,
) -> None:
    """Ask subscribers again whose question could not be delivered, while their call is young enough.

    Each is asked by a new order of the same call, which the door admits or refuses as any other.

    Look at --dry-run first: it counts the orders by cause.
    """
    if not (every or dry_run):
        raise typer.BadParameter("count them with --dry-run, then use --all", param_hint="--all")
    found: list[Order] = []
    done, looked, cursor = AskedAgain(), 0, ""
    with (lists if dry_run else opened)() as engine:
        while looked < limit:
            page = engine.undeliverable.page(reason, plan, cursor, min(_AT_ONCE, limit - looked), now=True)
            looked, cursor = looked + len(page.orders), page.cursor
            if dry_run:
                found += page.orders
            else:
                done += engine.undeliverable.ask_again(page.orders, by())
                tell(f"{looked} looked at")
            if not cursor:
                break
    if dry_run:
        rows = [(c.count, c.plan, instant(c.since), c.reason, in_words(c.reason)) for c in unreached_of(found)]
        table(("count", "plan", "since", "reason", "in words"), rows, "no such order is undeliverable")
        return
    record([("asked", done.asked), *((f"refused {code}", n) for code, n in sorted(done.refused.items()))])


def export(
    reason: Annotated[str, typer.Option(help="Why the numbers must be seen; kept with the export.")],
    state: Annotated[str | None, typer.Option(help="Only orders in this state, like undeliverable.")] = None,
    cause: Annotated[
        str | None, typer.Option(help="Only undeliverable ones of this cause, as ask-again says it.")
    ] = None,
    plan: Annotated[str | None, typer.Option(help="Only orders for this plan.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only orders of this agent.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most, the newest first.")] = 10_000,
) -> None:
    """Export orders with their full numbers: consent export --state undeliverable --reason TEXT > FILE.

    It is one reveal: who exported, why, which list and how many orders are recorded first, and stand on /audit.
    """
    wanted = OrderFilter(one_of(state, State, "--state"), agent, plan)
    if not reason.strip() or hidden(reason) != reason:
        raise typer.BadParameter("say why, without a telephone number", param_hint="--reason")
    with lists() as engine:
        found = engine.reveals.export(wanted, cause, by(), "cli", reason, limit=limit)
    rows = [
        (o.id, o.person.msisdn, o.doc.carrier, o.doc.plan, o.doc.agent, o.doc.call_id, instant(o.doc.call.agreed_at),
         instant(o.doc.placed_at), o.state.value, failure_of(o))
        for o in found.orders
    ]  # fmt: skip
    head = ("order", "number", "carrier", "plan", "agent", "call", "agreed", "placed", "state", "cause")
    table(head, rows, "no such order")
    tell(
        f"{len(rows)} numbers: keep them where nobody reads them who need not"
        + ("; there are more" if found.cursor else "")
    )


_ORDER = typer.Argument(metavar="ORDER", help="The order's id.")
_MSISDN = typer.Argument(metavar="MSISDN", help="A Chinese mobile number.")


def show(order: Annotated[str, _ORDER]) -> None:
    """Show an order and everything that happened to it. The number is masked."""
    with opened() as engine:
        found = engine.show(order)
        parts = list(part_reports(engine.records, found.line, found.id))
    record([*_facts(found), *(_parts(sms, attempt) for sms, attempt in parts)])
    if not manner().as_json:
        line()
    rows = [(instant(e.at), e.trigger, hidden(e.by), hidden(e.ref), _told(e)) for e in found.events]
    table(("at", "event", "by", "ref", ""), [(instant(found.doc.placed_at), "placed", "", "", ""), *rows])


def _told(event: Event) -> str:
    """Return the details of an event; for people with its reason in words."""
    facts = event.as_json()
    if not manner().as_json:
        facts = {name: in_words(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}
    return hidden(compact(facts)) if facts else ""


def _facts(order: Order) -> Iterator[tuple[object, ...]]:
    doc = order.doc
    yield "order", order.id
    yield "state", order.state
    yield "stage", order.stage
    yield "number", mask(order.person.msisdn)
    yield "plan", doc.plan, f"version {doc.offer.plan_version}", doc.carrier
    yield "by", hidden(doc.placed_by), hidden(doc.agent)
    yield "reply by", instant(order.reply_by)
    yield "head", order.head
    for effect, pending in sorted(order.effects.items()):
        parked = ["parked"] if pending.parked else []
        yield f"wants {effect}", f"attempts {pending.attempts}", *parked, in_words(hidden(pending.why))


_LIMIT = typer.Option(min=1, max=10_000, help="How many at most.")


def void(limit: Annotated[int, _LIMIT] = 100) -> None:
    """List orders that got a yes without effect, newest first: when the yes came, and how it was recorded."""

    def page(engine: Engine, cursor: str, most: int) -> tuple[list[tuple[str, ...]], str]:
        found = engine.orders(OrderFilter(void_yes=True), cursor, most)
        return [
            (o.id, instant(said.at), mask(o.person.msisdn), hidden(o.doc.plan), o.state, said.trigger)
            for o in found.orders if (said := yes_in_vain(o))
        ], found.cursor  # fmt: skip

    head = ("order", "said yes", "number", "plan", "state", "became")
    listing(head, "no yes is without effect", limit, page)


def _parts(sms: str, attempt: Attempt) -> tuple[object, ...]:
    """Return the reported parts of a multi-part SMS: taken, arrived, lost."""
    said = {"taken": attempt.accepted, "arrived": attempt.here, "lost": attempt.lost}
    reported = [f"{word} {','.join(map(str, parts))}" for word, parts in said.items() if parts]
    return (f"parts of {sms}", f"of {attempt.of}", *reported)


def stuck() -> None:
    """List effects that wait for a person: order (else line, call or report), effect, lane, attempts, why.

    `consent retry ORDER` does it again.
    """
    with opened() as engine:
        found = engine.stuck()
    rows = [(n.named, n.effect, n.lane, "?" if n.attempts is None else n.attempts, in_words(n.why)) for n in found]
    table(("order", "effect", "lane", "attempts", "why"), rows, "nothing is stuck")


def retry(
    order: Annotated[str | None, typer.Argument(metavar="[ORDER]", help="The order's id.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All stuck effects, or those the other options name.")] = False,
    lane: Annotated[str | None, typer.Option(help="Only effects of this lane.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only for this reason, as --dry-run shows it.")] = None,
    plan: Annotated[str | None, typer.Option(help="Only orders for this plan.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 500,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them, by lane, reason and plan.")] = False,
) -> None:
    """Retry the parked effects of an order (or of a line, a call, a report, as `consent stuck` names it).

    The next answer is believed.

    With --all, the stuck effects of many orders: look at --dry-run first.
    """
    if every == (order is not None):
        raise typer.BadParameter("name an order, or use --all", param_hint="ORDER")
    if order is not None:
        if dry_run or lane or reason or plan:
            raise typer.BadParameter("needs --all", param_hint="--lane, --reason, --plan, --dry-run")
        _retry_one(order)
    else:
        retry_all(Wanted(one_of(lane, Lane, "--lane"), reason, plan), limit, dry_run=dry_run)


def _retry_one(order: str) -> None:
    with opened() as engine:
        try:
            state = engine.retry(order, by()).state.value
        except OrderNotFound as unknown:
            try:
                engine.retry_other(order, by())
            except NothingParked:
                raise unknown from None
            state = "not an order"
    line(order, "what was parked is due now", state)


def refuse(
    msisdn: Annotated[str, _MSISDN],
    carrier: Annotated[str | None, typer.Option(help=CARRIER_NAMES)] = None,
    plan: Annotated[str | None, typer.Option(help="about this plan only")] = None,
    until: Annotated[str | None, typer.Option(help="only for so long, like 90d; default: for ever")] = None,
) -> None:
    """Never call this number again: for one carrier, else for all. Cancels its open orders."""
    number, of = parse(msisdn), carrier_named(carrier)
    with typed("--until"):
        lasts = millis(duration(until)) if until else 0
    with opened() as engine:
        of = engine.catalogue.carrier_of(plan, of) if plan else of
        ends = engine.registry.now() + lasts if lasts else 0
        asked = RefusalAsked(number, of or EVERY_CARRIER, "ops", by(), plan=plan or "", until=ends)
        stored = engine.refuse(asked)
    line(
        mask(number),
        plan or of or "all carriers",
        "refused" if stored.is_new else "refused already",
        instant(stored.at),
    )


def may_be_called(
    msisdn: Annotated[str, _MSISDN],
    carrier: Annotated[str | None, typer.Option(help=CARRIER_NAMES)] = None,
    plan: Annotated[str | None, typer.Option(help="about this plan: a declined plan is not offered again")] = None,
) -> None:
    """Tell whether a number may be dialled; without a carrier, a refusal of any carrier forbids it."""
    number, of = parse(msisdn), carrier_named(carrier)
    with opened() as engine:
        dial = engine.dial(number, of, plan)
    if dial.callable:
        line(mask(number), "callable")
    else:
        line(mask(number), "not callable", dial.reason or "refused", instant(dial.since or 0))
