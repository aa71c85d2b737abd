"""One of our workers with the benchmark's outside: the `simulated` gateway and BSS take BENCH_CALL_MS a call.

Everything else is `python -m workers`, unchanged. At 0 ms nothing at all is changed.
"""

import asyncio
import sys
from typing import Any

from benchmarks.outside_stub import seconds
from consent_engine.adapters.bss import registry as bss
from consent_engine.adapters.bss.simulated import SimulatedBss
from consent_engine.adapters.gateways import registry as gateways
from consent_engine.adapters.gateways.simulated import Simulated
from consent_engine.domain.effects import Outcome
from consent_engine.ports import Activation, Sms
from workers.__main__ import main


class SlowGateway(Simulated):
    """A gateway that takes its time."""

    async def send(self, sms: Sms) -> Outcome:
        """Wait, then accept the SMS."""
        await asyncio.sleep(seconds())
        return await super().send(sms)


class SlowBss(SimulatedBss):
    """A BSS that takes its time."""

    async def activate(self, activation: Activation) -> Outcome:
        """Wait, then switch the service on."""
        await asyncio.sleep(seconds())
        return await super().activate(activation)


def slowed(made: Any, kind: type) -> Any:  # noqa: ANN401 - either of two
    """Return the same object with the slow class: it is built as the real one is, whatever that needs."""
    made.__class__ = kind
    return made


if seconds() > 0:
    gateway, system = gateways.GATEWAYS["simulated"], bss.BSS["simulated"]
    gateways.GATEWAYS["simulated"] = lambda *args: slowed(gateway(*args), SlowGateway)
    bss.BSS["simulated"] = system._replace(build=lambda *args: slowed(system.build(*args), SlowBss))

if __name__ == "__main__":
    sys.exit(main())
