"""Evidence of every kind: of the golden conversations, and of an order with all that one can have; broken anywhere."""

import copy
import json
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_engine.adapters.redis.codec import whole
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Cause, Why
from consent_engine.domain.call.transcript import Spoken
from consent_engine.domain.effects import Lane
from consent_engine.domain.log.checkpoint import COSIGNS, SIGNS, Checkpoint, Note, PrivateKey, rotation
from consent_engine.domain.log.merkle import Tree, inclusion
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import Delivery
from consent_engine.engine.evidence import encoded, file_of
from consent_engine.engine.permits import PermitsAsked
from consent_engine.engine.review import Transcript
from consent_engine.ports.queries import OrderKept
from consent_engine.verify import account_of, content_of, leaf_hash, read_chain
from tests.archive.press import cosigned_by
from tests.conftest import NUMBER
from tests.golden import Records, kind_of
from tests.golden.roads import played
from tests.integration.calls.desk import Desk, instant
from tests.integration.calls.reviewing import PLAN, ordered, review
from tests.plans import sample
from tests.tiers import DEEP

MADE = 1_800_000_000_000


SOME = ("the_whole_road", "ambiguous_then_code", "early_yes_then_reported", "yes_then_stop_before_activation")


@cache
def conversations() -> tuple[bytes, ...]:
    """Return an evidence file of each order of the golden conversations, as it stood after each line of them; outside a
    search of some of them.
    """
    lines = played() if DEEP else played(SOME)
    made = {kept.order.head: kept for records in lines for kept in kept_in(records)}
    return tuple(encoded(file_of(kept, "auditor-1", MADE, MADE)) for kept in made.values())


def lived(desk: Desk) -> Order:
    """Return an order with all that one can have: permit, call, transcript, replies, reports, reviews, its ending."""
    [(_, token)] = desk.engine.dialler.permits(PermitsAsked([NUMBER], "mobile", None, "desk")).answers
    call = desk.start(permit=token)
    order = ordered(desk, call)
    desk.clock.forward(seconds=60)
    at, told = instant(desk.clock()), [{"id": "price", "at": instant(desk.clock())}]
    call = desk.end(call, "agreed", plan=PLAN, disclosures=told, ended_at=at)
    said = (Spoken(call.began.started_at + 1_000, "agent", "每月一百九十九元"),)
    desk.engine.calls.transcribe(Transcript(call.id, "desk", f"rec-{call.id[-8:]}", said))
    desk.run(Lane.SMS)
    desk.report(order, Delivery.DELIVERED, segments=2, segment=1)
    desk.report(order, Delivery.DELIVERED, segments=2, segment=2)
    for text in ("要钱吗", " 是。谢谢"):
        desk.clock.forward(seconds=60)
        desk.say(text)
        desk.run()
    review(desk, call, "r-1")
    review(desk, call, "r-2", second=True, passed=True)
    desk.engine.endings.ask(desk.engine.show(order.id), Why(Cause.WITHDRAWN, "hotline", "ops-1", "wants it no more"))
    desk.run()
    return desk.engine.show(order.id)


def kept_in(records: Records) -> Iterator[OrderKept]:
    """Yield all of each order in these records of a store, as SQL has it once the scribe was there."""
    of = {kind: [each for key, each in records.items() if kind_of(key) == kind] for kind in ("order", "call", "offers")}
    offers = {name: row for each in of["offers"] for name, row in each.items()}
    calls = {call.id: (call, fields) for fields in of["call"] for call in [Call.decode(fields)]}
    plans = {plan.code: {"current": "1", "1": plan.encode(), "sale": "on_sale"} for plan in sample()}
    for fields in of["order"]:
        kept = whole(dict(fields), offers)
        order = Order.decode(kept)
        call, of_call = calls.get(order.doc.call_id, (None, {}))
        named = {order.id: kept, **({call.id: of_call} if call else {})}
        yield OrderKept(order, call, None, named, plans.get(order.doc.plan), {})


def hand(name: str, kind: int = SIGNS, number: int = 0) -> PrivateKey:
    """Return a key, the same in every run."""
    private = Ed25519PrivateKey.from_private_bytes(sha256(f"{name} {number}".encode()).digest())
    return PrivateKey(name, private, kind)


LOG, OLDER, WITNESS = hand("log.example"), hand("log.example", number=1), hand("witness.example", COSIGNS)


def logged(file: dict[str, Any], others: int = 20) -> dict[str, Any]:
    """Return a file whose chains are in a log, with a checkpoint that is cosigned, and which is signed itself."""
    made = copy.deepcopy(file)
    entries = [f"o {n:028x} 0 {MADE} {'A' * 43}" for n in range(others)]
    for chain in made["chains"]:
        last = read_chain(chain)
        n, letter = len(chain["links"]) - 1, chain["kind"][0]
        entry = f"{letter} {last.doc['id']} {n} {last.events[n].at} {last.heads[n]}"
        entries.insert(len(entries) // 2, entry)
        chain["leaf"] = {"number": 0, "entry": entry, "path": []}
    leaves = [leaf_hash(entry) for entry in entries]

    def node(level: int, index: int) -> bytes:
        return Tree(leaves[index << level : (index + 1) << level]).root

    for chain in made["chains"]:
        number = entries.index(chain["leaf"]["entry"])
        path = inclusion(number, len(leaves), node)
        chain["leaf"] |= {"number": number, "path": [b64encode(each).decode() for each in path]}
    note = Note(str(Checkpoint("log.example", len(leaves), Tree(leaves).root)))
    made["log"] = {"checkpoint": str(cosigned_by(note.signed_by(LOG), WITNESS, MADE // 1000)), "token": None}
    return signed(made)


def signed(file: dict[str, Any]) -> dict[str, Any]:
    """Return a file with its account made again, and signed."""
    made = {**file, "keys": [str(LOG.key), str(WITNESS.key)], "rotations": [str(rotation(OLDER, LOG))]}
    made["account"] = account_of(made)
    return made | {"signature": str(Note(content_of(made)).signed_by(LOG))}


def erased(file: dict[str, Any]) -> dict[str, Any]:
    """Return a file without the person parts, its account not made again."""
    without = copy.deepcopy(file)
    for link in [link for chain in without["chains"] for link in chain["links"]]:
        link["person"] = None
    return without


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value in a file."""
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in rows:
        yield (*at, name)
        yield from places(each, (*at, name))


def broken(file: dict[str, Any], at: tuple[Any, ...], roll: Random) -> dict[str, Any]:
    """Return a file with another value in one place."""
    made = copy.deepcopy(file)
    inside = made
    for name in at[:-1]:
        inside = inside[name]
    inside[at[-1]] = _another(inside[at[-1]], roll)
    return made


def _another(value: Any, roll: Random) -> Any:
    """Return another value, which the place may have or not."""
    if isinstance(value, str) and value and roll.random() < 0.8:
        n = roll.randrange(len(value))
        other = chr(ord(value[n]) ^ 1)
        return roll.choice([value[:n] + other + value[n + 1 :], value[:n] + value[n + 1 :], value + value[n]])
    if isinstance(value, list) and value and roll.random() < 0.8:
        n = roll.randrange(len(value))
        changed = [value[:n] + value[n + 1 :], [*value[: n + 1], *value[n:]], value[::-1]]
        return roll.choice([each for each in changed if each != value])
    if isinstance(value, dict) and value and roll.random() < 0.8:
        name = roll.choice(list(value))
        return roll.choice([{n: v for n, v in value.items() if n != name}, {**value, f"{name}x": value[name]}])
    others = [value + 1, value - 1] if type(value) is int else [not value] if type(value) is bool else []
    return roll.choice(
        [
            each
            for each in [*others, None, "", "x", 0, 1, [], {}, True]
            if each != value or type(each) is not type(value)
        ]
    )


def read(made: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made)
    return found
