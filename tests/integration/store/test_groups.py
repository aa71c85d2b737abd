"""Scripts that are sent together under a strict proof run together: one sync of the file, not one every few scripts."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from consent_engine.adapters.redis.client import GROUP, Calls, Wire, connect
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.errors import StoreUnavailable
from tests import needs

MANY = GROUP + 10


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    needs.server()
    with EmbeddedServer.start(tmp_path_factory.mktemp("data"), "strict") as started:
        yield started


@pytest.fixture
def url(server):
    connect(server.url).flushall()
    return server.url


def sent(url, count, *, proves=True, spoilt=lambda client: None, user=""):
    """Claim so many keys in one go, in a thread, as production does; return the answers, and how often EXEC ran."""
    client = connect(url)

    def claims(numbers):
        calls = Calls()
        for n in numbers:
            calls.script("claim_request", [f"ce:key:{n}"], ["7", "print", f"o{n}", "me", ""])
        return calls

    def work():
        wire = Wire(connect(f"{url}{'&' if '?' in url else '?'}{user}" if user else url), proves=proves, replicas=0)
        wire.send(claims([0]))  # the server knows the script from here on
        spoilt(client)
        return wire.send(claims(range(count)), prove=proves, repeat=True)

    before = execs(client)
    with ThreadPoolExecutor(1) as thread:
        answers = thread.submit(work).result()
    return answers, execs(client) - before


def execs(client):
    return client.info("commandstats").get("cmdstat_exec", {"calls": 0})["calls"]


def kept(url):
    return len(connect(url).keys("ce:key:*"))


def test_what_is_proven_together_is_done_in_few_goes_and_each_has_its_answer(url):
    answers, goes = sent(url, MANY)
    assert (answers, goes, kept(url)) == ([["7", "mine"]] * MANY, 2, MANY)


@pytest.mark.parametrize(("count", "proves"), [(3, True), (MANY, False)])
def test_few_scripts_and_those_that_prove_nothing_are_done_one_by_one(url, count, proves):
    assert sent(url, count, proves=proves) == ([["7", "mine"]] * count, 0)


def test_a_server_that_has_forgotten_its_scripts_is_told_them_and_does_each_once(url):
    answers, _ = sent(url, MANY, spoilt=lambda client: client.script_flush())
    assert (answers, kept(url)) == ([["7", "mine"]] * MANY, MANY)


def test_what_the_server_cannot_take_now_is_not_done_at_all(url):
    client = connect(url)
    try:
        with pytest.raises(StoreUnavailable):
            sent(url, MANY, spoilt=lambda client: client.config_set("maxmemory", 1))
    finally:
        client.config_set("maxmemory", 0)
    assert kept(url) == 1, "the one from before"


def test_a_user_who_may_not_group_them_has_them_done_one_by_one(url):
    client = connect(url)
    client.acl_setuser(
        "plain", enabled=True, nopass=True, keys=["*"], categories=["+@all"], commands=["-multi", "-exec"]
    )
    try:
        answers, goes = sent(url, MANY, user="username=plain&password=x")
    finally:
        client.acl_deluser("plain")
    assert (answers, goes, kept(url)) == ([["7", "mine"]] * MANY, 0, MANY)
