"""The rows of the outside surface: the tests named for them exist; rows that no test held are tested here."""

import re
import runpy
from contextlib import closing
from pathlib import Path

import pytest

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.embedded.server import connect_or_start
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.config.settings import Settings
from consent_engine.config.yaml_files import plans_from
from consent_engine.domain.offer.versions import Sale, Version
from consent_engine.errors import SettingsError, StoreUnavailable
from tests import needs
from tests.memory import a_store
from tests.plans import priced
from tests.typed import typed
from tests.waiting import HANGS_S

ROOT = Path(__file__).parents[1]
SETTINGS_PAGE = runpy.run_path(str(ROOT / "docs" / "settings.py"))
NAMED = re.findall(r"`(test_\w+)`", (ROOT / "tests" / "contract" / "rows.md").read_text("utf-8"))
WRITTEN = {
    name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)\(", path.read_text("utf-8"))
}


@pytest.fixture
def folder(tmp_path):
    needs.server()
    return tmp_path


def consent(folder, *arguments):
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "CONSENT_DATA_DIR": str(folder / "data")}
    return typed(*arguments, environ=environ, folder=folder, seconds=120)


def test_a_test_named_for_a_row_exists():
    assert set(NAMED) - WRITTEN == set()


def test_the_settings_page_is_made_from_the_code():
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == SETTINGS_PAGE["reference"](), "run: make written"


def test_each_setting_is_in_one_group_and_everybody_must_know_twelve_at_most():
    groups = {group: names.split() for group, names in SETTINGS_PAGE["GROUPS"].items()}
    grouped = [name for names in groups.values() for name in names]
    assert sorted(grouped) == sorted(set(Settings.model_fields) - {"adapters", "unknown"})
    assert len(groups["For everybody"]) <= 12


def test_the_demo_ends_as_its_scripts_say_with_no_program_on_the_path_and_a_blank_in_the_folders_name(tmp_path):
    needs.wheel_server()
    folder = tmp_path / "a folder"
    folder.mkdir()
    environ = {"PATH": str(folder), "TMPDIR": str(folder), "PYTHONPATH": str(ROOT), "LANG": "C"}
    done = typed("demo", "--orders", "20", environ=environ, folder=folder, seconds=HANGS_S)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "all 20 orders ended as their subscribers' scripts say" in done.stdout
    assert list(folder.iterdir()) == [], "it leaves nothing behind"


def test_doctor_says_what_is_wrong_and_what_to_type(folder):
    done = consent(folder, "doctor")
    assert done.returncode == 1
    assert "no worker was heard from" in done.stdout
    assert "consent serve" in done.stdout
    assert "CONSENT_REPLY_WINDOW" not in done.stdout


def test_settings_are_shown_with_their_values_and_sources_and_no_secret(folder):
    consent(folder, "keys", "list")
    shown = dict(line.split("\t")[:2] for line in consent(folder, "settings").stdout.splitlines())
    assert shown["CONSENT_REPLY_WINDOW"] == "24h"
    assert {f"CONSENT_{name.upper()}" for name in Settings.model_fields} - {
        "CONSENT_ADAPTERS",
        "CONSENT_UNKNOWN",
    } <= set(shown)
    assert (folder / "data" / "secret").read_text().strip() not in consent(folder, "settings").stdout


def test_every_command_prints_json_when_asked(folder):
    for command in (
        ["keys", "list"],
        ["plans", "list"],
        ["stuck"],
        ["settings"],
        ["held"],
        ["read", "是"],
        ["callable", "13800138000"],
        ["permits", "13800138000", "--carrier", "mobile"],
    ):
        done = consent(folder, *command, "--json")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("["), done.stdout


def test_another_secret_than_the_data_were_written_with_stops_the_start(folder):
    with connect_or_start(folder / "data", "everysec") as server:
        registry = RedisRegistry(Wire(connect(server.url), proves=False, replicas=0))
        registry.check("the first secret", strict=False, cells=1)
        registry.check("the first secret", strict=False, cells=1)
        with pytest.raises(SettingsError, match="CONSENT_SECRET"):
            registry.check("another secret", strict=False, cells=1)
        with pytest.raises(SettingsError, match="CONSENT_CELLS"):
            registry.check("the first secret", strict=False, cells=2)


@pytest.mark.parametrize("schema", ["4", "6", "x"])
def test_data_of_another_format_are_refused_in_one_line_and_left_as_they_are(folder, schema):
    with connect_or_start(folder / "data", "everysec") as server, closing(connect(server.url)) as client:
        client.hset("ce:meta", mapping={"schema": schema, "cells": "1", "secret": "x"})
        kept = client.hgetall("ce:meta")
        with pytest.raises(SettingsError, match=f"^these data have schema {schema}, this release reads 5: [^\\n]+$"):
            RedisRegistry(Wire(client, proves=False, replicas=0)).check("a secret", strict=False, cells=1)
        assert client.hgetall("ce:meta") == kept


def test_without_its_secret_data_are_not_opened_and_no_other_secret_is_left_there(folder):
    assert consent(folder, "keys", "add", "desk", "--role", "agent").returncode == 0
    secret = folder / "data" / "secret"
    secret.rename(folder / "away")
    before = {path.name for path in (folder / "data").iterdir()}
    for command in (["keys", "list"], ["serve"]):
        done = consent(folder, *command)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "secret is missing" in done.stderr
        assert {path.name for path in (folder / "data").iterdir()} == before
    doctor = consent(folder, "doctor")
    assert (doctor.returncode, "secret is missing" in doctor.stdout) == (1, True), doctor.stderr
    (folder / "away").rename(secret)
    assert consent(folder, "keys", "list").stdout.startswith("desk\tagent")


def test_two_who_publish_the_same_version_are_not_both_told_that_it_is_theirs():
    registry = RedisRegistry(Wire(a_store(), proves=False, replicas=0))
    plan = plans_from(None)[0]
    registry.publish(plan, Sale.ON_SALE, None)
    registry.publish(plan, Sale.ON_SALE, None)
    with pytest.raises(StoreUnavailable):
        registry.publish(priced(plan, "1.00"), Sale.ON_SALE, Version(plan, Sale.ON_SALE))
    assert [each.plan for each in registry.catalogue()[plan.code]] == [plan]
