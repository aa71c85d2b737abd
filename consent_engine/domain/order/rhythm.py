"""The rhythm of the yeses of one agent's subscribers: the data kept of each, and how a yes compares with the others."""

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.order.unlikely_yes import Unlikely


class Loosely(Struct, frozen=True):
    """The comparison of yeses where no report says when the text was on the handset: the time measured then includes
    the transmission, which differs from one number to the next.

    near: ms within which two took about as long · most: so many others refuse the commit, 0: none do · beside, to: ms
    from and to which one took a little more or less · times: those that took about as long must be so many times as
    many as those a little off; people's times thin out gently, a machine's end abruptly · depth: how many are kept
    """

    near: Millis
    most: int
    beside: Millis
    to: Millis
    times: int
    depth: int


class Beat(Struct, frozen=True):
    """A yes to be compared with the newest yeses of its agent. The store does so in the commit that writes it.

    agent: who sold it · who: the subscriber, as a part of the line's name: a number counts once · took: ms from when
    the text was there to the yes · at: when the yes came · proves: it answers the SMS that asks for the code; such
    yeses are compared with each other · most: so many others in the same rhythm refuse the commit, 0: it is only noted
    · near: ms within which two are alike · step: ms between two that come in lockstep, at least · depth: how many are
    compared so, and kept · loosely: the second comparison where `took` begins at the hand-over: such yeses are compared
    with each other alone
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
    """The store's finding about a yes: cadence or lockstep, and with how many other numbers."""

    rule: Unlikely
    others: int
