"""A house in which everything has happened once, so that its pages show everything they can show."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.acceptance.house import ONCE, House, house
from tests.acceptance.outsiders import bss, running
from tests.waiting import until

WAITS, NOTIFIED, DECLINED, UNCLEAR, HELD, WRONG, REFUSED, REPORTED = range(9301, 9309)
STUCK = (9311, 9312, 9313)
"""The last digits of numbers, named after the outcome of their order."""


@contextmanager
def lived_in(folder: Path, **settings: str) -> Iterator[House]:
    """Orders in every state that a person acts on, a wrong call, a refusal, held replies, a report, stuck effects."""
    more = ONCE | {"CONSENT_RECORDING_URL": "http://127.0.0.1:9/{ref}.wav"} | settings
    with running(bss({*STUCK})) as url, house(folder, CONSENT_BSS_HTTP__URL=url, **more) as made:
        _happened(made)
        yield made


def _happened(home: House) -> None:
    orders = {number: home.place(number)[1]["id"] for number in (WAITS, NOTIFIED, DECLINED, UNCLEAR, HELD, *STUCK)}
    until("asked", lambda: {home.state(each) for each in orders.values()} == {"awaiting_reply"})
    answers = {NOTIFIED: "是", DECLINED: "否", UNCLEAR: "什么意思", HELD: "我要投诉你们", **dict.fromkeys(STUCK, "是")}
    for number, text in answers.items():
        home.say(number, text, f"mo-{number}")
    now = datetime.now(UTC)
    told = {"recording_id": "rec-wrong", "started_at": now.isoformat(), "agreed_at": now.isoformat()}
    home.place(WRONG, call={"caller_number": "10086", **told})
    home.ask("POST", "/v1/refusals", {"msisdn": f"138{REFUSED:08d}", "carrier": "mobile", "channel": "voice"})
    called = (now - timedelta(minutes=3)).isoformat()
    report = {"msisdn": f"138{REPORTED:08d}", "carrier": "mobile", "caller_number": "10085", "called_at": called}
    home.ask("POST", "/v1/reports", {**report, "what": "来电人员没有说明资费，也没有说明可以拒绝"})
    until("notified", lambda: home.state(orders[NOTIFIED]) == "notified")
    until("stuck", lambda: _stuck(home) == len(STUCK))
    home.order = orders[NOTIFIED]
    home.orders = {"waits": orders[WAITS], "declined": orders[DECLINED], "stuck": orders[STUCK[0]]}


def _stuck(home: House) -> int:
    return sum(each["count"] for each in home.ask("GET", "/v1/stuck", role="ops")[1]["causes"])
