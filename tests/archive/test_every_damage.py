"""The list of all damages that `consent audit` names, and `consent doctor --all` with it, each made once; what a record
lacks by itself is in test_doctor.py, and a version of a plan that is gone beside another one is in test_audit_plans.py.
"""

import json

from sqlalchemy import insert, select, text, update

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.sql.tables import CALLS, ORDERS
from consent_engine.doctor import records
from consent_engine.doctor.records import Wanted, audit
from consent_engine.doctor.rules import RULES
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.msisdn import parse
from consent_engine.engine.audit_checkpoint import compared
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.scribe import write_out
from consent_engine.ports import Only, Owner

EVER = (0, 2**62)
OF_THE_LOG = {
    "dropped", "rewritten", "unsealed", "unreadable", "unlisted", "misfiled", "unrefused", "resold", "log",
}  # fmt: skip


class Damages:
    """A town in which each damage is done to a number of its own. `named`: what the audit must say of each."""

    def __init__(self, town):
        self.town, self.named, self._numbers = town, dict[str, str](), iter(range(100))

    def number(self):
        return parse(f"139001390{next(self._numbers):02d}")

    def sealed(self):
        write_out(self.town.engine.store, "one")

    def sql(self, statement):
        with self.town.archive.asking() as connection:
            connection.execute(text(statement) if isinstance(statement, str) else statement)

    def happens(self, number, event):
        self.town.clock.forward(seconds=1)
        self.town.engine.line_event(LineEventAsked(number, LineEvent(event), self.town.clock.now, "ops"))

    def back(self, key, then):
        """Bring a record back as it was before what happens."""
        was = self.town.client.dump(key)
        then()
        self.sealed()
        self.town.client.restore(key, 0, was, replace=True)

    # -- the damages -----------------------------------------------------------------------------------------------

    def gone(self):
        order = self.town.settled(msisdn=self.number())
        self.sealed()
        self.town.client.delete(self.town.cell.order(order.id))
        self.named[order.id] = "dropped, or cannot be read: the log has its event"

    def shorter(self):
        number = self.number()
        order = self.town.place(number)
        self.town.run(Lane.SMS)
        self.back(self.town.cell.order(order.id), lambda: self.town.say("是", number) and self.town.run(Lane.INBOUND))
        self.named[order.id] = "dropped: the log has event"

    def otherwise(self):
        number = self.number()
        order = self.town.place(number)
        self.town.run(Lane.SMS)
        line = self.town.client.dump(self.town.cell.line(order.line))
        self.back(self.town.cell.order(order.id), lambda: self.town.say("是", number) and self.town.run(Lane.INBOUND))
        self.town.client.restore(self.town.cell.line(order.line), 0, line, replace=True)
        self.town.clock.forward(seconds=1)
        self.town.say("不同意", number)
        self.town.run(Lane.INBOUND)
        self.sealed()
        self.named[order.id] = "written anew: up to event"

    def tail_unlogged(self):
        order = self.town.place(self.number())
        self.sealed()
        self.town.run(Lane.SMS)
        self.town.client.delete(self.town.cell.journal)
        self.named[order.id] = "not in the log: what came after event"

    def unlogged(self):
        self.town.clock.forward(hours=1)  # what is about as old as the log is not missed there
        order = self.town.place(self.number())
        self.town.client.delete(self.town.cell.journal)
        self.named[order.id] = "not in the log: none of its events is there"

    def unlisted(self):
        order = self.town.place(self.number())
        self.sealed()
        assert self.town.engine.store.queries.places(Owner.ORDER, Only.ALL, None, 1_000)
        self.sql(f"DELETE FROM orders WHERE id = '{order.id}'")  # noqa: S608 - our own
        self.named[order.id] = "SQL has no row of it"

    def planted(self):
        """A call that is in Redis alone: no journal named it, so the log and all lists lack it."""
        self.town.clock.forward(hours=1)  # what is about as old as the log is not missed there
        call = self.town.place(self.number()).doc.call_id
        self.town.client.delete(self.town.cell.journal)
        assert self.town.engine.store.queries.places(Owner.CALL, Only.ALL, None, 1_000), (
            "brought to SQL, without the log"
        )
        self.sql(f"DELETE FROM calls WHERE id = '{call}'")  # noqa: S608 - our own
        self.named[call] = "not in the log: none of its events is there"

    def unreadable(self):
        with self.town.archive.asking() as connection:
            row = connection.execute(select(ORDERS).limit(1)).one()._asdict()
        self.sql(insert(ORDERS).values({**row, "id": "ffff1", "record": "{"}))
        self.named["ffff1"] = "cannot be read, and nothing of it is in the log"

    def misfiled(self):
        order = self.town.settled(msisdn=self.number())
        self.sealed()
        self.sql(update(CALLS).where(CALLS.c.id == order.doc.call_id).values(verdict="passed"))
        self.named[order.doc.call_id] = "its row in the archive was changed: verdict"

    def line(self):
        number = self.number()
        self.happens(number, "suspended")
        return number, self.town.engine.line(number).id

    def line_unreadable(self):
        _, line = self.line()
        self.sealed()
        self.town.client.hset(self.town.cell.line(line), "e0", "x")
        self.named[line] = "dropped, or cannot be read: the log has its event 0"

    def line_shorter(self):
        number, line = self.line()
        self.back(self.town.cell.line(line), lambda: self.happens(number, "resumed"))
        self.named[line] = "dropped: the log has event 1, the line says 0"

    def line_otherwise(self):
        number, line = self.line()
        self.back(self.town.cell.line(line), lambda: self.happens(number, "resumed"))
        self.happens(number, "released")
        self.happens(number, "assigned")
        self.sealed()
        self.named[line] = "written anew: up to event 1"

    def line_unlogged(self):
        number, line = self.line()
        self.sealed()
        self.happens(number, "resumed")
        self.town.client.delete(self.town.cell.journal)
        self.named[line] = "not in the log: what came after event 0"

    def unrefused(self):
        number = self.number()
        self.town.engine.refuse(RefusalAsked(number, "mobile", "voice", "desk"))
        self.sealed()
        line = self.town.engine.line(number).id
        self.town.client.hdel(self.town.cell.line(line), "r:mobile")
        self.named[line] = "a refusal is gone: the log has no lifting of it"

    def resold(self):
        plan = self.town.settled(msisdn=self.number()).doc.plan
        self.sealed()
        row = f"{Cell().shared}plan:{plan}"
        kept = json.loads(self.town.client.hget(row, "1"))
        self.town.client.hset(row, "1", json.dumps({**kept, "name": "别的套餐"}))
        self.named[f"plan {plan}"] = "version 1 is not as it was sold: order"

    def log(self):
        size = self.town.engine.store.log.ends()[1]
        self.sql("UPDATE log SET entry = replace(entry, ' 0 ', ' 1 ') WHERE n = 0")
        self.sql("UPDATE log SET entry = 'x' WHERE n = 1")
        self.sql("DELETE FROM log WHERE n = 2")
        self.sql(f"DELETE FROM log WHERE n = {size - 1}")  # noqa: S608 - our own
        self.named |= {
            "entry 0": "written anew in the log: its hash is another one's",
            "entry 1": "an entry of the log cannot be read",
            "entries 2 to 2": "dropped from the log",
            f"entries {size - 1} to {size - 1}": "dropped from the log",
        }


def test_the_audit_names_every_damage(small):
    done = Damages(small)
    for _ in range(2):  # of which the log's own damages may be
        small.settled(msisdn=done.number())
    done.sealed()
    known, _ = compared(done.town.engine.store.log)
    for damage in (
        done.gone, done.shorter, done.otherwise, done.tail_unlogged, done.unreadable, done.misfiled,
        done.line_unreadable, done.line_shorter, done.line_otherwise, done.line_unlogged, done.unrefused, done.resold,
        done.unlogged, done.planted, done.unlisted, done.log,
    ):  # fmt: skip
        damage()
    plans = small.engine.registry.catalogue
    found = audit(small.engine.store, 0, EVER, plans=plans)
    missed = [
        (name, what) for name, what in done.named.items()
        if not any(record == name and said.startswith(what) for record, said in found.wrong)
    ]  # fmt: skip
    assert missed == []
    assert {rule for rule, rows in found.found.items() if rows} == OF_THE_LOG
    survey = RedisSurvey(Wire(small.client, proves=False, replicas=0))
    looked = list(records.records(small.engine.store, survey, 60_000, Wanted(all=True), [].append, plans))
    said = [(each.level, each.what.rpartition(": ")[0].rpartition(": ")[0], each.do) for each in looked]
    assert [
        damage for damage in OF_THE_LOG if (RULES[damage].level, RULES[damage].what, RULES[damage].do) not in said
    ] == []
    assert "written anew" in str(compared(small.engine.store.log, known)[1])
    done.sql(f"DELETE FROM log WHERE n >= {known.size - 1}")  # noqa: S608 - our own
    assert "shortened" in str(compared(small.engine.store.log, known)[1])
    done.sql("UPDATE archive_meta SET value = 'x' WHERE name = 'log'")
    assert any(name == "log" for name, _ in audit(small.engine.store, 0, EVER).wrong)
    [plan] = [name.removeprefix("plan ") for name in done.named if name.startswith("plan ")]
    small.client.hset(f"{Cell().shared}plan:{plan}", "1", "{")
    found = audit(small.engine.store, 0, EVER, plans=plans).wrong
    assert ("plans", "cannot be read: a record of the catalogue was changed or damaged") in found
