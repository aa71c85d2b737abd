"""Calls, each on a connection of its own: the part of an answer that is read, and the request that is written."""

import asyncio
import gc
import socket
import warnings

import pytest

from consent_engine.adapters import http_exchange
from consent_engine.adapters.http_exchange import BrokenAnswer, Said, call, request, target_of
from consent_engine.ports.outside import NotSent
from tests.contract import BRIEF, BROKEN, HANG, ODD, PATIENT, Far, answers, bounded, says


def said(behaviour, url="{}", **headers):
    """Return the answer that was read, and the requests that the far side received."""

    async def conversation():
        async with bounded(1), Far(behaviour) as far:
            target = target_of(url.format(far.url))
            return await call(target, request("POST", target, headers, b"{}"), lambda: None), far.requests

    return asyncio.run(conversation())


def heard_by(host, behaviour, seconds):
    """Return the result of a call to a host of this machine: an address is called over a bare socket, a name is not."""

    async def conversation():
        async with bounded(1), Far(behaviour) as far:
            target = target_of(f"http://{host}:{far.port}/sms")
            try:
                async with asyncio.timeout(seconds):
                    return await call(target, request("POST", target, {}, b"{}"), lambda: None)
            except (BrokenAnswer, OSError) as error:
                return "late" if isinstance(error, TimeoutError) else "no answer"

    return asyncio.run(conversation())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_breaks_is_late_or_is_no_http_is_no_answer(host):
    heard = {name: heard_by(host, each, BRIEF if name in HANG else PATIENT) for name, each in BROKEN.items()}
    assert {name: said for name, said in heard.items() if said != "no answer"} == {
        "never answers": "late", "stops amid the body": "late",
    }  # fmt: skip


def test_a_whole_answer_is_read_alike_on_both_ways():
    one, other = (
        {name: heard_by(host, each, PATIENT) for name, each in ODD.items()} for host in ("127.0.0.1", "localhost")
    )
    assert one == other
    assert {type(said) for said in one.values()} == {Said}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_is_wanted_no_more_when_its_connection_stands_is_not_sent(host):
    def unwanted():
        raise NotSent

    async def conversation():
        async with bounded(1), Far(answers(200, b"{}")) as far:
            target = target_of(f"http://{host}:{far.port}/sms")
            with pytest.raises(NotSent):
                await call(target, request("POST", target, {}, b"{}"), unwanted)
            return far.requests

    assert asyncio.run(conversation()) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_call_that_is_given_up_at_whatever_moment_leaves_no_connection_open(host):
    async def given_up(port, turns):
        target = target_of(f"http://{host}:{port}/sms")
        asked = asyncio.ensure_future(call(target, request("POST", target, {}, b"{}"), lambda: None))
        for _ in range(turns):
            await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
        return asked.cancelled()

    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        for turns in range(60):
            http_exchange.known_addresses().clear()
            with socket.create_server(("127.0.0.1", 0)) as silent:
                assert asyncio.run(given_up(silent.getsockname()[1], turns))
        gc.collect(1)
    assert [str(each.message) for each in left] == []


def test_an_answer_that_says_another_follows_is_not_the_answer():
    early = b"HTTP/1.1 103 Early\r\nRetry-After: 9\r\nContent-Length: 5\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    heard, _ = said(says(early + b"HTTP/1.1 202 Sure\r\nContent-Length: 2\r\n\r\n{}"))
    assert heard == Said(202, b"{}", "")


def test_a_body_that_nothing_measures_ends_with_its_connection():
    assert said(says(b"HTTP/1.0 200 OK\r\n\r\n{}"))[0] == Said(200, b"{}", "")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("measure", [b"Content-Length: 40", b"Transfer-Encoding: chunked"])
def test_what_was_cut_off_is_no_answer_though_it_reads_as_one(host, measure):
    body = b'{"id":"m1"}' if measure.endswith(b"40") else b'b\r\n{"id":"m1"}\r\n'
    assert heard_by(host, says(b"HTTP/1.1 200 OK\r\n" + measure + b"\r\n\r\n" + body), 4 * BRIEF) == "no answer"


def test_a_body_in_chunks_is_put_together_and_its_trailer_is_no_header():
    chunks = b"1\r\n{\r\n1\r\n}\r\n0\r\nRetry-After: 9\r\n\r\n"
    assert said(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks))[0] == Said(200, b"{}", "")


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 33_000, b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000])
def test_an_answer_that_frames_more_than_it_says_is_broken(more):
    with pytest.raises(BrokenAnswer):
        said(says(more))


def test_the_address_of_a_name_is_kept_and_looked_up_again_where_nobody_answers():
    async def conversation():
        async with bounded(1), Far(answers(200, b"{}")) as far:
            target = target_of(f"http://localhost:{far.port}/sms")
            written = request("GET", target, {}, None)
            heard = [await call(target, written, lambda: None)]
            known = http_exchange.known_addresses()
            at = known["localhost", far.port]
            known["localhost", far.port] = "127.0.0.2", at[1]  # nothing listens there
            heard.append(await call(target, written, lambda: None))
            return heard, at, known["localhost", far.port], far.requests

    heard, before, after, asked = asyncio.run(conversation())
    assert [each.status for each in heard] == [200, 200]
    assert before[0] == after[0] != "127.0.0.2"
    assert {each.headers["host"].partition(":")[0] for each in asked} == {"localhost"}


def test_a_user_in_an_address_becomes_credentials_and_what_follows_a_hash_is_not_sent():
    _, [asked] = said(answers(200, b"{}"), "{}/a%20b?x=%2B#c".replace("{}", "{0}"))
    assert asked.target == "/a%20b?x=%2B"
    target = target_of("http://user:pa%3Ass@far.example/sms")
    assert "Authorization: Basic dXNlcjpwYTpzcw==\r\n" in target.start
    assert "Host: far.example\r\n" in target.start


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nX: y", "a\rb", "a\0b"])
def test_a_header_is_one_line(value):
    with pytest.raises(ValueError, match="end of a line"):
        request("GET", target_of("http://a"), {"Idempotency-Key": value}, None)


@pytest.mark.parametrize("url", ["/sms", "ftp://a", "http://", "a:80"])
def test_what_is_no_absolute_address_is_refused(url):
    with pytest.raises(ValueError, match=r"address|URL|Invalid|port"):
        target_of(url)
