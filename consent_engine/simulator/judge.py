"""The judge: compares the results of a run with those that each script requires, in plain words."""

from collections import Counter
from collections.abc import Iterator, Sequence

from consent_engine.domain.effects import Purpose
from consent_engine.domain.grammar import Keyword, read
from consent_engine.domain.grammar.words import YES_OF
from consent_engine.domain.msisdn import mask
from consent_engine.simulator.case import Case, OrderRun
from consent_engine.simulator.ledger import ActivationSeen, Ledger, Said, order_of

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
