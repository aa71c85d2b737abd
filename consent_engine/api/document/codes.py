"""The codes of problems, by status: taken from the error classes, so that the document leaves none out."""

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
"""Modules of the errors that the API answers; errors of pages, sign-in and streams are described where they occur."""
UNTOLD = frozenset({"error", "refused", "illegal_transition", "broken_record", "settings", "gateway_settings"})
"""Codes that no caller sees, or of base classes that are never raised themselves."""
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
    "busy": "to new orders, while too many wait to be asked in time",
}
"""Further facts of a problem, by its code."""
FORMS = (
    "`malformed`, or one of these where all errors have it: `invalid_msisdn`, `recording_missing`, "
    "`call_time_invalid`, `contains_number`, `report_time_invalid`, `invalid_caller`; every error is in `errors`"
)
AGAIN = ": the same request again is safe"


@lru_cache(1)
def codes() -> Mapping[int, str]:
    """Return the codes of each status, with their further facts."""
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
    """All error classes of these modules, in the order of their definition."""
    for kind in of.__subclasses__():
        if kind.__module__.startswith(OURS) and "code" in vars(kind):
            yield kind
        yield from _kinds(kind)


def _status(kind: type[ConsentError]) -> int:
    return int(next(STATUS[each] for each in kind.__mro__ if each in STATUS))
