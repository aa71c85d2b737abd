"""Counters that workers add to, as of outside calls; `api/service/families.py` shows them. Never personal data.

Kept as fields of one flat table, so that many processes can add to it: `calls|<to>|<outcome>|<name>`,
`<histogram>|<label>|sum` and `<histogram>|<label>|<upper bound>` (each observation in one bucket only), `unasked`. The
health of each gateway and of the BSS stands beside them, as `outside_health` reads it.
"""

from bisect import bisect_left
from collections import Counter

from consent_engine.domain.effects import Accepted, Lane, Millis, Outcome, Rejected, Unavailable, Uncertain, Untaken
from consent_engine.ports import Endpoint, EndpointHeard

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
BEYOND = "+Inf"
_BOUNDS = (*map(str, BUCKETS), BEYOND)
CALLS, CALL_SECONDS, NOTIFIED_SECONDS = "calls", "call_seconds", "notified_seconds"
UNASKED = "unasked"
PROMPT_S = 300.0
"""Longest delay of a prompt notification after the activation, in seconds; one of BUCKETS, so it can be counted."""
_WORDS = {kind: kind.__name__.lower() for kind in (Accepted, Rejected, Unavailable, Uncertain, Untaken)}
_FAILED = frozenset({Unavailable, Uncertain})
OUTCOMES = tuple(_WORDS.values())


def clipped(longest_s: float) -> list[float]:
    """Return the upper bounds of BUCKETS for what lasts so long at most, by its time-out."""
    return [min(bound, longest_s) for bound in BUCKETS]


class Measures:
    """The counts of one performer, until they are drained."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._calls: Counter[tuple[Endpoint, type[Outcome], int]] = Counter()
        self._seconds: Counter[Endpoint] = Counter()
        self._heard: dict[Endpoint, EndpointHeard] = {}
        self._flow: Counter[str] = Counter()

    def called(self, target: Endpoint, outcome: Outcome, seconds: float, at: Millis) -> None:
        """Count an outside call that ended at `at`."""
        self._calls[target, type(outcome), bisect_left(BUCKETS, seconds)] += 1
        self._seconds[target] += seconds  # type: ignore[assignment] # a Counter counts whatever adds up
        self._heard[target] = (self._heard.get(target) or EndpointHeard(target)).after(outcome, at)

    def performed(self, lane: Lane, count: int) -> None:
        """Count performed effects of a lane."""
        self._flow[f"lane|{lane}|calls"] += count

    def late(self, lane: Lane, seconds: float) -> None:
        """Count how late the oldest due effect of a lane is; sampled once a second."""
        self._flow[f"lane|{lane}|{bisect_left(BUCKETS, seconds)}"] += 1

    def unasked(self) -> None:
        """Count an order that expired before its question could be handed over."""
        self._counts[UNASKED] += 1

    def notified(self, seconds: float) -> None:
        """Count a notification that was handed over this many seconds after its activation."""
        self._observe(f"{NOTIFIED_SECONDS}|", seconds)

    def _observe(self, name: str, seconds: float) -> None:
        self._counts[f"{name}|{_BOUNDS[bisect_left(BUCKETS, seconds)]}"] += 1
        self._counts[f"{name}|sum"] += seconds  # type: ignore[assignment] # a Counter counts whatever adds up

    def drain(self) -> dict[str, float]:
        """Return the counts since the last time."""
        counts, self._counts = self._counts, Counter()
        for (target, kind, bucket), count in self._calls.items():  # named here: calls are many, but of few kinds
            counts[f"{CALLS}|{target.to}|{_WORDS[kind]}|{target.name}"] += count
            counts[f"{CALL_SECONDS}|{target.to}|{_BOUNDS[bucket]}"] += count
            place = f"{target.to}|{target.name}|"
            self._flow[f"{place}calls"] += count
            self._flow[f"{place}{bucket}"] += count
            if kind in _FAILED:
                self._flow[f"{place}failed"] += count
        for target, seconds in self._seconds.items():
            counts[f"{CALL_SECONDS}|{target.to}|sum"] += seconds
        self._calls.clear()
        self._seconds.clear()
        return dict(counts)

    def flow(self) -> dict[str, int]:
        """Return the throughput since the last time, as engine/throughput.py reads it; of calls, the drained ones."""
        flow, self._flow = self._flow, Counter()
        return dict(flow)

    def heard(self) -> list[EndpointHeard]:
        """Return the results of each endpoint since the last time."""
        heard, self._heard = self._heard, {}
        return list(heard.values())
