"""The evidence of an order over HTTP, as a file and as a page: for auditors alone, and each look is recorded first."""

import json
import re

import pytest

from consent_engine.api.web.words import words
from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from consent_engine.errors import StoreUnavailable
from consent_engine.verify import verify
from tests.integration.api_door import NUMBER, is_problem, reply

AUDITORS = {Role.AUDITOR, Role.ADMIN}


@pytest.fixture
def done(door):
    """The id of an order whose subscriber asked something, said yes, and got the service."""
    order = door.place().json()["id"]
    door.work(Lane.SMS)
    for text in ("要不要<b>钱</b>", "是"):
        door.post("inbound", reply(text))
        door.work(Lane.INBOUND)
    door.work(Lane.ACTIVATION)
    door.work(Lane.SMS)
    return order


def looks(door):
    return [(each.what, each.by, each.reason) for each in door.engine.reveals.happened()]


def test_the_file_is_for_auditors_and_who_got_it_is_recorded_in_it(door, done):
    answer = door.call("GET", f"/v1/orders/{done}/evidence", Role.AUDITOR)
    assert answer.headers["content-disposition"] == f'attachment; filename="evidence-{done}.json"'
    file = answer.json()
    assert "the file is not signed: its dates of making and of publication are nobody's word" in verify(file)
    account = file["account"]
    assert (account["number"], account["answered"]["text"], file["made_by"]) == (NUMBER, "是", "the-auditor")
    assert account["activated"]
    [last] = [each for each in account["events"] if each["what"] == "revealed"]
    assert (last["by"], last["detail"]["reason"]) == ("the-auditor", "evidence"), "the look is in what is looked at"
    assert looks(door) == [(done, "the-auditor", "evidence")]


@pytest.mark.parametrize("role", [*Role, None])
def test_nobody_else_gets_the_file_or_the_page(door, done, role):
    answer = door.call("GET", f"/v1/orders/{done}/evidence", role)
    assert answer.status_code == (200 if role in AUDITORS else 403 if role else 401)
    visitor = door.sign_in(role) if role else door.stranger()
    page = visitor.get(f"/orders/{done}/evidence")
    assert page.status_code == (200 if role in AUDITORS else 403 if role else 303)
    if role not in AUDITORS:
        assert NUMBER[3:] not in answer.text + page.text
        assert looks(door) == []
    if role is not None and role is not Role.REVIEWER:
        assert ('id="evidence"' in visitor.get(f"/orders/{done}").text) == (role in AUDITORS)


def test_an_order_that_is_none_has_no_evidence(door):
    is_problem(door.call("GET", f"/v1/orders/{'0' * 28}/evidence", Role.AUDITOR), 404, "order_not_found")
    assert door.sign_in(Role.AUDITOR).get(f"/orders/{'0' * 28}/evidence").status_code == 404
    assert looks(door) == []


def test_nothing_is_shown_that_cannot_be_recorded(door, done):
    def engines():
        engine = door.installation.engine()

        def away(*_):
            raise StoreUnavailable("away")

        engine.evidence.note = away
        return engine

    door.serve(engines)
    answer = door.call("GET", f"/v1/orders/{done}/evidence", Role.AUDITOR)
    is_problem(answer, 503, "store_unavailable")
    assert NUMBER not in answer.text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_judge_reads_the_whole_chain_in_both_languages(door, done, language):
    said = words(language)
    page = door.sign_in(Role.AUDITOR).get(f"/orders/{done}/evidence?lang={language}").text
    file = door.call("GET", f"/v1/orders/{done}/evidence", Role.AUDITOR).json()
    for name in ("sound", "same", "chain.order", "chain.call", "no_checkpoint", "missing.review"):
        assert said[f"evidence.{name}"] in page, name
    account = file["account"]
    for text in (
        NUMBER,
        account["sold"]["seller"],
        account["told"]["text"],
        account["published"]["hash"],
        "5g-smart-199",
    ):
        assert text in page, text
    assert "要不要&lt;b&gt;钱&lt;/b&gt;" in page, "a subscriber's words are no markup"
    steps = [each["what"] for each in account["events"] if each["chain"] == "order"]
    drawn = re.findall(r'<li value="(\d+)">', page)
    assert len(drawn) == len(account["events"]) - 1, "each link; the file has one more look"
    assert all(said[f"trigger.{step}"] in page for step in steps)
    shown = re.sub("<code.*?</code>", "", page)
    for name in ("by.subscriber", "keyword.YES", "rule.only_order", "role.auditor", "reason.evidence"):
        assert said[name] in shown, name
    if language == "zh":
        assert not re.search(
            r"> · (subscriber|engine|gateway|bss)|：(YES|only_order|evidence)|[\u4e00-\u9fff]: ", shown
        )
    assert "{'" not in page


def test_the_page_says_what_does_not_hold(door, done):
    forged = json.loads(door.call("GET", f"/v1/orders/{done}/evidence", Role.AUDITOR).content)
    forged["account"]["sold"]["agent"] = "another"

    def engines():
        engine = door.installation.engine()
        engine.evidence.file = lambda *_: forged
        return engine

    door.serve(engines)
    page = door.sign_in(Role.AUDITOR).get(f"/orders/{done}/evidence?lang=en").text
    assert words("en")["evidence.broken"] in page
    assert "account.sold.agent: is not what the links say" in page
