"""The words of editions 5 and 6, made of a plan's fields: in Chinese and in English. Never edited once released.

Editions 7 and 8 are these with the answer to 免营销 added. Editions 9 and 10 add texts alone, and change none.
"""

from consent_engine.domain.effects import Purpose

WHICH_ONE = "which_one"
STOPPED = "stopped"
HELD_LINE = "held_no_order"
HELPED = "helped"

# fmt: off
OFFICIAL = "{% if hotline %}热线{{ hotline }}。营销来电只用{{ official }}，{% endif %}勿向任何人透露验证码。"
_SAYS_NO = "其他内容或不回复均不办理。"
_STOP_FREE = "不愿再接营销来电，回复TD，回复免费。"

CHINESE: dict[str, str] = {
    Purpose.CONFIRMATION: (
        "【{{ brand }}】{{ call_at }}您在{{ official }}来电中申请“{{ name }}”"
        "{% if filing or seller %}（{% if filing %}方案编号{{ filing }}{% endif %}"
        "{% if filing and seller %}，{% endif %}{{ seller }}）{% endif %}，须经您短信确认方可办理。"
        "{{ price }}{% if first_month %}，{{ first_month }}{% endif %}{% if includes %}，含{{ includes }}{% endif %}"
        "{% if overage %}；{{ overage }}{% endif %}。"
        "{{ start }}生效，{{ term }}，{{ early_fee }}；{{ renewal }}。"
        "适用：{{ scenario }}。{{ restrictions }}{{ replaces }}"
        "同意以上全部内容，请在收到后{{ window }}内回复“{{ yes }}”；回复“{{ no }}”、" + _SAYS_NO +
        "未接此来电或拒绝营销来电，回复TD。回复免费。退订：{{ unsubscribe }}。" + OFFICIAL
    ),
    Purpose.REMINDER: (
        "【{{ brand }}】{{ call_at }}您在{{ official }}来电中申请的“{{ name }}”（{{ price }}，{{ term }}）尚待您确认，"
        "目前未办理。同意确认短信所列全部内容，请于{{ deadline }}前回复“{{ yes }}”；回复“{{ no }}”、" + _SAYS_NO +
        "不愿再接营销来电，回复TD。回复免费。" + OFFICIAL
    ),
    Purpose.CLARIFICATION: (
        "【{{ brand }}】未能识别您的回复，“{{ name }}”（{{ price }}）目前未办理。办理请只回复“{{ yes }}”，"
        "不办理请回复“{{ no }}”，不愿再接营销来电请回复TD；其他回复或不回复均不办理。回复免费。" + OFFICIAL
    ),
    Purpose.HELP: (
        "{% if active_from %}"
        "【{{ brand }}】“{{ name }}”（{{ price }}，{{ term }}）已于{{ active_from }}生效。"
        "退订：{{ unsubscribe }}；{{ early_fee }}。" + _STOP_FREE +
        "{% elif still_active %}"
        "【{{ brand }}】“{{ name }}”（{{ price }}，{{ term }}）已按您此前的确认办理。"
        "退订：{{ unsubscribe }}；{{ early_fee }}。" + _STOP_FREE +
        "{% else %}"
        "【{{ brand }}】{{ call_at }}您在{{ official }}来电中申请的“{{ name }}”（{{ price }}，{{ term }}），"
        "确认前不办理、不收费；完整资费可在网上营业厅、APP{% if filing %}按方案编号{{ filing }}{% endif %}查询。"
        "办理回复“{{ yes }}”，不办理回复“{{ no }}”，不愿再接营销来电回复TD。回复免费。"
        "{% endif %}" + OFFICIAL
    ),
    Purpose.LATE: (
        "{% if still_active %}"
        "【{{ brand }}】“{{ name }}”已按您此前的确认办理，本次回复不影响办理结果。退订：{{ unsubscribe }}。"
        "{% else %}"
        "【{{ brand }}】“{{ name }}”的确认时限已过，本次回复不影响办理结果：该业务未办理，不收费。"
        "{% endif %}" + OFFICIAL
    ),
    Purpose.DECLINED: (
        "【{{ brand }}】已按您的回复不办理“{{ name }}”，不收费，{{ cool_off }}不再向您推荐该业务。"
        + _STOP_FREE + OFFICIAL
    ),
    Purpose.OPTED_OUT: (
        "【{{ brand }}】已登记您的拒绝，我公司不再向您拨打营销电话、发送营销短信。"
        "{% if still_active %}您此前确认的“{{ name }}”仍有效，退订：{{ unsubscribe }}。"
        "{% else %}“{{ name }}”不办理，不收费。{% endif %}" + OFFICIAL
    ),
    Purpose.HELD: (
        "【{{ brand }}】已收到您的回复，{% if not doubtful %}现已停止向您拨打营销电话，{% endif %}"
        "“{{ name }}”暂不办理、不收费。"
        "我公司将于{{ deadline }}前人工核实，逾期即{% if doubtful %}不办理。您也可直接回复“{{ no }}”不办理{% else %}"
        "按您拒绝登记。您也可直接回复TD拒绝{% endif %}，回复免费。" + OFFICIAL
    ),
    Purpose.RESUMED: (
        "【{{ brand }}】经核实，您此前的回复未按拒绝登记。“{{ name }}”（{{ price }}）仍未办理；"
        "如需办理，请于{{ deadline }}前重新回复“{{ yes }}”，不办理无需回复。不愿再接营销来电，回复TD。回复免费。"
        + OFFICIAL
    ),
    Purpose.CANCELLED: (
        "【{{ brand }}】“{{ name }}”的办理申请已取消（该业务已停办），未办理、不收费，您无需回复。" + OFFICIAL
    ),
    Purpose.NOTIFICATION: (
        "【{{ brand }}】“{{ name }}”已按您{{ reply_at }}的回复办理成功，{{ active_from or start }}生效。"
        "{{ price }}{% if includes %}，含{{ includes }}{% endif %}；"
        "{{ term }}，{{ early_fee_short }}；{{ renewal_short }}。"
        "适用：{{ scenario }}。{{ restrictions }}退订：{{ unsubscribe }}。凭证号{{ receipt }}。" + OFFICIAL
    ),
    Purpose.FAILURE: (
        "【{{ brand }}】很抱歉，您确认的“{{ name }}”未能办理成功，不收费，您原有业务不变，无需回复。" + OFFICIAL
    ),
    WHICH_ONE: (
        "【{{ brand }}】您有{{ n }}项业务待确认，均未办理：{{ choices }}。"
        "办理请逐项回复“是+编号”"
        "{% if example %}（如“是{{ example }}”）{% endif %}，不办理回复“否+编号”；"
        "其他回复或不回复均不办理。不愿再接营销来电，回复TD。回复免费。" + OFFICIAL
    ),
    STOPPED: (
        "【{{ brand }}】已登记您的拒绝，我公司不再向您拨打营销电话、发送营销短信。您在用的业务不受影响。" + OFFICIAL
    ),
    HELD_LINE: (
        "【{{ brand }}】已收到您的回复，现已停止向您拨打营销电话。"
        "我公司将于{{ deadline }}前人工核实，逾期即按您拒绝登记。您也可直接回复TD拒绝，回复免费。" + OFFICIAL
    ),
    HELPED: (
        "【{{ brand }}】您目前没有待确认的业务。未经您短信确认，电话营销不会为您办理任何业务。" + _STOP_FREE + OFFICIAL
    ),
}

_ENGLISH_OFFICIAL = (
    "Hotline {{ hotline }}. We make sales calls from {{ official }} only. Never tell anyone a verification code."
)
ENGLISH: dict[str, str] = {
    Purpose.CONFIRMATION: (
        "{{ brand }}: on {{ call_at }} in a call from {{ official }} you asked for {{ name }}"
        "{% if filing or seller %} ({% if filing %}tariff {{ filing }}{% endif %}"
        "{% if filing and seller %}, {% endif %}{{ seller }}){% endif %}. It needs your SMS. "
        "{{ price }}{% if first_month %}, {{ first_month }}{% endif %}"
        "{% if includes %}, incl. {{ includes }}{% endif %}"
        "{% if overage %}; {{ overage }}{% endif %}. "
        "Starts {{ start }}; {{ term }}; {{ early_fee }}; {{ renewal }}. For {{ scenario }}. "
        "{{ restrictions }}{{ replaces }}To accept all this reply {{ yes }} within {{ window }} of receipt; {{ no }}, "
        "any other reply or none means no. No such call, or no more sales calls: TD. Replies are free. "
        "To end later: {{ unsubscribe }}. " + _ENGLISH_OFFICIAL
    ),
    Purpose.REMINDER: (
        "{{ brand }}: {{ name }} ({{ price }}, {{ term }}), asked for in a call from {{ official }} on {{ call_at }}, "
        "is waiting for you and not set up. To accept all that our first SMS says, reply {{ yes }} by {{ deadline }}; "
        "{{ no }}, any other reply or none means no. No more sales calls: TD. Replies are free. " + _ENGLISH_OFFICIAL
    ),
    Purpose.CLARIFICATION: (
        "{{ brand }}: we could not read your reply; {{ name }} ({{ price }}) is not set up. Reply only {{ yes }} to "
        "accept, {{ no }} to decline, TD for no more sales calls. Any other reply or none means no. Replies are free. "
        + _ENGLISH_OFFICIAL
    ),
    Purpose.HELP: (
        "{% if active_from or still_active %}"
        "{{ brand }}: {{ name }} ({{ price }}, {{ term }}) "
        "{% if active_from %}is active since {{ active_from }}{% else %}was set up on your earlier reply{% endif %}. "
        "To end it: {{ unsubscribe }}; {{ early_fee }}. No more sales calls: reply TD, free. "
        "{% else %}"
        "{{ brand }}: {{ name }} ({{ price }}, {{ term }}) was asked for in a call from {{ official }} on "
        "{{ call_at }}. "
        "Nothing is set up or charged unless you confirm; full tariff: {% if filing %}{{ filing }}, {% endif %}"
        "in our web hall and app. Reply {{ yes }} to accept, {{ no }} to decline, TD for no more sales calls. "
        "Replies are free. {% endif %}" + _ENGLISH_OFFICIAL
    ),
    Purpose.LATE: (
        "{% if still_active %}"
        "{{ brand }}: {{ name }} was set up on your earlier reply; this one changes nothing. To end it: "
        "{{ unsubscribe }}. "
        "{% else %}"
        "{{ brand }}: the time to confirm {{ name }} is over; your reply changes nothing. It is not set up and costs "
        "nothing. "
        "{% endif %}" + _ENGLISH_OFFICIAL
    ),
    Purpose.DECLINED: (
        "{{ brand }}: as you replied, {{ name }} is not set up and costs nothing. We will not offer it again "
        "{{ cool_off }}. No more sales calls: reply TD, free. " + _ENGLISH_OFFICIAL
    ),
    Purpose.OPTED_OUT: (
        "{{ brand }}: your refusal is recorded. No more sales calls or sales SMS from us. "
        "{% if still_active %}{{ name }}, which you confirmed, goes on; to end it: {{ unsubscribe }}. "
        "{% else %}{{ name }} is not set up and costs nothing. {% endif %}" + _ENGLISH_OFFICIAL
    ),
    Purpose.HELD: (
        "{{ brand }}: we have your reply{% if not doubtful %} and have stopped sales calls to you{% endif %}. "
        "{{ name }} is on hold and costs nothing. A person reads your reply by {{ deadline }}; after that it "
        "{% if doubtful %}is not set up. To decline now reply {{ no }}, free. {% else %}"
        "counts as a refusal. To refuse now reply TD, free. {% endif %}"
        + _ENGLISH_OFFICIAL
    ),
    Purpose.RESUMED: (
        "{{ brand }}: we read your reply and did not record it as a refusal. {{ name }} ({{ price }}) is still not set "
        "up. To accept, reply {{ yes }} by {{ deadline }}; otherwise do nothing. No more sales calls: TD. Replies are "
        "free. " + _ENGLISH_OFFICIAL
    ),
    Purpose.CANCELLED: (
        "{{ brand }}: your request for {{ name }} was cancelled (it is no longer offered). It is not set up and costs "
        "nothing; no reply is needed. " + _ENGLISH_OFFICIAL
    ),
    Purpose.NOTIFICATION: (
        "{{ brand }}: {{ name }}, which you confirmed on {{ reply_at }}, is set up "
        "{% if active_from %}from {{ active_from }}{% else %}and starts {{ start }}{% endif %}. "
        "{{ price }}{% if includes %}, incl. {{ includes }}{% endif %}; {{ term }}; {{ early_fee_short }}; "
        "{{ renewal_short }}. For {{ scenario }}. {{ restrictions }}To end it: {{ unsubscribe }}. "
        "Receipt {{ receipt }}. " + _ENGLISH_OFFICIAL
    ),
    Purpose.FAILURE: (
        "{{ brand }}: sorry, {{ name }}, which you confirmed, could not be set up. It costs nothing and your present "
        "services stay as they are. No reply is needed. " + _ENGLISH_OFFICIAL
    ),
}

CHINESE_WITH_REGISTRATION: dict[str, str] = CHINESE | {
    Purpose.MARKETING_FREE: (
        "【{{ brand }}】已为您登记“免营销”，即时生效，我公司不再向您拨打营销电话。您在用的业务不受影响。"
        "{% if hotline %}如接到营销来电，可拨打{{ hotline }}举报。{% endif %}" + OFFICIAL
    ),
}
ENGLISH_WITH_REGISTRATION: dict[str, str] = ENGLISH | {
    Purpose.MARKETING_FREE: (
        "{{ brand }}: you are registered as marketing-free from now on: no sales calls from us. The services you use "
        "go on. To report a sales call, call {{ hotline }}. " + _ENGLISH_OFFICIAL
    ),
}
LATER_CHINESE: dict[str, str] = {
    Purpose.PROVE: (
        "【{{ brand }}】为确认是您本人回复，请于{{ deadline }}前回复“{{ yes }}”办理“{{ name }}”（{{ price }}）；"
        "未按此回复均不办理。非您本人回复或不愿再接营销来电，回复TD。回复免费。" + OFFICIAL
    ),
}
LATER_ENGLISH: dict[str, str] = {
    Purpose.PROVE: (
        "{{ brand }}: to show that it was you who replied, send {{ yes }} by {{ deadline }} to accept {{ name }} "
        "({{ price }}). Anything else means no. Not you, or no more sales calls: TD. Replies are free. "
        + _ENGLISH_OFFICIAL
    ),
}
# fmt: on
