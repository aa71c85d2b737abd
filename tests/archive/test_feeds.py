"""Feeds: a customer's system gets every event of every order, in order, whatever becomes of it or of us meanwhile."""

import asyncio
import base64
import hashlib
import hmac
import runpy
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import func, update

from consent_engine.adapters.outbound import event_poster
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.tables import LOG, ORDERS
from consent_engine.doctor.findings import Level
from consent_engine.doctor.journal import feeds
from consent_engine.domain.call.ending import Cause, Why
from consent_engine.domain.days import CHINA
from consent_engine.domain.effects import Accepted, Lane
from consent_engine.domain.feed import BOTH_MS, MEDIA, MOST_RETRY_MS, TYPES, Feed, signed
from consent_engine.domain.msisdn import parse
from consent_engine.domain.seal import Chained, Leaf
from consent_engine.engine.feeding import TURN_MS, behind
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports.public_log import Answered
from tests.archive.crm import SECRET, SOURCE, Crm, Fed, Handler
from tests.archive.house import Died, append
from tests.conftest import OTHER
from tests.waiting import HANGS_S, until
from workers.ticking import Feeder

ROOT = Path(__file__).parents[2]
MINUTE = 60
WORDS = "zqx{}moon"


@pytest.fixture
def crm():
    made = Crm()
    yield made
    made.close()


@pytest.fixture
def fed(small, crm):
    return Fed(small, crm)


def numbers(count):
    return [parse(f"138{n:08d}") for n in range(71_000_001, 71_000_001 + count)]


def own_lines():
    """The check of signatures that the page shows."""
    page = (ROOT / "docs" / "feeds.md").read_text("utf-8")
    found = {}
    exec(page.partition("```python\n")[2].partition("```")[0], found)  # noqa: S102 - our own page
    return found["is_genuine"]


def signers(got, *secrets):
    """Which of these secrets signed a request, by the standard library alone."""
    content = f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    made = [hmac.digest(base64.b64decode(each.removeprefix("whsec_")), content, hashlib.sha256) for each in secrets]
    given = got.headers["webhook-signature"].split()
    return [f"v1,{base64.b64encode(each).decode()}" in given for each in made]


def test_a_system_that_was_away_for_an_hour_gets_everything_in_order(fed, small, crm):
    crm.says(503)
    orders = []
    for n, number in enumerate(numbers(20)):
        orders.append(small.place(number))
        small.run(Lane.SMS)
        assert small.say("是" if n % 2 else "不", number)
        small.run()
        small.clock.forward(seconds=3 * MINUTE)
        fed.post()
    assert fed.came() == {}
    assert fed.feed.cursor == 0
    assert 4 <= len(crm.got) <= 30, "it was tried less and less often"
    [late] = behind(fed.log, small.clock())
    assert late.waiting == fed.log.ends()[1]
    assert late.oldest >= 60 * MINUTE * 1000
    assert [(each.level, "stands at entry 0" in each.what) for each in feeds(fed.log, small.clock())] == [
        (Level.WARN, True)
    ]
    crm.behave = None
    small.clock.forward(seconds=MOST_RETRY_MS // 1000)
    fed.post()
    assert fed.came() == fed.expected(orders)
    assert len(crm.taken) == sum(len(ids) for ids in fed.came().values()), "each once"
    assert [each.level for each in feeds(fed.log, small.clock())] == [Level.GOOD]
    assert behind(fed.log, small.clock())[0][1:] == (0, 0)


def test_an_event_says_what_the_log_does_and_is_signed(fed, small, crm):
    order = small.settled()
    small.engine.endings.ask(order, Why(Cause.WITHDRAWN, "hotline", "ops"))
    small.run()
    fed.post()
    events = [each.event for each in crm.taken]
    assert {each["type"] for each in events} <= TYPES
    assert [each["data"]["state"] for each in events if "order.said_yes" in each["type"]] == ["confirmed"]
    assert events[-1]["data"]["state"] == "ended" or "ending" in {each["type"].split(".")[1] for each in events}
    assert {each["source"] for each in events} == {SOURCE}
    assert {each["subject"] for each in events} == {order.id}
    assert [each["sequence"] for each in events] == sorted(each["sequence"] for each in events)
    assert len({each["sequence"] for each in events}) == len(events)
    logged = {entry.split()[1] + "." + entry.split()[2]: entry.split()[4] for _, entry, _ in fed.log.entries(0, 999)}
    heads = {each["id"]: each["data"]["head"] for each in events}
    assert {name: head for name, head in heads.items() if name in logged} == {
        name: head for name, head in logged.items() if name in heads
    }
    genuine, secret = own_lines(), fed.feed.secret(SECRET)
    for each in crm.taken:
        assert each.headers["content-type"] == MEDIA
        assert each.id == each.event["id"]
        now = int(each.headers["webhook-timestamp"])
        assert now == small.clock() // 1000
        assert signers(each, secret) == [True]
        genuine.__globals__["time"] = type("Then", (), {"time": staticmethod(lambda now=now: now + 299)})
        assert genuine(secret, each.headers, each.body)
        assert not genuine(secret, each.headers, each.body + b" ")
        assert not genuine("whsec_" + base64.b64encode(b"another" * 4).decode(), each.headers, each.body)
        genuine.__globals__["time"] = type("Then", (), {"time": staticmethod(lambda now=now: now + 301)})
        assert not genuine(secret, each.headers, each.body)


def test_events_of_one_commit_come_each_although_the_log_has_one_entry_for_them(fed, small, crm):
    def hears(sms):
        small.clock.forward(20_000)
        small.say("是", sms.to)
        small.read_now()
        return Accepted("m1")

    small.gateway.answers = [hears]
    order = small.place()
    small.run()
    assert small.triggers(order)[:3] == ["replied_early", "confirmation_accepted", "said_yes"]
    fed.post()
    entries = [entry for _, entry, _ in fed.log.entries(0, 99) if entry.startswith(f"o {order.id}")]
    assert len(entries) < len(fed.expected([order])[order.id])
    assert fed.came() == fed.expected([order])
    states = [each.event["data"]["state"] for each in crm.taken]
    assert states == ["agreed", "agreed", "awaiting_reply", "confirmed", "activated", "notified"]
    places = [each.event["sequence"] for each in crm.taken]
    assert places == sorted(set(places))


def test_a_signature_is_that_of_the_published_examples():
    """Of the specification and its libraries, and of a provider that follows it."""
    one = signed(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert one == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    body = b'{"event_type":"ping","data":{"success":true}}'
    two = signed(["whsec_plJ3nmyCDGBKInavdOK15jsl"], "msg_loFOjxBNrRLzqYUf", 1731705121, body)
    assert two["webhook-signature"] == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def test_the_catalogue_on_the_page_is_that_of_the_code():
    page = runpy.run_path(str(ROOT / "docs" / "feeds.py"))
    text = page["PAGE"].read_text("utf-8")
    assert text == page["drawn"](text), "run: make written"


def test_no_number_and_no_word_leaves(fed, small, crm):
    said = ["是", "不", "TD", "帮助", "我要投诉", "{}", "好的{}"]
    asked = numbers(4 * len(said))
    for number in asked:
        small.place(number)
    small.run(Lane.SMS)
    for n, number in enumerate(asked):
        small.say(said[n % len(said)].format(WORDS.format(n)), number)
    small.run()
    fed.post()
    small.move()
    fed.post()
    assert len(fed.came()) == len(asked)
    whole = b"\n".join(each.body + repr(each.headers).encode() for each in crm.got).decode()
    texts = {sms.text for sms in small.gateway.sent} | {WORDS.format(n) for n in range(len(asked))} | {*said[3:5]}
    assert [number for number in asked if number[3:] in whole] == []
    assert [text for text in texts if text in whole] == []
    assert "\\u" not in whole


def test_a_process_that_dies_before_its_cursor_is_kept_leaves_the_same_ids(fed, small, crm):
    order = small.settled()

    class Dies(type(fed.log.feeds)):
        def swap(self, was, new):
            raise Died

    log = type(fed.log)(small.archive)
    log.feeds = Dies(small.archive)
    dying = fed.process("one", log=log)
    with pytest.raises(Died):
        fed.post(dying)
    first = list(crm.taken)
    assert fed.came() == fed.expected([order])
    small.clock.forward(seconds=TURN_MS // 1000)
    fed.post(fed.process("two"))
    again = crm.taken[len(first) :]
    assert {(each.id, each.body) for each in again} == {(each.id, each.body) for each in first}
    assert [each.id for each in again] == [each.id for each in first]


def test_of_two_processes_one_posts_and_the_other_goes_on_when_it_is_gone(fed, small, crm):
    one, two = fed.one, fed.process("two")
    first = small.settled()
    fed.post(one)
    second = small.settled(msisdn=OTHER)
    fed.post(two)
    assert fed.came() == fed.expected([first]), "it is not its turn"
    small.clock.forward(seconds=TURN_MS // 1000)
    fed.post(two)
    assert fed.came() == fed.expected([first, second])
    fed.post(one)
    assert len(crm.taken) == len({each.id for each in crm.taken}), "nothing twice"


def test_a_process_whose_posts_take_long_keeps_its_turn(fed, small, crm):
    small.settled()
    fed.bring()
    goes_on = asyncio.Event()

    async def slow(*_):
        await goes_on.wait()
        return Answered(204)

    one, two = fed.process("one", post=slow), fed.process("two")

    async def posts_for_long():
        for _ in range(5):
            await one.look(0.01)
            small.clock.forward(seconds=TURN_MS // 2_000)
            await two.look()
        goes_on.set()
        await one.look()

    small.runner.run(posts_for_long())
    assert crm.got == [], "nobody else posts the same meanwhile"
    assert fed.feed.cursor == fed.log.ends()[1]


def test_each_post_is_signed_at_its_own_instant_however_long_those_before_it_took(fed, small, crm):
    small.settled()
    fed.bring()
    stamps = []

    async def slow(_url, _body, headers):
        stamps.append((int(headers["webhook-timestamp"]), small.clock() // 1000))
        small.clock.forward(seconds=5)
        return Answered(204)

    fed.post(fed.process("slow", post=slow))
    assert len(stamps) > 2
    assert [stamp for stamp, _ in stamps] == [at for _, at in stamps]


def test_a_process_that_wakes_late_does_not_move_the_cursor_back(fed, small, crm):
    orders = [small.settled(), small.settled(msisdn=OTHER)]
    fed.bring()
    goes_on, post = asyncio.Event(), event_poster(timedelta(seconds=5))

    async def slow(url, body, headers):
        await goes_on.wait()
        return await post(url, body, headers)

    async def both():
        stuck = asyncio.ensure_future(fed.process("late", post=slow).look())
        await asyncio.sleep(0)
        small.clock.forward(seconds=TURN_MS // 1000)
        await fed.one.look()
        fed.change(lambda feed: replace(feed, paused="a person paused it"))
        reached = fed.feed
        goes_on.set()
        await stuck
        return reached

    reached = small.runner.run(both())
    assert fed.feed == reached
    assert reached.cursor == fed.log.ends()[1]
    assert fed.came() == fed.expected(orders)
    ids = [each.id for each in crm.taken]
    assert sorted(ids) == sorted(2 * [*dict.fromkeys(ids)]), "twice, with the same ids"


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (lambda crm: crm.says(302, Location=crm.url.replace("/events", "/elsewhere")), "answered:302"),
        (lambda crm: crm.hangs(), "no_answer:"),
        (lambda crm: crm.talks(10 << 20), "broken_answer:BrokenAnswer"),
        (lambda crm: crm.says(500), "answered:500"),
        (lambda crm: crm.says(400), "answered:400"),
        (lambda crm: crm.says(429, Retry_After="300"), "answered:429"),
    ],
    ids=["redirect", "hang", "ten megabytes", "broken", "refused", "busy"],
)
def test_what_is_not_taken_lets_the_feed_stand_says_why_and_comes_again(fed, small, crm, trouble, why):
    order = small.settled()
    trouble(crm)
    impatient = fed.process("one", timeout_s=5 if why == "no_answer:" else HANGS_S)
    fed.post(impatient)
    feed = fed.feed
    assert (feed.cursor, feed.failures, feed.why) == (0, 1, why)
    assert feed.again_at - small.clock() == (300_000 if "429" in why else 5_000)
    assert {each.path for each in crm.got} == {"/events"}, "no redirect is followed"
    asked = len(crm.got)
    fed.post(impatient)
    assert len(crm.got) == asked, "not at once"
    crm.behave = None
    small.clock.forward(seconds=300)
    fed.post()
    assert fed.came() == fed.expected([order])
    assert (fed.feed.failures, fed.feed.why) == (0, "")


def test_a_system_that_is_gone_is_paused_until_a_person_resumes_it(fed, small, crm):
    orders = [small.settled()]
    crm.says(410)
    fed.post()
    assert fed.feed.paused == "answered:410"
    assert [(act.by, act.what) for act in fed.feed.acts] == [("engine", "paused: it answered 410")]
    [found] = feeds(fed.log, small.clock())
    assert (found.level, found.do) == (Level.WARN, "consent feeds resume crm")
    crm.behave = None
    small.clock.forward(hours=5)
    orders.append(small.settled(msisdn=OTHER))
    fed.post()
    assert fed.came() == {}
    fed.change(lambda feed: replace(feed.reached(feed.cursor), paused=""))
    fed.post()
    assert fed.came() == fed.expected(orders)


def test_an_event_that_is_refused_is_overtaken_by_no_other_of_its_number_and_nothing_is_posted_twice(fed, small, crm):
    one, two = small.settled(), small.settled(msisdn=OTHER)
    refused = f"{one.id}.1"
    crm.says(500)
    refuse = crm.behave

    def behave(handler, got):
        if got.id == refused:
            refuse(handler, got)
        else:
            handler.take(got)

    crm.behave = behave
    for _ in range(20):
        small.clock.forward(seconds=MOST_RETRY_MS // 1000)
        fed.post()
    expected = fed.expected([one, two])
    came = fed.came()
    assert came[one.id] == expected[one.id][:1]
    assert came.get(two.id, []) == expected[two.id][: len(came.get(two.id, []))]
    assert refused in fed.log.entries(fed.feed.cursor, 1)[0][1].replace(" ", ".")
    assert len(crm.taken) == len({each.id for each in crm.taken})
    crm.behave = None
    small.clock.forward(seconds=MOST_RETRY_MS // 1000)
    fed.post()
    assert fed.came() == expected
    assert len(crm.taken) == len({each.id for each in crm.taken})


def test_what_a_person_asks_for_again_comes_again_where_it_was_posted_behind_the_cursor(fed, small, crm):
    one, two = small.settled(), small.settled(msisdn=OTHER)
    crm.says(500)
    refuse = crm.behave
    crm.behave = lambda handler, got: (refuse if got.id == f"{one.id}.0" else Handler.take)(handler, got)
    fed.post()
    before = [each.id for each in crm.taken]
    assert before
    assert fed.feed.cursor == 0
    crm.behave = None
    fed.change(lambda feed: feed.reached(0).acted(small.clock(), "cli:ops", "replayed from entry 0, was at 0"))
    fed.post()
    assert fed.came(crm.taken[len(before) :]) == fed.expected([one, two])


def test_an_instant_or_an_entry_is_replayed_with_the_ids_it_had(fed, small, crm):
    order = small.settled()
    fed.post()
    first = list(crm.taken)
    fed.change(lambda feed: feed.reached(0))
    fed.post()
    assert [(each.id, each.body) for each in crm.taken] == 2 * [(each.id, each.body) for each in first]
    assert fed.came() == fed.expected([order])


def test_a_new_secret_signs_beside_the_former_one_for_a_day(fed, small, crm):
    small.settled()
    fed.change(lambda feed: replace(feed, secret_n=2, renewed_at=small.clock()))
    old, new = fed.feed.secret(SECRET, 1), fed.feed.secret(SECRET)
    fed.post()
    assert {tuple(signers(each, old, new)) for each in crm.taken} == {(True, True)}
    before = len(crm.taken)
    small.clock.forward(seconds=BOTH_MS // 1000)
    small.settled(msisdn=OTHER)
    fed.post()
    assert {tuple(signers(each, old, new)) for each in crm.taken[before:]} == {(False, True)}
    again = replace(fed.feed, made_at=small.clock(), secret_n=1)
    assert again.secret(SECRET) not in {old, new}, "another feed of the same name has another secret"


def test_only_wanted_types_are_posted_and_the_cursor_goes_on(small, crm):
    fed = Fed(small, crm, types=("consent.order.service_activated",))
    order = small.settled()
    small.settled("不", OTHER)
    fed.post()
    assert [(each.event["type"], each.event["subject"]) for each in crm.taken] == [
        ("consent.order.service_activated", order.id)
    ]
    assert fed.feed.cursor == fed.log.ends()[1]


def test_records_that_are_gone_or_damaged_hold_nothing_up(fed, small, crm):
    orders = [small.settled(), small.settled(msisdn=OTHER)]
    fed.bring()
    append(fed.log, ["? 'damaged'", Leaf(Chained.ORDER, orders[1].id, 1, 7, "h" * 43).entry])
    fed.post()
    assert fed.came() == fed.expected(orders)
    assert len(crm.taken) == len({each.id for each in crm.taken}), "none of what the record does not say"
    crm.taken.clear()
    [first, *_] = [n for n, entry, _ in fed.log.entries(0, 99) if f" {orders[0].id} 1 " in entry]
    with small.archive.asking() as connection:
        connection.execute(update(LOG).where(LOG.c.n == first).values(entry="damaged"))
    fed.change(lambda feed: feed.reached(0))
    fed.post()
    assert fed.came() == fed.expected(orders), "the next entry of a record stands for what a damaged one stood for"
    crm.taken.clear()
    changed = update(ORDERS).where(ORDERS.c.id == orders[0].id)
    with small.archive.asking() as connection:
        connection.execute(changed.values(record=func.replace(ORDERS.c.record, "A1024", "A1025")))
    fed.change(lambda feed: feed.reached(0))
    fed.post()
    assert fed.came() == fed.expected(orders[1:])
    assert fed.feed.cursor == fed.log.ends()[1]


def test_a_wait_is_never_longer_than_ten_minutes():
    feed, now = Feed(name="crm", url="http://crm", made_at=1, cursor=7), 0
    waits = []
    for _ in range(100):
        feed = feed.failed(7, 503, "answered:503", 0, now)
        waits.append(feed.again_at - now)
        now = feed.again_at
    assert waits[:4] == [5_000, 10_000, 20_000, 40_000]
    assert max(waits) == waits[-1] == MOST_RETRY_MS
    assert feed.failing_since == 0
    assert feed.failed(8, 503, "answered:503", 0, now).again_at == now + 5_000, "it came further"
    assert feed.reached(9) == Feed(name="crm", url="http://crm", made_at=1, cursor=9)


def test_a_workers_thread_goes_on_posting_after_what_went_wrong(fed, small):
    order, asked = small.settled(), []
    fed.bring()

    def make():
        asked.append(1)
        if len(asked) == 1:
            raise ArchiveUnavailable("the archive cannot be reached")
        return fed.one

    feeder, expected = Feeder(make, tick_s=0.01), fed.expected([order])
    feeder.start()
    until("all came", lambda: fed.came() == expected)
    feeder.stop()
    feeder.join(HANGS_S)
    assert not feeder.is_alive()
    assert len(asked) == 2


def test_a_feed_is_kept_only_in_the_place_of_what_was_read(archive):
    feeds, feed = SqlLog(archive).feeds, Feed(name="crm", url="http://crm", made_at=1, cursor=7)
    assert feeds.swap(None, feed)
    assert not feeds.swap(None, replace(feed, cursor=0))
    paused = replace(feed, paused="a person paused it")
    assert feeds.swap(feed, paused)
    assert not feeds.swap(feed, feed.reached(9))
    assert feeds.all() == [paused]


def test_an_operator_adds_watches_and_ends_a_feed(real, consent, crm, tmp_path):
    order = real.settled()
    fed = Fed(real, crm, name="other")
    assert consent("feeds", "list")[1].split("\t")[0] == "other"
    status, told, _ = consent("feeds", "add", "crm", crm.url)
    assert consent("feeds", "replay", "crm", "--from", "0")[0] == 0
    assert "--from: the log ends at" in consent("feeds", "replay", "crm", "--from", "999")[2]
    secret = told.split()[-1]
    assert (status, told.split()[:3], secret[:6]) == (0, ["secret", "of", "feed"], "whsec_")
    fed.post()
    assert {tuple(signers(each, secret)) for each in crm.taken} >= {(True,)}
    _, rotated, _ = consent("feeds", "rotate", "crm")
    assert consent("feeds", "pause", "crm", "--reason", "maintenance")[0] == 0
    assert "paused: maintenance" in consent("feeds", "list")[1]
    assert consent("feeds", "resume", "crm")[0] == 0
    instants = [Leaf.decode(entry).at for _, entry, _ in fed.log.entries(0, 999)]
    for since in (0, instants[3], instants[-1], instants[-1] + 1):
        place = next((n for n, at in enumerate(instants) if at >= since), len(instants))
        told = consent("feeds", "replay", "crm", "--since", CHINA.instant(since))[1]
        assert told == f"crm\tnext entry\t{place}\n"
    assert consent("feeds", "replay", "crm", "--from", "0")[0] == 0
    crm.taken.clear()
    fed.post()
    new = rotated.split()[-1]
    ours = [each for each in crm.taken if any(signers(each, secret, new))]
    assert {tuple(signers(each, secret, new)) for each in ours} == {(True, True)}
    assert [each.id for each in ours] == fed.expected([order])[order.id]
    assert consent("feeds", "remove", "crm")[0] == 0
    assert "crm" not in consent("feeds", "list")[1]
    whats = [row.split("\t")[2] for row in consent("feeds", "list", "--history")[1].splitlines()]
    assert {what.partition(" ")[0] for what in whats} == {
        "added,",
        "secret",
        "paused:",
        "resumed",
        "replayed",
        "removed",
    }
    assert consent("feeds", "add", "crm", crm.url)[0] == 0, "its name is free again"
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("archive.sqlite3*"))
    assert [each for each in (secret, new) if each.encode() in kept] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "crm", "ftp://crm.example.com"], "URL: must be an address like https://crm.example.com/events"),
        (["add", "crm", "https://me:pass@crm.example.com"], "without a user in it"),
        (["add", "13800138000", "https://crm.example.com"], "no number"),
        (
            ["add", "crm", "https://crm.example.com", "--types", "consent.order.made"],
            "no such type: consent.order.made",
        ),
        (["replay", "crm"], "say from where"),
        (["pause", "crm", "--reason", "x"], "no feed of this name"),
    ],
)
def test_what_cannot_be_done_is_one_line(real, consent, words, said):
    status, out, error = consent("feeds", *words)
    assert (status, out) == (2, "")
    assert said in error
    assert "pass@" not in error
    assert error.count("\n") <= 2
