"""The definition of a yes, by the grammar's rules in other code than the product's: ends are removed in every order."""

import unicodedata

_YES = (
    "是|是的|同意|我同意|本人同意|确认|我确认|本人确认|同意办理|确认办理|同意开通|确认开通|我同意办理|我确认办理|我同意开通|"
    "y|yes|i agree|yes i agree|yes, i agree|confirm|y please|yes please|y, please|yes, please|y,please|yes,please"
)
YES = _YES.split("|")
SIMPLIFIED = {"確": "确", "認": "认", "辦": "办", "開": "开", "謝": "谢"}
PAIRS = ["()", "[]", "{}", "<>", "《》", "〈〉", "「」", "『』", "【】", "〔〕", "“”", '""', "''"]
THANKS = ["谢谢", "谢谢你", "谢谢您", "thanks", "thank you", "thx"]
TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
TURNS = {
    chr(c) for c in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xE0000, 0xE0080))
}


def sound(character):
    kind = unicodedata.category(character)
    return (kind not in ("Mn", "Me") or character in "\ufe0e\ufe0f") and character not in TURNS


def plain(character):
    if "！" <= character <= "～":
        character = unicodedata.normalize("NFKC", character)
    kind = unicodedata.category(character)
    if kind in ("Cf", "Mn"):
        return ""
    if kind in ("Zs", "Zl", "Zp") or character in "\t\n\v\f\r\x85":
        return " "
    return SIMPLIFIED.get(character, "'" if character in "‘’" else character)


def shorter(text):
    """Yield everything that one step at the ends may leave."""
    yield text.strip(" ")
    if len(text) > 1 and text[0] + text[-1] in PAIRS:
        yield text[1:-1]
    if text.endswith(tuple(".。!,、;~👍👌🙏😊✅🌹")):
        yield text[:-1]
    if text.endswith(tuple(TONES)) and text[:-1].endswith(tuple("👍👌🙏😊✅🌹")):
        yield text[:-2]
    for word in THANKS:
        if text.endswith(word) and not (
            word.isascii() and text[: -len(word)][-1:].isascii() and text[: -len(word)][-1:].isalpha()
        ):
            yield text[: -len(word)]
    for word in (*THANKS, "您好", "你好"):
        if text.startswith((word + " ", word + ",")):
            yield text[len(word) + 1 :]


def rests(text):
    found, todo = set(), [text]
    while todo:
        rest = todo.pop()
        if rest not in found:
            found.add(rest)
            todo.extend(shorter(rest))
    return found


def hesitates(text):
    marks = "".join(c if c in ".。" else " " if c in " !,、;~" else "x" for c in text)
    return any(run.count(".") + run.count("。") > 1 for run in marks.split("x")) or "…" in text or "⋯" in text


def is_code(text):
    return (
        len(text) == 3
        and text[0] in "23456789"
        and set(text) <= set("0123456789")
        and text not in {"400", "800", "911"}
    )


def without_gap(text, *, left):
    """Return a text without what may stand between word and code, at one end."""
    rest = text.rstrip(" ") if left else text.lstrip(" ")
    for sign in "-#+:,、":
        if left and rest.endswith(sign):
            return rest[:-1].rstrip(" ")
        if not left and rest.startswith(sign):
            return rest[1:].lstrip(" ")
    return rest


def says(text):
    """Return None where a text is no yes; else ('YES', the code in it or ''). A bare code is ('', code)."""
    if len(text) > 10_000 or any(c in text for c in "?？﹖❓❔") or not all(map(sound, text.casefold() + text)):
        return None
    folded = " ".join(part for part in "".join(map(plain, text.casefold())).split(" ") if part)
    if hesitates(folded):
        return None
    for rest in rests(folded):
        if rest in YES:
            return "YES", ""
        if is_code(rest):
            return "", rest
        if is_code(rest[-3:]) and without_gap(rest[:-3], left=True) in YES:
            return "YES", rest[-3:]
        if is_code(rest[:3]) and without_gap(rest[3:], left=False) in YES:
            return "YES", rest[:3]
    return None
