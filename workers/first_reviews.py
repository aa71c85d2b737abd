"""First reviews: a thread in which the operator's command hears calls; of all worker processes one at a time."""

import asyncio
import logging
import threading
from collections.abc import Callable

from consent_engine.engine.engine import Engine
from consent_engine.engine.first_review import FirstReviews
from consent_engine.engine.lasting_trouble import LastingTrouble
from consent_engine.engine.limits import TICK_S
from consent_engine.errors import ConsentError
from consent_engine.ports.review_command import ReviewCommand

log = logging.getLogger(__name__)


class FirstReviewer(threading.Thread):
    """A thread that reviews until stopped, with its own event loop and clients. Trouble is logged; none ends it."""

    def __init__(
        self, make: Callable[[], Engine], command: ReviewCommand, share: float, secret: str, name: str,
        tick_s: float = TICK_S,
    ) -> None:  # fmt: skip
        super().__init__(name="reviews", daemon=True)
        self._make = make
        self._more = command, share, secret, name
        self._tick_s = tick_s
        self._ending = threading.Event()

    def stop(self) -> None:
        """End after the page that is under way. A process that does not wait for it loses nothing."""
        self._ending.set()

    def run(self) -> None:
        """Run the thread."""
        asyncio.run(self._ticks())

    async def _ticks(self) -> None:
        reviews: FirstReviews | None = None
        trouble = LastingTrouble(log, "CONSENT_REVIEW_COMMAND cannot hear calls now: reviewers hear them")
        while not self._ending.is_set():
            heard = 0
            try:
                reviews = reviews or FirstReviews(self._make(), *self._more)
                heard = await reviews.look()
            except ConsentError as error:
                trouble.met(error)
            except Exception as error:  # noqa: BLE001 - the edge: a dead thread leaves every call to people
                trouble.met(RuntimeError(type(error).__name__))
            else:
                trouble.over()
            if not heard:
                self._ending.wait(self._tick_s)
