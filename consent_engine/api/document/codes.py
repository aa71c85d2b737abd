"""The codes that stand in a problem, by status: from the errors themselves, so that the document leaves none out."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from consent_engine.api.http.problems import STATUS
from consent_engine.errors import ConsentError

OURS = (
    "consent_engine.errors",
    "consent_engine.domain.",
    "consent_engine.engine.",
    "consent_engine.api.http.",
    "consent_engine.api.service.overload",
)
"""Where errors are that the API answers; those of pages, of sign-in and of what watches are told where they are."""
UNTOLD = frozenset({"error", "refused", "illegal_transition", "broken_record", "settings", "gateway_settings"})
"""What no caller is told, or nobody raises as it is."""
FACTS: Mapping[str, str] = {
    "plan_not_public": "channel, why",
    "do_not_call": "since, reason",
    "cool_off": "since",
    "duplicate_order": "order",
    "too_late": "state",
    "call_not_permitted": "violations",
    "not_activated": "state",
    "event_not_taken": "since",
    "already_decided": "found",
    "reward_not_due": "reason",
    "other_network": "network, carrier",
    "unofficial_number": "official",
    "disclosure_missing": "missing",
    "confirmation_too_long": "segments, carried",
    "backdated": "field",
    "not_ready": "reasons",
    "busy": "to orders: as many wait as can be asked in time",
}
"""What stands beside a code."""
FORMS = (
    "`malformed`, or what the one thing wrong is: `invalid_msisdn`, `recording_missing`, `call_time_invalid`, "
    "`contains_number`, `unseen_character`; all that is wrong in `errors`"
)
AGAIN = ": the same request again is safe"


@lru_cache(1)
def codes() -> Mapping[int, str]:
    """For each status its codes, with what stands beside them."""
    found: dict[int, list[str]] = {}
    for kind in _kinds(ConsentError):
        if kind.code not in UNTOLD | {"malformed"}:
            told = f"`{kind.code}`" + (f" ({FACTS[kind.code]})" if kind.code in FACTS else "")
            found.setdefault(_status(kind), []).append(told)
    said = {status: ", ".join(dict.fromkeys(listed)) for status, listed in found.items()}
    said[422] = f"{FORMS}. {said[422]}"
    said[503] += AGAIN
    return said


def _kinds(of: type[ConsentError]) -> Iterator[type[ConsentError]]:
    """Every error of ours, in the order in which they are written."""
    for kind in of.__subclasses__():
        if kind.__module__.startswith(OURS) and "code" in vars(kind):
            yield kind
        yield from _kinds(kind)


def _status(kind: type[ConsentError]) -> int:
    return int(next(STATUS[each] for each in kind.__mro__ if each in STATUS))
