"""First reviews: a thread in which the operator's command hears calls; of all worker processes one at a time."""

import logging
from collections.abc import Callable

from consent_engine.engine.engine import Engine
from consent_engine.engine.first_review import FirstReviews
from consent_engine.engine.lasting_trouble import LastingTrouble
from consent_engine.engine.limits import TICK_S
from consent_engine.ports.review_command import ReviewCommand
from workers.ticking import Ticking

log = logging.getLogger(__name__)


class FirstReviewer(Ticking):
    """A thread that reviews, a page a round, with its own clients."""

    def __init__(
        self, make: Callable[[], Engine], command: ReviewCommand, share: float, secret: str, name: str
    ) -> None:
        what = "CONSENT_REVIEW_COMMAND cannot hear calls now: reviewers hear them"
        super().__init__("reviews", LastingTrouble(log, what), TICK_S)
        self._make = make
        self._more = command, share, secret, name

    async def _ticks(self) -> None:
        reviews: FirstReviews | None = None
        while not self._ending.is_set():
            heard = 0
            with self._round():
                reviews = reviews or FirstReviews(self._make(), *self._more)
                heard = await reviews.look()
            if not heard:
                self._ending.wait(self._tick_s)
