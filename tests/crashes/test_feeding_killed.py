"""A process that posts events is killed at any instant: none is missing, and what comes twice is the same."""

import subprocess
import sys
from random import Random

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.domain.effects import Lane
from tests.archive.crm import Crm, Fed
from tests.archive.house import SHORT, Town
from tests.conftest import parse
from tests.memory import a_store
from tests.tiers import DEEP
from tests.waiting import HANGS_S
from tests.written_out import empty_at

KILLS, ORDERS = DEEP or 4, 60


def killed(folder, crm, drawn):
    """Post until some events came, and kill the process: before it has the answer to one, or before it keeps that."""
    last, answered = len(crm.got) + drawn.randrange(1, 90), drawn.random() < 0.5
    with subprocess.Popen([sys.executable, "-m", "tests.crashes.feeding", str(folder)]) as process:

        def behave(handler, got):
            if len(crm.got) < last:
                handler.take(got)
                return
            if answered and process.poll() is None:
                handler.take(got)
                handler.wfile.flush()
            process.kill()

        crm.behave = behave
        process.wait(timeout=HANGS_S)


def test_whenever_the_process_is_killed_every_event_comes_and_a_repeat_has_its_id(tmp_path):
    archive = SqlArchive(empty_at(tmp_path), SHORT)
    town, crm, drawn = Town(a_store(), archive), Crm(), Random(39)  # noqa: S311 - where to kill
    fed = Fed(town, crm)
    numbers = [parse(f"138{n:08d}") for n in range(71_000_001, 71_000_001 + ORDERS)]
    orders = [town.place(number) for number in numbers]
    town.run(Lane.SMS)
    for number in numbers:
        town.say("是", number)
    town.run()
    fed.bring()
    for _ in range(KILLS):
        killed(tmp_path, crm, drawn)
    crm.behave = None
    done = subprocess.run([sys.executable, "-m", "tests.crashes.feeding", str(tmp_path)], timeout=HANGS_S, check=True)
    assert done.returncode == 0
    assert fed.feed.cursor == fed.log.ends()[1]
    assert fed.came() == fed.expected(orders)
    bodies = {each.id: each.body for each in crm.got}
    assert [each.id for each in crm.got if bodies[each.id] != each.body] == []
    assert len(crm.taken) > len(bodies), "some came twice"
    crm.close()
    town.runner.close()
    archive.close()
