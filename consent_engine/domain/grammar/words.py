"""The words of the grammar, as data. A change of them is a new EDITION; `docs/replies.md` shows them to people.

Every word stands here as `plain` leaves it: plain forms, lower case, simplified characters.
"""

EDITION = 5
"""Kept with each reply: by which words it was read."""

YES = (
    *("是", "是的", "同意", "我同意", "本人同意", "确认", "我确认", "本人确认", "同意办理", "确认办理"),
    *("同意开通", "确认开通", "我同意办理", "我确认办理", "我同意开通"),
    *("y", "yes", "i agree", "yes i agree", "yes, i agree", "confirm"),
)
"""A closed list: nothing else is consent. 1, 好, 可以, 行, 嗯, ok, 办理 and 开通 answer many questions."""
YES_OF: dict[str, tuple[str, ...]] = {}
"""Carrier -> words that are YES to it alone: read as strictly, and only in a message that can be meant for no other."""

NO = (
    *("否", "不", "不是", "不同意", "我不同意", "我不同意办理", "不同意办理", "不同意开通", "不确认", "不确认办理"),
    *("不办", "不办理", "我不办", "我不办理", "不办了", "不开通", "不要", "我不要", "不要办理", "不需要", "不需要了"),
    *("不用", "不用了", "不想办", "算了", "算啦", "取消"),
    *("取消吧", "取消办理", "取消订购", "取消确认", "我要取消", "帮我取消"),
    *("拒绝", "我拒绝", "拒绝办理", "拒", "反对", "不行", "不可以", "不接受", "不考虑", "没兴趣", "没有兴趣"),
    *("不感兴趣", "无兴趣", "冇兴趣", "唔要", "唔使", "唔系", "撤回", "撤回同意", "撤销", "不可能", "免谈", "没门"),
    *("不愿意", "不愿", "不想", "休想", "没同意", "我没同意", "没有同意", "未同意", "没答应"),
    *("绝不", "决不", "不必", "免了", "谢绝", "没必要", "没有必要", "没需要", "没有需要", "没需求", "不参加", "不肯"),
    *("确认不办", "确认不办理", "确认不要", "确认不需要", "确认取消", "确认拒绝", "不搞", "不搞了", "不整", "不弄"),
    *("不干", "不来", "不成", "不中", "不得行", "要不得", "不变"),
    *("不要变", "解约", "撤销订单", "冇需要", "毋需", "唔好"),
    *("不乐意", "不情愿", "无需", "无需办理", "撤单", "作废", "终止", "中止", "解除", "关闭", "关掉", "退", "退掉"),
    *("不需", "不须", "不须要", "不许要", "不统一", "不通意", "不冋意", "部同意", "布同意", "取销", "取消掉", "消取"),
    *("不赞成", "不认可", "停办"),
    *("放弃", "我放弃", "放弃办理", "作罢", "撤", "撤掉", "不约", "先不", "暂不", "不ok", "休想办", "no interest"),
    *("cancle", "cancell", "cansel", "canel"),
    *("n", "no", "nope", "nah", "cancel", "cancel it", "decline", "declined", "reject", "refuse", "i refuse"),
    *("disagree", "not agree", "i do not agree", "i don't agree", "i dont agree", "no way", "no need"),
    *("not interested", "i'm not interested", "im not interested", "i am not interested"),
    *("don't want", "dont want", "do not want", "don't want it", "dont want it", "i don't want it", "i dont want it"),
    *("i don't want this", "i do not want this", "don't need it", "dont need it", "i don't need it", "not wanted"),
    *("no longer interested", "not for me", "no deal", "deny", "denied"),
    *("rejected", "refused", "i reject", "i decline"),
    *("never", "negative", "cancelled", "canceled", "cancel this", "cancel order", "cancel my order", "cancel all"),
    *("cancel the order", "cancel now", "cancel this order", "i want to cancel", "i disagree"),
    *("i dont want this", "no consent", "i do not consent", "i don't consent", "withdraw consent"),
    *("bu", "buyao", "buyong", "buban", "butongyi", "buxuyao", "quxiao", "jujue"),
)

STOP = (
    *("td", "t", "退订", "退订吧", "t退订", "td退订", "拒收", "拒接", "停止", "停", "停止营销", "停止呼叫", "取消订阅"),
    *("勿扰", "免打扰", "免营销", "勿打", "请勿打扰", "请勿来电", "请勿联系", "请勿打电话", "拉黑", "滚", "滚蛋"),
    *("滚开", "别烦我", "别烦", "谢绝推销", "谢绝来电", "不要广告", "不要推广", "不要骚扰", "走开"),
    *("退定", "退钉", "推订", "腿订", "tdd", "tuiding", "unsub"),
    *("stop", "stopall", "quit", "end", "revoke", "unsubscribe", "optout", "opt me out", "do not call"),
    *("do not call me", "do not call me again", "don't call me", "dont call me", "don't call", "dont call"),
    *("stop calling", "stop calling me", "remove me", "leave me alone", "no more calls", "go away", "fuck off"),
    *("opt-out", "do not disturb", "take me off", "take me off your list", "lose my number", "delete my number"),
    *("get lost", "stop now", "stop sms", "stop texts", "滚犊子", "滚远点", "don't bother me", "dont bother me"),
    *("do not bother me", "don't disturb me", "dont disturb me", "do not disturb me"),
    *("dt", "td退", "退td", "退汀", "退丁", "退叮", "退顶", "退盯", "推定", "腿定", "褪订", "停发", "停发短信", "停掉"),
    *("stpo", "sotp", "quitt", "qiut", "no calls", "no sms", "no more sms", "piss off"),
)

MARKETING_FREE = ("免营销",)
"""The words of STOP that also register the number as marketing-free."""

HELP = ("帮助", "help", "h")

WITHDRAW = ("退订", "quit")
"""With a code, they ask to end the service. The plans' own words come from the plans."""
TO_END = (*WITHDRAW, "unsubscribe", "unsub")
"""Words that alone only refuse, but whose writer, after an activation, may mean the service."""

NEGATIVE_SIGNS = "❌👎🙅🚫⛔🛑"
"""Without a word, and without one of SIGNS, they mean NO."""

# -- the ends of a text -----------------------------------------------------------------------------------------------

PAIRS = ("()", "[]", "{}", "<>", "《》", "〈〉", "「」", "『』", "【】", "〔〕", "“”", '""', "''")
MARKS = ".。!,、;~"
"""Marks that may stand at the right end of a yes. Two dots are hesitation."""
SIGNS = "👍👌🙏😊✅🌹"
"""Signs that may stand there, too. Not 🙂: it is contempt."""
THANKS = ("谢谢你", "谢谢您", "谢谢", "thank you", "thanks", "thx")
GREETINGS = ("您好", "你好")
NEVER_CODES = frozenset({"400", "800", "911"})

# -- refusals only ----------------------------------------------------------------------------------------------------

PARTICLES = "了啊呀哦噢吧哈嘛啦咯嘞勒呢滴的喇啰撒捏耶嗷"
"""Trailing particles that change nothing about a refusal."""
_SAID = ("说了", "说过", "都说了", "我说了", "我都说了", "早就说了", "我已经说了")
HEARD = ("是的", "好的", "嗯", "嗯嗯")
"""Right before a refusal they agree with it and with nothing else (好的不用了); a comma between leaves it in doubt."""
_POLITE = ("please", "pls", "plz", "请", "麻烦", "不好意思", "对不起", "抱歉", "sorry", "多谢", "感谢", "谢了", "唔该")
BEFORE_NO = (*GREETINGS, *THANKS, *_SAID, *_POLITE)
BEFORE_STOP = (
    *(*BEFORE_NO, "麻烦你", "我要", "我想", "我", "给我", "帮我", "i want to", "申请", "登记"),
    *("回复", "回", "发", "发送", "已回复", "已发", "已发送", "reply", "send"),
    *("已经回复", "已经发送", "编辑", "编辑短信"),
)
"""Subscribers repeat the instruction: 回复TD. Not before a NO: 回复不了 says that a reply is impossible."""
AFTER = (*THANKS, "please", "pls", "sorry", "抱歉", "再见", "bye", "唔该")
AFTER_STOP = (*AFTER, "回复", "回复了", "已回复", "已回", "reply")
LETTERS = tuple(str.maketrans("013457", letters) for letters in ("oieast", "oleast"))
"""Digits that stand for letters in a refusal (st0p, qu1t, cance1), and never in a yes."""

TRADITIONAL = str.maketrans(
    "並亂來係個們備別動務區問堅報實對幫廣強後從復愛慮應掃換摺撥擾攔攪斷時暫會東業樣機歡決沒準滾無煩營現產産發眞確碼種糾級絕給絶經總繫"
    "繼續纏纔聯聽興舉萬薦處號覆複見訂託記許訴詐話該認說説調談請謝識買質購車轉辦這過還針銷錯門開閱隨電願類騙騷麼麽與樂關剛刪單賣參變導"
    "幹廢戶戸權條遊點犢著簽籤緊約終觸讓誤誘誰費趕遠裡裏鑑鑒錢閉閲馬統絲媽貴邊釘頂須棄罷兒幾囉編輯贊讚"
    "為爲義親億冊涼湊則勞廳嗎嘸響喲塊聲夠頭嬰學寬帶張當憶懶擔數顯夢熱睜稅線綁維緩繳臉藥虛補議講證讀謂賬帳貨資辭違遲選銅閒閑間鬧難領題額風饒",
    "并乱来系个们备别动务区问坚报实对帮广强后从复爱虑应扫换折拨扰拦搅断时暂会东业样机欢决没准滚无烦营现产产发真确码种纠级绝给绝经总系"
    "继续缠才联听兴举万荐处号复复见订托记许诉诈话该认说说调谈请谢识买质购车转办这过还针销错门开阅随电愿类骗骚么么与乐关刚删单卖参变导"
    "干废户户权条游点犊着签签紧约终触让误诱谁费赶远里里鉴鉴钱闭阅马统丝妈贵边钉顶须弃罢儿几啰编辑赞赞"
    "为为义亲亿册凉凑则劳厅吗呒响哟块声够头婴学宽带张当忆懒担数显梦热睁税线绑维缓缴脸药虚补议讲证读谓账账货资辞违迟选铜闲闲间闹难领题额风饶",
)
"""Traditional characters of these words, mapped to simplified ones."""
