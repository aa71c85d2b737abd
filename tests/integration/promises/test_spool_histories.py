"""Histories of machines with spools: cut off, standing still, two processes with one folder, servers that take over."""

from random import Random

import pytest

from consent_engine.adapters.spool import Spool
from consent_engine.api.service.spooling import Spooling
from consent_engine.domain.at_rest import Cipher
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Reply
from consent_engine.engine.pausing import LOOK_S, Gate
from consent_engine.errors import StoreUnavailable
from consent_engine.ports.records import CLOCKS_APART_MS
from tests.conftest import NUMBER


class Town:
    """What the store has, and all that use it; each stands still now and then, and the others go on meanwhile.

    at: the true time, in seconds · ahead: by how much (ms) the clock of the present server is
    """

    def __init__(self, draw, folders):
        self.draw, self.at, self.ahead, self.depth = draw, 1_000.0, 0, 0
        self.pauses, self.stored, self.acknowledged, self.shut = {}, set(), {}, 0
        self.workers = [Worker(self) for _ in range(2)]
        self.machines = [Machine(self, folder) for folder in folders]

    def now(self):
        return int(self.at * 1000) + self.ahead

    def lacks(self):
        """Whether the store lacks something that was acknowledged."""
        return any(at <= self.at and name not in self.stored for name, at in self.acknowledged.items())

    def goes_on(self):
        if self.depth > 1:  # nobody stands still for ever
            return
        self.depth += 1
        for each in self.draw.sample([*self.workers, *self.machines], 3 - self.depth):
            self.at += self.draw.choice([0.003, 0.05, 0.3])
            each.acts()
        if self.draw.random() < 0.05:
            self.ahead = self.draw.randint(0, CLOCKS_APART_MS)
        self.depth -= 1

    def stands_still(self):
        for _ in range(self.draw.choice([0, 0, 0, 1, 3])):
            self.goes_on()


class User:
    """One that uses the store, and is cut off from it now and then. It does one thing at a time."""

    def __init__(self, town):
        self.town, self.cut, self.busy = town, False, False

    def acts(self):
        if not self.busy:
            self.busy = True
            try:
                self.does()
            except StoreUnavailable:
                pass
            finally:
                self.busy = False

    def asked(self, answer):
        self.town.stands_still()
        if self.cut:
            raise StoreUnavailable("cut off")
        said = answer()
        self.town.stands_still()
        return said


class Worker(User):
    """It looks, and a moment later begins what it can."""

    def __init__(self, town):
        super().__init__(town)
        self.gate = Gate(
            lambda: self.asked(lambda: dict(town.pauses)), lambda: town.at, now=lambda: self.asked(town.now)
        )

    def does(self):
        self.gate.look()
        self.begins()
        looked = self.town.at
        self.town.goes_on()
        if self.town.at - looked < LOOK_S:
            self.begins()

    def begins(self):
        if self.town.lacks():
            assert self.gate.is_shut()
            self.town.shut += 1


class Machine(User):
    """An API process. As an engine it is the store's registry and its door, too."""

    def __init__(self, town, folder):
        super().__init__(town)
        self.spooling = Spooling(Spool(folder, Cipher()), None, lambda: town.at)
        self.registry = self.pauses = self
        self.next = town.at

    def does(self):
        self.cut ^= self.town.draw.random() < 0.05
        if self.town.draw.random() < 0.3:
            name = f"mo-{len(self.town.acknowledged)}"
            self.spooling.keep(self, [Reply("test", name, Msisdn(NUMBER), "10085", "TD", came=self.town.now())])
            self.town.acknowledged[name] = max(self.spooling.in_force, self.town.at)
        elif self.town.at >= self.next:
            self.next = self.town.at + 1
            self.spooling.turn(self)

    def now(self):
        return self.asked(self.town.now)

    def announce(self, target, pause):
        self.asked(lambda: self.town.pauses.update({target: pause}))

    def receive(self, messages):
        self.asked(lambda: self.town.stored.update(each.message_id for each in messages))
        if self.town.draw.random() < 0.1:
            raise StoreUnavailable("the answer was lost")


@pytest.mark.parametrize("seed", [0, 5, 8, 11])
def test_nothing_can_begin_while_what_was_acknowledged_is_on_disk_alone(tmp_path, seed):
    town = Town(Random(seed), [tmp_path / name for name in ("a", "a", "b")])  # noqa: S311
    for _ in range(150):
        town.goes_on()
    assert (town.shut > 20, len(town.stored) > 20) == (True, True)
