"""The ports to what people set up, to who is alive, and to what the data say of themselves. Writes are proven."""

from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.call.call import Call
from consent_engine.domain.clocks import Heard, Lag
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.proof_code import Counted, Shares
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.seen import Seen
from consent_engine.domain.offer.versions import Proposal, Sale, Version
from consent_engine.ports.pauses import Pauses
from consent_engine.ports.reveals import Reveals
from consent_engine.ports.targets import TargetHeard

NOTHING: Mapping[int, Seen] = MappingProxyType({})


class ApiKey(Struct, frozen=True):
    """A caller: its name (who), its role, and the agent's number that it is bound to; '': none."""

    name: str
    role: str
    created_at: Millis
    agent: str = ""

    def is_own(self, call: Call) -> bool:
        """Whether a call is of this caller's own: made known by the key, or of the agent that it is bound to or named
        after.
        """
        return bool({self.name, self.agent} & {call.began.placed_by, call.began.agent} - {""})


class FlowStep(Enum):
    """The steps by which is kept what passed, with how long each is (ms), and for how long it is kept (s)."""

    MINUTE = ("m", 60_000, 2 * 3_600)
    TEN_MINUTES = ("t", 600_000, 26 * 3_600)

    @property
    def letter(self) -> str:
        """Its name in keys."""
        return self.value[0]

    @property
    def ms(self) -> Millis:
        return self.value[1]

    @property
    def kept_s(self) -> int:
        """For how long it is kept."""
        return self.value[2]


class StoreClock(Protocol):
    """The store's clock: one for all hosts."""

    def now(self) -> Millis:
        """The store's instant."""


class Plans(Protocol):
    """Published plans."""

    def catalogue_mark(self) -> tuple[str, Millis]:
        """What changes whenever the catalogue does, and the store's instant."""

    def catalogue(self) -> dict[str, tuple[Version, ...]]:
        """Every plan in all its versions, oldest first, by code."""

    def publish(
        self, plan: Plan, sale: Sale, over: Version | None, known_at: Millis | None = None,
        seen: Mapping[int, Seen] = NOTHING,
    ) -> None:  # fmt: skip
        """Keep a plan's version as the newest one; what was kept once is never overwritten.

        over: what it replaces, as it was read; raises StoreUnavailable when another was faster. known_at, seen: as of
        a Version; None: the store's now
        """

    def note_seen(self, code: str, version: int, n: int, seen: Seen, *, told: bool) -> None:
        """Keep what was seen at the n-th address of a version. told: whether the door must know"""

    def take_turn(self, what: str, holder: str, ms: Millis) -> bool:
        """Whether it is this process's turn to do something that one does at a time; then for so long nobody else's."""

    def approve(
        self, proposal: Proposal, version: int, over: Version | None, by: str, seen: Mapping[int, Seen] = NOTHING
    ) -> None:
        """Keep a proposed plan as the newest version, on sale from now on, with both names; it is proposed no longer.

        Raises StoreUnavailable when the plan or its proposal was changed meanwhile.
        """

    def propose(self, proposal: Proposal) -> None:
        """Keep what somebody proposes, in the place of what was proposed of that plan before."""

    def forget_proposal(self, code: str) -> None:
        """Nothing is proposed of a plan any more."""

    def proposals(self) -> dict[str, Proposal]:
        """What is proposed, by the plan's code."""


class ApiKeys(StoreClock, Protocol):
    """API keys, by their hashes."""

    def add_key(self, key_hash: str, key: ApiKey) -> bool:
        """Keep an API key (its hash); False, and nothing is kept, when its name was given to another key before."""

    def key(self, key_hash: str) -> ApiKey | None:
        """Whose key this is."""

    def keys(self) -> dict[str, ApiKey]:
        """Every key, by hash."""

    def drop_key(self, key_hash: str, name: str) -> None:
        """Forget a key, but not its name."""


class Codes(Protocol):
    """How many codes of the public door of reports were asked for, hour by hour, over all numbers and processes."""

    def count_code(self, network: str, shares: Shares) -> Counted:
        """Count one more of this hour, asked for from a network, as a keyed hash of it, where it may be had: looked at
        and counted in one step.
        """

    def codes(self) -> int:
        """How many were counted this hour."""


class Registry(Plans, ApiKeys, Codes, Protocol):
    """All of it in one place. Raises as the Store does."""

    # -- sign-ins that were ended elsewhere, by keyed hashes of whose and which they are -------------------------------

    def end_sign_ins(self, names: Sequence[str], lasts: Millis) -> None:
        """What began under one of these names by now is over. lasts: how long that must be known (ms)."""

    def sign_ins_ended(self, names: Sequence[str]) -> Millis:
        """The newest instant at which those of one of these names were ended; 0: never."""

    # -- who is alive, and what all of them counted and noted ----------------------------------------------------------

    def announce(self, worker: str, told: str) -> None:
        """Say that a worker is alive, in our own key."""

    def workers(self, within: int) -> dict[str, str]:
        """Workers heard from within so many milliseconds."""

    def count(
        self, counts: Mapping[str, float], heard: Sequence[TargetHeard] = (), flow: Mapping[str, int] | None = None
    ) -> None:
        """Add to what is counted by all processes, to what they heard of the outside, and to what passed just now."""

    def flow(self, step: FlowStep, first: int, last: int) -> list[dict[str, int]]:
        """What passed in each of these steps, numbered since 1970."""

    def counted(self) -> dict[str, float]:
        """What all processes counted."""

    def mark(self, name: str, at: Millis) -> bool:
        """Keep an instant among what is counted, unless one stands there; whether it was kept."""

    def unmark(self, name: str) -> bool:
        """Take it away again; False when another has."""

    def note_lags(self, heard: Sequence[Heard]) -> None:
        """Keep smallest differences between gateways' stamps and their arrival; a larger one than is kept is none."""

    def lags(self) -> dict[str, Lag]:
        """By gateway, how its clock looked lately."""

    # -- what people stopped, and what they were shown -----------------------------------------------------------------

    @property
    def pauses(self) -> Pauses:
        """Lanes and gateways that stand still."""

    @property
    def reveals(self) -> Reveals:
        """Masked numbers that were shown."""

    # -- what the data say of themselves -------------------------------------------------------------------------------

    def adopt(self) -> None:
        """Mark data of an earlier release, once checked, as data of this one: the earlier release refuses to start on
        them from now on."""

    def sealed_since(self) -> Millis | None:
        """Since when every order that is placed has a seal; None where no engine was started yet."""

    def check(self, secret: str, *, strict: bool, cells: int) -> None:
        """Raise SettingsError unless the server can keep our promises, and the data were written with this secret."""
