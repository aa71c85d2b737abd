"""A new key for persons, and a command that dies over it on a real server."""

import signal
import subprocess
import sys

from consent_engine.domain.line.line import Line
from consent_engine.engine.scribe import as_of_now
from tests.archive.rekeyed import FORMER, MARK, NEW, under_former, use
from tests.waiting import until

MANY = 300
SLOWLY = (
    "from consent_engine import cli; from consent_engine.adapters.redis.records import RedisRecords as R; n = R.names; "
    "R.names = lambda self, owner: ([each] for some in n(self, owner) for each in some); cli.run(['rekey'])"
)


def test_the_command_may_be_killed_while_orders_come_and_goes_on(real, consent, tmp_path, monkeypatch):
    for n in range(MANY):
        real.place(f"138{n:08}", key=f"k-{n}")
    as_of_now(real.engine.store)
    monkeypatch.setenv("CONSENT_PERSON_KEYS", f"{NEW} {FORMER}")
    killed = subprocess.Popen([sys.executable, "-c", SLOWLY], cwd=tmp_path, stderr=subprocess.PIPE)
    first = min(real.client.keys("ce:*order:*"))
    until("one is encrypted anew", lambda: MARK not in str(real.client.hgetall(first)))
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert MARK in str([real.client.hgetall(key) for key in real.client.keys("ce:*line:*")])
    use(real, f"{NEW} {FORMER}")
    for n in range(20):
        real.place(f"139{n:08}", key=f"l-{n}")
    for found in (1, 0):
        status, out, err = consent("rekey")
        assert (status, "under a former key\t0" in out) == (found, True), (out, err)
    assert not under_former(real)
    use(real, NEW)
    lines = [key.rpartition(":")[2] for key in real.client.keys("ce:*line:*")]
    assert len(real.engine.store.records.look({Line: lines}).of(Line)) == MANY + 20
