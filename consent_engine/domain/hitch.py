"""Why something waits, failed or was put off: a code with its arguments, and its words in both languages.

A reason is kept, and given by the API, as one text: the code and its arguments, each after a colon. The last argument
may be a reason itself. A text without such a code stays as it is: a BSS's own code, a person's words.
"""

import re
from enum import StrEnum
from typing import Self


class Worded(StrEnum):
    """A name with its labels in Chinese and in English, for people: on pages, in accounts, in both READMEs."""

    said: tuple[str, str]

    def __new__(cls, name: str, chinese: str = "", english: str = "") -> Self:
        """Make a member of a name and its labels."""
        made = str.__new__(cls, name)
        made._value_, made.said = name, (chinese, english)
        return made


class Hitch(Worded):
    """The code of a reason. Its words name the arguments by their places, from {1} on."""

    GATEWAY = "gateway", "网关应答 {1}", "gateway answered {1}"
    GATEWAY_ODD = "gateway_odd", "网关应答 {1}，内容无法识别", "gateway answered {1} in other words"
    GATEWAY_ACCOUNT = (
        "gateway_account", "网关应答 {1}：账号或密码不对", "gateway answered {1}: wrong USERNAME or PASSWORD"
    )  # fmt: skip
    GATEWAY_NO_ROUTE = "gateway_no_route", "网关应答 {1}：没有到该号码的路由", "gateway answered {1}: no route"
    GATEWAY_ADDRESS = "gateway_address", "网关应答 {1}：发送地址不对", "gateway answered {1}: URL is not its sendsms"
    DENIED = "denied", "网关的名单拒绝该号码", "number denied by the gateway's lists"
    REJECTED = "rejected", "网关拒绝", "rejected"
    REFUSED_BY_SMSC = "refused_by_smsc", "短信中心拒绝", "refused by the SMSC"
    NACK = "nack", "短信中心拒绝（{1}）", "refused by the SMSC ({1})"
    NACK_FOR = "nack_for", "短信中心拒绝（{1}：{2}）", "refused by the SMSC ({1}: {2})"
    SYSTEM_ERROR = "system_error", "系统错误", "system error"
    WRONG_SOURCE = "wrong_source", "源地址无效", "invalid source address"
    WRONG_DESTINATION = "wrong_destination", "目的地址无效", "invalid destination address"
    QUEUE_FULL = "queue_full", "队列已满", "its queue is full"
    SUBMIT_FAILED = "submit_failed", "提交失败", "submit failed"
    THROTTLED = "throttled", "流量超限", "throttled"
    SMS_EXPIRED = "sms_expired", "超过有效期", "expired"
    DELETED_AT_SMSC = "deleted_at_smsc", "短信中心已删除", "deleted at the SMSC"
    UNDELIVERABLE = "undeliverable", "无法送达", "undeliverable"
    REJECTED_BY_SMSC = "rejected_by_smsc", "短信中心拒收", "rejected by the SMSC"
    WITH_ERROR = "with_error", "{2}（错误码 {1}）", "{2} (err {1})"
    NOT_DELIVERED = "not_delivered", "未送达", "not delivered"
    PART = "part", "第 {1} 条（共 {2} 条）：{3}", "part {1} of {2}: {3}"
    PARTS = "parts", "{2} 条中有 {1} 条未被接受：{3}", "{1} of {2} parts not taken: {3}"
    TOO_LONG = "too_long", "短信需 {1} 条，网关最多 {2} 条", "a text of {1} segments: the gateway carries {2}"
    CODE_OVER = "code_over", "验证码已过期", "the code's time is over"

    BSS = "bss", "业务系统应答 {1}", "BSS answered {1}"
    BSS_ODD = "bss_odd", "业务系统应答 {1}，但没有回执号", "BSS answered {1} without an id"
    BSS_UNKNOWN = "bss_unknown", "业务系统没有此订单的记录", "unknown to the BSS"
    ASKED = "asked", "向业务系统查询：{1}", "asked: {1}"
    IN_PROGRESS = "in_progress", "业务系统处理中", "in progress"
    NO_BSS = "no_bss", "没有设置业务系统", "no BSS is set up"
    LOOK_UP = "look_up", "查询号码归属：{1}", "look-up: {1}"
    LOOK_UP_ODD = "look_up_odd", "应答中的 {1} 无法识别", "its answer's {1} cannot be read"
    UNFILLED = "unfilled", "接口模板无法填写（{1}）", "a template cannot be filled in: {1}"
    HOLDER_TO_COME = "holder_to_come", "业务系统给出的过户日期晚于今天", "a holder from a day to come"
    CHANGED_HANDS = (
        "changed_hands", "业务系统称号码已过户或转网", "the BSS says that the number went to another holder or network"
    )  # fmt: skip
    OF_A_MINOR = "of_a_minor", "业务系统称机主未成年", "the BSS says that the number's holder is a minor"

    NO_CONNECTION = "no_connection", "无法建立连接（{1}）", "no connection: {1}"
    NO_CONNECTION_IN_TIME = "no_connection_in_time", "连接超时", "no connection in time"
    NO_ANSWER = "no_answer", "应答超时", "no answer in time"
    BROKEN_ANSWER = "broken_answer", "应答中断（{1}）", "broken answer: {1}"
    ANSWERED = "answered", "页面应答 {1}", "it answered {1}"
    NOT_WANTED = "not_wanted", "连接建立时已不再需要", "not wanted any more once its connection stood"

    LEASE_LOST = "lease_lost", "处理进程中断", "lease lost"
    WORKERS_LOST = "workers_lost", "{1} 个处理进程先后中断，未能完成", "{1} workers that began this recorded nothing"
    DEFECT = "defect", "程序异常（{1}）", "defect: {1}"
    UNREADABLE = "unreadable", "记录无法读取，请运维人员检查", "its record cannot be read: see consent doctor"
    NO_DATABASE = "no_database", "数据库暂不可用", "the database is away"
    NOT_ARCHIVED = (
        "not_archived", "数据库不接受该记录：已有同一编号的其他记录，或无法写入",
        "the archive does not take it: another record stands there under its id, or it cannot be written",
    )  # fmt: skip
    SET_ASIDE = (
        "set_aside", "短信的处理进程先后中断：排除故障后请再次识别",
        "a message lost every reader: once that is mended, have it read again",
    )  # fmt: skip
    TOO_MANY_WISHES = (
        "too_many_wishes", "已有 {1} 个停用要求等待处理：处理后请再次识别本条",
        "more than {1} wishes to end a service wait: once they are over, have this one read again",
    )  # fmt: skip
    NUMBER_ERASED = (
        "number_erased", "订单的号码已删除：请凭开通流水由业务系统停用，再人工放弃",
        "the number of its order is erased: have the service switched off by its activation, then give this up",
    )  # fmt: skip
    ASKS_AGAIN = (
        "asks_again", "用户再次要求停用订单 {1} 的业务，该停用已人工放弃：请人工处理",
        "a subscriber asks again to end order {1}, whose ending was given up: see to it by hand",
    )  # fmt: skip

    UNCHECKED = "unchecked", "尚未查看", "not looked at yet"
    LACKS = "lacks", "缺少{1}", "lacks {1}"
    ITS_JSON = "its_json", "页面的数据文件：{1}", "its JSON: {1}"
    REDIRECTS_ELSEWHERE = "redirects_elsewhere", "转到了其他地址", "redirects elsewhere"
    REDIRECTS_TOO_OFTEN = "redirects_too_often", "转址次数过多", "redirects too often"
    PRIVATE_ADDRESS = "private_address", "地址在内部网络", "a private address"
    HOST_NOT_ALLOWED = "host_not_allowed", "不允许访问该主机", "host not allowed"
    PACKED = "packed", "内容经过压缩", "its content is packed"
    PAGE_TOO_LONG = "page_too_long", "页面过大", "the page is too long"

    REFUSED = "refused", "被拒绝：{1}", "refused: {1}"
    REFUSED_AFTER_DOUBT = (
        "refused_after_doubt", "在一次结果不明的尝试之后被拒绝（{1}）",
        "refused ({1}) after an attempt that may have been taken",
    )  # fmt: skip
    TIMES = "times", "{2}，共 {1} 次", "{2} ({1}×)"

    def of(self, *arguments: str | int) -> str:
        """Return the reason of this code with its arguments, as it is kept.

        >>> Hitch.PARTS.of(1, 3, Hitch.GATEWAY.of(503))
        'parts:1:3:gateway:503'
        """
        return ":".join((self.value, *map(str, arguments or [""])))


_PLACE = re.compile(r"\{(\d)\}")
_WORDS = {hitch.value: hitch.said for hitch in Hitch}


def in_words(reason: str, language: int = 1) -> str:
    """Return a reason in Chinese (0) or English (1); a text without such a code as it is.

    >>> in_words("times:3:no_answer:"), in_words("gateway:503", 0), in_words("credit:low"), in_words("gateway")
    ('no answer in time (3×)', '网关应答 503', 'credit:low', 'gateway')
    """
    code, colon, rest = reason.partition(":")
    said = _WORDS[code][language] if colon and code in _WORDS else ""
    places = len(set(_PLACE.findall(said)))
    arguments = rest.split(":", places - 1) if places else []
    if not said or len(arguments) != places or (rest and not places):
        return reason
    return said.format("", *arguments[:-1], *(in_words(each, language) for each in arguments[-1:]))


def shared(reason: str) -> str:
    """Return a reason without how often it was met: as one cause has it, however many effects wait for it."""
    code, _, rest = reason.partition(":")
    return rest.partition(":")[2] if code == Hitch.TIMES else reason
