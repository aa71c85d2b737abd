"""Days and working days, and what people may write about both in settings."""

import re
import shlex
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from consent_engine.config.settings import Settings
from consent_engine.config.yaml_files import calendar_from
from consent_engine.doctor.work import reports
from consent_engine.domain.call.report import ReportTerms
from consent_engine.domain.days import CHINA, Days, later
from consent_engine.errors import SettingsError
from consent_engine.ports.queries import NOTHING


def at(text):
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati"])
def test_a_day_begins_and_ends_where_its_zone_says_also_when_the_clocks_go_back(zone):
    days = Days(ZoneInfo(zone))
    for n in range(0, 3 * 365, 5):
        day = str(date(2024, 1, 1) + timedelta(days=n))
        first, last = days.begins(day), days.ends(day)
        assert days.of(first) == days.of(last) == day
        assert (days.of(first - 1), days.of(last + 1)) == (later(day, -1), later(day, 1))
        assert days.same(first, last)
        assert not days.same(first, last + 1)


def test_the_usual_zone_needs_no_file_of_zones_and_is_the_same():
    zone = Days(ZoneInfo("Asia/Shanghai"))
    for text in ("2025-08-01T15:59:59+00:00", "2025-08-01T16:00:00+00:00", "2026-02-15T00:00:00+08:00"):
        assert CHINA.of(at(text)) == zone.of(at(text))


@pytest.mark.parametrize(("day", "n", "then"), [
    ("2025-09-26", 1, "2025-09-28"),  # a working Sunday
    ("2025-09-30", 1, "2025-10-09"),  # over the October holidays
    ("2025-09-30", 3, "2025-10-11"),
    ("2026-02-13", 1, "2026-02-14"),
    ("2026-02-14", 1, "2026-02-24"),
    ("2025-12-31", 15, "2026-01-22"),
    ("2027-03-05", 1, "2027-03-08"),  # in a year that it does not know: weekends alone
])  # fmt: skip
def test_working_days_go_by_the_bundled_calendar(day, n, then):
    assert calendar_from(None).after(day, n) == then


def test_the_bundled_calendar_is_no_slip_of_the_pen():
    calendar = calendar_from(None)
    assert calendar.years == {2025, 2026}
    assert all(date.fromisoformat(day).weekday() >= 5 for day in calendar.worked)
    assert {day[:4] for day in {*calendar.off, *calendar.worked}} == {"2025", "2026"}
    assert (len([d for d in calendar.off if d[:4] == "2025"]), len([d for d in calendar.off if d[:4] == "2026"])) == (
        28, 33,
    )  # fmt: skip


@pytest.mark.parametrize(("text", "wrong"), [
    ("holidays: [{name: x, from: 2026-02-15, to: 2026-02-14}]", "must end on its first day or later"),
    ("holidays: [{name: x, from: 2026-02-15}]", "a holiday has name, from and to"),
    ("holidays: [{name: x, from: soon, to: later}]", "a day is written like 2026-02-15"),
    ("working: [2026-13-01]", "month must be in 1..12"),
    ("holidays: [{name: x, from: 2026-02-15, to: 2026-02-15}]\nworking: [2026-02-15]", "is listed under holidays and"),
    ("years: 2026", "years must be a list"),
    ("days: []", "must have years, holidays and working"),
    ("]", "is not YAML in line 1"),
    ("years: []\nyears: [2026]", "has the name years twice, in line 2"),
])  # fmt: skip
def test_a_calendar_that_is_wrong_stops_the_start_with_what_is_wrong(tmp_path, text, wrong):
    (tmp_path / "calendar.yaml").write_text(text)
    with pytest.raises(SettingsError, match=wrong):
        Settings.load({"CONSENT_CALENDAR": str(tmp_path / "calendar.yaml")}, None).reporting()


def test_rewards_and_zone_are_read_as_people_write_them():
    told = Settings.load({"CONSENT_REWARD_MOBILE": "20 5/month", "CONSENT_REWARD_UNICOM": "9.50"}, None).reporting()
    assert {carrier: (each.amount, each.most) for carrier, each in told.rewards.items()} == {
        "mobile": ("20.00", 5), "unicom": ("9.50", 3),
    }  # fmt: skip
    assert told.days is CHINA
    for name, value in (("REWARD_MOBILE", "a lot"), ("REWARD_MOBILE", "0"), ("TIME_ZONE", "Nowhere/None")):
        with pytest.raises(SettingsError, match=f"CONSENT_{name} must be"):
            Settings.load({f"CONSENT_{name}": value}, None)


def test_a_year_that_the_calendar_does_not_know_is_added_as_doctor_says(tmp_path):
    now = at("2026-11-02T12:00:00+08:00")
    kept = SimpleNamespace(queries=NOTHING)
    assert list(reports(kept, ReportTerms(calendar=calendar_from(None)), now - 86_400_000)) == [], "60 days before"
    [told] = reports(kept, ReportTerms(calendar=calendar_from(None)), now)
    assert "says nothing of 2027" in told.what
    [named] = shlex.split(re.search("copy (.+?), add", told.do)[1])
    before = Path(named).read_text("utf-8")
    assert "years: [2025, 2026]\n" in before
    own = before.replace("2025, 2026]", "2025, 2026, 2027]").replace(
        "\nworking:", "\n  - {name: 元旦, from: 2027-01-01, to: 2027-01-03}\nworking:"
    )
    (tmp_path / "own.yaml").write_text(own, "utf-8")
    calendar = calendar_from(tmp_path / "own.yaml")
    assert list(reports(kept, ReportTerms(calendar=calendar), now)) == []
    assert calendar.after("2026-12-31", 1) == "2027-01-04"
