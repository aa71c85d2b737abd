"""The rhythm of the yeses of one agent's subscribers: what is kept of each, and what a yes is beside the others."""

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.order.seen import Unlikely


class Loosely(Struct, frozen=True):
    """How yeses are compared where nothing says when the text was on the handset: what is measured holds the seconds
    that the air took, which differ from one number to the next.

    near: ms within which two took about as long · most: so many others refuse the commit, 0: none do · beside, to: ms
    from and to which one took a little more or less · times: that of those that took about as long there are so many
    times as many as of these; people's times thin out gently, a machine's end with the air · depth: how many are kept
    """

    near: Millis
    most: int
    beside: Millis
    to: Millis
    times: int
    depth: int


class Beat(Struct, frozen=True):
    """A yes among the newest of its agent's. The store lays it beside the others in the commit that writes it.

    agent: who sold it · who: whose yes it is, a part of the line's name: a number counts once · took: ms from when the
    text was there to the yes · at: when the yes came · proves: it answers the SMS that asks for the code; those are
    compared with each other · most: so many others in the same rhythm refuse the commit, 0: it is only noted · near: ms
    within which two are alike · step: ms between two that come in lockstep, at least · depth: how many are compared
    so, and kept · loosely: how they are compared as well where `took` begins at the hand-over: these are compared with
    each other alone
    """

    agent: str
    who: str
    took: Millis
    at: Millis
    proves: bool
    most: int
    near: Millis
    step: Millis
    depth: int
    loosely: Loosely | None = None


class Rhythm(Struct, frozen=True):
    """What the store found of a yes: cadence or lockstep, and with how many other numbers."""

    rule: Unlikely
    others: int
