"""A master fails while its part of a cluster is copied: a copy that lacks any of its data is not called a backup."""

import signal
import threading

import pytest

from consent_engine.backup.back_up import back_up
from consent_engine.domain.order.order import Order
from consent_engine.errors import StoreUnavailable
from consent_engine.wiring import installation
from tests import needs
from tests.cluster.backed_up import desks, imported, loaded, silent
from tests.cluster.conftest import CELLS
from tests.tiers import DEEP
from tests.waiting import HANGS_S, until

pytestmark = needs.linux
MORE = 12
"""The number of orders acknowledged before it happens, and again after."""


def copied(town):
    """The masters in the order in which they are copied: the first cell's is the last."""
    ports = dict.fromkeys(town.owner(n).port for n in range(CELLS))
    return [next(each for each in town.nodes if each.port == port) for port in reversed(ports)]


def promoted(town, gone):
    """Wait until the others say that another master has its cells."""
    others = [each for each in town.nodes if each is not gone]
    until("another is promoted", lambda: not any(gone.port in owning(each) for each in others))


def owning(node):
    """The ports of the owners of slots, as a node says."""
    with node.client() as client:
        client.response_callbacks.clear()
        return {row[2][1] for row in client.execute_command("CLUSTER SLOTS")}


def killed(town, master):
    """Kill the master, and start it again once another was promoted, as its supervisor does."""
    master.kill()
    promoted(town, master)
    master.start()


def frozen(town, master):
    """Stop the master until another was promoted, and let it go on as if nothing had happened."""
    master.process.send_signal(signal.SIGSTOP)
    try:
        promoted(town, master)
    finally:
        master.process.send_signal(signal.SIGCONT)


WAYS = [(frozen, "before"), (killed, "after"), (killed, "before"), (frozen, "after")]
"""How the master that is copied first fails: before its part is fetched, or after that."""


@pytest.mark.parametrize(("fails", "when"), WAYS if DEEP else WAYS[:1])
def test_what_lacks_something_of_a_master_that_failed_is_not_called_a_backup(town, named, tmp_path, fails, when):
    folder, failing = tmp_path / "kept", []

    def tell(what):
        if what.startswith(f"copying master {1 if when == 'before' else 2} ") and not failing:
            failing.append(threading.Thread(target=fails, args=(town, copied(town)[0])))
            failing[0].start()

    with desks(loaded(named)) as orders:
        until("orders are taken", lambda: len(orders) > MORE)
        with pytest.raises(StoreUnavailable):
            back_up(loaded(named), None, folder, tell)
        assert not list(tmp_path.glob("kept*"))
        [failed] = failing
        failed.join(HANGS_S)
        town.calm()
        had = len(orders)
        until("orders come in again", lambda: len(orders) > had + MORE)
        before = dict(orders)
        back_up(loaded(named), None, folder, silent)
    town.flush()
    imported(town, loaded(named), folder, tmp_path)
    with installation(loaded(named)) as found:
        there = found.engine().store.records.look({Order: [*before.values()]}).of(Order)
        assert [n for n, order in before.items() if order not in there] == []
