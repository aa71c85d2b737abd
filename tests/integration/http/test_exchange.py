"""The sending of answers by the running server: in one write where the length is known, else piece by piece."""

import asyncio
import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from tests.integration.api_door import live
from tests.waiting import HANGS_S

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LENGTH = (b"content-length", b"5")


class Answers:
    """An application that answers with these headers and pieces. held: it waits in between until `go_on` is set"""

    def __init__(self, *headers, pieces=(b"hello",), held=False):
        self.headers, self.pieces, self.asked = [*headers], pieces, 0
        self.go_on = threading.Event()
        if not held:
            self.go_on.set()

    async def __call__(self, scope, receive, send):
        self.asked += 1
        await send({"type": "http.response.start", "status": 200, "headers": [*self.headers]})
        await asyncio.to_thread(self.go_on.wait, HANGS_S)
        for n, piece in enumerate(self.pieces, 1):
            await send({"type": "http.response.body", "body": piece, "more_body": n < len(self.pieces)})


def heard(line, until=b""):
    """Return what the server sends, up to and including `until`, or until it closes the connection."""
    said = b""
    while not (until and said.endswith(until)) and (more := line.recv(65_536)):
        said += more
    return said


@contextmanager
def talking(app, **more):
    """Yield a connection to a server of this application."""
    with live(app, **more) as at, socket.create_connection(("127.0.0.1", int(at.rpartition(":")[2])), HANGS_S) as line:
        yield line


def said(app, request):
    with talking(app) as line:
        line.sendall(request)
        return heard(line)


def test_an_answer_that_says_it_is_the_last_one_of_a_connection_is():
    with talking(Answers(LENGTH, (b"connection", b"close")), timeout_keep_alive=60) as line:
        line.settimeout(HANGS_S)
        line.sendall(GET)
        assert heard(line).count(b"connection: close") == 1


def test_a_head_that_names_a_length_comes_with_its_body():
    app = Answers(LENGTH, held=True)
    with talking(app) as line:
        line.sendall(LAST)
        line.settimeout(0.2)
        with pytest.raises(TimeoutError):
            line.recv(1)
        app.go_on.set()
        line.settimeout(HANGS_S)
        assert heard(line).endswith(b"\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")


def test_a_head_that_names_none_comes_at_once():
    app = Answers(held=True)
    with talking(app) as line:
        line.sendall(GET)
        assert b"transfer-encoding: chunked\r\n" in heard(line, b"\r\n\r\n")
        app.go_on.set()
        assert heard(line, b"0\r\n\r\n") == b"5\r\nhello\r\n0\r\n\r\n"


def test_a_body_in_pieces_comes_whole_and_another_request_may_follow():
    assert said(Answers(LENGTH, pieces=(b"he", b"", b"llo")), GET + LAST).count(b"\r\n\r\nhello") == 2


def test_requests_that_come_together_are_answered_one_after_the_other():
    app = Answers(LENGTH, held=True)
    with talking(app) as line:
        line.sendall(GET + GET + LAST)
        app.go_on.set()
        answers = heard(line).split(b"HTTP/1.1 200 OK\r\n")
        assert [each.endswith(b"\r\n\r\nhello") for each in answers] == [False, True, True, True]


def test_an_answer_to_head_has_a_length_and_no_body():
    assert said(Answers(LENGTH), LAST.replace(b"GET", b"HEAD")).endswith(
        b"content-length: 5\r\nconnection: close\r\n\r\n"
    )


def test_who_speaks_http_1_0_is_told_that_the_connection_ends():
    assert b"\r\nconnection: close\r\n\r\nhello" in said(Answers(LENGTH), b"GET / HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize("value", [b"a\r\nx-more: y", b"a\nx-more: y", b"a\rb", b"a\0b", b"a\x7fb"])
def test_a_header_that_would_be_two_is_an_error_of_ours(value):
    answer = said(Answers(LENGTH, (b"x-told", value)), LAST)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"x-told" not in answer


@pytest.mark.parametrize("body", [b"", b"hell", b"hello!"])
def test_a_body_of_another_length_than_was_said_is_an_error_of_ours(body):
    assert said(Answers(LENGTH, pieces=(body,)), LAST).startswith(b"HTTP/1.1 500 ")


@pytest.mark.parametrize("headers", [[LENGTH], []], ids=["of a length", "of none"])
def test_who_fails_behind_a_head_ends_the_connection_and_no_half_an_answer_looks_whole(headers):
    async def fails(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [*headers]})
        raise LookupError

    assert said(fails, LAST).startswith(b"HTTP/1.1 500 " if headers else b"HTTP/1.1 200 ")


def test_a_connection_is_closed_once_nothing_came_for_so_long_and_not_sooner():
    app = Answers(LENGTH)
    with talking(app, timeout_keep_alive=HANGS_S) as line:
        line.sendall(GET)
        heard(line, b"hello")
        line.settimeout(0.2)
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(HANGS_S)
        line.sendall(GET)
        assert heard(line, b"hello")
    with talking(app, timeout_keep_alive=1) as line:
        line.sendall(GET)
        heard(line, b"hello")
        assert heard(line) == b""


def test_a_connection_on_which_an_answer_is_made_is_not_idle():
    app = Answers(LENGTH)
    while app.asked < 2:  # anew, where the machine stood still for the second that may be between them
        app.asked = 0
        with talking(app, timeout_keep_alive=1) as line:
            line.sendall(GET)
            heard(line, b"hello")
            app.go_on.clear()
            line.sendall(LAST)
            line.settimeout(1.5)
            with suppress(TimeoutError):
                line.recv(1)
            app.go_on.set()
            line.settimeout(HANGS_S)
            said = heard(line)
    assert said.endswith(b"hello")


@pytest.mark.parametrize("requests", [1, 2])
def test_a_client_that_sends_no_more_after_its_request_is_answered(requests):
    app = Answers(LENGTH, held=True)
    with talking(app) as line:
        line.sendall(GET * requests)
        line.shutdown(socket.SHUT_WR)
        app.go_on.set()
        assert heard(line).count(b"\r\n\r\nhello") == requests


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n12")]
)
def test_a_client_that_leaves_within_a_request_is_not_waited_for(said):
    app = Answers(held=True)
    with talking(app) as line:
        line.sendall(said)
        line.shutdown(socket.SHUT_WR)
        line.settimeout(HANGS_S)
        assert b"hello" not in heard(line)
        app.go_on.set()
