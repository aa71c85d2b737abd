"""What is wrong with a call, its recording, or a report of it."""

from consent_engine.errors import Refused


class CallNotPermitted(Refused):
    """Something was wrong with the call: no order comes of it."""

    code = "call_not_permitted"


class CallTooOld(Refused):
    """The subscriber agreed too long ago."""

    code = "call_too_old"


class CallMismatch(Refused):
    """The order is not of the call that it names: another number or carrier, or an instant outside it."""

    code = "call_mismatch"


class RecordingReused(Refused):
    """The recording is another call's, or another number's."""

    code = "recording_reused"


class AlreadyEnded(Refused):
    """The call ended before, otherwise than is said now."""

    code = "already_ended"


class CallAbandoned(Refused):
    """Nobody ended the call in time."""

    code = "call_abandoned"


class CallNotFound(Refused):
    """No such call, or none this key may see."""

    code = "call_not_found"


class ReportNotFound(Refused):
    """No such report."""

    code = "report_not_found"


class ReportDecided(Refused):
    """The report was decided, and otherwise; `found`: as what."""

    code = "already_decided"


class ReportMismatch(Refused):
    """The report cannot be of that class: our own number was shown."""

    code = "report_mismatch"


class RewardNotDue(Refused):
    """The reward of a report cannot become that; `reason`: why."""

    code = "reward_not_due"
