"""Requests about reports: a subscriber reports a call, a person decides. Their shapes, and when decisions are equal."""

import re
import unicodedata
from typing import Annotated, Literal

from msgspec import Struct
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from consent_engine.domain.call.report import ReportClass, ReportDoor, Reporting, Reward
from consent_engine.domain.carriers import Carrier
from consent_engine.domain.days import millis
from consent_engine.domain.effects import Millis
from consent_engine.domain.forms import StrictForm, msisdn, numberless, rfc3339, untimely, visible
from consent_engine.domain.hashing import fingerprint
from consent_engine.domain.msisdn import Msisdn
from consent_engine.errors import FieldError, Malformed

MOST_WORDS = 500
_CALLER = re.compile(r"\+?[0-9]{3,20}", re.ASCII)
_SEPARATORS = re.compile(r"[\s()（）.\-‐-―－]+")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+")


def _caller(value: str) -> str:
    """The number as it was shown, without separators; raises `invalid_caller`."""
    folded = _SEPARATORS.sub("", unicodedata.normalize("NFKC", value))
    if not _CALLER.fullmatch(folded):
        raise PydanticCustomError("invalid_caller", "must be a telephone number of 3 to 20 digits")
    return folded


def _words(value: str) -> str:
    return visible(_UNSEEN.sub(" ", value)).strip()


_Instant = Annotated[AwareDatetime, rfc3339("report_time_invalid")]
_Ref = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(numberless)]
Language = Literal["zh", "en"]
_Note = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"),
    AfterValidator(numberless),
]


class Reporter(StrictForm):
    """The number that reports a call, and whose call it was: enough to keep its refusal."""

    msisdn: Annotated[str, Field(max_length=40, examples=["+8613800138000"]), AfterValidator(msisdn)]
    carrier: Carrier = Field(description="the carrier that called, as the subscriber says")


class Heard(Reporter, extra="ignore"):
    """A report that is wrong otherwise."""


class MakeReport(Reporter):
    """A call that a subscriber reports."""

    caller_number: Annotated[str, Field(max_length=40, examples=["10085"]), AfterValidator(_caller)] = Field(
        description="the number that was shown"
    )
    called_at: _Instant = Field(examples=["2025-08-01T10:00:00+08:00"])
    what: Annotated[str, Field(max_length=MOST_WORDS), AfterValidator(_words)] = Field(
        "", description="the subscriber's words: part of the person, and erased with it"
    )
    channel: Literal["hotline", "app", "counter", "12321", "other"] = Field(
        "hotline", description="how the report came; with a `code` always web"
    )
    ref: _Ref = Field("", description="its number in the system that forwarded it")
    reported_at: _Instant | None = Field(None, description="when it was reported at 12321, which forwards it")
    language: Language = Field("zh", description="language of the SMS that answer the reporter")

    code: Annotated[str, Field(pattern=r"^[0-9]{6}$")] | None = Field(
        None, description="the code that the number got by SMS; a report with it needs no API key"
    )
    ticket: Annotated[str, Field(max_length=64)] = Field(
        "", description="from the answer to the request for the code: then nobody else can use up your tries"
    )

    def late_errors(self, now: Millis) -> list[FieldError]:
        """Errors that only the store's clock shows: an instant in the future, or more than three years ago."""
        given = (("called_at", self.called_at), ("reported_at", self.reported_at))
        return [wrong for name, at in given if at for wrong in untimely(name, "report_time_invalid", millis(at), now)]


class AskCode(Reporter):
    """A request for a code to the number that a subscriber wants to report from; the carrier sends the code."""

    language: Language = Field("zh", description="language of the SMS")


class DecideReport(BaseModel):
    """The decision on a report: the class it was found to have, and its reward."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    found: ReportClass = Field(
        alias="class",
        description="ours_unrecorded: our number was shown, and the call was ours though no record of it is known; "
        "ours_spoofed: the same was shown, and a person found that the call was not ours",
    )
    reward: Literal["none", "granted", "paid", "eligible"] | None = Field(
        None,
        description="granted: if the carrier offers one, once a call, up to its monthly limit; paid: after granted",
    )
    note: _Note = ""
    forwarded: _Note = Field("", description="where the report of a call that was not ours was passed on; empty: 12321")

    def fingerprint(self) -> str:
        """A hash that equal decisions share."""
        return fingerprint([self.found.value, self.reward, self.note, self.forwarded])


class ReportMade(Struct, frozen=True):
    """One report and its sender. by: the API key's name, or PUBLIC · proven: whether its number was proven by a code"""

    by: str
    request: MakeReport
    proven: bool = False

    @property
    def msisdn(self) -> Msisdn:
        """The reporter's number."""
        return Msisdn(self.request.msisdn)

    @property
    def door(self) -> ReportDoor:
        """The door that the report came through."""
        return ReportDoor.WEB if self.proven else ReportDoor(self.request.channel)

    @property
    def about(self) -> Reporting:
        """The call as the subscriber reports it."""
        asked = self.request
        return Reporting(asked.carrier.value, asked.caller_number, millis(asked.called_at), asked.what)

    @property
    def lodged_at(self) -> Millis:
        """When it was reported at 12321; 0: not stated."""
        return millis(self.request.reported_at) if self.request.reported_at else 0

    def check(self, now: Millis) -> None:
        """Raise Malformed for impossible instants."""
        if wrong := self.request.late_errors(now):
            raise Malformed(wrong)


PUBLIC = "public"
"""Stands in place of the API key's name where a subscriber reports through the public door."""


class ReportDecision(Struct, frozen=True):
    """One decision on a report: the report, the person who decided, the form."""

    report: str
    by: str
    request: DecideReport

    @property
    def reward(self) -> Reward | None:
        """The reward as decided; None: as proposed."""
        return Reward(self.request.reward) if self.request.reward else None
