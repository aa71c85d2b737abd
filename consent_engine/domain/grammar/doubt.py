"""Refusals in a piece of a reply. Plain ones: a word or a sentence, once or repeated, two of them, or one with digits
for letters. Doubtful ones: a short answer that negates, or orders an end, in words that no list foresaw.

Lists of refusals never end, so in doubt the default turns: a negation before a stem of consent, contact or offer is
enough, unless it is gone once the harmless forms are taken out. A person reads the reply.

The stems are data. The patterns made of them match a text as `plain` leaves it, and cannot run away: the text
is short, every gap is bounded, and no repetition holds another repetition.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from consent_engine.domain.grammar import words as w
from consent_engine.domain.grammar.meaning import Keyword
from consent_engine.domain.grammar.patterns import CALL, NO_SENTENCES, NO_STOP, STOP_SENTENCES, any_of, either
from consent_engine.domain.grammar.words import GREETINGS, NEGATIVE_SIGNS, NO, PARTICLES, SIGNS, THANKS, YES


def _refusal(
    words: Iterable[str], sentences: Iterable[str], before: Iterable[str], after: Iterable[str]
) -> Callable[[str], re.Match[str] | None]:
    """Return a matcher of texts without blanks that are a refusal of one kind, once or repeated, politely or not."""
    core = "|".join([either(word.replace(" ", "") for word in words), *(f"(?:{each})" for each in sentences)])
    lead, tail = (either(word.replace(" ", "") for word in each) for each in (before, after))
    return re.compile(
        f"(?!.*{NO_STOP}){lead}{{0,2}}(?P<core>{core})[{w.PARTICLES}]*(?:(?P=core)[{w.PARTICLES}]*)*{tail}{{0,2}}"
    ).fullmatch


_is_no = _refusal(w.NO, NO_SENTENCES, (*w.HEARD, *w.BEFORE_NO), w.AFTER)
_is_stop = _refusal(w.STOP, STOP_SENTENCES, (*w.HEARD, *w.BEFORE_STOP), w.AFTER_STOP)
_is_courtesy = re.compile(either(word.replace(" ", "") for word in (*w.BEFORE_NO, *w.AFTER))).fullmatch
_LATIN = re.compile("[a-z]")
_FEW = 2
"""The letters of a word with digits in it, a leading one counted twice: with so few it is not plainly that word."""


def kinds_of(pieces: Iterable[str]) -> set[Keyword | None]:
    """Return the refusals in the pieces of a reply, courtesies aside; None stands for a piece that is none."""
    return {kind_of(piece) for piece in pieces if piece and not _is_courtesy(piece)}


def kind_of(piece: str) -> Keyword | None:
    """Return the refusal that a piece is; if it is none as it stands, try letters for the digits beside its letters."""
    if _is_stop(piece):
        return Keyword.STOP
    if _is_no(piece):
        return Keyword.NO
    if (both := _following(piece)) is not None:
        return both
    if piece.isalpha() or not _LATIN.search(piece):
        return None
    return next(filter(None, (_spelt(piece, letters) for letters in w.LETTERS)), None)


def _following(piece: str) -> Keyword | None:
    """Return the meaning of two refusals with nothing between them (算了不办了, 否td). The first must
    be over before the second: 不要取消 asks to go on, 取消不了 says that it cannot be done.
    """
    over = _OVER.match(piece)
    if over is None:
        return None
    first, rest = piece[: over.end()], piece[over.end() :]
    kinds = {Keyword.STOP if _is_stop(first) else Keyword.NO if _is_no(first) else None, kind_of(rest)}
    if None in kinds:
        return None
    return Keyword.STOP if Keyword.STOP in kinds else Keyword.NO


_OVER = re.compile(f"(?:.{{0,12}}?(?:否|兴趣|[了啦])[{w.PARTICLES}]*|td(?=否)|no?(?=[^a-z0-9]))(?=.)")
"""The beginning of a piece in which a refusal is over: another one may follow."""


def _spelt(piece: str, letters: Mapping[int, int]) -> Keyword | None:
    """Return the refusal that a piece is with letters for its digits. A word without letters is a figure (7, please);
    where letters are few, a person reads a possible STOP (3nd, 7d).
    """
    said = piece.translate(letters)
    stop = _is_stop(said)
    found = stop or _is_no(said)
    if not found:
        return None
    words = [piece[each.start() : each.end()] for each in re.finditer(re.escape(found["core"]), said)]
    if not all(map(_LATIN.search, words)):
        return None
    plain = all(sum(map(str.isalpha, each)) + each[0].isalpha() > _FEW for each in words)
    return (Keyword.STOP if plain else Keyword.HOLD) if stop else Keyword.NO


MOST_CHARACTERS, MOST_WORDS = 40, 12
"""The length of a short answer, and of a longer one's first clause; words are counted where all is ASCII."""

# -- harmless all the same: taken out before anything is looked for ---------------------------------------------------

_KEPT = any_of("取消 退订 退 停机 停 删除 删 撤 关闭 反悔 后悔 反对 拒绝 介意 打扰")
_COMMON = any_of(
    "不好意思 不客气 不用客气 不谢 不用谢 不知道 不明白 不清楚 不懂 没听清楚 没听清 没听懂 没收到 没问题",
    "没有问题 没关系 没事 不错",
    "没意见 没有意见 没异议 没有异议 无异议 没毛病 没说的 没得说 无误 没准 说不准 说不定 不一定 不确定 不得了",
    "了不起 对不起 怪不得",
    "恨不得 巴不得 舍不得 忍不住 差不多 不急 没开通 没接 未接 没看 没人接 免费 免流 母亲 母婴 无线 无限",
    "未来 未读 非常 非得 非要 休息",
    "休假 退休 退款 退货 退税 停车 停电 停水 停机 停一 停在 停好 停不 销售 取消息 拒签 取消了别 取消短信提醒",
    "取消来电显示 不要紧",
    "要不然 没办法 撤了吗 否则 否认 不过 不然 不如 不管 无所谓 是否 同意还是不同意 同意不同意 不要打算盘",
)
_LATER = (
    "know|understand|get|understood|remember|received?|see|seen|find|found|have (?:the (?:code|link)|time)"
    "|tried it|read|hear|talk|open|forget"
    "|worry|hesitate|mind|decided?"
)
_NO_MATTER = (
    "problem|prob|probs|worry|worries|idea|hurry|rush|clue|time(?: now| today)?|wifi|data|battery|signal"
    "|internet|questions?|doubts?|objections?|it's fine|good"
)
_NOT_NOW = (
    "in town|now|right now|sure|yet|decided|a problem|at all|bad|too bad|today|expensive|long"
    "|at (?:home|work|my)|home|here"
)
_CANNOT = "(?:(?:do|did|could|have|has)(?:n'?t| not)|can(?:no|'| no)?t)"
_HARMLESS = re.compile(
    "|".join(
        (
            # What negates a negation, or an end, goes on; 要不要 and 能不能 leave the choice.
            "不[是能会得]不|不要不(?!要)|没[有说]不|并非不|不可能不|(?<!案)是不$|不不|不(?:太|怎么)?会[用弄操发回玩]",
            f"(?:不|别|不要|勿|莫|没有?)(?:想|会|能)?{_KEPT}|(?<![不没够])(.)[不没]\\1",
            _COMMON,
            "(?<![a-z])(?:disagree not|never mind|why not|or not|if not|stop by)(?![a-z])",
            f"(?<![a-z])(?:no (?:{_NO_MATTER})|not (?:{_NOT_NOW})|{_CANNOT} (?:[a-z]{{2,8}} )?(?:{_LATER}))(?![a-z])",
        )
    )
)
_HOW = re.compile(
    "(?<!不)怎(?!么说)|如何|(?<!不)咋|多少(?![遍次回])|为什么|为啥|几[个天号块点]|什么(?:时候|意思|业务|套餐)"
    "|哪|能不能|可不可以|能否|谁$"
    "|[吗么嘛]$|^(?:what|who|whose|how|when|where|which|why|is|are|do|does|can|could|will|would)(?![a-z'])(?! not)"
)
"""Questions."""
_COSTS = re.compile(
    "[不没无](?:是|会|用|要|收|扣|交|换|需要|影响|限|去|有|再|乱|多|别的|额外|最低){0,4}"
    + any_of("钱 费 合约 违约金 套路 消费 卡 号 速 量 流量 营业厅 手续 身份证 宽带 问题 现在的套餐 骗人")
    + "[^\n]{0,3}吧$"
)
"""Guesses at the price: 没有合约吧."""
_BEGS = re.compile(
    "(?<!不)(?:可以|能|能否|能不能|可不可以|行不行)(?:不|别)[要办开换订打发]|不是说|(?:什么|啥)时候(?:说|同意"
    "|答应)|听不懂(?:吗|人话)"
    "|(?:不|别)(?:要|办|开通?|换|订|需要)[^\n]{0,2}(?:行|可以|好|成)(?:不|吗|么|吧)"
    "|(?:can|could|will|would) you (?:please )?(?:stop|cancel|delete|remove|erase|take)"
)
"""Questions that ask for an end, or hold one out."""

# -- Chinese ----------------------------------------------------------------------------------------------------------

_NO = f"(?:(?<![打点拉推睁分])[不唔毋弗伐甭休恕免拒]|{any_of('无须 无需 无法 毋须 没法 难以 懒得 绝无')})"
_NONE = any_of("没 没有 未 无 冇 呒 木有 非")
_DO_NOT = any_of("不要 勿 莫 甭 嫑 覅 咪 唔好 不准 不许 不得 不能 禁止 少 免 停止")
_WISHES = any_of(
    "想 愿 愿意 打算 准备 再 太 大 怎么 咋 很 需 需要 用 必 得 予 被 难 让 方便 可以 行 话 讲 给我 帮我 许 准",
    "说 有 得到 有那 闲 我 过 会 能 可能",
    "可 便 这个 那个 这 此 啥 什么 多大 是很 人 经 经过 跟你们 什么都 要",
)
_OTHERWISE = (
    "(?![法公学车会玩门始头脸钱命紧求急担怕误吃睡起出到念清懂完错]|忘|好[的呢]?$|明白|意?说|户|识|着急|客气"
    "|打[折开错算印车卡架断游麻]"
    "|再[问说弄错忘])"
)
"""After a stem: another word, or another wish."""
_OURS = (
    any_of(
        "同意 答应 接受 授权 允许 许可 认可 承认 让 必了 参加 参与 加入 升级 升 续 签 买 购买 订 办 办理 开",
        "开通 激活 申请 注册 绑",
        "理会 感兴趣 兴趣 需求 意愿 意向 必要 考虑 确认 愿 肯 需 需要 换 改 整 搞 弄 干 打算 继续 约 收 想 意办 扣",
        "定了 爱",
        "希望 点头 吱声 敢 批 这个意思 那意思 想法 心思 动 上当 傻 点同意 吃这套 配合 支持 掏 花 出这 缴 给钱",
        "买账 凑热闹 跟风 当 乐意 认",
    )
    + _OTHERWISE
)
_WANTED = (
    f"(?:{CALL}|再(?![问说弄错忘])|"
    + any_of(
        "给 帮 替 电 发 推 来 找你 联系 烦 扰 骚扰 收 卖 扣 乱 动 强 骗 坑 泄露 往下 流程 套餐 业务 这 那 你",
        "任何 什么 该 此 别的 新 老",
    )
    + ")"
)
_WANTS = f"[要用](?=[{PARTICLES}亲]{{0,3}}(?:\n|$|{either(THANKS)})|(?:{_OURS})|{_WANTED}{_OTHERWISE})"
"""要 and 用 are about anything: only where nothing else follows them."""
_REACHING = (
    f"(?:{CALL}|"
    + any_of(
        "电 拨 来 找 联系 致电 发 推 营销 广告 短信 信息 消息 烦 扰 骚扰 打扰 搞 骗 坑 动 存我 缠 忽悠 强迫 强制",
        "给我 帮我 替我 乱 使用 用我",
        "卖 扣 收 泄露 往下 办 开 弄 整 订 签 续 换 改 升级 同意 确认 激活 理 处理 提交 要 想 继续 推销",
    )
    + f"){_OTHERWISE}(?!脾气|呆|愁|[了]?不及|取消|停|退|流量)"
)
_OFFERS = any_of("营销 推销 推广 广告 短信 电话 你们 陌生 推送 消息")
_LIGHT = any_of(
    "人 的 墅 处 名 急 忘 慌 闹 逗 挂 怕 熬 气 担心 客气 着急 紧张 生气 介意 误会 见外 见怪 迟到 太 错 睡 喝 吃",
    "感冒 累",
)
_DATA = any_of("号 信息 资料 数据 名单")
_CHINESE = re.compile(
    "|".join(
        (
            f"{_NO}{_WISHES}{{0,3}}(?:{_OURS}|{_WANTS})",
            f"{_NONE}{_WISHES}{{0,3}}(?!开|收)(?:{_OURS}|{_WANTS})",
            f"{_DO_NOT}[再老总跟向对往]?{_REACHING}",
            f"(?<![特区个级性分识差类派鉴])别(?!{_LIGHT}|再?(?:问|说|弄错|错)|打[折开错印卡车架断游麻算])",
            f"不(?:收|看|听|理|信|接受){_OFFERS}",
            f"{any_of('办 接受 要 用 整 搞 弄 吃 中 同意')}不(?:了|起|上|着|到|得|来|下)",
            f"{any_of('兴趣 需求 需要 意愿 同意 答应')}(?:都|也)?没有?",
            f"(?:^|\n)[不否][{PARTICLES}哟咧]*(?:\n|$|{either(THANKS)})|{either(THANKS)}\n?不了?",
            "(?:[选回填]|回复|答案是)[不否]$",
            "^我?(?:还是|暂时|暂|先|那|就|还|那就|现在|目前)不了?$",
            "手误|^(?:我|是我|刚才|刚刚)?[搞弄]错了|误[发送]|不小心[^\n]{0,3}[按点摁碰回发]",
            "没有?(?:钱|空|时间)[办交理弄搞]|没工夫|没心情|^(?:免|无须|毋须|无需)$|^不沾|绝[不无]可能",
            "不[用必]麻烦|不劳|^有病|(?:维持|保持|还用)原",
            "^我?(?:[部布补卜母木哺]有?(?:需?要|需|办|同意|用|接受)|不[同统铜砼通冋][意一义亿忆])",
            "^我?不(?:需[咬药]|虚[要药]|喏要|[班半瓣伴]|办[里立利])",
            any_of(
                "撤回 撤销 撤 收回 退掉 退了 退定 停掉 停了 停办 销了 注销 作废 终止 中止 关掉 关了 关闭 取消",
                "反悔 后悔 拉倒 作罢 放弃",
                "拒绝 谢绝 免谈 休想 做梦 想得美 没得谈 懒得 心领 走开 走啦 一边去 收皮 费事 废事 婉谢 辞谢",
                "反对 抵制 到此为止 神经病",
                "放过 饶了 凉快 忘了我 抗议 滚粗 没商量 没门 门都没 暂缓 糊涂 骗我 敷衍 告你 就告 覅",
            ),
            "算了(?!办|同意|是)|(?:的|话)[^\n]{0,3}不算|不算数|[他她爸妈公婆家导][^\n]{0,3}说不行",
            f"删|清[除空][^\n]{{0,4}}{_DATA}",
            "(?:我要|我想|给我|帮我|麻烦|把[^\n]{1,4})(?:退|停|销)",
            "(?:同意|确认|答应|[是要办开订信])[理通]?了?(?:你?个|你)(?:屁|鬼|毛|妈|头(?![像盔])|大爷|锤子|蛋|球|祖宗|奶奶)",
            "(?:鬼|傻子|傻瓜|疯子|白痴)才(?!不)|谁(?:[会要肯敢]|稀罕|愿意?)(?:同意|办|要|答应|信|开)|谁.{0,3}答应|才怪|坑[人爹]|被骗|^我?呸",
            "^(?:否决|驳回|打回|变卦|甭|嫑|孬)[了吧]?$",
            "谁[爱要想]办?谁|(?:找|卖给)别人|自己(?:办吧|留着)|留着给|给你妈|别人要",
        )
    )
)

# -- English, and Chinese in Latin letters ----------------------------------------------------------------------------

_LATIN_WORDS = re.compile(
    "(?<![a-z'])(?:no{1,9}|n0|nope|nah|naw|nay|nein|non|nyet|not|never|none|nobody [a-z]{1,9}|nothing (?:agreed"
    "|of)|neither|nor|without|unwanted"
    "|cannot|[a-z]{2,6}n't|dont|wont|cant|doesnt|didnt|unauthori[sz]ed|withdraw[a-z]*|(?:take|get"
    "|strike) (?:[a-z]{1,8} ){1,3}off|take back"
    "|deleted?|erased?|wipe|cancel[a-z]*|cancle|stop[a-z]*|terminated?|undo|reverse this|void|annul|scrap"
    "|(?:drop|bin|end) (?:it|this)"
    "|forget (?:it|about)|count (?:me|us) out|opt(?:ing)?[ -]out|opt me out|back(?:ing)? (?:out|off)|i'm out"
    "|im out|want out|halt|cease"
    "|leave (?:me|us|my [a-z]{1,9}) alone|declin[a-z]*|reject[a-z]*|refus[a-z]*|object|regret|bugger off"
    "|buzz off|let me be|(?:will|i'll|hard) pass"
    "|get lost|quit|keep my [a-z]{1,9} ?plan|over my dead)(?![a-z'])"
    "|(?<![a-z])(?:bu|mei(?: ?you)?|bie)(?: ?zai| ?xiang| ?gei)? ?(?:yao|ban|xu|tong|jie|gan|kai|xiang|yong|da"
    "|fa|kao|can)[a-z ]{0,8}"
    "|(?<![a-z])(?:qu ?xiao|ju ?jue|tui ?ding|che ?hui)(?![a-z])"
    "|(?:b[uúùū]|no) ?[办要需用同]|[不没] ?(?:yao|ban|tong|xu|ok)(?![a-z]{5})"
)

# -- after a yes: words that hesitate ---------------------------------------------------------------------------------

_OVER_IT = any_of("想 想想 看 看看 议 定 决定 斟酌 研究")
_FAMILY = any_of(
    "老公 老婆 爱人 媳妇 丈夫 妻子 先生 太太 对象 家人 家里 家里人 爸 妈 爸妈 父母 儿子 女儿 孩子 男朋友 女朋友"
)
_COMING = "(?!就?(?:马上)?(?:到|见|来$|联系)|开门|生效)"
WAVERING = re.compile(
    "|".join(
        (
            f"(?<![不别用])等一?(?:下|等|会|阵|我){_COMING}|稍[等后候]|慢着(?!点)|^慢点$|且慢|停一?停|停一下(?!车)|暂停|缓一?缓",
            "缓办|先等|(?<!不用)(?<!不必)(?<!无需)(?<!不需要)考虑(?!好了|清楚了|得?很清楚|过|周到)",
            f"(?:再|先|还要?|得|需要?|要|我){_OVER_IT}(?:[一下再吧清]|$)",
            "想[一]?想|想一下|没想好|没有?决定|没定|决定不了|[再先]说(?![一两]?[遍次下明清])|看情况",
            "(?<!不用)(?<!不必)(?<!没什么好)(?<!已经)(?<!在)商量(?!好了|过|工作)",
            f"(?:我|先|得|要|回去|^)问(?:问|一?下)?我?们?{_FAMILY}|(?:我|先|得|回去)问[问下]$",
            f"改[天日](?!请|再聚|联系)|回头(?!见|客|联系)|过[几两些][天日](?!生效)|下[次回](?:$|[吧办]|再(?!来))|[晚迟](?:点|些){_COMING}",
            "(?:明天|以后|到时候?)再|(?<!不)(?<!没)(?<!没有)犹豫|(?<!不)纠结|拿不准|吃不准|说不[准定]|没准|不(?:太)?确定|不一定",
            "唔知|不急(?!用)|别急(?!着)|^不知道[啊呢]?$|^我不知道$|^(?:是不是|是否|要不|不然|同意?不同意)[呢啊]?$|还是(?:再|先|等|别|不)",
            (
                "(?<![a-z])(?:(?<!i will )(?<!do i )wait(?! for me)|hold (?:on|it|off)|hang on|maybe|perhaps|reconsider"
                "|not (?:yet|now|right now|sure|so fast|today)|let me (?:think|check|ask)|think about|unsure|undecided"
                "|(?<!see you )(?<!talk )(?<!to you )(?<!catch you )(?<!or )later|second thoughts?|postpone|depends"
                "|(?:one|a|just a) (?:sec|second|moment|minute)|(?<!the )delay(?! in)|(?:don'?t|do not) know"
                "|(?:ask(?:ing)?|check with|talk to) my (?:husband|wife|family|parents|mother|father|mom|mum|dad)"
                ")(?![a-z])"
            ),
        )
    )
)
"""Words that hesitate. While a question is open they are unclear, and ask for nothing; said of a yes they may take it
back. Looked for anywhere in a short text."""

# -- the rule ---------------------------------------------------------------------------------------------------------

_CLAUSES = re.compile("[,.。!;~…:、]+")
_JOINED = re.compile(r"[ \-_*·/]+")
_MARKS = re.compile(r"[^\w '\-]+")
_PARTS = re.compile(rf"[,.。!;~…:、/|\s{NEGATIVE_SIGNS}{SIGNS}]+")
_COURTESIES = frozenset({*GREETINGS, *THANKS, ""})
_YES, _NO_WORDS, _BOTH = frozenset(YES), frozenset(NO), frozenset((*YES, *NO, *THANKS, "or", "and", "but", "或", ""))


def doubts(text: str, *, asks: bool) -> bool:
    """Return whether a folded text is a short answer, or begins with one, that negates or orders an end. asks: a
    question mark was taken out of it.

    >>> [doubts(text, asks=False) for text in ("我老公不同意", "withdraw my consent", "没听清", "不用换卡吧")]
    [True, True, False, False]
    """
    if not _is_short(text):
        clauses = (each.strip() for each in _CLAUSES.split(text[: 3 * MOST_CHARACTERS]))
        text = next((each for each in clauses if each not in _COURTESIES), "")
        if not _is_short(text):
            return False
    bare, spaced = (_MARKS.sub("\n", each).strip("\n") for each in (_JOINED.sub("", text), text))
    if _BEGS.search(bare) or _BEGS.search(spaced):
        return True
    if asks or _HOW.search(spaced) or _COSTS.search(bare) or _is_both(text):
        return False
    shakes = not set(text).isdisjoint(NEGATIVE_SIGNS)
    return shakes or any(
        pattern.search(_HARMLESS.sub("\n", each)) for pattern, each in ((_CHINESE, bare), (_LATIN_WORDS, spaced))
    )


def wavers(text: str) -> bool:
    """Return whether a folded text hesitates, or has a no beside a yes.

    >>> [wavers(text) for text in ("再考虑一下", "wait", "是,不", "好的谢谢", "什么时候生效")]
    [True, True, True, False, False]
    """
    return (_is_short(text) and WAVERING.search(text) is not None) or (
        _is_both(text) and not _NO_WORDS.isdisjoint(_PARTS.split(text))
    )


def _is_short(text: str) -> bool:
    return len(text.split()) <= MOST_WORDS if text.isascii() else len(text) <= MOST_CHARACTERS


def _is_both(text: str) -> bool:
    """Whether a text is a yes and a no beside each other, and nothing else: it asks, or is none of the two."""
    parts = set(_PARTS.split(text))
    return not parts.isdisjoint(_YES) and parts <= _BOTH
