"""A BSS that tells the holder of a number: the requests on the wire, and which answers count as none."""

import asyncio
from datetime import timedelta

import pytest

from consent_engine.adapters.bss import registry as bss
from consent_engine.adapters.bss import subscriber_look_up
from consent_engine.domain import hashing
from consent_engine.domain.effects import Unavailable
from consent_engine.domain.line.holder import Subscriber
from consent_engine.errors import SettingsError
from tests.contract import KEPT_SECRET, MSISDN, NOW_S, PATIENT, TEXT, Far, answers, bounded, discreet, misread

RAW = {"URL": "http://127.0.0.1:1", "SECRET": KEPT_SECRET, "CAN_LOOK_UP": "true"}
SAID = {"network": "mobile", "holder_since": "2025-08-01T10:00:00+08:00", "adult": True}
SINCE = 1_754_013_600_000


def asked(behaviour, seconds=PATIENT, url=""):
    """Return the result of a look-up, and the far side with the requests it received."""

    async def conversation():
        async with bounded(seconds), Far(behaviour) as far:
            settings = RAW | {"URL": f"{url or far.url}/v2/"}
            system = subscriber_look_up.build("http", settings, timedelta(seconds=seconds), lambda: NOW_S)
            answer = await system.look_up(MSISDN)
            return answer, far

    answer, far = asyncio.run(conversation(), debug=True)
    discreet(repr(answer))
    return answer, far


def test_a_look_up_goes_out_as_the_contract_says_with_the_number_in_its_body_alone():
    answer, far = asked(answers(200, SAID))
    (request,) = far.requests
    assert answer == Subscriber("mobile", SINCE, adult=True)
    assert (request.method, request.target, request.fields) == ("POST", "/v2/subscribers/lookup", {"msisdn": MSISDN})
    assert "idempotency-key" not in request.headers
    hashing.check(KEPT_SECRET, request.headers["x-consent-signature"], request.body, NOW_S * 1000)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (dict.fromkeys(SAID), Subscriber()),
        (SAID | {"network": "broadnet", "adult": False}, Subscriber("broadnet", SINCE, adult=False)),
        (SAID | {"holder_since": "2025-08-01T02:00:00Z", "more": TEXT}, Subscriber("mobile", SINCE, adult=True)),
    ],
)
def test_what_the_bss_does_not_know_is_null(said, meant):
    assert asked(answers(200, said))[0] == meant


@pytest.mark.parametrize(
    "change",
    [
        {"network": "CMCC"}, {"network": TEXT}, {"network": ["mobile"]}, {"adult": 1}, {"adult": "yes"},
        {"holder_since": "2025-08-01"}, {"holder_since": "2025-08-01T10:00:00"}, {"holder_since": SINCE},
        {"holder_since": "2025-13-01T10:00:00Z"}, {"holder_since": MSISDN},
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_none(change):
    answer, _ = asked(answers(200, SAID | change))
    assert isinstance(answer, Unavailable)


@pytest.mark.parametrize("field", list(SAID))
def test_an_answer_that_leaves_a_field_out_is_none(field):
    answer, _ = asked(answers(200, {name: said for name, said in SAID.items() if name != field}))
    assert answer == Unavailable("look_up:look_up_odd:fields")


@pytest.mark.parametrize("status", [201, 302, 400, 401, 404, 429, 500, 503])
def test_any_other_status_is_no_answer(status):
    answer, _ = asked(answers(status, SAID, Retry_After="3"))
    assert answer == Unavailable(f"look_up:bss:{status}", 3_000, refusing=status == 401)


def test_whatever_goes_wrong_on_the_way_is_no_answer():
    assert misread(asked, Unavailable) == {}


def test_only_a_bss_whose_settings_say_so_is_asked():
    def built(spec, **raw):
        return bss.look_up(spec, lambda _: {k: v for k, v in (RAW | raw).items() if v}, timedelta(seconds=1))

    assert built("http", CAN_LOOK_UP="") is None
    assert built("http", CAN_LOOK_UP="false") is None
    assert built("http").name == "http/lookup"
    assert built("simulated").name == "simulated/lookup"
    assert asyncio.run(built("simulated").look_up(MSISDN)) == Subscriber()
    with pytest.raises(SettingsError, match="CONSENT_BSS_HTTP__CAN_LOOK_UP must be true or false"):
        built("http", CAN_LOOK_UP="perhaps")
    with pytest.raises(SettingsError, match="/subscribers/lookup is appended"):
        built("http", URL="http://127.0.0.1:1/?a=b")
    with pytest.raises(SettingsError, match=r"^CONSENT_BSS: unknown BSS"):
        built("none")
