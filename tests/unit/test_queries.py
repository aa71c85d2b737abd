"""The query of a list: an error is named by the parameter that has it."""

from urllib.parse import urlencode

import pytest
from starlette.requests import Request

from consent_engine.api.http.queries import Coverage, read_query
from consent_engine.errors import Malformed


def asked(**told):
    query = {"from": "2025-08-01", "to": "2025-08-02"} | told
    return Request({"type": "http", "query_string": urlencode(query).encode(), "headers": []})


@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize("day", ["2025-02-30", "2025-13-01", "0001-01-01", "9999-12-31"])
def test_a_day_that_there_is_not_or_that_has_no_next_one_is_named_where_it_stands(name, day):
    with pytest.raises(Malformed) as wrong:
        read_query(Coverage, asked(**{name: day}))
    assert [(each.field, each.code) for each in wrong.value.errors] == [(name, "invalid_day")]
    assert read_query(Coverage, asked()).to == "2025-08-02"
