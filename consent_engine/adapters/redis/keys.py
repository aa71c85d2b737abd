"""The keys of one cell, which holds a slice of the subscribers: one hash tag, so that a script's keys share a slot.

Keys, `{0}` being the tag of cell 0:

    ce:{0}:order:<id>     hash    v, state, line, head, mac (the seal), doc, who (person part), e<n> events,
                                  p<n> their person parts, f:<effect> pending effects
    ce:{0}:line:<line>    hash    v, msisdn (person part), o:<order> entries that replies are matched with, r:<name>
                                  restrictions, q:<report> reports made from it, f:<effect>,
                                  m:<key> messages seen, seen, p:<name> parts of a reply,
                                  e<n> events of the number itself, mac (their seal)
    ce:{0}:call:<id>      hash    v, state, line, head, mac, doc, who (person part), e<n> events, f:<effect>, rec
                                  (the keys its recording is reserved under, of its reference and its audio; '=': its
                                  id without the slot), said (the words of its transcript, of its person part): one
                                  telephone call
    ce:{0}:report:<id>    hash    v, state, line, head, mac, doc, who, e<n>, f:<effect>: one report of a call
    ce:{0}:cadence:<day>   hash    q|<agent>, or p|<agent> for answers to the SMS that asks for the code; q~|, p~| where
                                  the SMS is not known to be delivered -> the newest yeses of the day, `<ms it
                                  took>,<when it came>,<part of the line's name>;` each; kept for two days
    ce:{0}:end:<id>       hash    v, state, line, head, mac, doc, who (person part), e<n> events, f:<effect>: the
                                  taking back of one activated order
    ce:{0}:inbox:<line>   list    <received at>|<key>|<json>, unread, the oldest first
    ce:{0}:due:<lane>     zset    o:<order>:<effect> or l:<line>:<effect> -> due (ms), the lease's end, +inf = parked
    ce:{0}:due:sms:<carrier>      the same of SMS: its carrier never changes, while the gateway of a carrier may
    ce:{0}:rates          hash    <gateway> -> the instant of its next SMS if they were evenly spaced, the rate it has
                                  learnt (0: none), since when: of gateways with a rate
    ce:{0}:offers         hash    <hash> -> an offer that orders share: plan, words, policy; never changed
    ce:{0}:lifted         stream  refusals lifted: the key, the act of the subscriber
    ce:{0}:unmatched      stream  messages that belong to no order
    ce:{0}:permits        stream  answers to requests for permits: who asked, for what, counts, a digest
    ce:{0}:flow:<step>    hash    <to>|<name>|calls, failed or a bucket -> how many: the outside calls of a minute
                                  (m:<n>) or of ten (t:<n>), kept for two hours or 26 hours (cell 0)
    ce:{0}:paused         hash    <lane or gateway>|<name> -> since when, the key, why: pauses in force (cell 0)
    ce:{0}:pauses         stream  the history of pauses: when, the key, why (cell 0)
    ce:{0}:revealed       stream  masked numbers that were shown: which order, the reader, when, why (cell 0)
    ce:{0}:imported       stream  files of numbers that were imported: SHA-256, who, when, counts (cell 0)
    ce:{0}:journal        list    commits' entries that the log does not have yet (domain/seal.py)
    ce:{0}:journaled      hash    first: the index of the journal's first entry; holder, until: its reader's lease; of:
                                  the archive that the cell is bound to: a cell without it lost its data; as_of: SQL has
                                  all that was committed in the cell before

Keys that belong to no cell (in a cluster they are tagged, too: the reservations with the cell of their own hash, all
others with cell 0):

    ce:key:<hash>         string  reservation of an Idempotency-Key: fingerprint|order|claimant|instant
    ce:plan:<code>        hash    <version> -> plan, current, sale (of the newest version);
                                  at:<version> -> since when the store knows it|its sale;
                                  by:<version> -> who proposed and who approved it, in JSON;
                                  seen:<version>:<n> -> the last look at its n-th address (domain/offer/versions.py)
    ce:plans:proposed     hash    <code> -> who, when, the plan: until another admin approves it
    ce:plans:turn         hash    <what> -> the process that does this task now|until when
    ce:plans              set     codes
    ce:apikeys            hash    <hash of the key> -> name, role, created; '' once it was revoked; name:<name> -> the
                                  hash of the key that was given this name, which is never given again
    ce:signedout          hash    <keyed hash of a sign-in> -> when sign-ins under it were ended
    ce:teams              hash    <agent's number> -> the team that the provider named at the newest sign-in as an agent
    ce:workers            hash    <worker> -> instant and its report of itself
    ce:clocks             zset    <gateway>|<period>|<allowed> -> ms: the smallest difference seen between its stamps
                                  and our clock
    ce:measures           hash    <to>|<name> -> what all processes know of that gateway or BSS
                                  (EndpointKnown)
    ce:codes:<hour>       hash    asked: how many codes the public door was asked for in that hour since 1970;
                                  <keyed hash of a network>: how many of them from there
    ce:meta               hash    schema, cells, secret (a check value),
                                  catalogue (raised by every change), installation (the name of these data),
                                  archive (the id of their archive)
"""

from collections.abc import Iterator

from consent_engine.domain.carriers import Carrier
from consent_engine.domain.days import CHINA, Days
from consent_engine.domain.effects import Lane, lane_of
from consent_engine.ports import Owner, Route, Work


def _due_sets() -> Iterator[tuple[str, str]]:
    for lane in Lane:
        if lane is Lane.SMS:
            yield from ((each, f"{lane}:{each}") for each in Carrier)
        else:
            yield lane, lane


def due_set(effect: str, carrier: str) -> str:
    """Return which due-set an effect is in. An SMS of no known carrier is in the first one's: its call is refused."""
    lane = lane_of(effect)
    if lane is not Lane.SMS:
        return lane
    return carrier if carrier in _CARRIERS else Carrier.MOBILE


_CARRIERS = frozenset(Carrier)
_ROOMS = {Owner.ORDER: "order", Owner.LINE: "line", Owner.CALL: "call", Owner.ENDING: "end", Owner.REPORT: "report"}


class Cell:
    """The names of a cell's keys. alone: it is the only cell, on a server where tags mean nothing · days: the days of
    the business · share: how many cells share the rates of gateways: a script reaches one of them
    """

    def __init__(self, number: int = 0, *, alone: bool = True, days: Days = CHINA, share: int = 1) -> None:
        self.days = days
        self.number = number
        self.shared = "ce:" if alone else "ce:{0}:"
        self.prefix = prefix = f"ce:{{{number}}}:"
        self.due: dict[str, str] = {each: f"{prefix}due:{name}" for each, name in _due_sets()}
        """The due-sets: one for each lane, of SMS for each carrier."""
        self.rates = f"{prefix}rates"
        self.share = share
        self.offers = f"{prefix}offers"
        self.lifted = f"{prefix}lifted"
        self.unmatched = f"{prefix}unmatched"
        self.permits = f"{prefix}permits"
        self.journal = f"{prefix}journal"
        self.journaled = f"{prefix}journaled"
        self.of_commits = (self.unmatched, *self.due.values(), self.journal, self.offers)
        """The keys that all commits name, in the order of the script's keys."""

    def dues(self, work: Work) -> list[str]:
        """Return the due-sets of a lane, or of what a gateway carries."""
        if isinstance(work, Route):
            return [self.due[carrier] for carrier in work.carriers]
        return [self.due[carrier] for carrier in Carrier] if work is Lane.SMS else [self.due[work]]

    def order(self, order_id: str) -> str:
        return f"{self.prefix}order:{order_id}"

    def line(self, line_id: str) -> str:
        return f"{self.prefix}line:{line_id}"

    def record(self, owner: Owner, record: str) -> str:
        return f"{self.prefix}{_ROOMS[owner]}:{record}"

    def cadence(self, day: str) -> str:
        """Return the key of the newest yeses of a day (China's, YYYY-MM-DD), by agent."""
        return f"{self.prefix}cadence:{day}"

    def inbox(self, line_id: str) -> str:
        return f"{self.prefix}inbox:{line_id}"

    def reservation(self, key: str) -> str:
        """Return the key of an Idempotency-Key's reservation, by the hash of the Idempotency-Key."""
        return f"ce:key:{key}" if self.shared == "ce:" else f"{self.prefix}key:{key}"
