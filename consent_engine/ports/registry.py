"""The ports to the registry: plans, API keys, sign-ins, live workers, counts, the results of calls to each
gateway and the BSS, and the data's own description.

Writes of plans, API keys and ended sign-ins are proven durable.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.call.call import Call
from consent_engine.domain.clocks import Heard, Lag
from consent_engine.domain.effects import Accepted, Lane, Millis, Outcome, Rejected, Throttled, Unavailable, Untaken
from consent_engine.domain.line.proof_code import Counted, Shares
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.versions import PageSeen, Proposal, Sale, Version

GATEWAY, BSS = "gateway", "bss"
HALF_MS = 60_000
"""The half-life (ms) of a call in the share of failed calls, which so describes about the last two minutes."""
AWAY_AFTER_MS = 3_000
"""How long a target may give no answer before only a call now and then tries it, until the first answer."""


class Endpoint(NamedTuple):
    """A gateway or the BSS. to: which of the two · name: its name in the settings"""

    to: str
    name: str


class EndpointKnown(Struct, frozen=True, array_like=True):
    """The results of all processes with a target; instants by the store's clock, 0 for never.

    accepted: the last acceptance · answered: the last answer, whatever it was · failed: the last call in doubt or
    without one · since: when the first call began that failed after the last answer, or before it ·
    lost: how many there are · refused: the last refusal of our account, which is a failed call · calls, failures: how
    many calls ended, and how many of them failed, weighted by their age at the instant `at` · logged, refusal_logged:
    since when the outage was that a worker logged, and the refusal of our account · stalled, back: since when its calls
    failed in a row, and when it answered again, until its doubts are seen to · returned: its first answer after it was
    away, or when a person let it go on · op: of the last change
    """

    accepted: Millis = 0
    answered: Millis = 0
    failed: Millis = 0
    since: Millis = 0
    lost: int = 0
    refused: Millis = 0
    calls: float = 0.0
    failures: float = 0.0
    at: Millis = 0
    logged: Millis = 0
    refusal_logged: Millis = 0
    stalled: Millis = 0
    back: Millis = 0
    returned: Millis = 0
    op: str = ""

    def after(self, outcome: Outcome | None, at: Millis, lasted: Millis = 0, *, lost: bool = True) -> "EndpointKnown":
        """Return this with one more call, which ended at `at`. One that comes late changes nothing that is newer.

        outcome: None of one that goes on, and was not answered until then · lasted: so long (ms) there was no answer to
        it · lost: it is one more without an answer, if it has none; else it was counted as that while it went on
        """
        took = isinstance(outcome, (Accepted, Rejected, Throttled, Untaken))
        answered, failed = max(self.answered, at if took else 0), max(self.failed, 0 if took else at)
        since, more = self.since, self.lost + lost
        ends = took and at > since > self.answered and at - since >= AWAY_AFTER_MS
        if since <= answered < failed:
            since, more = answered + 1 if took else max(answered + 1, at - lasted), 1
        elif not took and at > answered:
            since = min(since, max(answered + 1, at - lasted))
        else:
            more = self.lost
        newest = max(self.at, at)
        less = 0.5 ** ((newest - self.at) / HALF_MS)
        return replace(
            self,
            accepted=max(self.accepted, at if isinstance(outcome, Accepted) else 0),
            answered=answered,
            failed=failed,
            since=since,
            lost=more,
            returned=at if ends else self.returned,
            refused=max(self.refused, at if isinstance(outcome, Unavailable) and outcome.refusing else 0),
            calls=self.calls * less + (outcome is not None),
            failures=self.failures * less + (outcome is not None and not took),
            at=newest,
        )


LANE = "lane"
"""The `to` of an Endpoint that is a lane; the others are a gateway and the BSS."""
SPOOL = "spool"
"""The `to` of a pause of everything, for what may wait in a spool. While nothing waits there, processes that have it
move the pause on each second, to begin HOLDS_MS from then: where none is heard from, it begins by itself."""
HOLDS_MS = 3_000


class Pause(Struct, frozen=True, array_like=True):
    """A pause of a lane or a gateway: its beginning, the person, and the reason."""

    at: Millis
    by: str
    reason: str


class PauseEvent(Struct, frozen=True, array_like=True):
    """One entry in the history of pauses. paused: whether the target was stopped; else it was resumed"""

    at: Millis
    to: str
    name: str
    paused: bool
    by: str
    reason: str


class Pauses(Protocol):
    """The pauses of an installation. Writes are proven durable."""

    def standing(self) -> Mapping[Endpoint, Pause]:
        """Return the pauses, by target: those in force, and those of spools, which may begin later."""

    def change(self, event: PauseEvent) -> bool:
        """Stop the event's target, or resume it; False, and nothing is kept, where it was so already."""

    def announce(self, target: Endpoint, pause: Pause | None) -> None:
        """Put a pause in the place of the one before; None: end it. The history has no entry of it."""

    def happened(self, most: int) -> list[PauseEvent]:
        """Return the history of pauses, newest first."""


class Reveal(Struct, frozen=True, array_like=True):
    """One showing of masked numbers: of an order with its subscriber's words, or of an exported list. what: the order's
    id, or the filter of the list · by: name of the key · role: the key's role then · name: its own, in the order's
    chain, too; two of one instant are two · size: how many orders an export had; None: this was one order
    """

    at: Millis
    what: str
    by: str
    role: str
    reason: str
    name: str
    size: int | None = None


class Import(Struct, frozen=True, array_like=True):
    """A file of numbers that was imported. digest: its SHA-256 · kind: of the restrictions that its lines are · lines:
    it has, without those refused · refused: lines that could not be read · new: numbers that were not restricted so
    before; None: the import begins
    """

    at: Millis
    by: str
    kind: Kind
    digest: str
    lines: int
    refused: int
    new: int | None = None


A = TypeVar("A")


class Acts(Protocol[A]):
    """Acts of one kind that an audit may question. Writes are proven durable."""

    def note(self, act: A) -> None:
        """Keep an act; nothing is done before this returns. Raises StoreUnavailable."""

    def newest(self, most: int) -> list[A]:
        """Return the newest acts, newest first. Raises StoreUnavailable."""


NOTHING: Mapping[int, PageSeen] = MappingProxyType({})


class ApiKey(Struct, frozen=True):
    """A caller's key: the caller's name and role, the agent's number that the key is bound to ('': none), and the team
    that its owner belongs to or leads ('': none, or all teams).
    """

    name: str
    role: str
    created_at: Millis
    agent: str = ""
    team: str = ""

    def is_own(self, call: Call) -> bool:
        """Whether a call is this caller's own: registered with this key, or made by the agent that the key is bound to
        or named after.
        """
        return bool({self.name, self.agent} & {call.began.placed_by, call.began.agent} - {""})


class WorkerReport(Struct, frozen=True, array_like=True):
    """A worker's report of itself. in_flight, troubles: calls and errors of its clock"""

    pid: int = 0
    lanes: tuple[Lane, ...] = ()
    in_flight: int = 0
    troubles: int = 0


class FlowStep(Enum):
    """The time steps in which outside calls are counted: letter, length of a step (ms), how long it is kept (s)."""

    MINUTE = ("m", 60_000, 2 * 3_600)
    TEN_MINUTES = ("t", 600_000, 26 * 3_600)

    @property
    def letter(self) -> str:
        """The step's name in keys."""
        return self.value[0]

    @property
    def ms(self) -> Millis:
        return self.value[1]

    @property
    def kept_s(self) -> int:
        """How long a step's counts are kept."""
        return self.value[2]


class StoreClock(Protocol):
    """The store's clock: one for all hosts."""

    def now(self) -> Millis:
        """Return the store's instant."""


class Plans(Protocol):
    """Published plans."""

    def catalogue_mark(self) -> tuple[str, Millis]:
        """Return a mark that changes whenever the catalogue does, and the store's instant."""

    def catalogue(self) -> dict[str, tuple[Version, ...]]:
        """Return every plan in all its versions, oldest first, by code."""

    def publish(
        self, plan: Plan, sale: Sale, over: Version | None, known_at: Millis | None = None,
        seen: Mapping[int, PageSeen] = NOTHING, approved: tuple[Proposal, str] | None = None,
    ) -> None:  # fmt: skip
        """Keep a plan's version as the newest one; a version kept once is never overwritten.

        over: the version it replaces, as it was read · known_at, seen: as in a Version; known_at None: the store's
        instant · approved: its proposal, which is deleted, and the admin who approves it: both names are kept with it.
        Raises StoreUnavailable when another caller changed the plan meanwhile, and ProposalChanged for the proposal.
        """

    def note_seen(self, code: str, version: int, n: int, seen: PageSeen, *, changed: bool) -> None:
        """Keep the result of a look at the n-th address of a version. changed: so that the catalogue counts as new"""

    def claim_turn(self, task: str, holder: str, ms: Millis) -> bool:
        """Whether `holder` may do a `task` that one process does at a time; if so, no other process may for `ms`."""

    def propose(self, new: Proposal | None, over: Proposal | None = None) -> None:
        """Keep a proposal in the place of `over`, as it was read; None: none stood, or none is to stand any more.

        Raises ProposalChanged where another one stands by now.
        """

    def proposals(self) -> dict[str, Proposal]:
        """Return the open proposals, by the plan's code."""


class ApiKeys(StoreClock, Protocol):
    """API keys, by their hashes."""

    def add_key(self, key_hash: str, key: ApiKey) -> bool:
        """Keep an API key by its hash; False, and nothing is kept, when its name was given to another key before."""

    def key(self, key_hash: str) -> ApiKey | None:
        """Return the key with this hash, None for an unknown or revoked one."""

    def keys(self) -> dict[str, ApiKey]:
        """Return every key, by hash."""

    def drop_key(self, key_hash: str, name: str) -> None:
        """Revoke a key; its name stays taken."""


class Codes(Protocol):
    """Counts, by hour, of the codes requested at the public door of reports, over all numbers and processes."""

    def count_code(self, network: str, shares: Shares) -> Counted:
        """Count one more code in this hour, unless the shares are used up; checked and counted in one step. network: a
        keyed hash of the network that asks
        """

    def codes(self) -> int:
        """Return how many codes were counted this hour."""


class Registry(Plans, ApiKeys, Codes, Protocol):
    """The whole registry in one place. Raises as the Store does."""

    pauses: Pauses
    """lanes and gateways that people stopped"""
    reveals: Acts[Reveal]
    """masked numbers that were shown"""
    imports: Acts[Import]
    """files of numbers that were imported"""

    # -- sign-ins that were ended elsewhere, by keyed hashes of their key and of the sign-in ---------------------------

    def end_sign_ins(self, names: Sequence[str], lasts: Millis) -> bool:
        """End the sign-ins that began under one of these names until now. False where all were ended before: of two
        at once, one ends a name first. lasts: how long to remember this (ms), the same in each call
        """

    def sign_ins_ended(self, names: Sequence[str]) -> Millis:
        """Return the newest instant at which sign-ins under one of these names were ended; 0: never."""

    def join(self, agent: str, team: str) -> None:
        """Note the team of an agent whom a provider signed in, in place of the one before; '': of none."""

    def teams(self) -> dict[str, str]:
        """Return the team that each agent joined last; '': of none."""

    # -- live workers, and the results of all processes ----------------------------------------------------------------

    def announce(self, worker: str, report: WorkerReport) -> None:
        """Note that a worker is alive."""

    def workers(self, within: int) -> dict[str, WorkerReport]:
        """Return the workers heard from within so many milliseconds, each with its own report."""

    def count(self, flow: Mapping[str, int]) -> None:
        """Add to the counts of the current time steps."""

    def flow(self, step: FlowStep, first: int, last: int) -> list[dict[str, int]]:
        """Return the counts of each of these time steps, which are numbered since 1970."""

    def known(self) -> Mapping[Endpoint, EndpointKnown]:
        """Return what is known of each target that was called."""

    def know(self, target: Endpoint, was: EndpointKnown, new: EndpointKnown) -> bool:
        """Replace what is known of a target, as it was read; False where another process replaced it meanwhile."""

    def probe(self) -> None:
        """Write something that changes nothing. Raises StoreUnavailable where the store takes no writes."""

    def note_lags(self, heard: Sequence[Heard]) -> None:
        """Keep the smallest differences between gateways' stamps and the arrival; larger ones than kept are ignored."""

    def lags(self) -> dict[str, Lag]:
        """Return each gateway's recent clock lag, by gateway."""

    # -- the data's own description ------------------------------------------------------------------------------------

    def check(self, secret: str, *, strict: bool, cells: int, shadow: bool = False) -> None:
        """Raise SettingsError unless the server can keep our promises, and the data have this secret and `cells`, and
        are a shadow's or real ones, as is asked for: that is settled when they are first written.
        """

    def name_keys(self, names: Sequence[str], known: Sequence[str] | None = None) -> None:
        """Keep the name of the key that persons are encrypted under from now on, the first of these; proven durable.
        known: those that they are under already; None: those that were kept. Raises SettingsError where one of them is
        not among these
        """
