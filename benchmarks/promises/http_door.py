"""The door to APIs that run as processes: any one of them is asked; unanswered requests are repeated."""

import json
import random
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.signature import HEADER, sign
from consent_engine.errors import StoreUnavailable

PATIENCE_S = 2.0
AGAIN = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass
class HttpDoor:
    """The door over HTTP. urls: the APIs; one that is added is open to all · key: a desk's · secret: the gateway's
    · answers: how often each API answered with which status.
    """

    urls: Sequence[str]
    key: str
    secret: str
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)

    def place(self, asks: Placing) -> tuple[str, bool]:
        """Place an order, as in `Door`."""
        body = asks.request.model_dump(mode="json", exclude_none=True)
        status, said = self._ask("POST", "/v1/orders", body, {"Idempotency-Key": asks.idempotency_key})
        return said["id"], status == HTTPStatus.CREATED

    def say(self, number: Msisdn, text: str) -> None:
        """Send a subscriber's SMS, as in `Door`."""
        sms = {"message_id": f"{text}-{number}", "from": number, "to": "10085", "text": text}
        _, said = self._ask("POST", "/v1/gateways/http_json/inbound", sms)
        if said.get("rejected"):
            raise AssertionError("a reply was rejected")

    def refuse(self, number: Msisdn) -> None:
        """Record a refusal by voice, as in `Door`."""
        self._ask("POST", "/v1/refusals", {"msisdn": number, "carrier": "mobile", "channel": "voice", "agent": "A1"})

    def shows(self, order: str) -> bool:
        """Return whether an order is shown, and not answered 404. Raises StoreUnavailable for any other answer."""
        status, _ = self._once(self._any(), "GET", f"/v1/orders/{order}", None, {})
        if status not in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
            raise StoreUnavailable(f"an API answered {status}")
        return status == HTTPStatus.OK

    def listens(self, url: str) -> bool:
        """Return whether an API answers, with any status."""
        return self._once(url, "GET", "/readyz", None, {})[0] != 0

    def ready(self, url: str) -> bool:
        """Return whether an API says that it takes orders."""
        return self._once(url, "GET", "/readyz", None, {})[0] == HTTPStatus.OK

    def _any(self) -> str:
        return random.choice(self.urls)  # noqa: S311 - any of them, no secret

    def _ask(self, method: str, path: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        status, said = self._once(self._any(), method, path, body, headers or {})
        if status == 0 or status in AGAIN:
            raise StoreUnavailable(f"an API answered {status}")
        if status >= HTTPStatus.BAD_REQUEST:
            raise AssertionError(f"{method} {path} was answered {status} {said}")
        return status, said

    def _once(self, url: str, method: str, path: str, body: object, headers: dict[str, str]) -> tuple[int, Any]:
        """Return status and JSON; status 0 when there was no answer."""
        data = None if body is None else json.dumps(body).encode()
        signed = {HEADER: sign(self.secret, data or b"", int(time.time()))} if "/gateways/" in path else {}
        sent = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **signed, **headers}
        request = urllib.request.Request(url + path, data, sent, method=method)  # noqa: S310 - our own processes
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310 - the same
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        except OSError:
            status, text = 0, b""
        self.answers[url, status] += 1
        try:
            return status, json.loads(text)
        except ValueError:
            return status, {}
