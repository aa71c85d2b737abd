"""The codes in the OpenAPI document are those of the errors, under the status that each is answered with."""

import inspect

import consent_engine.api.app  # noqa: F401 - all errors there are
from consent_engine import errors
from consent_engine.api.document.codes import FACTS, UNTOLD, codes
from consent_engine.api.http.problems import STATUS, status_of
from consent_engine.errors import ConsentError, Malformed, Refused


def raised(kind):
    return Malformed([]) if kind is Malformed else kind("said")


def test_every_error_that_is_answered_stands_under_its_status():
    kinds = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, ConsentError)]
    told = [each for each in kinds if each.code not in UNTOLD]
    assert len(told) > 30
    assert {each.code for each in told if f"`{each.code}`" not in codes()[int(status_of(raised(each)))]} == set()


def test_nothing_stands_beside_a_code_that_there_is_not():
    said = " ".join(codes().values())
    assert {code for code in FACTS if f"`{code}` (" not in said} == set()


def test_errors_of_the_engine_beside_that_file_are_told_too_and_those_of_pages_are_not():
    assert "`nothing_to_attest`" in codes()[int(STATUS[Refused])]
    assert "`busy` (to new orders" in codes()[503]
    told = {each.strip("`,") for each in " ".join(codes().values()).split()}
    assert not {"sign_in_failed", "no_role", "settings", "refused"} & told
