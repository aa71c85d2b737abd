"""The generic BSS: one signed POST for an activation or a deactivation, with the order's or ending's id as its key."""

import re
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import quote

from consent_engine.adapters.outbound import Answer, Client, code, endpoint, flag, opaque, required
from consent_engine.domain.days import GREENWICH
from consent_engine.domain.effects import (
    Accepted,
    Outcome,
    Rejected,
    Restored,
    Settlement,
    Unavailable,
    Uncertain,
    Untaken,
)
from consent_engine.domain.texts.words import instant_from
from consent_engine.errors import SettingsError
from consent_engine.ports import Activation, Deactivation

DONE = frozenset({200, 201})
REFUSED = 422
IN_PROGRESS = 409
UNKNOWN = 404
# Refused before the activation was looked at: throttled, a wrong secret, a wrong address. Surely not taken, and for an
# operator to mend rather than a reason to give up orders, so attempts continue until they get through.
TURNED_AWAY = frozenset({401, 403, 404, 429})

_WHEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9:]{5,8}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?")


class HttpBss:
    """A BSS that switches services on and off by POST.

    can_ask: whether it can be asked for earlier outcomes. If not, `ask` and `ask_ending` return None at once.
    """

    def __init__(self, name: str, url: str, client: Client, *, can_ask: bool) -> None:
        self.name = name
        self.can_ask = can_ask
        self._activations = f"{url.rstrip('/')}/activations"
        self._deactivations = f"{url.rstrip('/')}/deactivations"
        self._client = client

    async def activate(self, activation: Activation) -> Outcome:
        """Switch a service on. The idempotency key is the order's id, at every attempt."""
        answer = await self._client.post(self._activations, _wire(activation), activation.order_id)
        return _outcome(answer, _done) if isinstance(answer, Answer) else answer

    async def deactivate(self, deactivation: Deactivation) -> Outcome:
        """Switch a service off. The idempotency key is the ending's id, at every attempt."""
        answer = await self._client.post(self._deactivations, _wire_off(deactivation), deactivation.ending_id)
        return _outcome(answer, _done_off) if isinstance(answer, Answer) else answer

    async def ask(self, order_id: str) -> Outcome | None:
        """Ask for an order's outcome; None where no authoritative answer came. Without any answer the doubt stays."""
        return await self._asked(f"{self._activations}/{quote(order_id, safe='')}", _done)

    async def ask_ending(self, ending_id: str) -> Outcome | None:
        """Ask as `ask` does, for an ending."""
        return await self._asked(f"{self._deactivations}/{quote(ending_id, safe='')}", _done_off)

    async def _asked(self, url: str, done: Callable[[Answer], Outcome]) -> Outcome | None:
        if not self.can_ask:
            return None
        answer = await self._client.get(url)
        if not isinstance(answer, Answer):
            return Uncertain(f"asked: {answer.reason}")
        if answer.status == UNKNOWN:
            # As with a refusal: a 404 without a code comes from a proxy or a wrong path, and answers nothing.
            return Untaken("asked: unknown to the BSS") if answer.word("code") else None
        if answer.refuses_us:  # neither news nor one more doubt: it is asked again until it answers
            return Unavailable(f"asked: BSS answered {answer.status}", answer.after, refusing=True)
        return done(answer) if answer.status in DONE else Uncertain(f"asked: BSS answered {answer.status}")


def build(name: str, raw: Mapping[str, str], call_timeout: timedelta, now: Callable[[], float] = time.time) -> HttpBss:
    """Make a BSS of this kind from its own settings: URL, SECRET, CAN_ASK. Raises SettingsError."""
    prefix = f"CONSENT_BSS_{name.replace(':', '_').upper()}__"
    url = endpoint(prefix, raw)
    if "?" in url or "#" in url:
        raise SettingsError(f"{prefix}URL must end in a path: /activations is appended to it")
    # One handshake for each call is cheap beside a service that counts as active because of another call's answer.
    client = Client(call_timeout, required(prefix, raw, "SECRET"), now)
    return HttpBss(name, url, client, can_ask=flag(prefix, raw, "CAN_ASK"))


def _wire(activation: Activation) -> dict[str, str | int]:
    return {
        "order_id": activation.order_id,
        "msisdn": activation.msisdn,
        "plan": activation.plan,
        "plan_version": activation.plan_version,
        "plan_hash": activation.plan_hash,
        "confirmed_at": GREENWICH.instant(activation.confirmed_at),
        "head": activation.head,
    }


def _wire_off(deactivation: Deactivation) -> dict[str, str | int | bool]:
    return {
        "ending_id": deactivation.ending_id,
        "order_id": deactivation.order_id,
        "activation_id": deactivation.activation_id,
        "msisdn": deactivation.msisdn,
        "plan": deactivation.plan,
        "cause": deactivation.cause,
        "asked_at": GREENWICH.instant(deactivation.asked_at),
        "free_exit": deactivation.free_exit,
    }


def _outcome(answer: Answer, done: Callable[[Answer], Outcome]) -> Outcome:
    if answer.status in DONE:
        return done(answer)
    if answer.status in TURNED_AWAY:
        return Unavailable(f"BSS answered {answer.status}", answer.after, answer.refuses_us)
    if answer.status == REFUSED:
        return _refused(answer)
    # In progress: an earlier attempt is still being processed. Neither a refusal nor a proof that nothing was done.
    return Uncertain("in progress" if answer.status == IN_PROGRESS else f"BSS answered {answer.status}")


def _done(answer: Answer) -> Outcome:
    ref, since = answer.id("activation_id"), answer.word("active_from")
    if not ref:
        return Uncertain(f"BSS answered {answer.status} without an activation_id")
    return Accepted(opaque(ref), since if _WHEN.fullmatch(since) else "")


_OFF_IDS = ("deactivation_id", "ending_id", "activation_id")
"""The fields that may hold the id in an answer to a deactivation: the BSS's id, the ending's, or the activation's."""
_OFF_SINCE = ("stops_at", "active_until")


def _done_off(answer: Answer) -> Outcome:
    ref = next((found for field in _OFF_IDS if (found := answer.id(field))), "")
    since = next((found for field in _OFF_SINCE if (found := answer.word(field))), "")
    if not ref:
        return Uncertain(f"BSS answered {answer.status} without an id")
    return Accepted(opaque(ref), since if _WHEN.fullmatch(since) else "", settled=_settled(answer))


_AMOUNT = re.compile(r"[0-9]{1,7}(\.[0-9]{1,2})?")
_RESTORED = {True: Restored.YES, False: Restored.NO}


def _settled(answer: Answer) -> Settlement:
    """Read the BSS's answer on money and on the former plan. What cannot be read is as if it were not said: the
    service is off all the same, and its subscriber is told to ask the hotline.
    """
    refund = answer.value("refund")
    refund = refund if isinstance(refund, dict) else {}
    amount, by, restored = _amount(refund.get("amount")), refund.get("by"), answer.value("restored")
    when = by if amount and isinstance(by, str) and instant_from(by) is not None and _WHEN.fullmatch(by) else ""
    back = _RESTORED[restored] if isinstance(restored, bool) else Restored.UNSAID
    return Settlement(_amount(answer.value("fee")), amount, when, back)


def _amount(value: object) -> str:
    said = value if isinstance(value, str) else str(value) if type(value) in {int, float} else ""
    return said if _AMOUNT.fullmatch(said) else ""


def _refused(answer: Answer) -> Outcome:
    # Without a code the 422 comes from elsewhere (a proxy, a validator): the BSS did not refuse this service for good.
    # `reason` is prose that may quote the subscriber; only the code is kept.
    said = answer.word("code")
    return Rejected(code(said)) if said else Uncertain("BSS answered 422 without a code")
