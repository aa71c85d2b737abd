"""Bounds of the API: how long it waits, how old the data it shows may be, and how much it takes at once."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds: in seconds, or a count where the name begins with `most_`."""

    most_under_way: int = 4_000
    """requests"""
    body_s: float = 20.0
    """for all of a request's body"""
    known_s: float = 1.0
    """how old a key look-up may be: a revoked key is rejected after this long at most"""
    lanes_s: float = 1.0
    """how old admission's knowledge of the lanes may be; orders admitted since are counted"""
    metrics_s: float = 1.0
    metrics_wait_s: float = 4.0
    """how long metrics wait for the store; after that they are answered without its figures"""
    tariffs_s: float = 1.0
    most_streams: int = 1_000
    look_s: float = 0.3
    """between two looks at the watched orders"""
    most_trouble_s: float = 5.0
    """the longest pause between two looks while the store cannot be reached"""
    heartbeat_s: float = 15.0
    linger_s: float = 5.0
    """how long after its last entry a settled order is still watched: delivery reports of the last SMS come after it"""
    key_check_s: float = 2.0
    """how long a stream may continue before its key is looked up again"""
    send_s: float = 30.0
    """how long a stream's client may take nothing at all"""
    look_up_s: float = 2.0
    """how long a new order waits for the BSS to name the holder of its number"""
    look_up_rest_s: float = 10.0
    """how long orders do not wait for this look-up after one was not answered in time"""


USUAL = Bounds()


def bounds_of(request: Request) -> Bounds:
    """Return the bounds of the application that serves this request."""
    return cast(Bounds, request.app.state.bounds)
