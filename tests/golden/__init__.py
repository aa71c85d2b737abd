"""Every kept record of the conversations of `roads`, read and written again: the same bytes."""

import json
from collections.abc import Iterator
from typing import Any

from consent_engine.adapters.redis.codec import unread_of, whole
from consent_engine.adapters.sql.kept import columns_of, fields_of, row_of
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import Restriction, name_of
from consent_engine.domain.offer.offer import Offer
from consent_engine.domain.order.event import seal
from consent_engine.domain.order.order import Order, replay
from tests.at_rest import in_clear

NOW = 2**41
"""Long after all records: everything that may be pruned by age is pruned."""

Records = dict[str, Any]


def dumped(client: Any) -> Records:
    """The records under each key, in the clear, except the due-sets and the counters."""
    read = {"hash": client.hgetall, "list": lambda key: client.lrange(key, 0, -1)}
    found = {key: client.type(key) for key in sorted(client.keys("ce:*"))}
    return {key: in_clear(key, read[kind](key)) for key, kind in found.items() if kind in read}


def kind_of(key: str) -> str:
    """The kind of record under a key."""
    return key.split(":")[2 if "{" in key else 1]


def order_again(fields: dict[str, str], offers: dict[str, str]) -> dict[str, str]:
    """An order's record as today's code writes it; fields that only the store counts or seals are copied."""
    order = Order.decode(whole(dict(fields), offers))
    again = {name: fields[name] for name in ("v", "mac") if name in fields}
    again |= {"line": order.line, "state": order.state.value, "head": order.head}
    again["doc"] = order.doc.encode()
    if "who" in fields:
        again["who"] = order.person.encode(_salt(fields["who"]))
    if "reply_by" in fields:
        again["reply_by"] = str(order.reply_by)
    for n, event in enumerate(order.events, 1):
        again[f"e{n}"], person = seal(event, _salt(fields.get(f"p{n}", "{}")))
        if person:
            again[f"p{n}"] = person
    again |= {f"f:{effect}": pending.encode() for effect, pending in order.effects.items()}
    return again


def line_again(fields: dict[str, str]) -> dict[str, str]:
    """A line's record as today's code writes it; restrictions are written by scripts, and are copied."""
    line = Line.decode("0ce7", fields, NOW)
    again = {name: fields[name] for name in ("v", "seen", "msisdn") if name in fields}
    assert (str(line.version), line.msisdn) == (again.get("v", "0"), again.get("msisdn", ""))
    again |= {f"o:{entry.order}": entry.encode() for entry in line.entries}
    again |= {f"f:{effect}": pending.encode() for effect, pending in line.effects.items()}
    again |= {f"c:{each.call}": each.encode() for each in line.calls}
    again |= {f"a:{name}": str(at) for name, at in line.answered.items()}
    again |= {f"e{n}": happened.encode() for n, happened in enumerate(line.history)}
    again |= {"mac": line.seal} if line.seal else {}
    again |= {f"r:{r.name}": _restriction(r, fields[f"r:{r.name}"]) for r in line.restrictions}
    return again | {name: at for name, at in fields.items() if name.startswith("m:")}


def _restriction(read: Restriction, row: str) -> str:
    values = json.loads(row)
    assert values == [read.since, read.door, read.ref, read.last, read.reason, read.text][: len(values)]
    assert read.name == name_of(read.kind, read.carrier, read.plan)
    return row


def archived_again(fields: dict[str, str], offers: dict[str, str]) -> None:
    """Turn a settled order into a row of the archive, back, and into a row again."""
    fields = whole(dict(fields), offers)
    first = Order.decode(fields)
    row = row_of(first, fields, gone=True)
    order = Order.decode({**fields_of(row["record"], row["person"], None), "offer": fields["offer"]})
    assert order.events == first.events
    assert columns_of(order) == columns_of(first)
    back = {**json.loads(row["record"]), **json.loads(row["person"])}
    assert row_of(order, back, gone=True) == row


def looked_at(records: Records) -> Iterator[str]:
    """Compare every record with itself, read and written again; yield its kind."""
    offers = {name: row for key, rows in records.items() if kind_of(key) == "offers" for name, row in rows.items()}
    for key, record in records.items():
        match kind_of(key):
            case "order":
                yield from _order(record, offers)
            case "line":
                assert line_again(record) == record
                yield "line"
            case "inbox":
                assert all(
                    row.startswith(f"{unread_of('', row, None).at}|{unread_of('', row, None).key}|") for row in record
                )
                yield "inbox"
            case "offers":
                assert all(
                    (Offer.decode(row).hash, Offer.decode(row).encode()) == (name, row) for name, row in record.items()
                )
                yield "offers"


def _order(record: dict[str, str], offers: dict[str, str]) -> Iterator[str]:
    assert order_again(record, offers) == record
    assert replay(record) == (record["state"], record["head"], int(record.get("reply_by", 0)))
    yield "order"
    if Order.decode(whole(dict(record), offers)).state.settled:
        archived_again(record, offers)
        yield "archived"


def _salt(person: str) -> str:
    return str(json.loads(person).get("salt", ""))
