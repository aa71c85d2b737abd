"""The one function that a job may name: perform a slice of a lane with the engine of this process."""

import logging
from collections import Counter
from collections.abc import Mapping

from consent_engine.domain.effects import WITHOUT_CALLS, Lane
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.errors import StoreUnavailable, place_of
from consent_engine.process import Stop
from workers.engine_loop import EngineLoop

log = logging.getLogger(__name__)

SLICE_S = 0.5
SLICE_BOUND_S = 60.0
"""A slice that takes this long hangs: its process must end."""
_NOT_EFFECTS = {"messages", "given_back", "performed"}
"""Words of a tally that count no effect, or count one a second time."""
Result = Mapping[str, int | Mapping[str, int]]


class SliceError(Exception):
    """The end of a slice that ops should see. Its text is a lane and counts, or a lane and the kind of an error."""


class Slices:
    """The slices of one process: the work of its jobs."""

    def __init__(self, loop: EngineLoop, stop: Stop) -> None:
        self._loop = loop
        self._stop = stop
        self.hung = False

    def hang(self, lane: str) -> None:
        """End the process because a slice does not end; its supervisor starts another."""
        log.critical("%s: a slice hangs: this process ends, other workers take over its leases", lane)
        self.hung = True
        self._stop.set()

    def perform(self, lane: Lane) -> Result:
        """Perform a slice; return its result in counts, those of other lanes under their names.

        Raises SliceError when an effect was parked.
        """
        tallies = self._loop.perform(lane, SLICE_S, SLICE_BOUND_S)
        counts = {each: result_of(each, tally.counts) for each, tally in tallies.items()}
        parked = [each for each in counts if counts[each].get("parked")]
        if parked:
            raise SliceError("; ".join(f"{each}: " + _in_words(counts[each]) for each in parked))
        others = {each.value: done for each, done in counts.items() if each is not lane and done["performed"]}
        return {**counts[lane], **others}


def result_of(lane: Lane, counts: Counter[str]) -> dict[str, int]:
    """Return a tally as a job's result: how many effects were performed, and how they ended.

    >>> result_of(Lane.SMS, Counter(accepted=197, retried=2, parked=1))
    {'performed': 200, 'accepted': 197, 'retried': 2, 'parked': 1}
    >>> result_of(Lane.INBOUND, Counter(performed=3, messages=5, failed=1))
    {'performed': 4, 'messages': 5, 'failed': 1}
    """
    ended = sum(count for word, count in counts.items() if word not in _NOT_EFFECTS)
    performed = ended + counts["performed"] if lane in WITHOUT_CALLS else ended
    return {"performed": performed} | {word: n for word, n in counts.items() if n and word != "performed"}


def _in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{word} {count}" for word, count in counts.items())


_away = LogOnChange(log, "no slice can be performed now")
_serving: list[Slices] = []
"""The slices that jobs use: RQ calls a function by its name, so its module must hold them; set once, by `serve`."""


def serve(slices: Slices) -> None:
    """Let this process's jobs work with `slices`."""
    _serving[:] = [slices]


def perform(lane: str) -> Result:
    """Perform a slice of a lane: the job. Raises only SliceError, whose text names no person."""
    [slices] = _serving
    try:
        done = slices.perform(Lane(lane))
    except SliceError:
        _away.over()
        raise
    except StoreUnavailable as error:
        _away.met(error)
        raise SliceError(f"{lane}: {type(error).__name__}") from None
    except TimeoutError:
        slices.hang(lane)
        raise SliceError(f"{lane}: the slice hangs") from None
    except Exception as error:  # noqa: BLE001 - the edge: an error in a job is reported by its kind alone
        log.error("%s: a slice failed: %s", lane, place_of(error))
        raise SliceError(f"{lane}: {type(error).__name__}") from None
    _away.over()
    return done
