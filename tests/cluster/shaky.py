"""A world of a few cells on one fake server, each of which can be cut off."""

from consent_engine.adapters.redis.cells import cell_of
from consent_engine.adapters.redis.client import Wire
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.msisdn import slot
from consent_engine.errors import StoreUnavailable
from tests.cluster.celled import Celled, person
from tests.memory import a_store

CELLS = 4


class Cut(Wire):
    """A wire that can be cut."""

    cut = False

    def send(self, calls, **more):
        if self.cut and calls.rows:
            raise StoreUnavailable("cut")
        return super().send(calls, **more)


class Shaky(Celled):
    """A world whose cells can be cut off. All users of a cell share its wire."""

    def __init__(self):
        self.wires = {}
        super().__init__(a_store(), CELLS)

    def wire(self, n):
        return self.wires.setdefault(n, Cut(self.client, proves=False, replicas=0))


def people_of(*cells, count=3):
    """As many persons of each of these cells, by cell."""
    found = {n: [] for n in cells}
    n = 0
    while any(len(each) < count for each in found.values()):
        n += 1
        home = cell_of(f"{slot(person(n)):04x}", CELLS)
        if len(found.get(home, [None] * count)) < count:
            found[home].append(person(n))
    return found


def placings(world, people, key="k"):
    return [Placing("desk", f"{key}-{each}", world.request(each)) for each in people]
