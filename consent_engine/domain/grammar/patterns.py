"""The sentences of the grammar, as data: patterns of refusals, of replies for a person, of machines' replies.

All match a text as `plain` leaves it, the refusals without its blanks. None can run away: no repetition holds
another repetition, and how far a pattern may reach is bounded.
"""

import re
from collections.abc import Iterable

from consent_engine.domain.grammar.meaning import Reason


def either(words: Iterable[str]) -> str:
    """Return a pattern of any of `words`, the longest first."""
    return "(?:" + "|".join(map(re.escape, sorted(words, key=len, reverse=True))) + ")"


def any_of(*lines: str) -> str:
    """Return a pattern of any of the words in `lines`, which stand between blanks."""
    return either(" ".join(lines).split())


# -- NO: the whole text -----------------------------------------------------------------------------------------------

_ME = any_of("我 本人 俺")
_FIRMLY = any_of(
    "先 暂 暂时 都 坚决 绝 绝对 并 现在 目前 还 还是 真 真的 肯定 一定 根本",
    "也 就 就是 那 那就 可 实在 确实 从来 决 完全 其实 什么都 啥也 啥都 一律 一概 全部 全都 全",
    "永 永远 千万 再也 死也 打死 打死也 打死都 统统 通通 毫 丝毫 一点都 一点也 一点儿都 一点儿也",
)
_WISHING = any_of("再 给我 要 想 用 需要 愿意 愿 打算 准备 乱")
_DOING = any_of(
    "同意 确认 办 办理 开 开通 订 订购 要 用 接受 考虑 需要 申请 买 购买 换 更换 续 续订 续费 续约 改 更改",
    "变更 升级 参加 参与 加入 订阅 答应 允许 授权 签约",
)
_IT = any_of("这个 该 此 这 这种 你们的 任何") + "?" + any_of("业务 套餐 服务 产品 活动 它 东西")
_IT = f"(?:{_IT}|{any_of('这个 这种')})"
_ASKING = any_of("我 我要 我想 要 想 帮 请 请你 给我 帮我 麻烦 马上 立即 立刻 赶紧 快 都 全部 就 直接 现在 要求")
_NONE = any_of("任何 一点 一点点 一点儿 半点 丝毫 啥 什么 一丁点 多大 多少 太大 这个 这方面")
_WANT = any_of("兴趣 需求 需要 意愿 意向 必要")
_TOWARDS = f"(?:对{any_of('你们 你们的 你们公司 你们公司的 你 这 这个 这种 此 该 它 任何 贵公司 贵公司的')}{_IT}?)"
NO_SENTENCES = (
    f"{_IT}?{_ME}?{_IT}?{_FIRMLY}{{0,2}}[不别勿莫唔]{_WISHING}{{0,2}}{_DOING}{{1,2}}{_IT}?",
    f"{_ME}?{any_of('从 从来 根本 并 还')}?(?:没有?|未|冇)(?:同意|答应|确认)(?:办理|开通)?过?",
    f"{_ME}?{_FIRMLY}{{0,2}}(?:强烈)?(?:拒绝|反对|算了)(?:办理|开通)?{_IT}?",
    f"{_ASKING}{{0,3}}(?:取消|撤销|撤回|终止|关闭|退掉?)(?:全部|我的)?(?:办理|开通|订购|申请|订单|服务|{_IT})?",
    "(?:不许|不准|不得)(?:给我|再)?(?:办理?|开通?|订购?)",
    f"{_ME}?{_FIRMLY}{{0,2}}(?:没有?兴趣|不感兴趣|没需求|用不[上着]|(?:不能|无法)(?:同意|接受|确认))",
    f"{_ME}?不会(?:同意|确认|办理?)",
    f"{_ME}?确认(?:取消|撤销|撤回|关闭|终止)(?:办理|开通|订购|订单)?",
    f"{_ME}?(?:{any_of('坚决 绝对 永 永远')}不|不愿意?|不想)",
    f"我?{any_of('家人 家里 家里人 老婆 老公 妈 妈妈 爸 爸爸 父母')}不[让许准]我?(?:办理?|开通?|订购?|要)",
    f"{_ME}?{_TOWARDS}?{_ME}?{_FIRMLY}{{0,2}}(?:没有?|毫无|并无|无){_NONE}?的?{_WANT}",
    f"{_ME}?{_TOWARDS}?{_ME}?{_FIRMLY}{{0,2}}不(?:太|怎么)?感(?:任何)?兴趣",
    f"{_ME}?{_TOWARDS}?{_ME}?{_NONE}{_WANT}(?:都|也)?没有?",
    "noo{1,9}|nope+",
)
"""没开通 stays UNKNOWN: it is a question."""

# -- STOP: the whole text ---------------------------------------------------------------------------------------------

_BEGGING = any_of("请 以后 今后 往后 你们 你 麻烦 麻烦你 求你 求求你 拜托 都 千万 我说 再次")
_NOT = any_of("别 不要 勿 请勿 莫 甭 不准 不许 唔好 咪 不用 不必 不需要 禁止 不得")
_AT_ME = any_of("给我 给我们 给本人 向我 跟我 对我 往我这")
_CALLING = any_of(
    "打 打来 打过来 打电话 打电话来 打电话过来 打给我 打我电话",
    "打这个电话 打这个号码 来电 来电话 联系 联系我 发 发来 发短信 发信息",
    "发消息 发广告 打扰 打扰我 打搅 打搅我 骚扰 骚扰我 烦 烦我 来烦我 推销 推荐 营销 拨打 呼叫 致电 纠缠",
)
_MESSAGES = (
    any_of("你们 你们的 这个 这种 这类 这些 所有 一切 任何 全部")
    + "?的?"
    + any_of("营销 推广 广告 推销 骚扰 垃圾")
    + "?"
    f"{any_of('短信 信息 消息 电话 来电 推送 广告 营销 推广 推销')}"
)
_AT_ONCE = any_of("快 快点 赶紧 赶快 马上 立刻 给老子 全都")
_AWAY = any_of("边去 一边 一边去 远 远点 远些 出 出去 回去 回家 粗")
STOP_SENTENCES = (
    f"{_BEGGING}{{0,3}}{_NOT}[再老总]?{_AT_ME}?{_CALLING}{_AT_ME}?",
    "(?:请|以后)?少(?:给我)?打电话",
    "(?:我要|我想|我)?(?:办理|申请|登记|开通|加入)免营销",
    f"{_ASKING}{{0,3}}(?:取消|停发|退掉?|不要|不需要|不想要)(?:发送|接收|推送|订阅)?{_MESSAGES}",
    f"{_BEGGING}{{0,2}}{_AT_ONCE}?滚{_AWAY}?",
    "stop+|stopit|stoptexting(?:me)?|stopmessagingme|pleasestop",
)

NO_STOP = "回滚"
"""To roll back (回滚): its 滚 is no STOP. A text that contains it is read by a person."""

MAY_REFUSE = re.compile(
    "[a-z对一丝半任啥什多消部布放作赶快立给马全褪不否拒反算取没有无毋冇唔撤免休别勿莫未退停滚推腿拉咪甭禁作终中解关谢走少用说早都]"
)
"""Matches a text that may be any word or sentence of NO and STOP: most others need no further look."""

# -- HELP -------------------------------------------------------------------------------------------------------------

# 怎么还 and 怎么不 ask why, not how.
HOW_TO_END = re.compile(
    "(?:如何|怎样|怎么样|怎么|咋)(?![还不没又老总]).*退|(?:如何|怎样|怎么|咋)取消|(?:取消|退).*(?:如何|怎样|怎么|咋)(?![还不没又老总])"
)

# -- HOLD: anywhere in the text ---------------------------------------------------------------------------------------

# 别人, 特别, 区别 and the like are other words.
_DONT = "(?:(?<![特区个级性分识差类派鉴])别(?![人的墅处名])|不要|勿|莫|不准|不许|不得|禁止|甭|唔好)"
_GAP = any_of(
    "再 又 老 总 是 老是 总是 给 跟 向 往 对 我 本人 我们 来 乱 天天 一直 经常 继续 随便 没事 整天 到处",
    "手机 号码 这个 家里 老人 孩子 父母",
)
CALL = "打(?![折开错算包印字车卡球工架断游牌麻针磨扫])"
_WORD = r"(?<![a-z])(?:{})(?![a-z])"
_NEVER = r"(?<![a-z])(?:don'?t|do not|did not|didn'?t|never|no more)(?![a-z])"
_BETWEEN = r"(?: (?!forget|worry|hesitate|know)[a-z']{1,12}){0,2} "
_NEAR = r"(?:call|text|contact|send|sent|agreed?|say|said|ask)(?:s|ed|ing)?(?![a-z])"
REFUSING = (
    *("拒绝", "拒收", "拒接", "婉拒", "退订", "退定", "勿扰", "打扰", "打搅", "骚扰", "投诉", "举报", "拉黑", "停止"),
    *("谢绝", "屏蔽", "黑名单", "删(?:除|了|掉)我的?号码"),
    *("移除我", "(?<!不)(?:后悔|反悔)", "改(?:变)?主意", "烦死|烦人|真烦"),
    *("不再?接收", "不接(?:你们|推销|这种|营销)", "不收(?:广告|短信)", "垃圾(?:短信|电话|信息|公司|移动|联通|电信)"),
    f"{_DONT}{_GAP}{{0,5}}(?:{CALL}|来电|联系|烦|推销|发短信|发信息|发广告)",
    "(?:别|不要)再(?![问错弄说忘])",
    "不(?:想|愿意?)再?(?:接|收)",
    "(?:取消|撤回|撤销|收回)我?(?:刚才|刚刚|之前|上一?条|前一?条|前面)",
    "(?:刚才|刚刚|上一?条|前一?条|前面)[^,。!;]{0,6}(?:不算|作废|无效|错了)",
    "(?:按|点|摁|回|回复|发)错了?(?![字别])",
    "误(?:操作|点|触|按|回)",
    NO_STOP,
    "(?:电话|来电)[^,。!;]{0,2}我[^,。!;]{0,4}不(?:会|想|愿意?)?接",
    "(?<!打)(?<!客服)(?:电话|来电)(?:都|一律|一概|概|坚决|从来?|全都?|通通|统统)不(?:会)?接",
    "不接(?:任何|陌生|外地|广告|骚扰)",
    *("烦不烦", "有完没完", "没完没了", "操你", "草泥马", "傻[逼比b]", "滚你", "去死", "去你[的妈]", "放屁", "狗屁"),
    "(?<![a-z])td(?:(?:发送?)?[到至]? ?[0-9]{1,6}(?![0-9a-z])|了?(?:没用|无效|多少[次遍]|[几好][次遍]|还[打发来]))",
    "已经td(?![a-z])",
    "(?<![a-z])td(?:掉|一下|[ ,]?(?:谢谢|别|不(?!是)|你(?!好)))",
    _WORD.format("fuck(?:ing|ers?)?"),
    _WORD.format("changed my mind|by mistake|said no"),
    _WORD.format("stop(?:ping)?|quit|unsub[a-z]*|remove|revoke|block(?:ed)?|shut up|report you"),
    _WORD.format("spam(?:m?ers?|ming)?|scam(?:mers?|s)?|harass[a-z]*"),
    _NEVER + _BETWEEN + _NEAR,
)
DISPUTED = (
    "(?:没有?|未曾?|从未)(?:接到?|听|打)过",
    "没有?人[^,。!;]{0,6}打",
    "(?<!是)不是我(?!们)",
    *("不是本人", "非本人", "冒用", "冒充", "诈骗", "骗子", "报警", "工信部", "起诉"),
    "(?<![0-9])(?:12300|12321|12315)(?![0-9])",
    "(?:没有?|未曾?|从未)(?:申请|办理?|订购?|开通?|要求|答应|同意|说|要)过",
    "(?:没有?|未)(?:申请|订购)(?![到成])",
    "(?:未经|没经过|没有经过)(?:我|本人)(?:的)?同意",
    "没说(?:要|办|同意|过)",
    "(?<!有)没有?(?:让|叫|请)你们?(?:给我)?(?:办|开|订|改|换)",
    "没有?(?:答应|同意)你",
    "谁让你(?:们)?(?:给我)?(?:办|开|订|改|换)",
    "(?<!有)没有?要(?:办|开通|订)",
    *("谁同意了", "谁让你们", "谁说要办", "什么时候同意", "私自", "擅自", "乱(?:扣|收)费", "强制消费", "强买强卖"),
    *("欺骗", "骗人", "骗钱", "忽悠", "诱导", "误导"),
    _WORD.format("fraud|i will sue|sue you|not me|wasn't me|wasnt me|(?:did not|didn'?t) order"),
)
WRONG_PERSON = (
    "(?<!字)打错(?:了(?!字)|电话|号|人)",
    *("找错人", "不是机主", "号码?换人了", "号主换了", "新机主", "机主[^,。!;]{0,3}(?:去世|过世|死了)"),
    "号码?[^,。!;]{0,3}(?:转让|过户|换主|换了?机主)",
    "(?<![a-z])wrong number(?![a-z])",
    "(?<![a-z])wrong person(?![a-z])",
)

HELD: tuple[tuple[Reason, re.Pattern[str]], ...] = (
    (Reason.DISPUTED, re.compile("|".join(DISPUTED))),
    (Reason.WRONG_PERSON, re.compile("|".join(WRONG_PERSON))),
    (Reason.REFUSING, re.compile("|".join(REFUSING))),
)
"""The patterns of each reason; a text that fits several is held for the first."""
MAY_BE_HELD = re.compile(
    "[去放狗拒绝婉退勿扰搅骚诉举拉停别莫甭准许止得要想愿过没未冒诈骗警工错滚完操草傻屏黑删移悔烦接收垃私擅强忽诱误谁换机乱取撤刚上前面唔号]"
    "|[a-z]{3}|td|123|是我|本人|什么时候同意|主意|号主"
)
"""Matches a text that any of them may fit: most texts fit none, and need no further look."""

# -- never HOLD -------------------------------------------------------------------------------------------------------

_OPEN = r"[\[(<“\"]?"
WRITTEN_BY_NOBODY = re.compile(
    rf"【(?P<sender>[^】]*)】(?=.)|{_OPEN}(?:自动回复|auto[- ]?reply|automatic reply)|(?:re|fwd?) ?:|转发"
    '|(?:liked|loved|disliked|laughed at|emphasi[sz]ed|questioned|reacted .{1,12} to) ?[“"]'
    '|不?(?:喜欢|喜爱|强调|质疑)了? ?[“"「]'
)
"""The beginning of a text that a machine or another person wrote: a quoted sender, an automatic answer, a reaction."""
OF_A_PHONE = re.compile("勿扰模式|手机管家|骚扰拦截")
OF_SOMEONE_BUSY = re.compile("稍后回复|短信联系")
REFUSES_ALL_THE_SAME = re.compile(f"再{CALL}|投诉|拒绝(?!接听|来电)|举报|退订")
