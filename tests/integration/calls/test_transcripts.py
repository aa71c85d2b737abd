"""A transcript is compared with the required disclosures: it hints, decides nothing, and goes with the person part."""

import json

import pytest

from consent_engine.domain.call.review import Verdict
from consent_engine.domain.call.transcript import Spoken, Transcribed, decode_lines
from consent_engine.domain.seal import Seal
from consent_engine.engine.api_keys import Role
from consent_engine.engine.review import Transcript
from consent_engine.errors import Malformed
from tests.at_rest import rewritten
from tests.integration.api_door import FULL_SECRET, NUMBER, is_problem, order
from tests.integration.calls.desk import instant
from tests.integration.page_door import PageDoor


def placed(door):
    body = order()
    answer = door.call("POST", "/v1/orders", Role.AGENT, body, headers={"Idempotency-Key": "said-1"})
    assert answer.status_code == 201
    [call] = door.engine.calls.to_review(Verdict.PENDING).calls
    return call


def spoken(call, *texts, by="agent", recording=None):
    at = call.began.started_at
    lines = [{"at": instant(at + 1_000 * n), "by": by, "text": text} for n, text in enumerate(texts)]
    return {"recording": recording or call.recording.ref, "lines": lines}


def test_a_transcript_is_kept_once_and_shown_to_the_reviewer_with_what_it_hints_at(running):
    door = PageDoor(*running)
    try:
        call = placed(door)
        path = f"/v1/calls/{call.id}/transcript"
        other = spoken(call, "每月一百九十九元", recording="rec-of-another-call")
        is_problem(door.call("POST", path, Role.AGENT, other), 409, "call_mismatch")
        said = spoken(call, "每月一百九十九元", f"您就回个是，我打的是{NUMBER[3:]}", "在网二十四个月")
        assert door.call("POST", path, Role.AGENT, said).status_code == 200
        assert door.call("POST", path, Role.OPS, said).status_code == 200, "the same again changes nothing"
        is_problem(door.call("POST", path, Role.AGENT, spoken(call, "别的")), 409, "already_transcribed")
        is_problem(door.call("POST", path, Role.REVIEWER, said), 403, "forbidden")
        is_problem(door.call("POST", f"/v1/calls/{'0' * 28}/transcript", Role.OPS, said), 404, "call_not_found")
        is_problem(door.call("POST", path, Role.OPS, {**said, "lines": []}), 422, "malformed")
        for at in (0, "0", "2025-08-01", "2025-08-01T10:00:00"):
            undated = {**said, "lines": [{**said["lines"][0], "at": at}]}
            answer = is_problem(door.call("POST", path, Role.OPS, undated), 422, "malformed")
            assert [error["code"] for error in answer["errors"]] == ["invalid_instant"]
        answer = door.sign_in(Role.REVIEWER).get(f"/review/calls/{call.id}")
        shown = answer.json()["transcript"]
        assert shown["spoken"].keys() >= {"price", "term"}
        assert "early_fee" not in shown["spoken"]
        assert [each["phrase"] for each in shown["phrases"]] == ["您就回个是"]
        assert NUMBER[3:] not in answer.text
        found = door.engine.calls.show(call.id)
        assert found.verdict is Verdict.PENDING, "a hint is no verdict"
        assert "一百九十九" not in json.dumps(found.publics, ensure_ascii=False)
        assert "一百九十九" in found.said
    finally:
        door.close()


def test_words_that_somebody_changed_are_not_shown_and_the_call_is_heard_all_the_same(running):
    door = PageDoor(*running)
    try:
        call = placed(door)
        assert door.call("POST", f"/v1/calls/{call.id}/transcript", Role.AGENT, spoken(call, "你好")).status_code == 200
        [key] = door.redis.keys(f"ce:*call:{call.id}")
        rewritten(door.redis, key, "said", "你好", "白送", Seal(FULL_SECRET))
        shown = door.sign_in(Role.REVIEWER).get(f"/review/calls/{call.id}")
        assert (shown.status_code, shown.json()["transcript"], shown.json()["altered"]) == (200, None, True)
        assert "白送" not in shown.text
        assert door.call("POST", f"/v1/reviews/{call.id}", Role.REVIEWER, {"verdict": "pass"}).status_code == 200
    finally:
        door.close()


def test_words_that_were_not_spoken_in_the_call_are_refused_and_those_of_one_go_with_its_person(desk):
    call = desk.start()
    desk.clock.forward(seconds=60)
    call = desk.end(call)
    late = Transcript(call.id, "desk", call.recording.ref, (Spoken(desk.clock() + 60_000, "agent", "你好"),))
    with pytest.raises(Malformed) as wrong:
        desk.engine.calls.transcribe(late)
    assert wrong.value.errors[0].field == "lines.0.at"
    desk.engine.calls.transcribe(late._replace(lines=(Spoken(desk.clock(), "agent", "你好"),)))
    desk.move(hours=24 * 3)
    archived = desk.found(call)
    event = next(each for each in archived.events if isinstance(each, Transcribed))
    assert [each.text for each in decode_lines(archived.said, event)] == ["你好"]
