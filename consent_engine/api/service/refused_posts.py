"""Gateways' posts that cannot be taken: refused, counted, and named in a warning of the log."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import product
from time import monotonic

from consent_engine.errors import Malformed, Unauthenticated

log = logging.getLogger(__name__)
EVERY_S = 60.0
PROOF, CLOCK, FORM = "proof", "clock", "form"
MEAN = {
    PROOF: "signature or password does not fit: has one side another secret?",
    CLOCK: "signed more than 5 min off the store's clock: which clock is wrong?",
    FORM: "cannot be read: has the gateway's format changed?",
}


class RefusedPosts:
    """Counts refused posts by gateway and reason. For the gateways in use all counts begin at 0, so that an alert sees
    the first one. One warning a minute at most: anybody can post to a webhook.
    """

    def __init__(self, gateways: Iterable[str], clock: Callable[[], float] = monotonic) -> None:
        self.counts: Counter[tuple[str, str]] = Counter(dict.fromkeys(product(gateways, MEAN), 0))
        self._clock = clock
        self._warned_at: dict[tuple[str, str], float] = {}

    def note(self, gateway: str, error: Unauthenticated | Malformed) -> None:
        """Note a refused post."""
        key = gateway, FORM if isinstance(error, Malformed) else CLOCK if error.genuine else PROOF
        self.counts[key] += 1
        now = self._clock()
        if now - self._warned_at.get(key, now - EVERY_S) >= EVERY_S:
            self._warned_at[key] = now
            log.warning("posts of gateway %s are refused (%d so far): %s", gateway, self.counts[key], MEAN[key[1]])
