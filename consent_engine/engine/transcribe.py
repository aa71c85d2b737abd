"""Transcripts: one per call, kept beside the person part."""

from collections.abc import Sequence
from secrets import token_hex
from typing import NamedTuple

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.errors import CallMismatch, CallNotFound
from consent_engine.domain.call.transcript import SAID, Spoken, Transcribed, encode_lines
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.engine.recall import proven, transact
from consent_engine.engine.round_trips import save
from consent_engine.engine.store_requests import Step
from consent_engine.errors import FieldError, Malformed, Refused
from consent_engine.ports import ChainChange, Commit, CommitResult

SLACK_MS = 5_000
"""Greatest difference between a recorder's clock and a desk's."""


class AlreadyTranscribed(Refused, code="already_transcribed"):
    """The call has another transcript."""


class Transcript(NamedTuple):
    """A transcript as posted. recording: the one that it is of · since: when the key of the request was made · anyone:
    whether calls of other keys may be transcribed
    """

    call: str
    by: str
    recording: str
    lines: tuple[Spoken, ...]
    since: Millis = 0
    anyone: bool = False

    @property
    def op(self) -> str:
        """The digest by which two transcripts are the same."""
        return digest(encode_lines(self.lines, self.recording))


def transcribing(wanted: Transcript) -> Step[Call]:
    """Keep a transcript. Raises CallNotFound, also for another caller's call, CallMismatch for another recording,
    Malformed for words that were not spoken in the call, AlreadyTranscribed, StoreUnavailable, and ArchiveUnavailable
    for a call that may have left.
    """

    def kept(call: Call, now: Millis) -> Step[Call | None]:
        if not (wanted.anyone or call.is_of(wanted.by, wanted.since)):
            raise CallNotFound("no such call")
        if call.knows(wanted.op):
            return call if (yield from proven(call)) else None
        _fits(wanted.lines, call, wanted.recording)
        said = encode_lines(wanted.lines, token_hex(16))
        event = Transcribed(now, wanted.op, wanted.by, len(wanted.lines), digest(said))
        after, fields = call.with_events(event)
        saved = yield from save(Commit(wanted.op, (ChainChange(after, call, {**fields, SAID: said}),)), prove=True)
        return after if saved.word in {CommitResult.OK, CommitResult.SAME} else None

    return (yield from transact(Call, wanted.call, kept))


def _fits(lines: Sequence[Spoken], call: Call, recording: str) -> None:
    end = call.end
    if end is None or end.recording is None or end.recording.ref != recording:
        raise CallMismatch("the transcript is of another recording, or the call did not end with a recording")
    if any(isinstance(each, Transcribed) for each in call.events):
        raise AlreadyTranscribed("this call has another transcript")
    first, last = call.began.started_at - SLACK_MS, end.ended_at + SLACK_MS
    wrong = [
        FieldError(f"lines.{n}.at", "call_time_invalid", "must lie within the call")
        for n, each in enumerate(lines) if not first <= each.at <= last
    ]  # fmt: skip
    if wrong and not call.began.ordered:  # a call that an order's body describes has no end
        raise Malformed(wrong[:10])
