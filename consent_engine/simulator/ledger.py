"""The simulator's ledger: every request of the engine, every SMS of a subscriber, every misbehaviour."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from consent_engine.domain.effects import Purpose
from consent_engine.domain.sms import segments
from consent_engine.simulator.scripts import Answer


@dataclass(slots=True)
class Attempt:
    """One request of the engine. at: seconds since 1970 · changed: its body differs from the first under this key."""

    at: float
    answer: Answer
    accepted: bool
    changed: bool = False


@dataclass(slots=True)
class SmsSeen:
    """One SMS by its ref. landed: when it reached the handset, one instant per copy."""

    ref: str
    purpose: Purpose
    sender: str
    to: str
    text: str
    message_id: str
    attempts: list[Attempt] = field(default_factory=list)
    landed: list[float] = field(default_factory=list)

    @property
    def part_ids(self) -> list[str]:
        """Return an id for each part, for a gateway that gives them."""
        return [f"{self.message_id}-{n}" for n in range(1, segments(self.text) + 1)]

    @property
    def accepted_at(self) -> float | None:
        """The instant at which the gateway first took the SMS; None if it never did."""
        return next((a.at for a in self.attempts if a.accepted), None)


@dataclass(slots=True)
class ActivationSeen:
    """One activation by its key. verdict: the BSS's final answer, None while there is none."""

    order_id: str
    msisdn: str
    plan: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    verdict: Answer | None = None
    switched_on: int = 0
    asked: int = 0


@dataclass(slots=True)
class DeactivationSeen:
    """One deactivation by its key. switched_off: how often the service was really switched off."""

    ending_id: str
    order_id: str
    activation_id: str
    msisdn: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    switched_off: int = 0
    asked: int = 0


@dataclass(slots=True)
class Said:
    """One SMS from a handset. written_at: its timestamp · stored: the engine acknowledged it."""

    message_id: str
    msisdn: str
    to: str
    text: str
    at: float
    written_at: float
    stored: bool = False


@dataclass(slots=True)
class Ledger:
    """All records of a run, in memory. `now` is the simulator's clock."""

    now: Callable[[], float] = time.time
    sms: dict[str, SmsSeen] = field(default_factory=dict)
    activations: dict[str, ActivationSeen] = field(default_factory=dict)
    deactivations: dict[str, DeactivationSeen] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    reports: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    hit: dict[str, set[str]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def misbehaved(self, kind: str, order_id: str) -> None:
        """Count one misbehaviour, and the order that it hit."""
        self.wrong[kind] += 1
        self.hit.setdefault(kind, set()).add(order_id)

    def on_handset(self, msisdn: str) -> list[tuple[float, SmsSeen]]:
        """List the SMS on one handset, by time; a copy that landed twice is there twice."""
        return sorted(
            ((at, sms) for sms in self.sms.values() if sms.to == msisdn for at in sms.landed), key=lambda pair: pair[0]
        )

    def view(self) -> dict[str, Any]:
        """Return the ledger as `GET /ledger` shows it."""
        return {
            "sms": [asdict(sms) for sms in self.sms.values()],
            "activations": [asdict(activation) for activation in self.activations.values()],
            "deactivations": [asdict(each) for each in self.deactivations.values()],
            "said": [asdict(said) for said in self.said],
            "reports": self.reports,
            "wrong": dict(self.wrong),
            "errors": self.errors,
        }


def order_of(ref: str) -> str:
    """Return the owner in a ref `<owner>.<purpose>.<n>`."""
    return ref.rsplit(".", 2)[0]
