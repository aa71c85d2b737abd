"""Lists, searches and sums of calls, orders, terminations, complaints and restrictions, on SQL."""

from collections.abc import Callable

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.call_queries import SqlCallQueries
from consent_engine.adapters.sql.ending_queries import SqlEndingQueries
from consent_engine.adapters.sql.order_queries import SqlOrderQueries
from consent_engine.adapters.sql.report_queries import SqlReportQueries
from consent_engine.adapters.sql.restriction_queries import SqlRestrictionQueries
from consent_engine.ports.queries import Queries


class SqlQueries(Queries):
    """The Queries of one database. check: raises NotOurArchive for a database of another installation"""

    def __init__(self, archive: SqlArchive, check: Callable[[], object] = lambda: None) -> None:
        self._check = check
        self._orders = SqlOrderQueries(archive)
        self._restrictions = SqlRestrictionQueries(archive)
        self._endings = SqlEndingQueries(archive)
        self._reports = SqlReportQueries(archive)
        self._calls = SqlCallQueries(archive)

    @property
    def orders(self) -> SqlOrderQueries:
        self._check()
        return self._orders

    @property
    def restrictions(self) -> SqlRestrictionQueries:
        self._check()
        return self._restrictions

    @property
    def endings(self) -> SqlEndingQueries:
        self._check()
        return self._endings

    @property
    def reports(self) -> SqlReportQueries:
        self._check()
        return self._reports

    @property
    def calls(self) -> SqlCallQueries:
        self._check()
        return self._calls
