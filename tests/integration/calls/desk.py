"""A desk: an engine with an archive, and the calls that its agents make."""

from collections import Counter
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from consent_engine.api.schemas.forms import read
from consent_engine.domain.admission.call_request import CallEnd, CallStart, EndCall, StartCall
from consent_engine.domain.call.call import Call
from consent_engine.domain.days import CHINA
from consent_engine.engine.call import CallTaken
from tests.archive.house import Town
from tests.conftest import NUMBER

SHA = "9f" * 32


def audio_of(ref: str) -> str:
    """Return the SHA-256 of a recording's audio: another one for each."""
    return sha256(ref.encode()).hexdigest()


def instant(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")


class Desk(Town):
    """A town with calls, whose age is limited as in production."""

    call_age = 2 * 3_600_000

    def started(self, to: str = NUMBER, key: str = "", ago: int = 0, **more: Any) -> CallTaken:
        """Make a call known that began `ago` milliseconds before now."""
        self.keys += 1
        body = {
            "from": "10085", "to": to, "carrier": "mobile", "agent": "A1024",
            "started_at": instant(self.clock() - ago), **more,
        }  # fmt: skip
        return self.engine.calls.record(CallStart("desk", key or f"call-{self.keys}", read(StartCall, body)))

    def counted(self, day: str) -> dict[tuple[str, str], dict[str, int]]:
        """Return the figures of the calls that began on a day, by carrier and agent."""
        found: dict[tuple[str, str], Counter[str]] = {}
        for each in self.engine.store.queries.calls.counted(CHINA.begins(day), CHINA.ends(day), by_agent=True):
            found.setdefault((each.carrier, each.agent), Counter()).update(dict.fromkeys(each.figures, each.count))
        return {of: dict(figures) for of, figures in found.items()}

    def start(self, to: str = NUMBER, **more: Any) -> Call:
        return self.started(to, **more).call

    def ending(self, call: Call, outcome: str = "other", *, recorded: bool = True, **more: Any) -> CallEnd:
        self.keys += 1
        ref = f"rec-{call.id[-8:]}"
        recording = {"ref": ref, "sha256": audio_of(ref), "seconds": 60} if recorded else None
        body = {"ended_at": instant(self.clock()), "outcome": outcome, "recording": recording, **more}
        return CallEnd("desk", call.id, read(EndCall, body))

    def end(self, call: Call, outcome: str = "other", **more: Any) -> Call:
        return self.engine.calls.record(self.ending(call, outcome, **more)).call

    def found(self, call: Call) -> Call:
        return self.engine.calls.show(call.id)

    def says(self, call: Call) -> list[str]:
        return [each.value for each in self.found(call).violations]
