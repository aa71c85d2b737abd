"""The words on our pages: both languages have all of them."""

import ast
import re
from collections import ChainMap
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from consent_engine.api.web.pages import LIFECYCLE, help_lines
from consent_engine.api.web.rendering import ONE, words_of
from consent_engine.api.web.words import LANGUAGES, _preferred, words
from consent_engine.domain.call.call import CallOutcome
from consent_engine.domain.call.ending import Cause, EndingState
from consent_engine.domain.call.permit import Denied
from consent_engine.domain.call.report import BARS_DIALLING, Because, ReportClass, ReportDoor, Reward
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.carriers import Carrier
from consent_engine.domain.effects import Lane, Purpose
from consent_engine.domain.grammar.meaning import Keyword, Reason
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.lifecycle import STAGES, State, Trigger
from consent_engine.domain.offer.plan import CHANNELS
from consent_engine.domain.order.details import KINDS, WithCall
from consent_engine.domain.order.facts import Rule
from consent_engine.domain.order.history import MINOR, NUMBER_CHANGED
from consent_engine.domain.order.unlikely_yes import Unlikely
from consent_engine.domain.sms import Delivery
from consent_engine.domain.texts.confirmation_fields import disclosures
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import server
from tests.integration.page_door import PageDoor
from tests.plans import plan

UNTOLD = {"window", "edition", "known", "may_have", "segments", "undelivered", "text"}
"""Details of an event that only programs need."""
NAMED = {
    "state": {state.value for state in State},
    "say": {state.value for state in State},
    "trigger": {"placed", *(trigger.value for trigger in Trigger)},
    "stage": {"call_agreed", *STAGES.values()},
    "purpose": {purpose.value for purpose in Purpose},
    "keyword": {keyword.value for keyword in Keyword},
    "rule": {rule.value for rule in Rule},
    "seen": {rule.value for rule in Unlikely},
    "delivery": {status.value for status in Delivery},
    "ending": {state.value for state in EndingState},
    "cause": {cause.value for cause in Cause},
    "outcome": {outcome.value for outcome in CallOutcome},
    "detail": {field for kind in KINDS.values() for field in kind.__struct_fields__} - UNTOLD,
    "lane": {lane.value for lane in Lane},
    "role": {role.value for role in Role},
    "carrier": {carrier.value for carrier in Carrier},
    "reason": {*Reason, *WithCall, NUMBER_CHANGED, MINOR, "plan_revoked", "refused", "undecided"},
    "why": {hitch.value for hitch in Hitch},
    "violation": {violation.value for violation in Violation},
    "report_class": {found.value for found in ReportClass},
    "report_door": {door.value for door in ReportDoor},
    "reward": {reward.value for reward in Reward},
    "because": {*Because, *Violation, *BARS_DIALLING},
    "dial": {reason.value for reason in Denied},
    "tariffs": {*CHANNELS, *disclosures(plan())["zh"], "overage", "first_month"},
}
WORDS_OF_ITS_OWN = {"agreed", "declined"}
"""Names of an element and of outcomes of a call that are also states."""


@pytest.fixture(scope="module")
def door():
    with server() as running:
        made = PageDoor(*running)
        yield made
        made.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", NAMED)
def test_whatever_the_engine_names_has_a_word(language, kind):
    said = words(language)
    assert {name for name in NAMED[kind] if not said.get(f"{kind}.{name}", "").strip()} == set()


def test_every_word_a_template_asks_for_is_there():
    """What a script asks for, TypeScript knows (`tests/front`)."""
    pages = files("consent_engine.api") / "pages"
    asked = set()
    for text in [each.read_text("utf-8") for each in pages.iterdir() if each.name.endswith(".html")]:
        asked |= set(re.findall(r'\bt\["([a-z_.]+)"\]', text)) | set(re.findall(r"\bt\['([a-z_.]+)'\]", text))
        asked |= set(re.findall(r"\bt\.([a-z_]+)", text))
    assert len(asked) > 60
    assert asked - words("zh").keys() == set()


def test_what_is_said_of_one_is_sent_beside_what_is_said_of_many():
    """ "1 times" and "these 1 orders" are not English: a page with words for many has those for one, too."""
    for language in LANGUAGES:
        said = words(language)
        ones = [name for name in said if name.endswith(ONE)]
        assert ones
        assert {name for name in ones if name.removesuffix(ONE) not in said or "{n}" in said[name]} == set()
        asked = words_of("ops", language)
        assert {name for name in ones if name.removesuffix(ONE) in asked} <= asked.keys()
    assert words("en")["ops.end_all.single"] == "Cancel this order"


def test_no_script_knows_a_state_by_itself():
    """Sets of states come from the server, which takes them from the lifecycle's table."""
    pages = files("consent_engine.api") / "pages"
    named = {state.value for state in State}
    for each in pages.iterdir():
        if each.name.endswith(".js"):
            assert set(re.findall(r'"([a-z_]+)"', each.read_text("utf-8"))) & named <= WORDS_OF_ITS_OWN, each.name


def test_the_scripts_are_given_sets_of_states_that_fit_together():
    assert LIFECYCLE["failed"] == sorted(set(LIFECYCLE["settled"]) - {"notified", "unnotified"})
    assert set(LIFECYCLE["broken"]) < set(LIFECYCLE["failed"])
    assert all(LIFECYCLE.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tariffs_can_be_read_in_both_languages(door, language):
    answer = door.stranger().get(f"/tariffs?lang={language}")
    assert answer.status_code == 200
    assert words(language)["tariffs.price"] in answer.text


def test_a_price_is_in_the_pages_language_and_a_plan_without_english_says_so(door):
    english, chinese = (door.stranger().get(f"/tariffs?lang={language}").text for language in ("en", "zh"))
    assert '<span lang="en">CNY 199/month</span>' in english
    assert '<span lang="zh-CN">199元/月</span>' in chinese
    assert "published in Chinese only" not in door.stranger().get("/tariffs/5g-smart-199/1?lang=en").text
    assert words("zh")["tariffs.only_chinese"] not in chinese


def test_each_word_is_said_in_two_languages_and_no_comma_cuts_one_short():
    kept = yaml.safe_load((files("consent_engine.api") / "pages" / "words.yaml").read_text("utf-8"))
    assert {
        name: said for name, said in kept.items() if not isinstance(said, str) and len(said) != len(LANGUAGES)
    } == {}


def test_both_languages_fill_in_the_same_facts():
    def facts(text):
        return set(re.findall(r"\{(\w+)\}", text))

    chinese, english = words("zh"), words("en")
    assert {name for name in chinese if facts(chinese[name]) != facts(english[name])} == set()


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-US,en;q=0.9", "en"), ("de-DE,de", "zh"), ("", "zh"), ("fr, en", "en")],
)
def test_a_browser_says_which_language_it_wants(door, accepted, language):
    assert _preferred(accepted) == language
    html = door.stranger().get("/", **{"Accept-Language": accepted}).text
    assert f'<html lang="{"zh-CN" if language == "zh" else "en"}">' in html


def test_a_language_that_was_chosen_stays_chosen(door):
    visitor = door.stranger()
    answer = visitor.get("/?lang=en", **{"Accept-Language": "zh"})
    assert '<html lang="en">' in answer.text
    assert "SameSite=lax" in answer.headers["set-cookie"]
    assert '<html lang="en">' in visitor.get("/", **{"Accept-Language": "zh"}).text
    assert '<html lang="zh-CN">' in visitor.get("/?lang=zh").text
    assert "set-cookie" not in visitor.get("/?lang=<b>").headers


def test_a_wrong_key_is_told_in_both_languages(door):
    for language, told in (("zh", "密钥不存在"), ("en", "does not exist")):
        visitor = door.stranger()
        visitor.get(f"/?lang={language}")
        assert told in visitor.post_form("/sign-in", {"key": "ce_wrong"}).text


OUTCOMES = {"Unavailable", "Rejected", "Uncertain"}


def texts(node, named):
    """Return what an expression says, with 7 for each fact in it; nothing where only the running code knows, and a text
    that begins with 7 where it begins with what only that knows.
    """
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(part.value if isinstance(part, ast.Constant) else "7" for part in parts)]
        case ast.IfExp(body=one, orelse=other):
            return texts(one, named) + texts(other, named)
        case ast.Dict(values=many) | ast.Tuple(elts=many):
            return [text for each in many for text in texts(each, named)]
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)):
            return named.get(name, [])
    return []


def reasons():
    """Return every reason that the engine gives for what waits: of an outcome, or of an effect."""
    package = Path(str(files("consent_engine")))
    trees = [
        ast.parse(each.read_text("utf-8"))
        for room in ("adapters", "engine", "domain")
        for each in (package / room).rglob("*.py")
    ]
    assigned = [each for tree in trees for each in ast.walk(tree) if isinstance(each, ast.Assign)]
    constants = {
        each.targets[0].id: texts(each.value, {})
        for each in assigned
        if isinstance(each.targets[0], ast.Name) and each.targets[0].id.isupper()
    }
    found = set()
    for tree in trees:
        for function in [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]:
            own = {
                each.targets[0].id: texts(each.value, constants)
                for each in ast.walk(function)
                if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)
            }
            named = ChainMap(own, constants)
            if function.name.startswith("why"):
                said = [each.value for each in ast.walk(function) if isinstance(each, ast.Return)]
                found |= {text for each in said for text in texts(each, named)}
            for call in [each for each in ast.walk(function) if isinstance(each, ast.Call)]:
                name = getattr(call.func, "id", getattr(call.func, "attr", ""))
                said = [call.args[0]] if name in OUTCOMES and call.args else []
                said += call.args if name == "of" else []
                said += [each.value for each in call.keywords if each.arg == "why" and name in {"replace", "Pending"}]
                found |= {text for each in said for text in texts(each, named)}
    return found - {""}


def test_no_reason_below_the_edge_is_a_sentence():
    """It would stand in English on a Chinese page; as a code it has words in both languages."""
    assert {text for text in reasons() if " " in text} == set()


def test_every_code_of_a_reason_names_the_same_arguments_in_both_languages():
    places = {hitch: [sorted(set(re.findall(r"\{(\w+)\}", said))) for said in hitch.said] for hitch in Hitch}
    assert places == {hitch: [[str(n + 1) for n in range(len(zh))]] * 2 for hitch, (zh, _) in places.items()}
    assert {hitch for hitch in Hitch if not all(said.strip() for said in hitch.said)} == set()


_LATIN = r"[A-Za-z]{2,}"
_NAMES = {
    "API",
    "SMS",
    "BSS",
    "RQ",
    "TD",
    "SHA",
    "CLI",
    "pid",
    "consent",
    "keys",
    "add",
    "ce",
    "English",
    "APP",
    "Esc",
    "PDF",
}
"""Words in Latin letters that a Chinese page may have: ids, commands, and names without another form."""
_MARKS = re.compile(r"[\u4e00-\u9fff][,;:?!()]|[,;:?!()][\u4e00-\u9fff]")


def chinese_told():
    """Return every Chinese text on our pages, without the facts that are filled in."""
    told = {name: re.sub(r"\{\w+\}", "", said) for name, said in words("zh").items()}
    return told | {f"help {role} {n}": line for role, of in help_lines("zh").items() for n, line in enumerate(of)}


def test_no_english_stands_on_chinese_pages_but_names():
    found = {name: sorted(set(re.findall(_LATIN, said)) - _NAMES) for name, said in chinese_told().items()}
    assert {name: each for name, each in found.items() if each} == {}


def test_no_ascii_punctuation_stands_in_chinese():
    assert {name: said for name, said in chinese_told().items() if _MARKS.search(said)} == {}


def test_every_role_has_a_page_of_help_in_both_languages():
    for language in LANGUAGES:
        assert set(help_lines(language)) == set(Role)
        assert all(len(line) > 5 for told in help_lines(language).values() for line in told)
