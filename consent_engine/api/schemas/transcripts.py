"""Transcripts: the form that is posted, and the view that a reviewer sees."""

from typing import Annotated, Literal

from pydantic import Field

from consent_engine.api.schemas.forms import Instant
from consent_engine.api.schemas.views import View, instant
from consent_engine.domain.admission.fields import StrictForm
from consent_engine.domain.call.transcript import Hints, Spoken
from consent_engine.domain.days import millis
from consent_engine.domain.invisible_characters import visible
from consent_engine.domain.msisdn import hidden

MOST_LINES, MOST_TEXT = 1_000, 500


class SpokenLine(StrictForm):
    """One line of a transcript."""

    at: Instant
    by: Literal["agent", "subscriber"]
    text: Annotated[str, Field(min_length=1, max_length=MOST_TEXT)]


class Transcribe(StrictForm):
    """The words of a call, as transcribed from its recording."""

    recording: Annotated[str, Field(min_length=1, max_length=128)]
    lines: list[SpokenLine] = Field(min_length=1, max_length=MOST_LINES)

    def spoken(self) -> tuple[Spoken, ...]:
        return tuple(Spoken(millis(each.at), each.by, each.text) for each in self.lines)


class SpokenView(View):
    """A line as a reviewer sees it, without numbers."""

    at: str
    by: str
    text: str


class PhraseView(View):
    """A forbidden phrase, and when it was said."""

    at: str
    phrase: str


class TranscriptView(View):
    """The words of a call, and the hints in them."""

    edition: int = Field(description="edition of the list of forbidden phrases")
    lines: list[SpokenView]
    spoken: dict[str, str] = Field(description="disclosures that seem to have been read aloud, and when")
    phrases: list[PhraseView]

    @classmethod
    def of(cls, lines: tuple[Spoken, ...], hints: Hints) -> "TranscriptView":
        return cls(
            edition=hints.edition,
            lines=[SpokenView(at=instant(each.at), by=each.by, text=hidden(visible(each.text))) for each in lines],
            spoken={name: instant(at) for name, at in hints.spoken.items()},
            phrases=[PhraseView(at=instant(at), phrase=phrase) for at, phrase in hints.phrases],
        )  # fmt: skip
