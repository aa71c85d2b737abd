"""The outside as every engine of the bench meets it: a call that takes so many milliseconds and hands back a reference.

It happens inside the worker's own process: no socket, no HTTP. What is compared is what an engine spends around a call
and while it waits for one. Engines of threads and processes sleep, engines with an event loop await; nothing else
differs. Standard library only, because each peer imports this from an environment of its own.
"""

import asyncio
import os
import time
from hashlib import sha256

MS = "BENCH_CALL_MS"
"""The environment variable that says how long a call takes."""


def seconds() -> float:
    """Return how long a call takes in this process."""
    return float(os.environ.get(MS, "0")) / 1000


def reference(ref: str) -> str:
    """Return the reference that the outside gives it: the same ref is the same message."""
    return f"sim-{sha256(ref.encode()).hexdigest()[:20]}"


def call(ref: str) -> str:
    """Make a call on a thread that can wait."""
    if (pause := seconds()) > 0:
        time.sleep(pause)
    return reference(ref)


async def acall(ref: str) -> str:
    """Make the same call on an event loop."""
    if (pause := seconds()) > 0:
        await asyncio.sleep(pause)
    return reference(ref)
