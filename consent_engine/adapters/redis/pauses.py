"""Pauses on Redis: in the first cell, which keeps everything that belongs to no subscriber."""

import secrets
from collections.abc import Mapping

import msgspec

from consent_engine.adapters.redis.client import Calls, Wire
from consent_engine.adapters.redis.records import LOOK_BACK
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.effects import Millis
from consent_engine.ports.endpoints import Endpoint
from consent_engine.ports.registry import Pause, PauseEvent, Pauses

PAUSED, HAPPENED = "ce:{0}:paused", "ce:{0}:pauses"
MOST_KEPT = 10_000
_PAUSE = msgspec.json.Decoder(Pause)
_EVENT = msgspec.json.Decoder(PauseEvent)


class RedisPauses(Pauses):
    """The Pauses on Redis."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def standing(self) -> Mapping[Endpoint, Pause]:
        [kept] = self._wire.ask(("HGETALL", PAUSED))
        rows = ((name.split("|", 1), row) for name, row in kept.items())
        return {Endpoint(to, name): _PAUSE.decode(row) for (to, name), row in rows}

    def pause(self, target: Endpoint, pause: Pause) -> bool:
        event = PauseEvent(pause.at, target.to, target.name, paused=True, by=pause.by, reason=pause.reason)
        return self._written(target, compact(pause), event) == ""

    def resume(self, target: Endpoint, at: Millis, by: str, reason: str) -> bool:
        event = PauseEvent(at, target.to, target.name, paused=False, by=by, reason=reason)
        return self._written(target, "", event) != ""

    def _written(self, target: Endpoint, kept: str, event: PauseEvent) -> str:
        """Write a pause, or '' to resume, with its event; return the pause before, '' for none."""
        calls = Calls()
        args: list[str | int] = ["|".join(target), kept, compact(event), MOST_KEPT, secrets.token_hex(8), LOOK_BACK]
        calls.script("pause", [PAUSED, HAPPENED], args)
        [was] = self._wire.send(calls, prove=True, repeat=True)
        return str(was)

    def happened(self, most: int) -> list[PauseEvent]:
        [rows] = self._wire.ask(("XREVRANGE", HAPPENED, "+", "-", "COUNT", most))
        return [_EVENT.decode(fields["m"] if isinstance(fields, Mapping) else fields[1]) for _, fields in rows]
