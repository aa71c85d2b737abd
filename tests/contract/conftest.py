"""The cases that every gateway and every BSS must pass, and the check of everything logged meanwhile."""

import gc
import logging

import pytest

from tests.contract import BRIEF, PATIENT, Far, discreet, nobody, shakes_no_hand, talks_no_tls


@pytest.fixture(autouse=True)
def no_person_is_logged(caplog):
    """Check all that is logged at DEBUG by every logger, also by objects as they are destroyed."""
    caplog.set_level(logging.DEBUG)
    yield
    gc.collect(1)  # the young generations are enough; collecting all would take longer than the test
    for record in (*caplog.get_records("call"), *caplog.get_records("teardown")):
        discreet(record.getMessage())
        discreet(repr(vars(record)))
        discreet(caplog.handler.format(record))


@pytest.fixture(params=["nobody listens", "no such host", "no TLS there", "a greeting without answer"])
def unreached(request):
    """Make a far side that cannot have received a request: (server, the URL to try, seconds)."""

    async def make(far: Far):
        match request.param:
            case "nobody listens":
                await far.__aexit__()
                return far.url, PATIENT
            case "no such host":
                return "http://nowhere.invalid", PATIENT
            case "no TLS there":
                far.mute = talks_no_tls
                return f"https://127.0.0.1:{far.port}", PATIENT
            case _:
                far.mute = shakes_no_hand
                return f"https://127.0.0.1:{far.port}", BRIEF

    return Far(nobody), make
