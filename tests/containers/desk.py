"""An agent's desk and the subscribers' handsets. Needs nothing but the engine's package: it runs in containers, too."""

import json
import sys
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.acceptance.house import call
from tests.waiting import HANGS_S, until


def now() -> str:
    """The instant of a call that has just ended."""
    return (datetime.now(UTC) - timedelta(seconds=5)).isoformat()


@dataclass(frozen=True, slots=True)
class Desk:
    """An agent's desk and the subscribers' handsets."""

    api: str
    gateway: str
    key: str

    def _ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        status, told = call(method, self.api + path, body, {"Authorization": f"Bearer {self.key}", **headers})
        assert status in {200, 201}, told
        return told

    def place(self, msisdn: str, at: str) -> str:
        """Place an order; return its id."""
        name = f"rec-{msisdn[-4:]}"
        spoken = {"caller_number": "10085", "recording_id": name, "started_at": at, "agreed_at": at}
        order = {"msisdn": msisdn, "plan": "5g-smart-199", "agent": "A1024", "call": spoken}
        return str(self._ask("POST", "/v1/orders", order, **{"Idempotency-Key": name})["id"])

    def state(self, order: str) -> str:
        """The state of an order."""
        return str(self._ask("GET", f"/v1/orders/{order}")["state"])

    def say(self, msisdn: str, text: str) -> None:
        """Send an SMS from a handset, until the engine has taken it."""
        said = {"from": msisdn, "to": "10085", "text": text}
        until(
            "the reply is taken",
            lambda: call("POST", f"{self.gateway}/say", said)[1].get("engine_answered") == 200,
        )

    def reaches(self, order: str, state: str, seconds: float = 120) -> None:
        """Wait until an order has a state."""
        until(f"{order} is {state}", lambda: self.state(order) == state)

    def ledger(self) -> Any:
        """Everything that reached the gateway and the BSS."""
        with urllib.request.urlopen(f"{self.gateway}/ledger", timeout=HANGS_S) as answer:  # noqa: S310 - our own loopback address
            return json.load(answer)

    def sells(self, msisdn: str) -> None:
        """Take an order down the whole road."""
        order = self.place(msisdn, now())
        self.reaches(order, "awaiting_reply")
        self.say(msisdn, "是")
        self.reaches(order, "notified")


if __name__ == "__main__":
    Desk(*sys.argv[1:4]).sells(sys.argv[4])
