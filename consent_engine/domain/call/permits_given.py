"""The answers to a request for permits, as stored: no number, and nothing from which a number could be found."""

from collections import Counter
from collections.abc import Iterable, Mapping

from consent_engine.domain.call.permit import Dial, Dialling
from consent_engine.domain.canonical_json import Row, Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest


class Given(Row, frozen=True):
    """One request's answers about the lines in one part of the store.

    request: its id, which its tokens bear · by: the API key · at: the instant of the request · carrier, plan: of the
    intended calls ('': none was named) · until: the end of its permits · permits: how many were given · denied: reason
    -> how many were denied · digest: of the lines with their answers, in the order of the request
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
        """Make the stored form of the answers about lines."""
        reasons = [(line, dial.reason.value if dial.reason else "") for line, dial in answers]
        counts = Counter(reason for _, reason in reasons)
        permits = counts.pop("", 0)
        sealed = digest("\n".join(f"{line} {reason}" for line, reason in reasons))
        return cls(
            request, by, about.now, about.carrier or "", about.plan or "", about.until, permits,
            dict(sorted(counts.items())), sealed,
        )  # fmt: skip


Given.rows = Rows(Given, least=9)
