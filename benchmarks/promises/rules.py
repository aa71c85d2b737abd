"""The rules for what people were told, checked after something failed.

The answers that people got are in `Notes`:

    1. every order that was acknowledged is there, whole, wherever it is kept by now;
    2. every refusal that was acknowledged (STOP, voice) stands;
    3. no first call to the BSS began after a STOP of its number was acknowledged, but those under way: the BSS here can
       be asked, so an activation whose lease was lost does not count where the BSS knows nothing of it;
    4. a request that is repeated is the order it was.
"""

from collections import Counter
from dataclasses import dataclass, field

from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.seal import sound
from consent_engine.engine.calls_in_flight import LOOK_AGAIN_S
from consent_engine.engine.engine import Engine
from consent_engine.errors import BrokenRecord, OrderNotFound

UNDER_WAY_S = LOOK_AGAIN_S + 0.1
"""A call that began within this time after an acknowledged STOP was under way: its last look may be this old."""


@dataclass
class Notes:
    """The answers that people got, and when the BSS was first called: by clocks of this process."""

    orders: dict[str, Msisdn] = field(default_factory=dict)
    refused: dict[Msisdn, float] = field(default_factory=dict)
    stops: dict[Msisdn, float] = field(default_factory=dict)
    called: dict[str, float] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    repeats: Counter[str] = field(default_factory=Counter)

    def broken(self, engine: Engine) -> Counter[str]:
        """Check the rules over all notes; return what broke."""
        found: Counter[str] = Counter()
        for order in list(self.orders):
            try:
                found["orders that are not whole"] += not sound(engine.show(order))
            except OrderNotFound:
                found["orders lost"] += 1
            except BrokenRecord:
                found["orders that are not whole"] += 1
        for number in list(self.refused):
            found["refusals lost"] += not engine.line(number).restrictions
        for order, at in list(self.called.items()):
            stop = self.stops.get(self.orders.get(order, Msisdn("")))
            found["called after a STOP"] += stop is not None and at > stop + UNDER_WAY_S
        found["repeats that were another order"] = self.repeats["another"]
        return +found
