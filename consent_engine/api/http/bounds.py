"""Bounds: how long the door waits, how old what it shows may be, and how much it takes at once."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Bounds:
    """In seconds, or in pieces where the name begins with `most_`."""

    most_under_way: int = 4_000
    """requests"""
    body_s: float = 20.0
    """for all of a request's body"""
    known_s: float = 1.0
    """how old a look-up of a key may be: a revoked one is dead after that"""
    lanes_s: float = 1.0
    """how old what admission knows of the lanes may be; orders let in since are counted"""
    metrics_s: float = 1.0
    tariffs_s: float = 1.0
    most_streams: int = 1_000
    look_s: float = 0.3
    """between two looks at the orders that are watched"""
    most_trouble_s: float = 5.0
    """the longest pause between two looks while the store cannot be reached"""
    heartbeat_s: float = 15.0
    linger_s: float = 5.0
    """how long after its last entry a settled order is still watched: reports on the last SMS come after it"""
    key_check_s: float = 2.0
    """how long a stream may go on before its key is looked up again"""
    send_s: float = 30.0
    """how long a stream's reader may take nothing at all"""
    look_up_s: float = 2.0
    """how long an order waits at the door for the BSS to say who has its number"""
    look_up_rest_s: float = 10.0
    """how long nobody waits for that once it was not answered in time"""


USUAL = Bounds()


def bounds_of(request: Request) -> Bounds:
    """The bounds of the application that serves this request."""
    return cast(Bounds, request.app.state.bounds)
