"""Desks of clusters that are backed up: orders, one after another, of subscribers of every cell."""

import subprocess
import threading
from contextlib import contextmanager

from consent_engine.backup.manifest import read
from consent_engine.backup.put_back import by_hand
from consent_engine.config.settings import Settings
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.msisdn import Msisdn
from consent_engine.errors import StoreUnavailable
from consent_engine.wiring import installation
from tests.cluster.load import AGREED, STARTED, number
from tests.waiting import HANGS_S

PAUSE_S = 0.05


def silent(_):
    """Report nothing."""


def loaded(named, **more):
    return Settings.load(named | more, None)


def person(n):
    return Msisdn(f"+86138{number(n):08d}")


def placed(engine, n):
    call = {"caller_number": "10085", "recording_id": f"rec-{n}", "started_at": STARTED, "agreed_at": AGREED}
    body = {"msisdn": person(n), "plan": "5g-smart-199", "agent": "A1024", "call": call}
    return engine.place(Placing("desk", f"key-{n}", PlaceOrder.read(body))).order.id


@contextmanager
def desks(settings):
    """Place orders, one after another, until the block ends; yield the acknowledged ones by number. A request answered
    with "not now" is repeated.
    """
    orders, stop, died = {}, threading.Event(), []

    def work():
        try:
            with installation(settings) as found:
                engine = found.engine()
                while not stop.is_set():
                    try:
                        orders[len(orders)] = placed(engine, len(orders))
                    except StoreUnavailable:
                        stop.wait(PAUSE_S)
        except BaseException as error:
            died.append(error)
            raise

    works = threading.Thread(target=work)
    works.start()
    try:
        yield orders
    finally:
        stop.set()
        works.join(HANGS_S)
        assert not works.is_alive()
        assert not died


def imported(town, settings, folder, beside):
    """Type the lines that bring a backup's data into an empty cluster."""
    lines = by_hand(settings, folder, read(folder))
    typed = "\n".join(lines).replace("NODE:PORT", f"127.0.0.1:{town.masters()[0].port}")
    subprocess.run(f"set -e\n{typed}", shell=True, cwd=beside, check=True, timeout=HANGS_S)  # noqa: S602 - as a person does
