"""How our processes end: signals are flags, and a child process ends with its parent, however that dies."""

import ctypes
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

_PR_SET_PDEATHSIG = 1
_STOPS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """The request to this process to end.

    The handlers set a flag and write a byte, nothing else: an exception out of a signal handler in the middle of a
    Redis command would leave its answer behind for the next command.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._signals = 0
        self._reads, self._writes = os.pipe()
        os.set_blocking(self._writes, False)

    def set(self) -> None:
        self.is_set = True
        try:
            os.write(self._writes, b"\0")
        except BlockingIOError:  # it is full: that wakes the process already
            return

    def wait(self, seconds: float) -> bool:
        """Wait until the end is requested, for `seconds` at most; return whether it was."""
        poll = select.poll()  # `select` refuses descriptors from 1,024 on
        poll.register(self._reads, select.POLLIN)
        poll.poll(max(seconds, 0.0) * 1_000)
        return self.is_set

    def on_signals(self) -> None:
        """Let SIGTERM and SIGINT set this; a second one ends the process at once."""
        for number in _STOPS:
            signal.signal(number, self._signalled)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, lambda number, frame: self.set())

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals > 1:
            os._exit(128 + number)
        self.set()


def tie(leash: int, end: Callable[[], None], grace_s: float) -> None:
    """Call `end` when the process at the other end of the pipe `leash` is gone; `grace_s` later, exit anyhow.

    On Linux the kernel sends SIGHUP as well, in case this process is too busy to look at the pipe.
    """
    signal.signal(signal.SIGHUP, lambda number, frame: end())
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGHUP), 0, 0, 0)

    def watch() -> None:
        while os.read(leash, 1):
            pass
        end()
        time.sleep(grace_s)
        os._exit(1)

    threading.Thread(target=watch, name="leash", daemon=True).start()
