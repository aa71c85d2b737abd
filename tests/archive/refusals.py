"""A town's refusals, and the log's: how they come, are lost, and are missed."""

from dataclasses import replace

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.adapters.sql.queries import SqlQueries
from consent_engine.doctor import Level, records
from consent_engine.doctor.records import Wanted, audit
from consent_engine.doctor.rules import RULES
from consent_engine.domain.seal import Chained, Leaf
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.scribe import write_out
from tests.conftest import NUMBER

EVER = (0, 2**62)


def sealed(town):
    write_out(town.engine.store, "one")


def of_refusals(town):
    """Return the log's leaves of refusals, in its order: the number and the head of each."""
    sealed(town)
    leaves = [Leaf.decode(entry) for _, entry, _ in town.engine.store.log.entries(0, 10_000)]
    assert {leaf.record for leaf in leaves if leaf.of is Chained.REFUSAL} <= {town.engine.line(NUMBER).id}
    return [(leaf.seq, leaf.head) for leaf in leaves if leaf.of is Chained.REFUSAL]


def wrong(town):
    sealed(town)
    return audit(town.engine.store, 0, EVER).wrong


def doctor(town, *, mend=False):
    survey = RedisSurvey(Wire(town.client, proves=False, replicas=0))
    catalogue = town.engine.registry.catalogue
    wanted = Wanted(all=True, mend=mend)
    store = replace(town.engine.store, queries=SqlQueries(town.archive))  # as the scribe left them
    found = records.records(store, survey, 60_000, wanted, [].append, catalogue)
    return [each for each in found if each.level is not Level.GOOD]


def unrefused(town):
    return [each for each in doctor(town) if each.what.startswith(RULES["unrefused"].what)]


def by_voice(town, **more):
    town.engine.receive([RefusalAsked(NUMBER, more.pop("carrier", "mobile"), "voice", "desk", **more)])


def told_unlogged(town, *, mend=False):
    return [each for each in doctor(town, mend=mend) if each.what.startswith(RULES["unlogged"].what)]


def behind_our_back(town, name):
    """Take a refusal out of the data, as a file that lost its end, or a backup, does."""
    line = town.engine.line(NUMBER).id
    assert town.client.hdel(town.cell.line(line), f"r:{name}") == 1
    return line
