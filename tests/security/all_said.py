"""Loaded by every process of a run as `sitecustomize`: every logger says all it has, and all of it is written down raw.

Raw means before our formatter hides what looks like a number: what is hidden there should not have been said at all.
"""

import logging
import os

OUT = os.environ.get("ALL_SAID", "")
"""Where to. Nowhere: this is only looked at, as pytest does with every module."""


class Said(logging.LogRecord):
    """A record that is written down the moment it is made."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type] # whatever logging makes a record of
        line = f"{self.name} {self.levelname} {self.getMessage()!r} {self.args!r}\n"
        descriptor = os.open(OUT, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, line.encode("utf-8", "backslashreplace"))
        os.close(descriptor)


def everything(_logger: logging.Logger, _level: int) -> bool:
    return True


if OUT:
    logging.setLogRecordFactory(Said)
    logging.Logger.isEnabledFor = everything  # type: ignore[method-assign] # that is the point
