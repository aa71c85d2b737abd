"""Refusals because of a call, its recording, or a report of it."""

from consent_engine.errors import Refused


class CallNotPermitted(Refused, code="call_not_permitted"):
    """Something was wrong with the call: no order may be placed for it."""


class CallTooOld(Refused, code="call_too_old"):
    """The subscriber agreed too long ago."""


class CallMismatch(Refused, code="call_mismatch"):
    """The order does not fit the call that it names: another number or carrier, or an instant outside the call."""


class RecordingReused(Refused, code="recording_reused"):
    """The recording, by its reference or its audio, is another call's, or another number's."""


class AlreadyEnded(Refused, code="already_ended"):
    """The call ended before, in another way than the request says."""


class CallAbandoned(Refused, code="call_abandoned"):
    """The end of the call was not reported in time."""


class CallNotFound(Refused, code="call_not_found"):
    """No such call, or none that this key may see."""


class ReportNotFound(Refused, code="report_not_found"):
    """No such report."""


class ReportDecided(Refused, code="already_decided"):
    """The report was decided before, in another way; `found`: its class."""


class ReportMismatch(Refused, code="report_mismatch"):
    """The report cannot have that class: our own number was shown."""


class RewardNotDue(Refused, code="reward_not_due"):
    """The reward of a report cannot change in this way; `reason`: why."""
