"""A look at a page of another host: limited in time, length and place, whatever the page does."""

import asyncio
import gzip
import socket

import pytest

from consent_engine.adapters.tariff_pages import MOST_BYTES, HttpTariffPages, is_public
from consent_engine.domain.offer.address import Addresses
from consent_engine.ports.outside import Missed, TariffPage
from tests.integration.web_hall import HTML, web_hall
from tests.waiting import HANGS_S

NEVER_ENDS_S = 0.4
"""How long a look may take at a page that does not end."""


@pytest.fixture(scope="module")
def hall():
    with web_hall() as serving:
        yield serving


def fetch(hall, path="/p", host="", reachable=lambda _: True, hosts=(), whole_s=HANGS_S):
    host = host or hall.host
    addresses = Addresses(hosts=dict.fromkeys((hall.host, host, *hosts), "http"))
    pages = HttpTariffPages(addresses, reachable, whole_s)
    return asyncio.run(pages.fetch(path if "://" in path else f"http://{host}{path}"))


def test_a_page_is_taken_as_it_is(hall):
    hall.says("/p", "<p>199元/月")
    assert fetch(hall) == TariffPage(HTML, "<p>199元/月".encode())


def test_a_redirect_within_the_host_is_followed_a_few_times(hall):
    hall.says("/p", "here")
    hall.says("/moved", "", status=302, Location="/p")
    assert fetch(hall, "/moved").body == b"here"
    hall.says("/round", "", status=302, Location="/round")
    assert fetch(hall, "/round") == Missed("redirects_too_often:")


@pytest.mark.parametrize("elsewhere", [
    "http://127.0.0.2:9/p", "https://evil.example/p", "//evil.example/p", "http://localhost:{port}/p", "file:///etc/passwd",
])  # fmt: skip
def test_a_redirect_elsewhere_is_not_followed(hall, elsewhere):
    hall.says("/away", "", status=301, Location=elsewhere.format(port=hall.host.partition(":")[2]))
    hall.asked.clear()
    assert fetch(hall, "/away") == Missed("redirects_elsewhere:")
    assert hall.asked == ["/away"]


def test_what_is_too_long_is_not_read_to_its_end(hall):
    hall.says("/long", b"x" * MOST_BYTES)
    assert len(fetch(hall, "/long").body) == MOST_BYTES
    hall.says("/long", b"x" * 2 * MOST_BYTES)
    assert fetch(hall, "/long") == Missed("page_too_long:")


def test_a_page_that_never_ends_is_left_in_time_and_may_be_there_all_the_same(hall):
    hall.drips("/drip")
    assert fetch(hall, "/drip", whole_s=NEVER_ENDS_S) == Missed("no_answer:", surely=False)


@pytest.mark.parametrize(("status", "surely"), [(404, True), (410, True), (403, True), (429, False), (503, False)])
def test_an_answer_that_is_no_page_says_whether_it_is_sure(hall, status, surely):
    hall.says("/none", "sorry", status=status)
    assert fetch(hall, "/none") == Missed(f"answered:{status}", surely=surely)


def test_what_is_packed_is_not_unpacked(hall):
    hall.says("/packed", gzip.compress(b"x" * 20 * MOST_BYTES), Content_Encoding="gzip")
    assert fetch(hall, "/packed") == Missed("packed:")


def test_nobody_there_may_be_there_later(hall):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        host = f"127.0.0.1:{closed.getsockname()[1]}"
    missed = fetch(hall, host=host)
    assert (missed.surely, missed.why) == (False, "no_connection:ClientConnectorError")


def test_a_host_that_was_not_named_is_not_asked(hall):
    hall.asked.clear()
    assert fetch(hall, f"http://localhost:{hall.host.partition(':')[2]}/p") == Missed("host_not_allowed:")
    assert hall.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "[::1]"])
def test_an_address_within_and_a_name_that_leads_there_are_not_connected_to(hall, host):
    port = hall.host.partition(":")[2]
    hall.asked.clear()
    assert fetch(hall, host=f"{host}:{port}", reachable=is_public) == Missed("private_address:")
    assert hall.asked == []


def test_a_name_is_looked_up_once_and_what_was_looked_at_is_what_is_connected_to(hall):
    hall.says("/p", "here")
    looked = []

    def once(address):
        looked.append(address)
        return address == "127.0.0.1" or len(looked) > 2

    found = fetch(hall, host=f"localhost:{hall.host.partition(':')[2]}", reachable=once)
    if set(looked) == {"127.0.0.1"}:
        assert (found.body, looked) == (b"here", ["127.0.0.1"])
    else:  # the name leads to ::1, too: all addresses of a name must be public
        assert found == Missed("private_address:")


@pytest.mark.parametrize("address", [
    "10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "0.0.0.1", "224.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "2002:7f00:1::",
])  # fmt: skip
def test_no_address_within_is_public_however_it_is_written(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_public(address):
    assert is_public(address)
