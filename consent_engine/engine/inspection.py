"""The inspection file: a period for an inspector, signed, which `consent verify` checks with nothing but the file.

Figures, coverage, violations, complaints, comparisons with the exchange, orders whose evidence is incomplete, and calls
drawn by the inspector's seed, each as its chain with its proof in the log. No number and no word of a person is in it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, cast

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.sales_figures import covered, summed
from consent_engine.domain.days import CHINA, later
from consent_engine.domain.effects import Millis
from consent_engine.domain.log.checkpoint import quorum
from consent_engine.domain.msisdn import hidden
from consent_engine.engine.evidence import NOT_YET, Hands, InLog, lacking, proven, signed
from consent_engine.engine.inspector import MOST_DRAWN, Inspector
from consent_engine.engine.scribe import as_of_now
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports import CallFilter, Only, Owner, Store
from consent_engine.ports.queries import ANY, Queries
from consent_engine.verify import INSPECTION, Broken, Coverage, Exposed, Forbidden, Inspection, verify

PIECE = 500
MOST_LISTED = 20_000
"""The most calls with violations, and the most orders with incomplete evidence, that a file lists; all are counted."""
TRIES = 3
NOT_OF_THE_ORDER = frozenset({"bytes", "token"})
"""What no evidence has here, or what stands for a whole checkpoint: no order is exposed by it."""


class Asked(NamedTuple):
    """What an inspector asks for. since, until: the first instant and the last · sample: how many calls are drawn"""

    since: Millis
    until: Millis
    seed: str
    sample: int = 100


class InspectionFiles:
    """Makes inspection files. hands: returns what signs, looked up when it is needed"""

    def __init__(
        self, store: Store, inspector: Inspector, terms: Terms, now: Callable[[], Millis], hands: Callable[[], Hands]
    ) -> None:
        self._store = store
        self._inspector = inspector
        self._terms = terms
        self._now = now
        self._hands = hands
        self._unheeded = NOT_OF_THE_ORDER | (frozenset() if terms.permits_required else {"permit"})

    def file(self, asked: Asked, by: str) -> Inspection:
        """Make the inspection file of a period, of all that was committed before. by: who asks

        Raises ArchiveUnavailable, also where SQL changed with each try, and StoreUnavailable.
        """
        for _ in range(TRIES):
            as_of = self._now()
            file = self._file(asked, by, as_of, as_of_now(self._store))
            with suppress(Broken):  # its parts were read one after another, and a call changed in between
                verify(file)
                return file
        raise ArchiveUnavailable(
            "calls of the period change as they are read: try again, or choose a period that is over"
        )

    def _file(self, asked: Asked, by: str, at: Millis, queries: Queries) -> Inspection:
        hands, public, span = self._hands(), self._store.log.public if self._store.log else None, asked[:2]
        newest = public.newest() if public else None
        drawn = self._inspector.drawn(span[0], span[1] + 1, asked.seed, min(asked.sample, MOST_DRAWN))
        counted = queries.calls.counted(*span, by_agent=True)
        forbidden = [*self._forbidden(queries, span)]
        activated, exposed = self._exposure(queries, span, newest.checkpoint.size if newest else 0)
        leaves = queries.evidence.leaves(drawn.calls)
        found = proven(leaves, public, quorum(hands.witnesses)) if public else NOT_YET
        file: dict[str, Any] = {
            "inspection": INSPECTION, "made_at": _instant(at), "made_by": by, "as_of": _instant(at),
            "since": _instant(asked.since), "until": _instant(asked.until), "seed": asked.seed, "sample": asked.sample,
            "calls": drawn.of, "drawn": [_chain(call, found) for call in drawn.calls],
            "figures": [
                {"carrier": carrier, "figure": figure.value, "calls": count}
                for (carrier, figure), count in sorted(summed(counted).items())
            ],
            "coverage": [*self._coverage(queries, span)],
            "violations": forbidden[:MOST_LISTED],
            "complaints": [each._asdict() for each in queries.reports.received(*span, at)],
            "activated": activated, "exposure": exposed[:MOST_LISTED],
            "rest": [max(0, len(each) - MOST_LISTED) for each in (forbidden, exposed)],
            "reconciliations": [
                {
                    "at": _instant(each.at), "file": each.digest, "carrier": each.carrier,
                    "since": _instant(each.since), "until": _instant(each.until), "calls": each.calls,
                    "unreported": each.unreported, "doubted": each.doubted, "refused": each.refused,
                }
                for each in queries.calls.reconciled(*span)
            ],
            "log": found.logged, "keys": hands.keys, "rotations": [*found.rotations], "signature": None,
        }  # fmt: skip
        return signed(cast(Inspection, file), hands.signers)

    def _coverage(self, queries: Queries, span: tuple[Millis, Millis]) -> Iterator[Coverage]:
        counted, days = queries.calls.counted, self._terms.reporting.days
        names = [days.of(span[0])]
        while names[-1] < days.of(span[1]):
            names.append(later(names[-1], 1))
        bounds = [(day, max(span[0], days.begins(day)), min(span[1], days.ends(day))) for day in names]
        for by, rows in (
            ("day", [(day, each) for day, first, last in bounds for each in counted(first, last)]),
            ("carrier", [(each.carrier, each) for each in counted(*span)]),
            ("agent", [(hidden(each.agent), each) for each in counted(*span, by_agent=True)]),
        ):
            for each in covered(rows):
                yield {
                    "by": by, "key": each.key, "recorded": each.recorded, "reviewed": each.reviewed,
                    "failed": each.failed,
                }  # fmt: skip

    def _forbidden(self, queries: Queries, span: tuple[Millis, Millis]) -> Iterator[Forbidden]:
        wanted, last = CallFilter(since=span[0], until=span[1] + 1, violation=ANY), None
        while True:
            page = queries.calls.page(wanted, last, PIECE)
            for call in page.rows:
                yield {
                    "call": call.id, "at": _instant(call.began.started_at), "carrier": call.carrier,
                    "agent": hidden(call.began.agent), "violations": [*map(str, call.violations)],
                }  # fmt: skip
            if (last := page.last) is None:
                return

    def _exposure(self, queries: Queries, span: tuple[Millis, Millis], covers: int) -> tuple[int, list[Exposed]]:
        """Return how many orders of a period were activated, and those whose evidence is incomplete. covers: how many
        entries of the log a checkpoint covers
        """
        count, exposed, last = 0, list[Exposed](), (span[1] + 1, "")
        while True:
            places = queries.places(Owner.ORDER, Only.ACTIVATED, last, PIECE, since=span[0])
            activated = [order for _, order in places]
            count += len(activated)
            for order, kept in queries.evidence.of(activated).items():
                words = lacking(kept, covers) if kept else ["record"]
                if missing := [each for each in words if each.partition(" ")[0] not in self._unheeded]:
                    exposed.append({"order": order, "missing": missing})
            if len(activated) < PIECE:
                return count, exposed
            last = places[-1]


def _chain(call: Call, found: InLog) -> Mapping[str, Any]:
    links = [{"public": each, "person": None} for each in call.publics]
    return {"kind": "call", "links": links, "leaf": found.leaves.get(call.id)}


def _instant(at: Millis) -> str:
    return CHINA.instant(at)
