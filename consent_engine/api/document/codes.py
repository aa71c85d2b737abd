"""The codes of the problems of an operation, by status, as the document tells them."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from consent_engine.api.http.problems import NAMED_BY_THE_DOOR, status_for
from consent_engine.errors import ConsentError

FACTS: Mapping[str, str] = {
    "plan_not_public": "channel, why",
    "do_not_call": "since, reason",
    "cool_off": "since",
    "duplicate_order": "order",
    "too_late": "state",
    "not_waiting": "state",
    "call_not_permitted": "violations",
    "not_activated": "state",
    "already_decided": "found",
    "reward_not_due": "reason",
    "other_network": "network, carrier",
    "unofficial_number": "official",
    "disclosure_missing": "missing",
    "confirmation_too_long": "segments, carried",
    "backdated": "field",
    "proposal_replaced": "by, hash",
    "not_ready": "reasons",
    "busy": "while too many orders wait to be asked in time",
}
"""Further facts of a problem, by its code."""
FORMS = (
    "; every error is in `errors`, and where all of them have one of these codes, it is the problem's, too: "
    + ", ".join(f"`{code}`" for code in sorted(NAMED_BY_THE_DOOR))
)
MAY_REPEAT = ": the same request again is safe"


def codes_by_status(kinds: Iterable[type[ConsentError]]) -> dict[int, str]:
    """Return the codes of these errors, with their further facts, by the status that each is answered with.

    >>> from consent_engine.errors import DuplicateOrder, OrderNotFound
    >>> codes_by_status([DuplicateOrder, OrderNotFound])
    {404: '`order_not_found`', 409: '`duplicate_order` (order)'}
    """
    found: dict[int, list[str]] = {}
    for kind in kinds:
        facts = f" ({FACTS[kind.code]})" if kind.code in FACTS else ""
        found.setdefault(int(status_for(kind)), []).append(f"`{kind.code}`{facts}")
    again = HTTPStatus.SERVICE_UNAVAILABLE
    return {status: ", ".join(found[status]) + (MAY_REPEAT if status == again else "") for status in sorted(found)}
