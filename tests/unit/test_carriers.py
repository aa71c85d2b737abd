"""Each carrier has one outbound number and one hotline, and a message belongs to the longest sender that fits."""

import pytest

from consent_engine.domain.carriers import CARRIERS, Carrier, carrier_of_sender

SENDERS = {"mobile": "10085", "telecom": "10001", "unicom": "100851"}


def test_the_carriers_are_as_published():
    facts = {str(carrier): (each.name, each.outbound, each.hotline) for carrier, each in CARRIERS.items()}
    assert facts == {
        "mobile": ("中国移动", "10085", "10086"),
        "telecom": ("中国电信", "10001", "10000"),
        "unicom": ("中国联通", "10016", "10010"),
    }
    assert set(CARRIERS) == set(Carrier)
    assert all(each.carrier == carrier for carrier, each in CARRIERS.items())


def test_a_carrier_is_found_by_its_plain_name():
    assert CARRIERS["mobile"].carrier is Carrier.MOBILE


@pytest.mark.parametrize(
    ("to", "carrier"),
    [
        ("10085", "mobile"),
        ("10085234", "mobile"),
        ("100851", "unicom"),
        ("10085199", "unicom"),
        ("10001", "telecom"),
        ("1000", None),
        ("210085", None),
        ("", None),
    ],
)
def test_the_longest_sender_that_begins_the_number_decides(to, carrier):
    assert carrier_of_sender(to, SENDERS) == carrier


def test_a_sender_that_two_carriers_share_decides_nothing():
    assert carrier_of_sender("106900", {"mobile": "1069", "telecom": "1069"}) is None
    assert carrier_of_sender("106900", {"mobile": "1069", "telecom": "1069", "unicom": "10690"}) == "unicom"


def test_a_sender_that_is_not_set_fits_nothing():
    assert carrier_of_sender("10085", {"mobile": ""}) is None
    assert carrier_of_sender("10085", {}) is None
