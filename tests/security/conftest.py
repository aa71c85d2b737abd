"""The fixtures that attacks share with the tests of the whole engine: servers."""

from tests.integration.api_door import running
from tests.integration.rq_house import started

__all__ = ["running", "started"]
