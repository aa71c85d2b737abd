"""The document tells each operation's own problems, and every problem that there is."""

from consent_engine.api.app import PARTS
from consent_engine.api.document.openapi import FACTS, FORMS, codes_by_status
from consent_engine.api.document.operations import Operation
from consent_engine.api.http.problems import STATUS
from consent_engine.errors import ConsentError, Malformed

OURS = ("consent_engine.errors", "consent_engine.domain.", "consent_engine.engine.", "consent_engine.api.http.")
UNTOLD = {
    "error",
    "refused",
    "illegal_transition",
    "broken_record",
    "settings",
    "gateway_settings",
    "key_not_found",
    "log_forked",
    "file_refused",
}
"""Codes that no caller sees, or of base classes that are never raised themselves."""
OPERATIONS = [route for part in PARTS for route in part.routes if isinstance(route, Operation)]
DESCRIBED = {(each.method, each.path): each.described.problems for each in OPERATIONS if each.described}


def kinds(of):
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_every_error_that_a_caller_may_get_is_told_by_an_operation():
    answered = {kind.code for kind in kinds(ConsentError) if kind.__module__.startswith(OURS) and "code" in vars(kind)}
    assert len(answered) > 50
    assert answered - UNTOLD - {kind.code for problems in DESCRIBED.values() for kind in problems} == set()


def test_an_operation_tells_its_own_problems_and_no_others():
    placing = codes_by_status(DESCRIBED["POST", "/v1/orders"])
    assert "`duplicate_order` (order)" in placing[409]
    assert "`busy` (while too many orders" in placing[503]
    assert not {"`already_reviewed`", "`nothing_parked`", "`reward_not_due`"} & set(placing[409].split(", "))
    assert "busy" not in codes_by_status(DESCRIBED["GET", "/v1/plans"])[503]
    assert codes_by_status(DESCRIBED["POST", "/v1/orders/{order_id}/cancel"])[409] == "`too_late` (state)"
    assert codes_by_status(DESCRIBED["GET", "/v1/calls/{call_id}"])[404] == "`call_not_found`"


def test_no_operation_tells_a_problem_twice_and_each_has_a_status():
    for problems in DESCRIBED.values():
        assert len(problems) == len(set(problems))
        assert all(set(kind.__mro__) & STATUS.keys() - {ConsentError} for kind in problems)


def test_facts_are_of_codes_that_there_are():
    assert FACTS.keys() <= {kind.code for problems in DESCRIBED.values() for kind in problems}
    assert "`invalid_msisdn`" in FORMS
    assert FORMS not in codes_by_status([Malformed])[422]
