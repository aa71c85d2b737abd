"""The `sitecustomize` of every process of a run: every logger logs everything, and all of it is written down raw.

Raw means before our formatter masks digits that look like a number: whatever it masks should not have been logged.
"""

import logging
import os

OUT = os.environ.get("ALL_SAID", "")
"""The file to write to. Empty when the module is only imported, as pytest does with every module."""


class Said(logging.LogRecord):
    """A log record that is written down the moment it is made."""

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
    logging.Logger.isEnabledFor = everything  # type: ignore[method-assign] # replacing it is the purpose
