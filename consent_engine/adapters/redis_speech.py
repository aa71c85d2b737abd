"""How our clients pack commands and read answers: in C where no signal handler can run, in Python in the main thread.

Python runs signal handlers in the main thread only, and hiredis crashes when one raises while it packs a command. So
what is made in another thread may speak through hiredis, and must stay out of the main one.
"""

import threading
from typing import Any

from redis._parsers import Encoder, _HiredisParser, _RESP2Parser
from redis.connection import HiredisRespSerializer, PythonRespSerializer

BUFFER_CUTOFF = 6_000
"""As in redis-py: what is longer is sent as it is instead of being copied together."""


def in_main_thread() -> bool:
    """Whether signal handlers run in this thread."""
    return threading.current_thread() is threading.main_thread()


def spoken(*, python: bool = False) -> dict[str, Any]:
    """The options of a connection that is made in this thread. python: without hiredis, wherever that is."""
    if python or in_main_thread():
        encoder = Encoder("utf-8", "strict", decode_responses=False)  # type: ignore[no-untyped-call] # redis-py's
        packer = PythonRespSerializer(BUFFER_CUTOFF, encoder.encode)
        return {"parser_class": _RESP2Parser, "command_packer": packer}
    return {"parser_class": _HiredisParser, "command_packer": HiredisRespSerializer()}
