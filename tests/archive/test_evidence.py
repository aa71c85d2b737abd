"""Evidence files: what a stranger learns from one, with nothing but the file; and that no change of one goes unseen."""

import ast
import json
import re
import runpy
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from msgspec import convert
from msgspec.structs import fields, replace
from sqlalchemy import update

from consent_engine import verify
from consent_engine.adapters.log_folder import LogFolder
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.tables import CALLS, ORDERS, RECORDS
from consent_engine.domain.call import call as calls
from consent_engine.domain.call import ending as endings
from consent_engine.domain.call.ending import Cause, Why
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Lane
from consent_engine.domain.grammar import EDITION, Keyword, words
from consent_engine.domain.grammar import read as meaning
from consent_engine.domain.hashing import digest
from consent_engine.domain.lifecycle import TRANSITIONS, Trigger
from consent_engine.domain.log.checkpoint import Checkpoint, Note, Witness
from consent_engine.domain.order.facts import Rule
from consent_engine.domain.sms import Delivery
from consent_engine.engine.evidence import EvidenceFiles, Hands, encoded, file_of
from consent_engine.engine.publishing import Keys, Publisher
from consent_engine.engine.scribe import as_of_now
from consent_engine.errors import ArchiveUnavailable
from consent_engine.verify import BROKEN, NO_EVIDENCE, SOUND, Broken, NotEvidence
from consent_engine.verify import verify as checked
from tests.archive.press import cosigned_by
from tests.conftest import NUMBER
from tests.evidence import LOG, OLDER, WITNESS, broken, conversations, erased, hand, lived, logged, places, read, signed
from tests.integration.calls.desk import Desk, instant
from tests.integration.calls.reviewing import PLAN, ordered
from tests.memory import a_store
from tests.tiers import DEEP
from tests.waiting import HANGS_S
from tests.written_out import empty_at

ROOT = Path(__file__).parents[2]
SOURCE = Path(verify.__file__)
STRANGER = hand("stranger.example")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    archive = SqlArchive(empty_at(tmp_path_factory.mktemp("evidence")))
    made = Desk(a_store(), archive)
    yield made
    made.runner.close()
    archive.close()


@pytest.fixture(scope="module")
def whole(desk):
    """The evidence of an order with all that one can have, in a log, and signed."""
    order = lived(desk)
    as_of_now(desk.engine.store)
    return logged(read(encoded(desk.engine.evidence.file(order.id, "auditor-1"))))


@pytest.fixture(scope="module")
def every(whole):
    """Signed evidence of every kind: nothing happened yet, everything did, and all between."""
    return [whole, *(logged(read(made)) for made in conversations())]


def link_of(file, trust=()):
    """Return the name of the link that is broken; "" for none."""
    try:
        checked(file, trust)
    except Broken as error:
        return error.link
    return ""


# -- what it says ------------------------------------------------------------------------------------------------------


def test_evidence_of_every_conversation_is_sound_and_told_by_a_trusted_key(every):
    assert {link_of(file) for file in every} == {""}
    assert {link_of(file, [str(LOG.key)]) for file in every} == {""}
    seen = {event["what"] for file in every for event in file["account"]["events"] if event["chain"] == "order"}
    assert not DEEP or seen == {"placed", *Trigger}


def test_a_stranger_finds_the_answers_to_five_questions(whole):
    told = dict(verify.answers(whole["account"]))
    assert "中国移动通信集团北京有限公司, agent A1024, by a call from 10085" in told["who sold"]
    assert "199元/月" in told["what was told"]
    assert re.match(
        rf"{re.escape(NUMBER)}:  是。谢谢, received at 2025-11-25T00:03:.*, activated at", told["who answered"]
    )
    assert told["was it published"].startswith("yes: 5g-smart-199 version 1, hash ")
    assert "/tariffs/5g-smart-199/1 since 2025-08-01T00:00:00+08:00" in told["was it published"]
    assert re.match("withdrawn, at 2025-11-25T00:03:.*, off at 2025-11-25", told["was it taken back"])


def test_the_file_has_every_part_that_the_design_lists(whole):
    told = json.dumps(whole["account"], ensure_ascii=False)
    events = {(each["chain"], each["what"]) for each in whole["account"]["events"]}
    assert events >= {
        ("call", "called"), ("call", "ended"), ("call", "transcribed"), ("call", "reviewed"), ("call", "second_look"),
        ("order", "reported"), ("order", "delivered"), ("order", "unclear"), ("order", "said_yes"),
        ("order", "service_activated"), ("order", "notification_accepted"), ("ending", "switched_off"),
    }  # fmt: skip
    assert all(
        each in told for each in ("要钱吗", "每月一百九十九元", "A1024", "rec-", '"request"', "凭证号", "已按您")
    )
    assert whole["account"]["answered"]["folded"] == "是"
    assert {each["sms"] is not None for each in whole["account"]["events"] if each["what"] == "informed"} == {True}


def test_what_a_file_lacks_is_said(desk, whole):
    order = desk.place("+8613800138001")
    as_of_now(desk.engine.store)
    file = desk.engine.evidence.file(order.id, "auditor-1")
    lacks = ["entry order", "entry call", "review", "permit", "checkpoint", "token", "bytes"]
    assert file["account"]["missing"] == lacks
    said = [each for each in checked(file) if each.startswith("not in this file: ")]
    assert said[:3] == [
        "not in this file: order: its entry in a checkpoint of the log",
        "not in this file: call: its entry in a checkpoint of the log", "not in this file: a review of the call",
    ]  # fmt: skip
    assert len(said) == len(lacks)
    assert whole["account"]["missing"] == ["text ending 2", "token", "bytes"]
    assert "not in this file: ending 2: the text of the SMS" in checked(whole)


def test_an_order_that_sql_does_not_have_yet_is_no_evidence(desk):
    with pytest.raises(ArchiveUnavailable, match="does not have this order yet"):
        desk.engine.evidence.file("0" * 28, "auditor-1")


def test_what_the_log_proves_is_in_the_file_once_a_checkpoint_covers_it(desk, tmp_path):
    order = desk.settled(msisdn="+8613800138003")
    as_of_now(desk.engine.store)
    press = Publisher(desk.engine.store.log.public, Keys([LOG]), LogFolder(tmp_path / "log"))
    first = press.publish(desk.clock())
    desk.engine.store.log.public.add(first._replace(note=cosigned_by(first.note, WITNESS, 1), cosigned=1))
    desk.engine.evidence.note(desk.engine.show(order.id), "auditor-1", "auditor")
    desk.clock.forward(hours=1)
    as_of_now(desk.engine.store)
    assert press.publish(desk.clock()).checkpoint.size > first.checkpoint.size
    desk.engine.evidence.note(desk.engine.show(order.id), "auditor-1", "auditor")
    as_of_now(desk.engine.store)
    witnesses = [Witness("https://w.example", WITNESS.key)]
    one = desk.another()
    one.evidence = EvidenceFiles(one.store, one.reveals, desk.clock, lambda: Hands([LOG], witnesses))
    file = read(encoded(one.evidence.file(order.id, "auditor-1")))
    assert file["account"]["missing"] == ["entries order", "review", "permit", "token", "bytes"]
    said = checked(file, [str(LOG.key)])
    assert "signature: signed by log.example, a trusted key" in said
    assert "not in this file: order: its last events in a checkpoint of the log" in said, "its own making is younger"
    one.evidence = EvidenceFiles(one.store, one.reveals, desk.clock, lambda: Hands([Away()]))
    assert "the file is not signed: its dates of making and of publication are nobody's word" in checked(
        one.evidence.file(order.id, "auditor-1")
    )


class Away:
    """A service that keeps the log's key, and does not answer."""

    key = LOG.key

    def sign(self, message):
        raise OSError("away")


# -- what it proves ----------------------------------------------------------------------------------------------------


def test_no_change_of_any_value_goes_unseen(every):
    """Each broken link is named. The file's signature is the last of them, and the only one that covers all: that it is
    gone, or another's, is broken for a reader who trusts a key, and said to one who trusts none.
    """
    roll, names, unseen = Random(f"{DEEP}"), set(), []  # noqa: S311
    for _ in range(10_000 if DEEP else 700):
        file = roll.choice(every)
        place = roll.choice([each for each in places(file) if each != ("evidence",)])
        name = link_of(broken(file, place, roll), [str(LOG.key)])
        names.add(re.sub("[0-9]+", "N", name))
        unseen += [place] if not name else []
    assert unseen == []
    assert len(names) > 60


def test_each_part_of_a_link_is_covered_without_any_signature(every):
    """Who signs anything for an operator who forges: chain, catalogue and account hold each other."""
    roll = Random(1)  # noqa: S311
    for _ in range(2_000 if DEEP else 200):
        file = {**roll.choice(every), "log": None, "signature": None, "keys": []}
        file["chains"] = [{**each, "leaf": None} for each in file["chains"]]
        file["account"] = verify.account_of(file)
        parts = [each for each in places(file) if each[0] in {"chains", "offer", "account"}]
        assert link_of(broken(file, roll.choice(parts), roll))


def forged(file, change, what="", kind="order"):
    """Return a file whose chain was made anew after a change of one link, as whoever keeps the data could."""
    made = json.loads(json.dumps(file))
    [row] = [each for each in made["chains"] if each["kind"] == kind]
    for link in row["links"]:
        content = json.loads(link["public"])
        if what in {"", content[0]}:
            person = json.loads(link["person"]) if link["person"] else None
            change(content, person)
            if person is not None and what:
                link["person"] = json.dumps(person, ensure_ascii=False)
                content[-1] = verify.digest(link["person"])
            link["public"] = json.dumps(content, ensure_ascii=False)
            break
    return logged(made | {"log": None})


def cut(file, *what):
    """Return a file without the events of some kinds, its chain made anew."""
    made = json.loads(json.dumps(file))
    links = made["chains"][0]["links"]
    made["chains"][0]["links"] = [each for each in links if json.loads(each["public"])[0] not in what]
    return logged(made | {"log": None, "texts": []})


@pytest.mark.parametrize(
    ("change", "what", "why"),
    [
        (lambda row, _: row[5].update(keyword="NO"), "said_yes", "is no yes to this order"),
        (lambda row, _: row[5].update(candidates=["0" * 28]), "said_yes", "is no yes to this order"),
        (lambda row, _: row[5].update(rule="every_open"), "said_yes", "is no yes to this order"),
        (lambda row, _: row[5].update(rule="sub_number"), "said_yes", "to another number than the order's own"),
        (lambda row, _: row[5].update(received_at=10**13), "said_yes", "after its time was over"),
        (lambda row, _: row[5].update(received_at=10**12), "said_yes", "before the question was sent"),
        (lambda row, _: row[5].update(written_by=10**12), "said_yes", "before the question was sent"),
        (lambda row, _: row[5].update(keyword="UNKNOWN"), "said_yes", "is no yes to this order"),
        (lambda _, person: person.update(to="+8610085345"), "said_yes", "to another number than the order's own"),
        (lambda _, person: person.update(to="10001"), "said_yes", "event 6: was sent to another carrier's number"),
        (lambda _, person: person.update(to="+86１0010５"), "said_yes", "was sent to another carrier's number"),
        (lambda _, person: person.update(text="不要"), "said_yes", "not in the closed list of what is consent"),
        (lambda _, person: person.update(text="是?"), "said_yes", "not in the closed list of what is consent"),
        (lambda _, person: person.update(msisdn="+8613900139000"), "said_yes", "came from another number"),
        (lambda row, _: row[5].update(rule="code"), "said_yes", "has another code than the order's"),
        (lambda row, _: row[5].update(rule="which_one"), "said_yes", "is not the code of a yes that was asked for"),
        (lambda row, _: row.__setitem__(1, row[1] - 10**8), "service_activated", "takes back another activation"),
        (lambda row, _: row.__setitem__(3, "another"), "service_activated", "takes back another activation"),
    ],
)  # fmt: skip
def test_a_forged_yes_or_activation_is_seen_however_well_the_chain_was_made_anew(whole, change, what, why):
    with pytest.raises(Broken, match=re.escape(why)):
        checked(forged(whole, change, what))


@pytest.mark.parametrize(
    "text", ["是👎", "是❌", "是🙂", "是̸", "是…", "是。。", "ʸ", "ⓨ", "yés", "\u202e是", "是/", "是\U000e0001"]
)
def test_a_yes_with_a_sign_that_takes_it_back_is_none(whole, text):
    assert meaning(text).keyword is not Keyword.YES
    with pytest.raises(Broken, match="not in the closed list of what is consent"):
        checked(forged(whole, lambda _, person: person.update(text=text), "said_yes"))


@pytest.mark.parametrize("edition", [99, 0, -1])
def test_a_yes_by_words_of_an_edition_that_the_verifier_lacks_is_not_said_to_be_sound(whole, edition):
    with pytest.raises(NotEvidence, match=f"words of edition {edition}, which this verifier does not know"):
        checked(forged(whole, lambda row, _: row[5].update(edition=edition), "said_yes"))


def post(text, number=NUMBER):
    return json.dumps({"from": number, "text": text, "id": 7}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("posted", "why"),
    [
        ("", "cannot be read"), ("{", "cannot be read"), ("[" * 100_000, "cannot be read"), (7, "cannot be read"),
        (post("是", "+8613900139000"), "has another number"), ("[7]", "has another number"),
        (post("不要"), "has other words"), (post("是?"), "has other words"), (post("是的"), "has other words"),
        ("[]", "has other words"), (f"[{post('是')},{post('不')}]", "has other words"),
        (f"[{post('不')},{post('是')}]", "has other words"),
    ],
)  # fmt: skip
def test_a_yes_of_which_the_gateways_post_says_otherwise_is_none(whole, posted, why):
    with pytest.raises(Broken, match=re.escape(f"the gateway's post {why}")):
        checked(forged(whole, lambda _, person: person.update(text="是", posted=posted), "said_yes"))


@pytest.mark.parametrize(
    ("text", "posted"),
    [
        ("是", post("是", "tel:+86-138-0013-8000")), ("是", post("是", 13800138000)), ("是", post("662F")),
        ("yes", post("796573")), ("是的", f"[{post('是')},{post('的')}]"), ("是 ", f"[{post('是')},{post(' ')}]"),
        ("是", json.dumps({"message": [{"body": "是"}, {"sender": "１３８００１３８０００"}]})),
    ],
)  # fmt: skip
def test_a_yes_is_found_in_the_gateways_post_however_that_writes_it(whole, text, posted):
    assert link_of(forged(whole, lambda _, person: person.update(text=text, posted=posted), "said_yes")) == ""


def test_a_file_without_the_gateways_post_is_sound_and_says_so(whole):
    bare = forged(whole, lambda _, person: person.pop("posted"), "said_yes")
    assert "not in this file: order 6: the gateway's post of the reply" in checked(bare)


def noted(file, what, **detail):
    """Return a file in which something else happens just before the yes."""
    made = json.loads(json.dumps(file))
    links = made["chains"][0]["links"]
    [(n, content)] = [(n, row) for n, each in enumerate(links) if (row := json.loads(each["public"]))[0] == "said_yes"]
    row = [what, *content[1:5], {**content[5], **detail}, ""]
    links.insert(n, {"public": json.dumps(row, ensure_ascii=False), "person": None})
    return logged(made | {"log": None, "texts": []})


def test_no_yes_counts_while_words_that_may_be_a_refusal_wait_for_a_person(whole):
    for reason in ("refusing", "doubtful"):
        held = noted(whole, "suspected", reason=reason)
        with pytest.raises(Broken, match="a yes while words that may be a refusal waited for a person"):
            checked(held)
    others = noted(noted(whole, "suspected", reason="doubtful"), "resumed", needs_code=0)
    assert link_of(others).startswith("order, event"), "the decision was on other words"
    assert link_of(noted(noted(whole, "suspected", reason="doubtful"), "resumed", needs_code=0, doubtful=1)) == ""
    before = noted(noted(whole, "replied_early"), "suspected", reason="doubtful")
    assert link_of(before) != ""
    early = forged(before, lambda row, _: row[5].update(early=1), "said_yes")
    assert link_of(early) == "", "it came before them: its activation is what waits"


@pytest.mark.parametrize(("what", "detail"), [("resumed", {"needs_code": 1}), ("replied_suspect", {"asked": 1})])
def test_no_bare_yes_counts_once_the_code_was_asked_for(whole, what, detail):
    asked = noted(whole, what, **detail)
    with pytest.raises(Broken, match="a yes without the code that was asked for"):
        checked(asked)
    own = forged(asked, lambda row, _: row[3].__setitem__(0, "5"))
    elsewhere = forged(
        own, lambda row, person: (row[5].update(rule="sub_number"), person.update(to="100855")), "said_yes"
    )
    assert bool(link_of(elsewhere)) == ("asked" in detail), "after a suspect yes, the number it came to proves nothing"


def test_a_bare_code_answers_the_newest_question_which_one(whole):
    code = json.loads(whole["chains"][0]["links"][0]["public"])[3][1]

    def answered(row, person):
        row[5].update(rule="which_one")
        person.update(text=code, posted=post(code))

    asked = forged(noted(whole, "unclear", which="YES", clarified=1), answered, "said_yes")
    assert link_of(asked) == ""
    with pytest.raises(Broken, match="is not the code of a yes that was asked for"):
        checked(noted(asked, "unclear", which="NO", clarified=1))


def test_a_yes_to_another_number_than_the_orders_own_is_none(whole):
    own = forged(whole, lambda row, _: row[3].__setitem__(0, "7"))
    with pytest.raises(Broken, match="was sent to another number than the order's own"):
        checked(forged(own, lambda row, _: row[5].update(rule="sub_number"), "said_yes"))
    wide = forged(
        own, lambda row, person: (row[5].update(rule="sub_number"), person.update(to="１００８５７")), "said_yes"
    )
    assert checked(wide)


def test_a_yes_with_the_code_of_another_order_is_none_by_whatever_rule_it_is_said_to_count(whole):
    code = json.loads(whole["chains"][0]["links"][0]["public"])[3][1]
    for other, link in ((code, ""), (str(201 + int(code) % 700), "order, event 6")):
        said = {"text": f"是{other}", "posted": post(f"是{other}")}
        assert link_of(forged(whole, lambda _, person, said=said: person.update(said), "said_yes")) == link


@pytest.mark.parametrize("kind", ["call", "ending"])
def test_a_call_and_an_ending_of_another_number_are_not_the_orders(whole, kind):
    made = json.loads(json.dumps(whole))
    [link, *_] = next(each["links"] for each in made["chains"] if each["kind"] == kind)
    other = link["person"].replace(NUMBER, "+8613900139000")
    link.update(person=other, public=link["public"].replace(verify.digest(link["person"]), verify.digest(other)))
    assert link_of(logged(made | {"log": None})) == kind


def test_a_person_part_that_no_link_names_is_seen_however_well_the_file_was_made_anew(whole):
    other = json.loads(json.dumps(whole))
    [link, *_] = [each for each in other["chains"][0]["links"] if '"said_yes"' in each["public"]]
    link["person"] = link["person"].replace("是", "同意")
    with pytest.raises(Broken, match="its person part is not the one that it names by its hash"):
        checked(signed(other))


def test_no_service_without_a_yes_after_a_question(whole):
    with pytest.raises(Broken, match="service_activated does not happen to an order that is awaiting_reply"):
        checked(cut(whole, "said_yes"))
    with pytest.raises(Broken, match="said_yes does not happen to an order that is agreed"):
        checked(cut(whole, "confirmation_accepted"))


@pytest.mark.parametrize(
    ("ahead_of", "what", "why"),
    [
        ("said_yes", "opted_out", "said_yes does not happen to an order that is declined"),
        ("said_yes", "window_closed", "said_yes does not happen to an order that is expired"),
        ("service_activated", "cancelled", "service_activated does not happen to an order that is cancelled"),
        ("service_activated", "service_activated", "service_activated does not happen to an order that is activated"),
    ],
)  # fmt: skip
def test_no_yes_counts_and_no_service_is_switched_on_after_the_end_of_an_order(whole, ahead_of, what, why):
    made = json.loads(json.dumps(whole))
    links = made["chains"][0]["links"]
    [(n, content)] = [(n, row) for n, each in enumerate(links) if (row := json.loads(each["public"]))[0] == ahead_of]
    again = {**links[n], "public": json.dumps([what, *content[1:]], ensure_ascii=False)}
    made["chains"][0]["links"] = [*links[:n], again, *links[n:]]
    with pytest.raises(Broken, match=why):
        checked(logged(made | {"log": None, "texts": []}))


def chained(file, kind, change):
    """Return a file with the links of one chain changed, each as its content, and made anew."""
    made = json.loads(json.dumps(file))
    [chain] = [each for each in made["chains"] if each["kind"] == kind]
    rows = [(json.loads(each["public"]), each["person"]) for each in chain["links"]]
    rows = change(rows)
    chain["links"] = [{"public": json.dumps(row, ensure_ascii=False), "person": person} for row, person in rows]
    return logged(made | {"log": None})


def without(*what):
    return lambda rows: [(row, person) for row, person in rows if row[0] not in what]


def before_the_yes(file, kind, *rows):
    """Return a file to whose chain events were added an hour before the yes, after which all else came."""
    at = min(json.loads(each["public"])[1] for each in file["chains"][0]["links"][1:])
    return chained(
        file, kind, lambda known: [*known[:2], *(([row[0], at, *row[1:]], None) for row in rows), *known[2:]]
    )


@pytest.mark.parametrize(
    ("kind", "change", "why"),
    [
        ("call", without("ended"), "reviewed does not happen to a call that is up"),
        ("call", lambda rows: rows[:1], "had not ended, with a recording, when the service was switched on"),
        ("call", lambda rows: [rows[0], ([*rows[1][0][:7], None, *rows[1][0][8:]], None)], "had not ended, with a rec"),
        ("call", lambda rows: [rows[0], ([*rows[1][0][:4], 0, *rows[1][0][5:]], None)], "ended before the subscriber"),
        ("call", lambda rows: [([*rows[0][0][:6], "telecom", *rows[0][0][7:]], None), *rows[1:]], "not the call that"),
        ("call", lambda rows: [([*rows[0][0][:7], 0, *rows[0][0][8:]], None), *rows[1:]], "not the call that"),
        ("call", lambda rows: [*rows, rows[-2]], "reviewed does not happen to a call that is reviewed_twice"),
        ("ending", lambda rows: [*rows, rows[1]], "switched_off does not happen to an ending that is told"),
        ("ending", without("switched_off"), "told does not happen to an ending that is ending"),
    ],
)  # fmt: skip
def test_events_of_a_call_and_of_an_ending_happen_in_their_order(whole, kind, change, why):
    with pytest.raises(Broken, match=why):
        checked(chained(whole, kind, change))


@pytest.mark.parametrize("at", ["after the question", "after the activation"])
def test_a_lawful_order_is_sound_though_the_stores_clock_was_set_back_by_an_hour(tmp_path, at):
    with closing(SqlArchive(empty_at(tmp_path))) as archive:
        desk = Desk(a_store(), archive)
        call = desk.start()
        order = ordered(desk, call)
        desk.run(Lane.SMS)
        desk.clock.forward(seconds=300)
        desk.end(call, "agreed", plan=PLAN, ended_at=instant(desk.clock()))
        desk.clock.forward(hours=-1 if at == "after the question" else 0)
        desk.report(order, Delivery.DELIVERED, segments=2, segment=1)
        desk.report(order, Delivery.DELIVERED, segments=2, segment=2)
        desk.clock.forward(seconds=60)
        desk.say("是")
        desk.run()
        desk.clock.forward(hours=-1 if at == "after the activation" else 0)
        desk.engine.endings.ask(desk.engine.show(order.id), Why(Cause.WITHDRAWN, "hotline", "ops-1", "no more"))
        as_of_now(desk.engine.store)
        file = logged(read(encoded(desk.engine.evidence.file(order.id, "auditor-1"))))
        desk.runner.close()
    said = [each for each in checked(file) if "a clock went back" in each]
    assert (file["account"]["activated"] is not None, len(said)) == (True, at == "after the question")
    with pytest.raises(Broken, match="had not ended, with a recording"):
        checked(chained(file, "call", lambda rows: rows[:1]))


def test_a_call_that_was_not_in_order_is_said_by_name(tmp_path, whole):
    late = json.loads(whole["chains"][1]["links"][-1]["public"])[1] + 10**8
    again = ["judged_again", late, "o", ["refused_number", "quiet_hours"], []]
    said = checked(chained(whole, "call", lambda rows: [*rows, (again, None)]))
    assert "the call was not in order: quiet_hours, refused_number" in said
    taken_back = ["judged_again", late, "p", [], ["refused_number", "quiet_hours"]]
    said = checked(chained(whole, "call", lambda rows: [*rows, (again, None), (taken_back, None)]))
    assert not [each for each in said if "in order" in each]
    failed = chained(whole, "call", without("second_look"))
    (tmp_path / "file").write_bytes(encoded(failed))
    status, rows = verify.report(str(tmp_path / "file"))
    assert (status, ("note", "the call was not in order: failed review: price_not_told") in rows) == (SOUND, True)


def test_no_service_is_switched_on_after_a_call_was_known_not_to_be_in_order(whole):
    known = before_the_yes(whole, "call", ["judged_again", "o", ["quiet_hours"], []])
    with pytest.raises(Broken, match="was not in order when the service was switched on: quiet_hours"):
        checked(known)
    again = ["judged_again", "p", [], ["quiet_hours"]]
    assert checked(before_the_yes(whole, "call", ["judged_again", "o", ["quiet_hours"], []], again))


def test_another_plan_or_price_than_the_one_that_was_told_is_seen(whole):
    plan = json.loads(whole["plan"]["content"])
    elsewhere = [{**each, "url": "/elsewhere"} for each in plan["published"]]
    with pytest.raises(Broken, match="plan: is not the one that was sold"):
        checked(signed({**whole, "plan": {**whole["plan"], "content": json.dumps(plan | {"published": elsewhere})}}))
    late = [{**each, "since": "2025-11-25T00:00:01+08:00"} for each in plan["published"]]
    with pytest.raises(Broken, match="was not public in hall and app"):
        checked(signed({**whole, "plan": {**whole["plan"], "content": json.dumps(plan | {"published": late})}}))
    spans = [{"version": 1, "since": None, "until": "2025-11-24T23:59:00+08:00"}]
    with pytest.raises(Broken, match="was not public in hall and app"):
        checked(signed({**whole, "plan": {**whole["plan"], "spans": spans}}))
    ends = [{"version": 1, "since": None, "until": "2025-11-25T00:00:00+08:00"}]  # the instant that it was placed at
    assert link_of(signed({**whole, "plan": {**whole["plan"], "spans": ends}})) == ""
    others = {"199元/月": "99元/月", "“5G智享": "“5G优享"}
    for (told, other), lacks in zip(others.items(), ("199.00", "5G智享套餐199元档"), strict=True):
        offer = whole["offer"].replace(told, other)
        sold = forged({**whole, "offer": offer}, lambda row, _, by=offer: row.__setitem__(0, verify.digest(by)))
        with pytest.raises(Broken, match=f"question: does not say {re.escape(lacks)}$"):
            checked(sold)


def test_a_question_says_who_called_and_the_code_that_it_asks_for(every):
    [file, *_] = [each for each in every if json.loads(each["chains"][0]["links"][0]["public"])[3][2]]
    assert link_of(forged(file, lambda row, _: row[3].__setitem__(1, "1000"))) == "question"
    assert link_of(forged(file, lambda row, _: row[2].__setitem__(0, "10010"))) == "question"


def test_each_sms_has_the_text_that_was_sent_by_the_hash_in_its_hand_over(desk, whole):
    sent = {digest(sms.text) for sms in desk.gateway.sent}
    told = [each for each in whole["account"]["events"] if each["detail"].get("text")]
    assert {each["what"] for each in told} == {"informed", "notification_accepted"}
    assert {each["detail"]["text"] for each in told} <= sent
    assert all(digest(each["sms"]) == each["detail"]["text"] for each in told)
    for text in whole["texts"]:
        others = [{**each, "text": "您已办理99元套餐"} if each is text else each for each in whole["texts"]]
        assert link_of(signed({**whole, "texts": others})) == f"order, event {text['event']}"
    kept = desk.engine.store.queries.evidence.of([whole["account"]["order"]])[whole["account"]["order"]]
    *before, last = kept.order.events
    other = replace(last, detail=replace(last.detail, text=digest("words of another edition")))
    file = file_of(replace(kept, order=replace(kept.order, events=(*before, other))), "auditor-1", 0)
    assert [each["text"] is None for each in file["texts"]] == [False, True], "what is not written as it was sent"


def test_a_log_that_has_another_history_is_seen(whole):
    first, second, *rest = whole["chains"]
    of_the_call = {**whole, "chains": [first | {"leaf": second["leaf"]}, second, *rest]}
    with pytest.raises(Broken, match="order, leaf: the log has another event here than the chain"):
        checked(signed(of_the_call))
    name, size, _ = whole["log"]["checkpoint"].split("\n")[:3]
    another = str(Note(str(Checkpoint(name, int(size), bytes(32)))).signed_by(LOG))
    assert link_of(signed({**whole, "log": {"checkpoint": another, "token": None}})) == "order, leaf"


def test_an_unknown_signer_is_said_to_be_one_and_a_trusted_one_must_have_signed(whole):
    said = checked(whole)
    assert any("signed by log.example, an unknown signer" in each for each in said)
    assert any("cosigned at 2027-01-15T16:00:00.000+08:00 by witness.example" in each for each in said)
    assert any("signed by log.example, a trusted key" in each for each in checked(whole, [str(LOG.key)]))
    assert any("signed by log.example, a trusted key" in each for each in checked(whole, [str(OLDER.key)])), "rotated"
    assert link_of(whole, [str(STRANGER.key)]) == "checkpoint"
    assert link_of({**whole, "signature": None}, [str(LOG.key)]) == "signature"
    note = Note.decode(whole["log"]["checkpoint"])
    beside = signed({**whole, "log": {"checkpoint": str(note.signed_by(STRANGER)), "token": None}})
    unchecked = "checkpoint: a signature of stranger.example, an unknown signer, is not checked: its key is not here"
    assert unchecked in checked(beside)
    forger = Note(note.text).signed_by(hand(LOG.key.name, number=2))
    made_up = forger._replace(signatures=tuple(each._replace(id=LOG.key.id) for each in forger.signatures))
    assert link_of(signed({**whole, "log": {"checkpoint": str(made_up), "token": None}})) == "signatures"


def test_a_witness_that_is_trusted_makes_no_other_log_the_trusted_one(whole):
    """A witness cosigns whatever log grows: that it saw one says nothing about whose it is."""
    name, size, root = whole["log"]["checkpoint"].split("\n")[:3]

    def of(origin, by):
        note = cosigned_by(Note(f"{origin}\n{size}\n{root}\n").signed_by(by), WITNESS, 1_800_000_000)
        made = signed({**whole, "log": {"checkpoint": str(note), "token": None}})
        return made | {"signature": str(Note(verify.content_of(made)).signed_by(LOG))}

    both = [str(LOG.key), str(WITNESS.key)]
    assert link_of(of(name, LOG), both) == ""
    assert link_of(of("stranger.example", STRANGER), both) == "checkpoint"
    assert link_of(of("another.example", LOG), [str(LOG.key)]) == "checkpoint"
    assert link_of(of("another.example", LOG)) == "checkpoint"


# -- a person who is erased --------------------------------------------------------------------------------------------


def test_erasing_a_person_breaks_nothing_and_is_said(desk, whole):
    order = whole["account"]["order"]
    with desk.archive.asking() as connection:
        for table in (ORDERS, CALLS, RECORDS):
            connection.execute(update(table).where(table.c.line.is_not(None)).values(person=None, gone=True))
    file = logged(read(encoded(desk.engine.evidence.file(order, "auditor-1"))))
    said = checked(file, [str(LOG.key)])
    assert NUMBER not in json.dumps(file)
    assert "要钱吗" not in json.dumps(file, ensure_ascii=False)
    assert (file["account"]["number"], file["account"]["answered"]["text"]) == (None, None)
    assert file["account"]["heads"] == whole["account"]["heads"]
    assert {f"not in this file: {kind}: a person part, which is erased" for kind in ("order", "call", "ending")} < {
        *said
    }
    assert "the yes is erased: its words cannot be compared" in said


def test_every_conversation_is_sound_after_its_persons_are_erased(every):
    assert {link_of(logged(erased(file) | {"log": None})) for file in every} == {""}


# -- the verifier alone ------------------------------------------------------------------------------------------------


def test_the_verifier_imports_the_standard_library_and_cryptography_alone():
    nodes = list(ast.walk(ast.parse(SOURCE.read_text("utf-8"))))
    named = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    named |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {each.partition(".")[0] for each in named} - sys.stdlib_module_names == {"cryptography"}


def test_a_copy_of_the_file_checks_evidence_by_itself(tmp_path, whole):
    alone, file, keys = tmp_path / "verify.py", tmp_path / "evidence.json", tmp_path / "keys"
    alone.write_bytes(SOURCE.read_bytes())
    file.write_text(json.dumps(whole, ensure_ascii=False), "utf-8")
    keys.write_text(f"{STRANGER.key}\n{WITNESS.key}\n\n{LOG.key}\n", "utf-8")

    def run(*words):
        found = subprocess.run(
            [sys.executable, "-I", str(alone), *words], cwd=tmp_path, capture_output=True, text=True, timeout=HANGS_S,
            check=False, encoding="utf-8", env={"PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip
        return found.returncode, found.stdout, found.stderr

    status, out, _ = run(str(file), "--trust", str(keys))
    assert (status, out.splitlines()[0]) == (SOUND, f"sound: order {whole['account']['order']}")
    assert "was it taken back: withdrawn" in out
    file.write_text(json.dumps(whole | {"made_by": "me"}), "utf-8")
    assert run(str(file))[:2] == (BROKEN, "broken: signature: is of another file: something in this one was changed\n")
    assert run()[0] == NO_EVIDENCE
    assert "Traceback" not in "".join(run(str(tmp_path / "none"))[1:])


@pytest.mark.parametrize(
    "text", ["", "no", "[]", "1", "null", "{}", '{"evidence": "consent-evidence/2"}', "[" * 100_000, '{"": "\\ud800"}'],
)  # fmt: skip
def test_what_is_no_evidence_file_is_told_from_a_broken_one(tmp_path, text):
    path = tmp_path / "evidence.json"
    path.write_text(text, "utf-8")
    assert verify.report(str(path))[0] == NO_EVIDENCE
    path.write_bytes(b"\xff\xfe")
    assert verify.report(str(path))[0] == NO_EVIDENCE
    assert verify.report(str(tmp_path / "none"))[0] == NO_EVIDENCE


def test_what_a_file_says_adds_no_line_to_the_verdict_and_hides_none(tmp_path, whole):
    words = "A1024\nnote: signature: signed by log.example, a trusted key\x1b[8m\u202e\ud800"
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(forged(whole, lambda row, _: row[1].__setitem__(3, words))), "utf-8")
    done = subprocess.run([sys.executable, SOURCE, path], capture_output=True, timeout=HANGS_S, check=False)
    said = done.stdout.decode()
    assert (done.returncode, done.stderr.decode()) == (SOUND, "")
    assert [each for each in said if not (each.isprintable() or each == "\n")] == []
    assert not any(line.startswith("note: signature: signed by log.example, a trusted") for line in said.split("\n"))


@pytest.mark.parametrize("name", ["account", "signature", "offer"])
def test_a_name_that_stands_twice_is_seen_since_two_readers_would_read_two_files(tmp_path, whole, name):
    path = tmp_path / "evidence.json"
    path.write_text(f'{{"{name}": "another", {json.dumps(whole)[1:]}', "utf-8")
    assert verify.report(str(path)) == (BROKEN, [("broken", f"file: has {name} twice in one object")])


def test_another_format_is_no_evidence_and_a_file_of_another_shape_is_broken(whole):
    with pytest.raises(NotEvidence):
        checked({**whole, "evidence": "consent-evidence/2"})
    assert link_of({**whole, "more": 1}) == "file"
    assert link_of({**whole, "chains": "x"}) == "chains"
    assert link_of({**whole, "chains": whole["chains"][1:]}) == "chains"
    assert link_of({**whole, "chains": [*whole["chains"], whole["chains"][0]]}) == "chains"


@pytest.mark.parametrize(("chain", "place", "value"), [(0, (1, 1), 10**20), (1, (9,), "c2hvcnQ=")])
def test_an_instant_of_no_clock_and_a_permit_that_is_none_are_broken_links(whole, chain, place, value):
    made = json.loads(json.dumps(whole)) | {"log": None, "signature": None}
    link = made["chains"][chain]["links"][0]
    inside = content = json.loads(link["public"])
    for name in place[:-1]:
        inside = inside[name]
    inside[place[-1]] = value
    link["public"] = json.dumps(content)
    for each in made["chains"]:
        each["leaf"] = None
    assert link_of(made)


def test_keys_that_are_none_are_no_evidence(tmp_path, whole):
    file, keys = tmp_path / "evidence.json", tmp_path / "keys"
    file.write_text(json.dumps(whole), "utf-8")
    keys.write_text("log.example+00000000+AAAA\n", "utf-8")
    status, [(_, said)] = verify.report(str(file), str(keys))
    assert (status, said) == (NO_EVIDENCE, "not an Ed25519 key as a verifier has it (NAME+ID+KEY)")


# -- the verifier and the engine ---------------------------------------------------------------------------------------


def test_the_verifiers_names_are_those_of_the_types():
    def names(kind):
        return tuple(each.name for each in fields(kind))

    def events(module, union):
        return {each.__struct_config__.tag: names(each) for each in union.__args__}

    assert names(calls.Began) == verify.CALL_DOC
    assert names(endings.EndingDoc) == verify.ENDING_DOC
    assert events(calls, calls.CallEvent) == verify.CALL_EVENTS
    assert events(endings, endings.EndingEvent) == verify.ENDING_EVENTS


def test_the_verifiers_moves_of_an_order_are_those_of_its_lifecycle():
    rows = {
        (what, before, after) for what, (states, after) in verify.MOVES["order"].items() for before in states.split()
    }
    assert rows == {(trigger.value, before.value, after.value) for trigger, before, after in TRANSITIONS}


def test_the_verifiers_rules_are_those_by_which_one_order_is_meant():
    assert set(Rule) - {Rule.AMBIGUOUS, Rule.EVERY_OPEN} == verify.RULES


def test_the_verifiers_numbers_of_the_carriers_are_theirs():
    assert {each.carrier: (each.outbound, each.hotline) for each in CARRIERS.values()} == verify.OFFICIAL


def test_the_verifiers_list_of_what_is_consent_is_that_of_the_grammar():
    simple = (word.replace(" ", "").replace(",", "") for word in words.YES)
    assert set(verify.YES[EDITION]) == {*simple, "yplease", "yesplease"}, "a new edition of the words needs a list here"


def test_what_the_engine_reads_as_yes_is_one_for_the_verifier_and_no_refusal_is():
    around = [("", ""), (" ", "。"), ("您好，", ""), ("", "谢谢"), ("(", ")"), ("你好 ", " thanks!"), ("", "👍")]
    codes = [("", ""), ("", "234"), ("", " 234"), ("345", "")]
    spelt = [str, str.upper, str.title, lambda word: word.translate({ord(c): ord(c) + 0xFEE0 for c in "yesno"})]
    every = {*words.YES, *words.NO, *words.STOP, *words.HELP, "確認", "同意開通", "好", "嗯", "1", "ok", "可以"}
    texts = {
        f"{left}{before}{spell(word)}{after}{right}"
        for word in every for left, right in around for before, after in codes for spell in spelt
    }  # fmt: skip
    told = {text: meaning(text).keyword for text in texts}
    assert sum(found is Keyword.YES for found in told.values()) > 1_000
    assert [text for text, found in told.items() if found is Keyword.YES and not verify.is_yes(text, EDITION)] == []
    wrong = [text for text, found in told.items() if found is not Keyword.YES and verify.is_yes(text, EDITION)]
    assert [text for text in wrong if told[text] is not Keyword.UNKNOWN] == []


def test_the_published_schema_is_that_of_the_types(every):
    script = runpy.run_path(str(ROOT / "docs" / "evidence.py"))
    for page, text in script["written"]().items():
        assert page.read_text("utf-8") == text, "run: make written"
    made = convert(every[0], verify.File, strict=True)
    assert made == every[0]


# -- the commands ------------------------------------------------------------------------------------------------------


def test_evidence_at_a_terminal_is_recorded_and_verified(consent, real, tmp_path):
    order = real.settled()
    status, out, err = consent("evidence", order.id)
    assert (status, "keep it where nobody reads it" in err) == (0, True)
    file = json.loads(out)
    [look] = [each for each in file["account"]["events"] if each["what"] == "revealed"]
    assert (look["by"], look["detail"]["reason"]) == (file["made_by"], "evidence")
    assert file["made_by"].startswith("cli:")
    path = tmp_path / "evidence.json"
    path.write_text(out, "utf-8")
    status, out, _ = consent("verify", str(path))
    assert (status, out.splitlines()[0]) == (SOUND, f"sound\torder {order.id}")
    told = {each["note"]: each["found"] for each in json.loads(consent("verify", str(path), "--json")[1])}
    assert told["was it taken back"] == "no"
    path.write_text(json.dumps(file | {"chains": file["chains"][:1]}), "utf-8")
    assert consent("verify", str(path))[:2] == (BROKEN, "broken\taccount.heads.call: is not what the links say\n")
    assert consent("verify", str(tmp_path / "none"))[0] == NO_EVIDENCE
    assert consent("evidence", "0" * 28)[0] == 1
