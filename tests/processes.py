"""Waiting for the end of a process that may not be a child of the test."""

import os
import select


def has_ended(watched: int, seconds: float) -> bool:
    """Whether the process of a pidfd ends within so many seconds. The pidfd is closed. `select` refuses descriptors
    from 1,024 on, which a long run of tests may have.
    """
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    try:
        return bool(poll.poll(seconds * 1_000))
    finally:
        os.close(watched)
