"""The answer to a request for permits, as it is kept: no number, and nothing that a number could be found from."""

from collections import Counter
from collections.abc import Iterable, Mapping

from consent_engine.domain.call.permit import Dial, Dialling
from consent_engine.domain.canonical_json import Row, Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest


class Given(Row, frozen=True):
    """One request's answers in one part of the store.

    request: its id, which its tokens bear · by: the key that asked · at: when · carrier, plan ('': none was named):
    what for · until: how long its permits are good · permits: how many were given · denied: how many were not, by
    reason · digest: of the lines with their answers, in the order of the request
    """

    request: str
    by: str
    at: Millis
    carrier: str
    plan: str
    until: Millis
    permits: int
    denied: Mapping[str, int]
    digest: str

    @classmethod
    def of(cls, request: str, by: str, about: Dialling, answers: Iterable[tuple[str, Dial]]) -> "Given":
        """What is kept of the answers about lines."""
        told = [(line, dial.reason.value if dial.reason else "") for line, dial in answers]
        counts = Counter(reason for _, reason in told)
        permits = counts.pop("", 0)
        sealed = digest("\n".join(f"{line} {reason}" for line, reason in told))
        return cls(
            request, by, about.now, about.carrier or "", about.plan or "", about.until, permits,
            dict(sorted(counts.items())), sealed,
        )  # fmt: skip


Given.rows = Rows(Given, least=9)
