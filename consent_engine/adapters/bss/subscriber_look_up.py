"""The subscriber look-up of the generic BSS: `POST URL/subscribers/lookup`, signed, the number in the body alone.

An answer that lacks a field, or names an unknown network, does not count: it may be a proxy's. A BSS that does not know
a value answers null.
"""

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from consent_engine.adapters.outbound import Answer, Client, document, endpoint, flag, required, tls_of
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.days import millis
from consent_engine.domain.effects import Millis, Unavailable
from consent_engine.domain.forms import RFC3339
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.line.holder import Subscriber
from consent_engine.errors import SettingsError
from consent_engine.ports import Subscribers

OK = 200
NETWORKS = frozenset({*CARRIERS, "broadnet"})
"""The networks a number can belong to: the three carriers, and the fourth network, which sells nothing here."""
FIELDS = frozenset({"network", "holder_since", "adult"})


class HttpSubscribers:
    """A look-up of subscribers by POST."""

    def __init__(self, name: str, url: str, client: Client) -> None:
        self.name = f"{name}/lookup"
        self._address = f"{url.rstrip('/')}/subscribers/lookup"
        self._client = client

    async def look_up(self, msisdn: str) -> Subscriber | Unavailable:
        """Return the holder of a number. A look-up changes nothing, so no answer, or one in doubt, is Unavailable."""
        answer = await self._client.post(self._address, {"msisdn": msisdn})
        if not isinstance(answer, Answer):
            return Unavailable(Hitch.LOOK_UP.of(answer.reason))
        if answer.status != OK:
            return Unavailable(Hitch.LOOK_UP.of(Hitch.BSS.of(answer.status)), answer.after, answer.refuses_us)
        try:
            return _read(answer.body)
        except ValueError as error:
            return Unavailable(Hitch.LOOK_UP.of(Hitch.LOOK_UP_ODD.of(str(error))))


def build(
    name: str, raw: Mapping[str, str], call_timeout: timedelta, now: Callable[[], float] = time.time
) -> Subscribers | None:
    """Make the look-up of a BSS of this kind from its own settings: URL, SECRET, CAN_LOOK_UP; None where that is not
    true. Raises SettingsError.
    """
    prefix = f"CONSENT_BSS_{name.replace(':', '_').upper()}__"
    if not flag(prefix, raw, "CAN_LOOK_UP"):
        return None
    url = endpoint(prefix, raw)
    if "?" in url or "#" in url:
        raise SettingsError(f"{prefix}URL must end in a path: /subscribers/lookup is appended to it")
    client = Client(call_timeout, required(prefix, raw, "SECRET"), now, tls_of(prefix, raw))
    return HttpSubscribers(name, url, client)


def _read(body: bytes) -> Subscriber:
    """Read the subscriber in an answer. Raises ValueError: the name of the field at fault."""
    try:
        said = document(body)
    except ValueError:
        said = None
    if not isinstance(said, dict) or not said.keys() >= FIELDS:
        raise ValueError("fields")
    network, adult = said["network"], said["adult"]
    if network is not None and not (isinstance(network, str) and network in NETWORKS):
        raise ValueError("network")
    if adult is not None and not isinstance(adult, bool):
        raise ValueError("adult")
    return Subscriber(network or "", _instant(said["holder_since"]), adult)


def _instant(said: object) -> Millis:
    """Read since when the holder has the number; 0 for null. Raises ValueError, also for a day without a time: calls of
    that day may belong to either holder.
    """
    if said is None:
        return 0
    if not isinstance(said, str) or not RFC3339.fullmatch(said):
        raise ValueError("holder_since")
    try:
        return millis(datetime.fromisoformat(re.sub("[zZ]$", "+00:00", said)))
    except ValueError:
        raise ValueError("holder_since") from None
