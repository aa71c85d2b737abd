"""Heads, headers, trailers and chunk extensions, against the server as it runs in production.

Endless input is never kept, headers after the head are not believed, and a request names one host.
"""

import json
import socket

import pytest

from consent_engine.api.http.protocol import MOST_HEAD
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import Door, live, order, server
from tests.waiting import HANGS_S

PIECE = b"x" * 4_096
ENOUGH = 64
"""The number of pieces after which a server that keeps endless input would have kept 16 times the bound."""
HEAD = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
CHUNKED = HEAD + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


async def takes(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    answer = b"%d" % len(body)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})


async def repeats(scope, receive, send):
    """Answer with the request's headers, once the whole body is here."""
    while (await receive()).get("more_body"):
        pass
    answer = b";".join(b"%b=%b" % pair for pair in scope["headers"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})


@pytest.fixture(scope="module")
def port():
    with live(takes) as address:
        yield int(address.rpartition(":")[2])


@pytest.fixture(scope="module")
def repeating():
    with live(repeats) as address:
        yield int(address.rpartition(":")[2])


def said(port, *pieces):
    """Send the pieces, and return the server's answer up to its close; the client never closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=HANGS_S) as line:
        heard = b""
        try:
            for piece in pieces:
                line.sendall(piece)
        except OSError:
            pass  # the server has closed the connection
        try:
            while more := line.recv(65_536):
                heard += more
        except ConnectionResetError:
            pass
        return heard


ENDLESS = {
    "a request line": [b"GET /", *[PIECE] * ENOUGH],
    "a header": [HEAD + b"X-Long: ", *[PIECE] * ENOUGH],
    "a header's name": [HEAD, *[PIECE] * ENOUGH],
    "many headers": [HEAD, *[b"X-Y: z\r\n" * 512] * ENOUGH],
    "a trailer": [CHUNKED + b"2\r\n{}\r\n0\r\nX-Long: ", *[PIECE] * ENOUGH],
    "many trailers": [CHUNKED + b"2\r\n{}\r\n0\r\n", *[b"X-Y: z\r\n" * 512] * ENOUGH],
    "a chunk's extension": [CHUNKED + b"2;x=", *[PIECE] * ENOUGH],
}


@pytest.mark.parametrize("pieces", ENDLESS.values(), ids=ENDLESS)
def test_what_never_ends_is_answered_400_or_cut_off(port, pieces):
    heard = said(port, *pieces)
    assert heard.startswith(b"HTTP/1.1 400 ") or not heard
    assert b"HTTP/1.1 200" not in heard


def test_a_head_that_is_too_long_in_one_piece_is_refused_too(port):
    header = b"X-Long: " + b"x" * MOST_HEAD + b"\r\n\r\n"
    assert said(port, b"GET / HTTP/1.1\r\nHost: x\r\n" + header).startswith(b"HTTP/1.1 400 ")


def test_a_head_just_below_the_bound_is_served_again_and_again_on_one_connection(port):
    request = b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * (MOST_HEAD - 200) + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=HANGS_S) as line:
        for _ in range(40):
            line.sendall(request)
            heard = b""
            while not heard.endswith(b"\r\n\r\n0"):
                more = line.recv(65_536)
                assert more, heard
                heard += more
            assert heard.startswith(b"HTTP/1.1 200 ")


def test_a_body_may_be_far_longer_than_a_head_in_any_pieces(port):
    body = b"{" + b" " * (8 * MOST_HEAD) + b"}"
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    assert said(port, whole).endswith(b"%d" % len(body))
    chunks = b"".join(b"1\r\n%c\r\n" % each for each in body)
    assert said(port, CHUNKED, chunks, b"0\r\n\r\n").endswith(b"%d" % len(body))


NO_CHUNKS = {
    "a size longer than any": b"1" * 40 + b"\r\n",
    "a size that is no number": b"zz\r\n",
    "a size below nothing": b"-1\r\n",
    "more than its size says": b"2\r\n{}{}\r\n",
}


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize("chunk", NO_CHUNKS.values(), ids=NO_CHUNKS)
def test_a_body_whose_chunks_are_none_is_answered_400(port, chunk, pieces):
    cut = [CHUNKED + chunk] if pieces == 1 else [CHUNKED, chunk]
    heard = said(port, *cut, b"0\r\n\r\n" + SMUGGLED)
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert heard.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("pieces", [1, 2])
def test_what_follows_a_whole_request_and_is_none_is_answered_after_it(port, pieces):
    first = HEAD.replace(b"close", b"keep-alive") + b"Content-Length: 2\r\n\r\n{}"
    for behind in (b"\x00", b"{}", CHUNKED + NO_CHUNKS["a size longer than any"]):
        cut = [first + first + behind + SMUGGLED] if pieces == 1 else [first + first[:-1], b"}" + behind + SMUGGLED]
        heard = said(port, *cut)
        assert heard.count(b"\r\n\r\n2HTTP/1.1 ") == 2
        assert heard.count(b"HTTP/1.1 400 ") == 1
        assert heard.count(b"HTTP/1.1 ") == 3


OFFER = HEAD.replace(b"close", b"Upgrade, HTTP2-Settings, close") + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_an_offer_of_another_protocol_is_not_heard_and_its_body_is_no_request(port, pieces):
    whole = OFFER + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED
    cut = {1: [whole], 2: [whole[: -len(SMUGGLED)], SMUGGLED], 3: [whole[:40], whole[40:-10], whole[-10:]]}[pieces]
    heard = said(port, *cut)
    assert heard.count(b"HTTP/1.1 ") == 1
    assert heard.startswith(b"HTTP/1.1 200 ")
    assert heard.endswith(b"\r\n\r\n%d" % len(SMUGGLED))


def test_a_chunked_body_after_an_offer_is_read_and_the_connection_goes_on(port):
    first = OFFER.replace(b", close", b"") + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    heard = said(port, first, HEAD + b"Content-Length: 2\r\n\r\n{}")
    assert heard.count(b"HTTP/1.1 200 ") == 2
    assert heard.endswith(b"2")


def test_nobody_is_connected_through_us(port):
    assert said(port, b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n" + SMUGGLED).startswith(
        b"HTTP/1.1 400 "
    )


FRAMED = {
    "gzip, chunked": (b"Transfer-Encoding: gzip, chunked\r\n", 501),
    "gzip in a line of its own": (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501),
    "an empty coding": (b"Transfer-Encoding: ,chunked\r\n", 501),
    "chunked, identity": (b"Transfer-Encoding: chunked, identity\r\n", 400),
    "chunked twice": (b"Transfer-Encoding: chunked, chunked\r\n", 400),
    "chunked in two lines": (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
    "identity": (b"Transfer-Encoding: identity\r\n", 501),
    "another word": (b"Transfer-Encoding: xchunked\r\n", 501),
    "a quoted word": (b'Transfer-Encoding: "chunked"\r\n', 501),
    "a parameter": (b"Transfer-Encoding: chunked;q=1\r\n", 501),
    "a control character": (b"Transfer-Encoding: \x0bchunked\r\n", 400),
    "a blank before the colon": (b"Transfer-Encoding : chunked\r\n", 400),
    "a folded line": (b"Transfer-Encoding:\r\n chunked\r\n", 400),
    "a length, too": (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
    "a length before it": (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
    "two lengths": (b"Content-Length: 5\r\nContent-Length: 5\r\n", 400),
    "a list of lengths": (b"Content-Length: 5, 5\r\n", 400),
    "a signed length": (b"Content-Length: +5\r\n", 400),
}


@pytest.mark.parametrize("offer", [b"", b"Upgrade: h2c\r\n"], ids=["plain", "after an offer"])
@pytest.mark.parametrize(("framing", "status"), FRAMED.values(), ids=FRAMED)
def test_a_body_whose_end_two_could_find_in_two_places_is_refused_and_nothing_behind_it_is_read(
    port, framing, status, offer
):
    start = HEAD.replace(b"close", b"Upgrade" if offer else b"keep-alive")
    heard = said(port, start + offer + framing + b"\r\n5\r\nhello\r\n0\r\n\r\n" + SMUGGLED)
    assert heard.count(b"HTTP/1.1 ") == 1
    assert heard.startswith(b"HTTP/1.1 %d " % status)
    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.lower().count(b"connection: close") == 1
    assert b"content-type: application/problem+json" in head
    assert (json.loads(body)["status"], json.loads(body)["code"]) == (status, "http_error")


def test_a_request_of_http_1_0_has_no_transfer_coding(port):
    old = CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"5\r\nhello\r\n0\r\n\r\n"
    assert said(port, old).startswith(b"HTTP/1.1 400 ")
    for plain in (b"chunked", b"CHUNKED", b"\tchunked "):
        sound = CHUNKED.replace(b"chunked", plain) + b"5\r\nhello\r\n0\r\n\r\n"
        assert said(port, sound).endswith(b"\r\n\r\n5")


TRAILER = b"Authorization: Bearer ce_x\r\nCookie: consent=x\r\nContent-Type: text/csv\r\nExpect: 100-continue\r\n"


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize(
    "head", [CHUNKED, OFFER + b"Transfer-Encoding: chunked\r\n\r\n"], ids=["plain", "after an offer"]
)
def test_nothing_that_stands_in_a_trailer_is_believed(repeating, head, pieces):
    body = b"2\r\n{}\r\n0\r\n"
    cut = [head + body + TRAILER + b"\r\n"] if pieces == 1 else [head + body, TRAILER + b"\r\n"]
    answer = said(repeating, *cut).partition(b"\r\n\r\n")[2].lower()
    assert b"host=x" in answer
    assert not [each for each in (b"ce_x", b"cookie", b"text/csv", b"100-continue") if each in answer]


def test_a_key_in_a_trailer_is_none():
    body = json.dumps(order()).encode()
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\nIdempotency-Key: key-1\r\n\r\n")
    with server() as running:
        door = Door(*running)
        key = b"Authorization: Bearer %b\r\n" % door.keys[Role.AGENT].encode()
        with live(door.app) as url:
            port = int(url.rpartition(":")[2])
            chunks = b"%x\r\n%b\r\n0\r\n" % (len(body), body)
            assert said(port, head + chunks + key + b"\r\n").startswith(b"HTTP/1.1 401 ")
            assert door.orders() == 0
            assert said(port, head[:-2] + key + b"\r\n" + chunks + b"\r\n").startswith(b"HTTP/1.1 201 ")
        door.close()


def test_a_request_after_a_trailer_has_its_own_headers(repeating):
    first = CHUNKED.replace(b"Connection: close\r\n", b"") + b"0\r\n" + TRAILER + b"\r\n"
    second = b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ce_y\r\nConnection: close\r\n\r\n"
    heard = said(repeating, first + second)
    assert heard.count(b"HTTP/1.1 200 ") == 2
    assert b"ce_x" not in heard
    assert heard.endswith(b"host=x;authorization=Bearer ce_y;connection=close")


UNCLEAR = {
    "none": b"",
    "two": b"Host: x\r\nHost: y\r\n",
    "twice the same": b"Host: x\r\nHost: x\r\n",
    "empty": b"Host:\r\n",
    "joined": b"Host: x, y\r\n",
    "with a user": b"Host: me@x\r\n",
    "with a path": b"Host: x/y\r\n",
    "with a blank": b"Host: x y\r\n",
    "a port that is none": b"Host: x:http\r\n",
}


@pytest.mark.parametrize("offer", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"], ids=["plain", "with an offer"])
@pytest.mark.parametrize("hosts", UNCLEAR.values(), ids=UNCLEAR)
def test_a_request_that_names_no_one_host_is_answered_400_and_its_connection_ends(repeating, hosts, offer):
    heard = said(repeating, b"GET / HTTP/1.1\r\n" + hosts + offer + b"\r\n" + SMUGGLED)
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert json.loads(heard.partition(b"\r\n\r\n")[2])["detail"].startswith("a request must have one Host header")
    assert heard.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "host", [b"x", b"consent.example:8000", b"127.0.0.1:80", b"[::1]:8000", b"xn--bcher-kva.example"]
)
def test_a_host_is_a_name_or_an_address_and_a_port(repeating, host):
    heard = said(repeating, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
    assert heard.startswith(b"HTTP/1.1 200 ")
    assert b"host=" + host in heard


def test_a_program_that_speaks_http_1_0_needs_no_host_and_must_not_name_two(repeating):
    assert said(repeating, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert said(repeating, b"GET / HTTP/1.0\r\n" + UNCLEAR["two"] + b"\r\n").startswith(b"HTTP/1.1 400 ")
