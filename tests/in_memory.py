"""Where tests put files when no disk is under test: in memory, where a sync takes no time."""

import os
from contextlib import suppress

ROOM = 1 << 30
"""Bytes that must be free there: a container has 64 MB, which some hundred tests would fill."""


IN_MEMORY = "TESTS_IN_MEMORY"
"""The variable that names this run's folder, which goes with the run: processes that tests kill leave theirs in it."""


def memory() -> str | None:
    """Return a folder in memory, with room, in which programs may run; None where there is no such folder."""
    folder = os.environ.get(IN_MEMORY, "/dev/shm")  # noqa: S108 - a run's folder there has a random name
    with suppress(OSError):
        there = os.statvfs(folder)
        has_room = there.f_bavail * there.f_frsize >= ROOM
        if has_room and not there.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None
