"""Packing of commands and reading of answers: in C where no signal handler can run, in Python in the main thread.

Python runs signal handlers in the main thread only, and hiredis crashes when one raises while it packs a command. So
a client made in another thread may use hiredis, and must not be used in the main thread.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from redis._parsers import Encoder, _HiredisParser, _RESP2Parser
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.connection import AbstractConnection, HiredisRespSerializer, PythonRespSerializer
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import ResponseError

BUFFER_CUTOFF = 6_000
"""As in redis-py: longer pieces are sent as they are instead of being copied into one."""


_pack: Callable[[Any], bytes] = hiredis.pack_command


def in_main_thread() -> bool:
    """Whether signal handlers run in this thread."""
    return threading.current_thread() is threading.main_thread()


def packed(connection: Any, rows: Sequence[tuple[object, ...]]) -> list[bytes]:  # noqa: ANN401 - redis-py's
    """Pack commands as they are sent, in one piece where that costs nothing."""
    if isinstance(getattr(connection, "_command_packer", None), HiredisRespSerializer):
        return [b"".join(map(_pack, rows))]
    pieces: list[bytes] = connection.pack_commands(rows)
    return pieces


def answers(connection: Any, count: int) -> list[Any]:  # noqa: ANN401 - redis-py's
    """Read `count` answers; an error is the answer to its own command. Raises as redis-py does when the connection
    broke.

    Answers that have arrived are taken from the parser directly: redis-py's own path costs more than the answer. A
    connection that overrides reading (a cluster's: a slot that moves is a lost connection) is asked for each answer.
    """
    parser = connection._parser  # noqa: SLF001 - there is no other way to it
    plain = type(connection).read_response is AbstractConnection.read_response and isinstance(parser, _HiredisParser)
    reader = parser._reader if plain else None  # noqa: SLF001
    found: list[Any] = []
    while len(found) < count:
        answer = reader.gets() if reader is not None else NOT_ENOUGH_DATA
        if answer is NOT_ENOUGH_DATA:
            answer = _next(connection)
        first = answer[0] if type(answer) is list and answer else answer
        if isinstance(first, Unreachable):  # raised as redis-py does: the server is shutting down, or still loading
            raise first
        found.append(answer)
    return found


def _next(connection: Any) -> Any:  # noqa: ANN401 - redis-py's
    """Wait for and read an answer that has not arrived yet."""
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def spoken(*, python: bool = False) -> dict[str, Any]:
    """Return the options of a connection made in this thread. python: without hiredis in any thread"""
    if python or in_main_thread():
        encoder = Encoder("utf-8", "strict", decode_responses=False)  # type: ignore[no-untyped-call] # redis-py's
        packer = PythonRespSerializer(BUFFER_CUTOFF, encoder.encode)
        return {"parser_class": _RESP2Parser, "command_packer": packer}
    return {"parser_class": _HiredisParser, "command_packer": HiredisRespSerializer()}
