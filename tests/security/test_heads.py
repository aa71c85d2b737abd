"""What never ends is never kept: heads, headers, trailers and chunk extensions, against the server as it is run."""

import socket

import pytest

from consent_engine.api.protocol import MOST_HEAD
from tests.security.serving import live

PIECE = b"x" * 4_096
ENOUGH = 64
"""Pieces after which a server that keeps what never ends would have kept 16 times the bound."""
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


@pytest.fixture(scope="module")
def port():
    with live(takes) as address:
        yield int(address.rpartition(":")[2])


def said(port, *pieces):
    """What the server answered until it closed the connection, which we never do."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        heard = b""
        try:
            for piece in pieces:
                line.sendall(piece)
        except OSError:
            pass  # it had enough
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
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
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
