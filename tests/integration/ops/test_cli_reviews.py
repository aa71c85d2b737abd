"""`consent reviews`: what waits for a first review, and letting it go on once CONSENT_REVIEW is `after` again."""

import os
import subprocess
import sys

import pytest
from msgspec.structs import replace

from consent_engine.domain.admission.request import PlaceOrder, Placing
from consent_engine.domain.line.restriction import Kind
from tests.integration.api_door import FULL_SECRET, order
from tests.integration.rq_house import WAIT


@pytest.fixture
def consent(door):
    told = {
        "CONSENT_DATA_DIR": str(door.settings.data_dir), "CONSENT_SECRET": FULL_SECRET, "PATH": os.environ["PATH"],
    }  # fmt: skip

    def run(*arguments, **more):
        command = [sys.executable, "-m", "consent_engine", "reviews", *arguments]
        return subprocess.run(command, env=told | more, capture_output=True, text=True, timeout=WAIT, check=False)

    return run


def test_what_waited_when_the_setting_changed_is_listed_and_let_go_on(door, consent):
    engine = door.engine
    engine.terms = replace(engine.terms, review_first=True)
    placed = engine.place(Placing("desk", "w-1", PlaceOrder.read(order()))).order
    assert engine.lists.tally(Kind.REVIEW).count == 1
    early = consent("let-go", "--reason", "nobody can review now", CONSENT_REVIEW="before")
    assert (early.returncode, engine.lists.tally(Kind.REVIEW).count) == (2, 1)
    assert "set it to `after` first" in early.stderr
    assert consent("waiting").stdout.split("\t")[0] == placed.id
    done = consent("let-go", "--reason", "nobody can review now")
    assert (done.returncode, done.stdout) == (0, "orders that go on\t1\ncalls\t1\n"), done.stderr
    assert engine.lists.tally(Kind.REVIEW).count == 0
    assert consent("waiting").stdout == ""
