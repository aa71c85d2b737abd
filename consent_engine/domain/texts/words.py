"""The words of every SMS, in Chinese and in English. They are one edition, whose number every offer keeps: a text is
not stored with its order but written again, so words that were used are changed in an edition beside this one.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache

from consent_engine.domain.days import CHINA, Days
from consent_engine.domain.effects import Millis, Purpose
from consent_engine.domain.lifecycle import State

EDITION = 1
CHINESE, ENGLISH = "zh", "en"
WHICH_ONE, STOPPED, HELD_LINE, HELPED = "which_one", "stopped", "held_no_order", "helped"
REVERSAL, WITHDRAWAL, ASKED_AGAIN = "review_failed", "withdrawn", "asked_again"
WITHDRAW_ASK = str(Purpose.WITHDRAW_ASK)
RECEIVED, FORBIDDEN, ALLOWED, NOT_OURS = "report_received", "report_forbidden", "report_allowed", "report_not_ours"
SPOOFED, PAID, CODE = "report_spoofed", "reward_paid", str(Purpose.CODE)


class Because(StrEnum):
    """Why a request was cancelled, as its subscriber reads it."""

    REVOKED = "revoked"
    REVIEW = "review"
    NO_RECORDING = "no_recording"
    VIOLATION = "violation"
    DECLINED_IN_CALL = "declined_in_call"
    OTHER_CALL = "other_call"
    """The call was not answered, or was over before its subscriber agreed."""
    HOLDER = "holder"
    """The holder of the number is a minor. Of another holder nothing is said."""
    REFUSED = "refused"
    STAFF = "staff"


BECAUSE: Mapping[str, Mapping[Because, str]] = {
    CHINESE: {
        Because.REVOKED: "该业务已停办", Because.REVIEW: "通话复查未通过", Because.NO_RECORDING: "通话未按规定录音",
        Because.VIOLATION: "通话不符合规定", Because.DECLINED_IN_CALL: "您已在通话中表示不办理",
        Because.OTHER_CALL: "与通话记录不符", Because.HOLDER: "机主未成年",
        Because.REFUSED: "您已拒绝营销", Because.STAFF: "由我公司人员取消",
    },
    ENGLISH: {
        Because.REVOKED: "it is no longer offered", Because.REVIEW: "the call did not pass review",
        Because.NO_RECORDING: "the call was not recorded as required", Because.VIOLATION: "the call broke our rules",
        Because.DECLINED_IN_CALL: "you said no in the call", Because.OTHER_CALL: "it does not match the call",
        Because.HOLDER: "the holder is a minor", Because.REFUSED: "you refused sales calls",
        Because.STAFF: "by our staff",
    },
}  # fmt: skip
OVER: Mapping[str, Mapping[State, str]] = {
    CHINESE: {
        State.EXPIRED: "“{name}”的确认时限已过", State.DECLINED: "您此前已回复不办理“{name}”",
        State.CANCELLED: "“{name}”的办理申请已取消（{because}）",
        State.UNDELIVERABLE: "“{name}”的确认短信未能送达，申请已失效",
        State.ACTIVATION_FAILED: "“{name}”未能办理成功",
    },
    ENGLISH: {
        State.EXPIRED: "the time to confirm {name} is over", State.DECLINED: "you have already replied no to {name}",
        State.CANCELLED: "your request for {name} was cancelled ({because})",
        State.UNDELIVERABLE: "our SMS about {name} did not reach you in time",
        State.ACTIVATION_FAILED: "{name} could not be set up",
    },
}  # fmt: skip
"""How a request ended that led to no service."""

# fmt: off
_OFFICIAL = "{% if hotline %}热线{{ hotline }}。营销来电只用{{ official }}，{% endif %}勿向任何人透露验证码。"
_SAYS_NO = "其他内容或不回复均不办理。"
_STOP_FREE = "不愿再接营销来电，回复TD，回复免费。"
_REFUSED = "我公司不再向您拨打营销电话、发送营销短信。"

_CHINESE: dict[str, str] = {
    Purpose.CONFIRMATION: (
        "{{ call_at }}您在{{ official }}来电中有意办理“{{ name }}”，未经您回复不办理。"
        "{{ price }}{% if first_month %}；{{ first_month }}{% endif %}；{{ term }}，{{ early_fee }}；{{ renewal }}。\n"
        "同意本短信全部内容，请在收到后{{ window }}内回复“{{ yes }}”；回复“{{ no }}”、" + _SAYS_NO +
        "未接此来电或拒绝营销来电，回复TD。回复免费。\n"
        "{% if includes %}含{{ includes }}；{% endif %}{% if overage %}{{ overage }}；{% endif %}{{ start }}生效。"
        "适用：{{ scenario }}。{{ restrictions }}{{ replaces }}退订：{{ unsubscribe }}，{{ unsub_effect }}。"
        "{% if filing %}方案编号{{ filing }}{% if seller %}，{{ seller }}{% endif %}。"
        "{% elif seller %}销售方：{{ seller }}。{% endif %}"
    ),
    Purpose.REMINDER: (
        "{{ call_at }}您在{{ official }}来电中有意办理的“{{ name }}”（{{ price }}，{{ term }}）尚待您确认，"
        "目前未办理。同意确认短信所列全部内容，请于{{ deadline }}前回复“{{ yes }}”；回复“{{ no }}”、" + _SAYS_NO +
        "不愿再接营销来电，回复TD。回复免费。"
    ),
    Purpose.CLARIFICATION: (
        "未能识别您的回复，“{{ name }}”（{{ price }}）目前未办理。办理请只回复“{{ yes }}”，"
        "不办理请回复“{{ no }}”，不愿再接营销来电请回复TD；其他回复或不回复均不办理。回复免费。"
    ),
    Purpose.PROVE: (
        "为确认是您本人回复，请于{{ deadline }}前回复“{{ yes }}”办理“{{ name }}”（{{ price }}）；"
        "未按此回复则不办理。非您本人回复或不愿再接营销来电，回复TD。回复免费。"
    ),
    Purpose.HELP: (
        "{% if over %}{{ over }}，未开通，不收费。" + _STOP_FREE +
        "{% elif still_active %}“{{ name }}”（{{ price }}，{{ term }}）"
        "{% if begun %}{{ '已' if begun == 'yes' else '将' }}于{{ active_from }}生效"
        "{% else %}{{ '正在' if activating else '已' }}按您的回复办理{% endif %}。"
        "退订：{{ unsubscribe }}；{{ leaving_fee }}。" + _STOP_FREE +
        "{% else %}{{ call_at }}您在{{ official }}来电中有意办理的“{{ name }}”（{{ price }}，{{ term }}），"
        "确认前不办理、不收费；完整资费可在网上营业厅、APP{% if filing %}按方案编号{{ filing }}{% endif %}查询。"
        "办理回复“{{ yes }}”，不办理回复“{{ no }}”，不愿再接营销来电回复TD。回复免费。"
        "{% endif %}"
    ),
    Purpose.LATE: "{{ over }}，本次回复不影响办理结果：该业务未办理，不收费。",
    Purpose.DECLINED: (
        "已按您的回复不办理“{{ name }}”，不收费，{{ cool_off }}不再向您推荐该业务。凭证号{{ receipt }}。" + _STOP_FREE
    ),
    Purpose.OPTED_OUT: (
        "已登记您的拒绝，凭证号{{ receipt }}。" + _REFUSED +
        "{% if still_active %}您此前确认的“{{ name }}”仍有效，退订：{{ unsubscribe }}。"
        "{% else %}“{{ name }}”不办理，不收费。{% endif %}"
    ),
    Purpose.HELD: (
        "已收到您的回复，{% if not doubtful %}现已停止向您拨打营销电话，{% endif %}“{{ name }}”暂不办理、不收费。"
        "我公司将于{{ deadline }}前人工核实，逾期即{% if doubtful %}不办理。您也可直接回复“{{ no }}”不办理{% else %}"
        "视为您已拒绝。您也可直接回复TD拒绝{% endif %}，回复免费。"
    ),
    Purpose.RESUMED: (
        "经核实，您此前的回复未按拒绝登记。“{{ name }}”（{{ price }}）仍未办理；"
        "如需办理，请于{{ deadline }}前重新回复“{{ yes }}”，不办理无需回复。不愿再接营销来电，回复TD。回复免费。"
    ),
    Purpose.CANCELLED: "“{{ name }}”的办理申请已取消（{{ because }}），未办理、不收费，您无需回复。",
    Purpose.NOTIFICATION: (
        "“{{ name }}”已按您{{ reply_at }}的回复办理成功，{{ active_from or start_short }}生效。"
        "{{ price }}{% if includes %}，含{{ includes }}{% endif %}；"
        "{{ term }}，{{ early_fee_short }}；{{ renewal_short }}。"
        "适用：{{ scenario }}。{{ restrictions }}退订：{{ unsubscribe }}。凭证号{{ receipt }}。"
    ),
    Purpose.FAILURE: "很抱歉，您确认的“{{ name }}”未能办理成功，不收费，您原有业务不变，无需回复。",
    Purpose.MARKETING_FREE: (
        "已为您登记“免营销”，凭证号{{ receipt }}，即时生效，我公司不再向您拨打营销电话。您在用的业务不受影响。"
        "{% if hotline %}如接到营销来电，可拨打{{ hotline }}举报。{% endif %}"
    ),
    WHICH_ONE: (
        "您有{{ n }}项业务待确认，均未办理。{{ choices }}。办理请逐项回复“是+编号”（如“是{{ example }}”），"
        "不办理回复“否+编号”；其他回复或不回复均不办理。不愿再接营销来电，回复TD。回复免费。"
    ),
    STOPPED: "已登记您的拒绝，凭证号{{ receipt }}。" + _REFUSED + "您在用的业务不受影响。",
    HELD_LINE: (
        "已收到您的回复，现已停止向您拨打营销电话。"
        "我公司将于{{ deadline }}前人工核实，逾期即视为您已拒绝。您也可直接回复TD拒绝，回复免费。"
    ),
    HELPED: "您目前没有待确认的业务。未经您短信确认，电话营销不会为您办理任何业务。" + _STOP_FREE,
    WITHDRAW_ASK: (
        "已收到您的回复。{% if refused %}拒绝营销已登记。{% endif %}如要停用“{{ name }}”，"
        "请回复“退订{{ code }}”：{{ leaving }}；不回复则继续使用。回复免费。"
    ),
    REVERSAL: (
        "经复查通话录音，“{{ name }}”的营销过程不符合规定，现已为您取消，{{ stops }}，{{ money }}。"
        "无需您操作。谨致歉意。"
    ),
    WITHDRAWAL: (
        "已按您的要求退订“{{ name }}”，{{ stops }}，{{ money }}。凭证号{{ receipt }}。"
        "如非本人申请，请立即拨打{{ hotline }}。"
    ),
    ASKED_AGAIN: (
        "再次收到您停用“{{ name }}”的要求，已转人工处理，进度可拨打{{ hotline }}查询。凭证号{{ receipt }}。"
    ),
    RECEIVED: (
        "您{{ report_at }}举报的营销来电已受理，编号{{ report }}。"
        "我公司将于{{ due }}前核查并以短信告知结果，无需您提供验证码。"
    ),
    FORBIDDEN: (
        "举报{{ report }}已核实：{{ call_at }}的{{ caller }}来电属我公司违规营销，"
        "已登记不再向您营销，并将追究责任。{{ reward }}。谨致歉意。"
    ),
    ALLOWED: (
        "举报{{ report }}已核查：{{ call_at }}的{{ caller }}来电为我公司拨打，{{ ground }}，未发现违规。"
        "已登记不再向您营销；如有异议，请拨打{{ hotline }}或12300申诉。"
    ),
    NOT_OURS: (
        "举报{{ report }}已核查：{{ caller }}不是我公司外呼号码，来电非我公司拨打，"
        "线索已转{{ forwarded }}处理。请勿通过该号码办理业务。"
    ),
    SPOOFED: (
        "举报{{ report }}已核查：{{ call_at }}来电显示{{ caller }}，我公司无此通话记录，疑似改号。"
        "线索已转{{ forwarded }}，并已登记不再向您营销。"
    ),
    PAID: "举报{{ report }}的奖励{{ reward_amount }}已到账，无需您操作或提供验证码。",
    CODE: "验证码{{ otp }}，{{ minutes }}分钟内有效，仅供您本人在我公司举报或凭证页面填写。非本人操作请忽略。",
}

_ENGLISH_OFFICIAL = (
    "{% if hotline %}Hotline {{ hotline }}. We make sales calls from {{ official }} only. {% endif %}"
    "Never tell anyone a verification code."
)
_ENGLISH: dict[str, str] = {
    Purpose.CONFIRMATION: (
        "in a call from {{ official }} on {{ call_at }} you showed interest in {{ name }}. Nothing is done without "
        "your reply. {{ price }}{% if first_month %}; {{ first_month }}{% endif %}; {{ term }}; {{ early_fee }}; "
        "{{ renewal }}.\n"
        "To accept all of this SMS reply {{ yes }} within {{ window }} of receipt; {{ no }}, any other reply or none "
        "means no. No such call, or no more sales calls: TD. Replies are free.\n"
        "{% if includes %}Incl. {{ includes }}; {% endif %}{% if overage %}{{ overage }}; {% endif %}"
        "{{ 'starts' if includes or overage else 'Starts' }} {{ start }}. For {{ scenario }}. "
        "{{ restrictions }}{{ replaces }}To end: {{ unsubscribe }}, {{ unsub_effect }}. "
        "{% if filing %}Tariff {{ filing }}{% if seller %}, {{ seller }}{% endif %}. "
        "{% elif seller %}Sold by {{ seller }}. {% endif %}"
    ),
    Purpose.REMINDER: (
        "{{ name }} ({{ price }}, {{ term }}), in which you showed interest in a call from {{ official }} on "
        "{{ call_at }}, awaits your reply and is not set up. To accept all that our first SMS says, reply {{ yes }} by "
        "{{ deadline }}; {{ no }}, any other reply or none means no. No more sales calls: TD. Replies are free. "
    ),
    Purpose.CLARIFICATION: (
        "we could not read your reply; {{ name }} ({{ price }}) is not set up. Reply only {{ yes }} to "
        "accept, {{ no }} to decline, TD for no more sales calls. Any other reply or none means no. Replies are free. "
    ),
    Purpose.PROVE: (
        "to show that it was you who replied, send {{ yes }} by {{ deadline }} to accept {{ name }} "
        "({{ price }}). Anything else means no. Not you, or no more sales calls: TD. Replies are free. "
    ),
    Purpose.HELP: (
        "{% if over %}{{ over }}; it is not active and costs nothing. No more sales calls: reply TD, free. "
        "{% elif still_active %}{{ name }} ({{ price }}, {{ term }}) "
        "{% if begun %}{{ 'became active on' if begun == 'yes' else 'will be active from' }} {{ active_from }}"
        "{% else %}{{ 'is being' if activating else 'was' }} set up on your reply{% endif %}. "
        "To end it: {{ unsubscribe }}; {{ leaving_fee }}. No more sales calls: reply TD, free. "
        "{% else %}{{ name }} ({{ price }}, {{ term }}): you showed interest in a call from {{ official }} on "
        "{{ call_at }}. "
        "Nothing is set up or charged unless you confirm; full tariff: {% if filing %}{{ filing }}, {% endif %}"
        "on our website and app. Reply {{ yes }} to accept, {{ no }} to decline, TD for no more sales calls. "
        "Replies are free. {% endif %}"
    ),
    Purpose.LATE: "{{ over }}; this reply changes nothing. It is not active and costs nothing. ",
    Purpose.DECLINED: (
        "as you replied, {{ name }} is not set up and costs nothing. We will not offer it to you "
        "{{ cool_off }}. Receipt {{ receipt }}. No more sales calls: reply TD, free. "
    ),
    Purpose.OPTED_OUT: (
        "your refusal is recorded. Receipt {{ receipt }}. No more sales calls or sales SMS from us. "
        "{% if still_active %}{{ name }}, which you confirmed, continues; to end it: {{ unsubscribe }}. "
        "{% else %}{{ name }} is not set up and costs nothing. {% endif %}"
    ),
    Purpose.HELD: (
        "we have your reply{% if not doubtful %} and have stopped sales calls to you{% endif %}. "
        "{{ name }} is on hold and costs nothing. A person will read your reply by {{ deadline }}; if not, "
        "{% if doubtful %}nothing is set up. To decline now reply {{ no }}, free. {% else %}"
        "it counts as a refusal. To refuse now reply TD, free. {% endif %}"
    ),
    Purpose.RESUMED: (
        "we read your reply and did not record it as a refusal. {{ name }} ({{ price }}) is still not set "
        "up. To accept, reply {{ yes }} by {{ deadline }}; otherwise do nothing. No more sales calls: TD. Replies are "
        "free. "
    ),
    Purpose.CANCELLED: (
        "your request for {{ name }} was cancelled ({{ because }}). It is not set up and costs nothing; no reply is "
        "needed. "
    ),
    Purpose.NOTIFICATION: (
        "{{ name }}, which you confirmed on {{ reply_at }}, is set up, starting "
        "{{ active_from or start_short }}. "
        "{{ price }}{% if includes %}, incl. {{ includes }}{% endif %}; {{ term }}; {{ early_fee_short }}; "
        "{{ renewal_short }}. For {{ scenario }}. {{ restrictions }}To end it: {{ unsubscribe }}. "
        "Receipt {{ receipt }}. "
    ),
    Purpose.FAILURE: (
        "sorry, {{ name }}, which you confirmed, could not be set up. It costs nothing and your present "
        "services stay as they are. No reply is needed. "
    ),
    Purpose.MARKETING_FREE: (
        "you are registered as marketing-free from now on: no sales calls from us. Receipt {{ receipt }}. "
        "The services you use continue. {% if hotline %}To report a sales call, call {{ hotline }}. {% endif %}"
    ),
    WHICH_ONE: (
        "{{ n }} requests await your reply, none is set up. {{ choices }}. For each, reply Y and its number to accept "
        "(e.g. Y{{ example }}), N and its number to decline; any other reply or none means no. No more sales calls: "
        "TD. Replies are free. "
    ),
    STOPPED: (
        "your refusal is recorded. Receipt {{ receipt }}. No more sales calls or sales SMS from us. "
        "The services you use continue. "
    ),
    HELD_LINE: (
        "we have your reply and have stopped sales calls to you. A person will read it by {{ deadline }}; if not, it "
        "counts as a refusal. To refuse now reply TD, free. "
    ),
    HELPED: (
        "no request is waiting for your reply. No sales call can set anything up without your SMS. "
        "No more sales calls: reply TD, free. "
    ),
    WITHDRAW_ASK: (
        "we have your reply{% if refused %}; sales calls and SMS are stopped{% endif %}. To end {{ name }} "
        "{% if refused %}itself {% endif %}reply QUIT{{ code }}: {{ leaving }}. "
        "Otherwise it continues. Replies are free. "
    ),
    REVERSAL: (
        "we reviewed the recording: the sale of {{ name }} broke our rules. It is cancelled: {{ stops }}; "
        "{{ money }}. You need not do anything. We apologise. "
    ),
    WITHDRAWAL: (
        "as you asked, {{ name }} is ended: {{ stops }}; {{ money }}. Receipt {{ receipt }}. If this was not you, call "
        "{{ hotline }} at once. "
    ),
    ASKED_AGAIN: (
        "you asked again to end {{ name }}; our staff are handling it. For its progress call {{ hotline }}. "
        "Receipt {{ receipt }}. "
    ),
    RECEIVED: (
        "we have received your report of {{ report_at }} about a sales call, no. {{ report }}. "
        "We will tell you the result by SMS by {{ due }}. We need no code from you. "
    ),
    FORBIDDEN: (
        "report {{ report }}: the call from {{ caller }} on {{ call_at }} was ours and broke the rules. "
        "You will get no more sales calls from us. {{ reward }}. We apologise. "
    ),
    ALLOWED: (
        "report {{ report }}: the call from {{ caller }} on {{ call_at }} was ours; {{ ground }}; "
        "no breach was found. You will get no more sales calls from us. If you disagree call {{ hotline }} or 12300. "
    ),
    NOT_OURS: (
        "report {{ report }}: {{ caller }} is not our sales number and the call was not ours. "
        "Passed on to {{ forwarded }}. Do not order anything through that number. "
    ),
    SPOOFED: (
        "report {{ report }}: the call on {{ call_at }} showed {{ caller }}, but we have no record of it: the number "
        "was probably faked. Passed on to {{ forwarded }}. You will get no sales calls from us. "
    ),
    PAID: "the reward for report {{ report }}, {{ reward_amount }}, is in your account. You need not do anything. ",
    CODE: (
        "verification code {{ otp }}, valid {{ minutes }} minutes, only for you to enter on our report "
        "or receipt page. Not you? Ignore this. "
    ),
}
# fmt: on

WORDS: Mapping[str, Mapping[str, str]] = {
    CHINESE: {key: "【{{ brand }}】" + words + _OFFICIAL for key, words in _CHINESE.items()},
    ENGLISH: {key: "{{ brand }}: " + words + _ENGLISH_OFFICIAL for key, words in _ENGLISH.items()},
}
"""Each text by language and name: that of its purpose, or one of those above. Every one begins with the carrier's name,
and ends with the hotline, the only number that sales calls come from, and the warning of codes.
"""


# Ends of lines and paragraphs, controls, and marks that change the writing direction: none may forge a second message.
_CONTROLS = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNSEEN = re.compile(f"[{_CONTROLS}][{_CONTROLS} ]*")
_MAX_ACTIVE_FROM = 40
_UNITS = ((24 * 3600, "天"), (3600, "小时"), (60, "分钟"), (1, "秒"))
_ENGLISH_UNITS = {"天": "day", "小时": "hour", "分钟": "minute", "秒": "second"}
_HOURS_UP_TO = 48 * 3600
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=4096)
def literal(text: str) -> str:
    """Return a plan's words on one line, otherwise as they are."""
    return _UNSEEN.sub(" ", text).strip()


def lasting(milliseconds: int, language: str = CHINESE) -> str:
    """Return how long the subscriber has, in the largest unit that says it exactly; never longer than it is.

    >>> lasting(86_400_000), lasting(90_000), lasting(7_200_000), lasting(259_200_000)
    ('24小时', '90秒', '2小时', '3天')
    """
    seconds = milliseconds // 1000
    # Up to two days, people count in hours.
    units = _UNITS if seconds > _HOURS_UP_TO else _UNITS[1:]
    size, unit = next((size, unit) for size, unit in units if seconds % size == 0)
    if language != ENGLISH:
        return f"{seconds // size}{unit}"
    count, word = seconds // size, _ENGLISH_UNITS[unit]
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


@lru_cache(maxsize=1024)  # texts of one time name few minutes
def clock_of(minute: int, language: str, days: Days = CHINA) -> str:
    """Return an instant, in minutes since 1970, by the clock of the business, without the year.

    >>> clock_of(29_400_000, "zh"), clock_of(29_400_001, "zh"), clock_of(29_400_000, "en")
    ('11月25日0时', '11月25日00:01', '25 Nov 00:00')
    """
    at = days.at(minute * 60_000)
    if language == ENGLISH:
        return f"{day_of(at, language)} {at:%H:%M}"
    return day_of(at, language) + (f"{at:%H:%M}" if at.hour or at.minute else "0时")


def day_of(at: date, language: str) -> str:
    """Return a day as people say it."""
    return f"{at.day} {MONTHS[at.month - 1]}" if language == ENGLISH else f"{at.month}月{at.day}日"


def by_end_of(at: date, language: str) -> str:
    """Return a day as the last one of a period, before which something is done: 前 alone might exclude it."""
    return day_of(at, language) + ("" if language == ENGLISH else "24时")


def beginning(active_from: str, language: str) -> str:
    """Return when a service begins, by the clock in China; other words as they are, unless they hold a link."""
    instant = instant_from(active_from)
    if instant is not None:
        return clock_of(instant // 60_000, language)
    words = literal(active_from)[:_MAX_ACTIVE_FROM]
    return "" if "://" in words or "www." in words.lower() or (language == ENGLISH and not words.isascii()) else words


def instant_from(text: str) -> Millis | None:
    """Return an instant that the BSS gave, one without an offset by the clock in China; None for anything else."""
    try:
        instant = datetime.fromisoformat(text)
        instant = instant.astimezone(CHINA.zone) if instant.tzinfo else instant.replace(tzinfo=CHINA.zone)
        return int(instant.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
