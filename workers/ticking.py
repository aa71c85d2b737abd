"""A thread of a worker process that does its rounds until stopped, whatever becomes of one of them."""

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from consent_engine.engine.lasting_trouble import LastingTrouble
from consent_engine.errors import ConsentError


class Ticking(threading.Thread):
    """A thread with its own event loop. trouble: logs what goes wrong, which never ends the thread"""

    def __init__(self, name: str, trouble: LastingTrouble, tick_s: float) -> None:
        super().__init__(name=name, daemon=True)
        self._trouble = trouble
        self._tick_s = tick_s
        self._ending = threading.Event()

    def stop(self) -> None:
        """End after the round that is under way. `join` waits for it; a process that does not loses nothing."""
        self._ending.set()

    def run(self) -> None:
        """Run the thread."""
        asyncio.run(self._ticks())

    @abstractmethod
    async def _ticks(self) -> None:
        """Do the rounds, each in a `_round`, until `_ending` is set."""

    @contextmanager
    def _round(self) -> Iterator[None]:
        """Log what goes wrong in the block, and go on behind it."""
        try:
            yield
        except ConsentError as error:
            self._trouble.met(error)
        except Exception as error:  # noqa: BLE001 - the edge: a thread that dies does nothing any more
            self._trouble.met(RuntimeError(type(error).__name__))  # the text of an error may quote a row
        else:
            self._trouble.over()
