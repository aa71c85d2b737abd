"""Where tests put files when no disk is under test: in memory, where a sync takes no time."""

import os
from contextlib import suppress

ROOM = 1 << 30
"""Bytes that must be free there: a container has 64 MB, which some hundred tests would fill."""


def memory() -> str | None:
    """Return a folder in memory, with room, in which programs may run; None where there is no such folder."""
    folder = "/dev/shm"  # noqa: S108 - what is put there has a folder of a random name
    with suppress(OSError):
        there = os.statvfs(folder)
        has_room = there.f_bavail * there.f_frsize >= ROOM
        if has_room and not there.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None
