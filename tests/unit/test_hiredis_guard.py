"""Answers that have arrived are taken as they are; a connection with a way of its own to read is asked for each."""

import socket

import pytest
from redis import Connection
from redis._parsers import _HiredisParser
from redis.exceptions import BusyLoadingError, NoScriptError
from redis.exceptions import ConnectionError as Unreachable

from consent_engine.adapters.redis.hiredis_guard import answers


class Led(Connection):
    """A connection like a cluster's: it does not accept every answer as one."""

    def read_response(self, *args, **more):
        if super().read_response(*args, **more) == "moved":
            raise Unreachable("the slot has another owner now")
        return "read"


def heard(said, count, kind=Connection):
    """Return so many answers of a server that has sent this."""
    connection = kind(parser_class=_HiredisParser, decode_responses=True)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection._sock = ours  # noqa: SLF001 - there is no server
        connection._parser.on_connect(connection)  # noqa: SLF001
        theirs.sendall(said)
        return answers(connection, count)


def test_an_error_is_the_answer_of_the_command_that_it_belongs_to():
    one, error, none, rest = heard(b":1\r\n-NOSCRIPT no\r\n$-1\r\n*2\r\n+a\r\n:2\r\n", 4)
    assert (one, none, rest) == (1, None, ["a", 2])
    assert isinstance(error, NoScriptError)


def test_a_server_that_still_loads_is_one_that_cannot_be_reached():
    with pytest.raises(BusyLoadingError):
        heard(b":1\r\n-LOADING not now\r\n", 2)


def test_a_connection_that_reads_in_a_way_of_its_own_is_asked_for_each():
    assert heard(b"+a\r\n+b\r\n", 2, Led) == ["read", "read"]
    with pytest.raises(Unreachable):
        heard(b"+a\r\n+moved\r\n", 2, Led)
