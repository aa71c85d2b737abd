"""A backup into one folder while everything works, and back: nothing acknowledged before is lost, work under way goes
on, and whatever came after is named."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from itertools import product

import msgspec
import pytest

from consent_engine import cli
from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.snapshot import received
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.backup.back_up import back_up
from consent_engine.backup.manifest import LITTLE, NAME, listed, read, room_on, write
from consent_engine.backup.put_back import by_hand, put_back
from consent_engine.config.data_folder import LOG_KEY_FILE, keep_log_key, kept_log_key
from consent_engine.config.settings import Settings
from consent_engine.doctor import Level, Wanted, examine
from consent_engine.doctor.records import audit
from consent_engine.domain.effects import Lane
from consent_engine.domain.log.checkpoint import PrivateKey
from consent_engine.domain.msisdn import parse
from consent_engine.domain.sms import Delivery
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.scribe import write_out
from consent_engine.errors import ArchiveUnavailable, OrderNotFound, SettingsError, StoreUnavailable
from tests import needs
from tests.archive.house import LONG
from tests.conftest import OTHER
from tests.durability.backups import SECRET, server_in, settings, silent, town_on
from tests.integration.rq_house import ROOT
from tests.shims import CONSENT, shims
from tests.waiting import HANGS_S, until

REFUSED = "13800138078"
"""The number that refuses after the backup was made."""
LOG_KEY = str(PrivateKey.made("log.example.com"))
MAY_FETCH = "~ce:meta +ping +info +time +client|setinfo +hgetall +replconf +sync"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A backup of a busy town: an archived order, one whose yes is unread, one whose question has not gone out."""
    needs.server()
    folder = tmp_path_factory.mktemp("b")
    with server_in(folder / "data") as server, town_on(server.url, folder / "data") as town:
        town.clock.now -= LONG * 3_600_000
        gone = town.archived()
        read_not, asked_not = town.place(), None
        town.run(Lane.SMS)
        town.report(read_not, Delivery.DELIVERED)
        assert town.say("是")
        asked_not = town.place(OTHER)
        write_out(town.engine.store, "one")
        manifest = back_up(settings(folder / "data"), None, folder / "backup", silent)
        later = town.place(parse("13800138077"))
        town.engine.refuse(RefusalAsked(parse(REFUSED), "mobile", "ops", "cli:me"))
        town.run()
        write_out(town.engine.store, "one")
    ids = {"gone": gone.id, "read_not": read_not.id, "asked_not": asked_not.id, "later": later.id}
    return folder, manifest, ids


def whole(found):
    """The doctor's findings on the records: no worker runs here, so nothing is signed of the log either."""
    no_worker = "worker", "in no checkpoint"
    return [each.what for each in found if each.level is Level.BAD and not any(word in each.what for word in no_worker)]


def filled(there, kept, to):
    """Type the lines that bring a backup's data into a Redis of one's own, in the folder of its files."""
    typed = [line for line in by_hand(there, kept, read(kept)) if not line.startswith("#")]
    subprocess.run("; ".join(typed), shell=True, cwd=to, check=True, timeout=HANGS_S)  # noqa: S602 - as a person does


def test_what_waits_in_a_backup_goes_on_to_notified_on_a_redis_of_ones_own(kept, tmp_path):
    folder, manifest, ids = kept
    with server_in(tmp_path / "redis") as server, closing(connect(server.url)) as client:
        client.set("ce:lost", "1")
        there = settings(tmp_path / "data", server.url)
    assert put_back(there, folder / "backup", silent) == manifest
    (tmp_path / "data").mkdir(mode=0o700)
    filled(there, folder / "backup", tmp_path / "redis")
    with server_in(tmp_path / "redis") as server, town_on(server.url, tmp_path / "data") as town:
        assert not town.client.exists("ce:lost")
        for name in ("read_not", "asked_not"):
            assert not town.engine.show(ids[name]).state.settled
        town.run()
        assert town.say("是", OTHER)
        town.run()
        assert [town.engine.show(ids[name]).state for name in ("read_not", "asked_not")] == ["notified"] * 2
        assert len({each.order_id for each in town.bss.asked}) == 2
        assert town.engine.show(ids["gone"]).person
        write_out(town.engine.store, "two")
        assert not audit(town.engine.store, 0, (0, 2**62)).wrong


def test_the_logs_key_comes_along_where_the_secret_does(tmp_path):
    with server_in(tmp_path / "data") as server, town_on(server.url, tmp_path / "data") as town:
        town.place()
        keep_log_key(tmp_path / "data", LOG_KEY)
        back_up(settings(tmp_path / "data"), None, tmp_path / "whole", silent)
        back_up(settings(tmp_path / "data"), None, tmp_path / "bare", silent, with_secret=False)
    assert not (tmp_path / "bare" / LOG_KEY_FILE).exists()
    put_back(settings(tmp_path / "there"), tmp_path / "whole", silent)
    assert kept_log_key(tmp_path / "there") == f"{LOG_KEY}\n"
    lines = by_hand(
        settings(tmp_path / "else", "redis://10.0.0.7:6379/0"), tmp_path / "whole", read(tmp_path / "whole")
    )
    assert f"install -m 0600 {tmp_path}/whole/log.key {tmp_path}/else/log.key" in lines


def test_a_data_folder_is_restored_and_a_doctor_finds_it_well(kept, tmp_path):
    folder, manifest, ids = kept
    there = settings(tmp_path / "data", CONSENT_SECRET="")
    put_back(there, folder / "backup", silent)
    assert (tmp_path / "data" / "secret").read_text() == f"{SECRET}\n"
    assert (tmp_path / "data" / "secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "data" / "installation").read_text().strip() == manifest.installation
    found = list(examine(there, Wanted(all=True), silent))
    assert whole(found) == []
    with server_in(tmp_path / "data") as server, town_on(server.url, tmp_path / "data") as town:
        assert town.engine.show(ids["read_not"]).events
        with pytest.raises(OrderNotFound):
            town.engine.show(ids["later"])
        assert not town.engine.refusals().rows, "a refusal of that time is gone, too: who restores is told"
    with pytest.raises(SettingsError, match="is not empty"):
        put_back(there, folder / "backup", silent)


def test_nothing_that_was_acknowledged_before_a_backup_of_a_busy_system_is_lost(tmp_path):
    needs.server()
    acknowledged, stop, ready = [], threading.Event(), threading.Event()

    def desk():
        with town_on(server.url, tmp_path / "data") as town:
            while not stop.is_set():
                number = parse(f"138{len(acknowledged):08}")
                order = town.place(number, key=f"busy-{number}")
                town.run(Lane.SMS)
                town.say("是", number)
                acknowledged.append(order.id)
                ready.set()
                town.run()

    with server_in(tmp_path / "data") as server:
        town_on(server.url, tmp_path / "data").__enter__().client.close()
        works = threading.Thread(target=desk)
        works.start()
        try:
            assert ready.wait(HANGS_S)
            before = list(acknowledged)
            told = []

            def meanwhile(said):
                told.append(said)
                until("nobody waits for it", lambda: len(acknowledged) > len(before))

            made = back_up(settings(tmp_path / "data"), None, tmp_path / "backup", meanwhile)
            assert told
        finally:
            stop.set()
            works.join(HANGS_S)
        with town_on(server.url, tmp_path / "data") as town:
            assert town.engine.store.archive.last_backup() == made.at, "doctor and alert tell its age"
    there = settings(tmp_path / "new")
    put_back(there, tmp_path / "backup", silent)
    assert whole(examine(there, Wanted(all=True), silent)) == []
    with server_in(tmp_path / "new") as server, town_on(server.url, tmp_path / "new") as town:
        for _ in range(3):  # effects that were under way in that instant are doubtful first
            town.clock.forward(hours=1)
            town.run()
        assert {town.engine.show(order).state for order in before} == {"notified"}


def test_killed_at_any_step_a_backup_or_restore_is_whole_after_the_same_command_again(kept, tmp_path):
    folder, manifest, _ = kept
    command = [sys.executable, "-m", "tests.durability.backups", str(folder / "data"), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
                          text=True, timeout=HANGS_S, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    died = json.loads(done.stdout)
    assert died["backup"] >= 4
    assert died["restore"] >= 6
    made, restored = list(tmp_path.glob("b*")), list(tmp_path.glob("d*"))
    assert len(made) > died["backup"], "the last one was not killed"
    for each in made:
        assert [file.path for file in read(each).files] == [file.path for file in manifest.files]
    for each in restored:
        found = {path.name for path in each.iterdir()} - {"lock"}
        assert found == {"appendonlydir", "archive.sqlite3", "installation", "secret"}
    assert not list(tmp_path.glob("*.part"))


def damage(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def test_what_cannot_be_restored_is_said_in_one_line_and_nothing_is_written(kept, tmp_path):
    folder, _, _ = kept
    whole = json.loads((folder / "backup" / NAME).read_text())
    bare = [each for each in whole["files"] if each["path"] != "secret"]
    wrong = {
        "manifest.json is missing": lambda copy: (copy / NAME).unlink(),
        "manifest.json is damaged": lambda copy: (copy / NAME).write_bytes((copy / NAME).read_bytes()[:300]),
        "this backup has format 3, this release reads 4": lambda copy: (copy / NAME).write_text('{"format": 3}'),
        "archive.sqlite3 is damaged": lambda copy: damage(copy, "archive.sqlite3"),
        "appendonly.aof.1.base.rdb is damaged": lambda copy: damage(copy, whole["files"][1]["path"]),
        "secret is missing": lambda copy: (copy / "secret").unlink(),
        "CONSENT_SECRET is not the one": lambda _: "another-secret",
        "made without its secret": lambda copy: (copy / NAME).write_text(json.dumps(whole | {"files": bare})) and "",
        "data are in database 2": lambda copy: (copy / NAME).write_text(json.dumps(whole | {"database": 2})),
        "this backup is of a cluster": lambda copy: (copy / NAME).write_text(json.dumps(whole | {"cluster": True})),
        "this backup is of one Redis, CONSENT_CELLS=3": lambda copy: (copy / NAME).write_text(
            json.dumps(whole | {"cells": 3})
        ),
    }
    for n, (said, spoil) in enumerate(wrong.items()):
        shutil.copytree(folder / "backup", copy := tmp_path / str(n))
        secret = spoil(copy)
        there = settings(tmp_path / "data", CONSENT_SECRET=secret if isinstance(secret, str) else SECRET)
        with pytest.raises(SettingsError, match=re.escape(said)) as raised:
            put_back(there, copy, silent)
        assert "\n" not in str(raised.value)
        assert not (tmp_path / "data").exists()


def test_a_backup_is_not_made_of_data_with_another_secret_nor_over_anything(kept, tmp_path):
    folder, _, _ = kept
    with pytest.raises(SettingsError, match="CONSENT_SECRET is not the one"):
        back_up(settings(folder / "data", CONSENT_SECRET="another-secret"), None, tmp_path / "b", silent)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SettingsError, match="is there: name a new folder"):
        back_up(settings(folder / "data"), None, folder / "backup", silent)


def test_a_redis_that_cannot_be_reached_leaves_nothing_behind(kept, tmp_path):
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        back_up(settings(tmp_path / "data", f"unix://{tmp_path}/nowhere"), None, tmp_path / "b", silent)
    assert not list(tmp_path.glob("b*"))


def test_a_backup_is_tried_out_beside_the_installation_as_the_manual_types_it(kept, tmp_path):
    """The settings name the installation's Redis: a folder alone is not enough, since the backup would go there."""
    folder, _, _ = kept
    words = re.search(r"```sh\n(CONSENT_REDIS_URL= .*?)```", (ROOT / "docs/operations.md").read_text(), re.DOTALL)
    typed = words[1].replace("/backups/consent-20251125", f"{folder}/backup").replace("/backups/tried", "tried")
    names = shims(tmp_path / "bin", {"consent": CONSENT})
    with server_in(tmp_path / "redis") as server, town_on(server.url, tmp_path / "data") as town:
        order = town.place()
        environ = {
            "REDIS_URL": server.url, "RQ_URL": server.url, "SECRET": SECRET, "DURABILITY": "everysec",
            "GATEWAY": "simulated", "BSS": "simulated", "ARCHIVE_URL": f"sqlite:///{tmp_path}/data/archive.sqlite3",
        }  # fmt: skip
        environ = {f"CONSENT_{name}": value for name, value in environ.items()}
        environ |= {"PATH": f"{names}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        told = [
            subprocess.run(each, shell=True, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)  # noqa: S602
            for each in typed.splitlines()
        ]
        assert town.engine.show(order.id).head == order.head
    assert [each.returncode for each in told] == [0, 1, 0]
    assert "restored" in told[0].stdout
    bad = [line.split("\t")[1] for line in told[1].stdout.splitlines() if line.startswith("bad")]
    # The backup was made earlier: where that is a minute ago, its lanes are late.
    worker, unsigned = (each for each in bad if not re.match(r"lane \w+: \d+ are due", each))
    assert worker == "no worker was heard from: nothing moves"
    assert "entries are in no checkpoint" in unsigned
    assert not (tmp_path / "tried").exists()


@pytest.mark.parametrize("own", [True, False])
def test_where_the_archive_was_not_lost_it_stays_and_nobody_who_refused_since_the_backup_may_be_called(
    kept, tmp_path, monkeypatch, capsys, own
):
    folder, _, ids = kept
    (tmp_path / "data").mkdir(mode=0o700)
    with closing(sqlite3.connect(f"{folder}/data/archive.sqlite3")) as here:
        here.execute("VACUUM INTO ?", (f"{tmp_path}/data/archive.sqlite3",))
    named = {"SECRET": SECRET, "DURABILITY": "everysec", "DATA_DIR": f"{tmp_path}/data"}
    for name, value in {**named, "GATEWAY": "simulated", "BSS": "simulated"}.items():
        monkeypatch.setenv(f"CONSENT_{name}", value)
    if own:
        with server_in(tmp_path / "redis") as server:
            monkeypatch.setenv("CONSENT_REDIS_URL", server.url)
    assert cli.run(["restore", f"{folder}/backup"]) == 0
    told = capsys.readouterr()
    if own:
        [*_, doctor] = told.out.splitlines()
        filled(Settings.load(dict(os.environ), None), folder / "backup", tmp_path / "redis")
    with server_in(tmp_path / ("redis" if own else "data")) as server:
        if own:
            cli.run(doctor.split()[1:])
            told = capsys.readouterr()
        assert "put back what was missing of" in told.out + told.err
        with town_on(server.url, tmp_path / "data") as town:
            assert [town.engine.dial(parse(each), "mobile").callable for each in (REFUSED, OTHER)] == [False, True]
            assert not town.engine.show(ids["asked_not"]).state.settled
            wrong = audit(town.engine.store, 0, (0, 2**62)).wrong
        assert (ids["later"], "dropped, or cannot be read: the log has its event 1") in wrong
        assert ids["gone"] not in {record for record, _ in wrong}


def test_an_archive_that_stands_where_the_copy_goes_stays_only_if_it_is_the_datas_own_and_not_older(kept, tmp_path):
    folder, manifest, _ = kept
    file = tmp_path / "a.sqlite3"
    there = settings(tmp_path / "data", CONSENT_ARCHIVE_URL=f"sqlite:///{file}")
    theirs = SqlArchive(f"sqlite:///{file}")
    theirs.claim("another-installation")
    theirs.close()
    with pytest.raises(SettingsError, match=r"a\.sqlite3 is another archive than this backup's, or an older one"):
        put_back(there, folder / "backup", silent)
    file.unlink()
    shutil.copytree(folder / "backup", copy := tmp_path / "copy")
    told = json.loads((copy / NAME).read_text())
    told["archive"]["log"] += 1
    (copy / NAME).write_text(json.dumps(told))
    shutil.copyfile(copy / "archive.sqlite3", file)
    with pytest.raises(SettingsError, match="or an older one"):
        put_back(there, copy, silent)
    file.rename(f"{file}-wal")
    with pytest.raises(SettingsError, match="-wal is there: it is a part of another archive"):
        put_back(there, copy, silent)
    assert not (tmp_path / "data" / "appendonlydir").exists(), "no engine starts on half of it"
    (tmp_path / "a.sqlite3-wal").unlink()
    assert put_back(there, folder / "backup", silent) == manifest


def test_the_commands_say_what_a_backup_holds_and_what_a_restore_loses(kept, tmp_path, monkeypatch, capsys):
    folder, _, _ = kept
    monkeypatch.chdir(tmp_path)
    for name, value in {"DATA_DIR": folder / "data", "SECRET": SECRET, "DURABILITY": "everysec"}.items():
        monkeypatch.setenv(f"CONSENT_{name}", str(value))
    assert cli.run(["backup", "here"]) == 0
    told = capsys.readouterr()
    assert "servers\tRedis " in told.out or "servers\tValkey " in told.out
    assert "it holds numbers and the secret" in told.err
    assert (tmp_path / "here").stat().st_mode & 0o077 == 0
    assert cli.run(["backup", "there", "--from", "http://nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setenv("CONSENT_DATA_DIR", str(tmp_path / "data"))
    assert cli.run(["restore", "here"]) == 0
    told = capsys.readouterr()
    assert "IS GONE, REFUSALS TOO" in told.err
    assert "consent audit" in told.err


class Told:
    """A connection that hands over a server's output, a few bytes at a time."""

    def __init__(self, sent, piece):
        self.sent, self.piece = sent, piece

    def recv(self, most, /):
        some, self.sent = self.sent[: min(most, self.piece)], self.sent[min(most, self.piece) :]
        return some


@pytest.mark.parametrize(("form", "piece"), list(product(["length", "mark"], [1, 7, 1_000])))
def test_what_a_server_sends_is_kept_whole_however_it_is_cut(form, piece):
    data, mark = bytes(range(256)) * 3, b"m" * 40
    sent = b"\n\n$%d\r\n%s" % (len(data), data) if form == "length" else b"\n$EOF:" + mark + b"\r\n" + data + mark
    kept = bytearray()
    assert list(received(Told(sent, piece), kept.extend))[-1] == len(data)
    assert bytes(kept) == data
    with pytest.raises(StoreUnavailable, match="broke off"):
        list(received(Told(sent[:-1], piece), bytearray().extend))
    with pytest.raises(SettingsError, match="gives no backup: NOAUTH"):
        list(received(Told(b"-NOAUTH Authentication required.\r\n", piece), bytearray().extend))


@pytest.mark.parametrize(
    "said", ["NOMASTERLINK Can't SYNC while not connected with my master", "LOADING Redis is loading"]
)
def test_what_a_server_cannot_give_just_now_is_no_matter_of_settings(said):
    with pytest.raises(StoreUnavailable, match=said[:9]):
        list(received(Told(f"-{said}\r\n".encode(), 7), bytearray().extend))


def test_a_program_that_does_not_read_a_backups_file_is_named_before_anything_is_written(kept, tmp_path, monkeypatch):
    folder, manifest, _ = kept
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    made = {"Redis 8.0.2": b"REDIS0012", "Valkey 9.0.1": b"VALKEY080", "Redis 7.2.4": b"REDIS0011"}
    here = {"Redis 7.4": "Redis server v=7.4.1 sha=0", "Redis 8.0": "Redis server v=8.0.2 sha=0",
            "Valkey 9.1": "Valkey server v=9.1.2 sha=0"}  # fmt: skip
    read_by = {"Redis 8.0.2": {"Redis 8.0"}, "Valkey 9.0.1": {"Valkey 9.1"}, "Redis 7.2.4": {*here}}
    for (software, begins), (program, told) in product(made.items(), here.items()):
        (tmp_path / "bin" / "redis-server").write_text(f"#!/bin/sh\necho '{told}'\n")
        (tmp_path / "bin" / "redis-server").chmod(0o755)
        shutil.copytree(folder / "backup", copy := tmp_path / "copy")
        base = copy / manifest.files[1].path
        base.write_bytes(begins + base.read_bytes()[len(begins) :])
        shutil.copy(folder / "backup" / NAME, copy)
        known = msgspec.structs.replace(manifest, servers=[software], files=listed(copy, silent))
        write(copy, msgspec.structs.replace(known, files=[each for each in known.files if each.path != NAME]))
        if program in read_by[software]:
            put_back(settings(tmp_path / "data"), copy, silent)
            shutil.rmtree(tmp_path / "data")
        else:
            with pytest.raises(SettingsError, match=f"this backup is of {re.escape(software)}, and .* install "):
                put_back(settings(tmp_path / "data"), copy, silent)
            assert not (tmp_path / "data").exists()
        shutil.rmtree(copy)


def test_a_user_of_redis_who_may_fetch_and_nothing_else_makes_a_backup(kept, tmp_path):
    folder, manifest, _ = kept
    put_back(settings(tmp_path / "redis"), folder / "backup", silent)
    with server_in(tmp_path / "redis") as server:
        with connect(server.url) as client:
            client.execute_command("ACL", "SETUSER", "keeper", "on", ">p", *MAY_FETCH.split())
            client.acl_setuser("desk", enabled=True, passwords=["+p"], commands=["+ping", "+time", "+info", "+hgetall"],
                               keys=["ce:meta"])  # fmt: skip
        there = settings(tmp_path / "redis", server.url)
        url = server.url.replace("unix://", "unix://{}:p@")
        assert back_up(there, url.format("keeper"), tmp_path / "b", silent).installation == manifest.installation
        with pytest.raises(SettingsError, match="may not fetch a backup"):
            back_up(there, url.format("desk"), tmp_path / "c", silent)
        assert not list(tmp_path.glob("c*"))


def test_the_page_names_the_user_who_may_fetch():
    assert MAY_FETCH in (ROOT / "docs" / "durability.md").read_text("utf-8")


def test_a_backup_of_a_folder_without_data_makes_nothing_in_it(tmp_path):
    empty = tmp_path / "data"
    with pytest.raises(SettingsError, match="no data"):
        back_up(settings(empty).model_copy(update={"secret": None}), None, tmp_path / "backup", silent)
    assert not list(tmp_path.iterdir())
    with pytest.raises(SettingsError, match="no data"):
        back_up(settings(empty), None, tmp_path / "backup", silent)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("whose", ["another installation's", "another one's"])
def test_an_archive_that_is_not_the_datas_own_is_never_backed_up_as_theirs(kept, tmp_path, whose):
    folder, manifest, _ = kept
    file, named = tmp_path / "archive.sqlite3", "0" * 32 if whose == "another one's" else manifest.archive.id
    shutil.copyfile(folder / "backup" / "archive.sqlite3", file)
    with closing(sqlite3.connect(file)) as made, made:
        made.execute("UPDATE archive_meta SET value = ? WHERE name = 'id'", (named,))
        if named == manifest.archive.id:
            made.execute("UPDATE archive_meta SET value = ? WHERE name = 'installation'", (whose,))
    there = settings(folder / "data", CONSENT_ARCHIVE_URL=f"sqlite:///{file}")
    with pytest.raises(SettingsError, match="another archive than these data have"):
        back_up(there, None, tmp_path / "b", silent)
    assert list(tmp_path.iterdir()) == [file]


DOWN = "postgresql://postgres@127.0.0.1:1/none"


def test_a_database_that_is_down_stops_no_backup_and_the_manifest_says_so(kept, tmp_path):
    folder, manifest, _ = kept
    made = back_up(settings(folder / "data", CONSENT_ARCHIVE_URL=DOWN), None, tmp_path / "b", silent)
    assert made.archive.id == manifest.archive.id, "the data name it"
    assert made.archive.unasked == "the archive cannot be reached: OperationalError"
    assert not made.has("archive.sqlite3")
    assert read(tmp_path / "b") == made


def test_an_sqlite_archive_that_cannot_be_read_is_missing_in_a_backup_that_says_so(kept, tmp_path, monkeypatch, capsys):
    folder, manifest, _ = kept
    named = {"DATA_DIR": folder / "data", "SECRET": SECRET, "DURABILITY": "everysec"}
    for name, value in {**named, "ARCHIVE_URL": f"sqlite:///{tmp_path}/away.sqlite3"}.items():
        monkeypatch.setenv(f"CONSENT_{name}", str(value))
    assert cli.run(["backup", str(tmp_path / "b")]) == 1
    told = capsys.readouterr().err
    assert "the archive is not in it, and was not asked (the archive's file is not there" in told
    assert "once it answers, copy its file" in told
    made = read(tmp_path / "b")
    assert (made.archive.id, made.has("archive.sqlite3")) == (manifest.archive.id, False)
    with pytest.raises(SettingsError, match="the archive is not in this backup: bring its own copy to "):
        put_back(settings(tmp_path / "data"), tmp_path / "b", silent)
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(folder / "backup" / "archive.sqlite3", tmp_path / "data" / "archive.sqlite3")
    assert put_back(settings(tmp_path / "data"), tmp_path / "b", silent) == made


@pytest.mark.parametrize("url", [None, "redis://127.0.0.1:1/0"])
def test_redis_is_not_restored_before_the_archive_that_has_the_refusals_since(kept, tmp_path, url):
    """Its log mends the restored data: a dump that comes later finds workers that call people who refused."""
    folder, _, _ = kept
    (tmp_path / "empty").touch()
    for at, said in {DOWN: "cannot be reached", f"sqlite:///{tmp_path}/empty": "database is empty: restore"}.items():
        with pytest.raises(ArchiveUnavailable, match=said):
            put_back(settings(tmp_path / "data", url, CONSENT_ARCHIVE_URL=at), folder / "backup", silent)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("left", [0, 2 * LITTLE])
def test_whatever_fails_on_a_full_disk_names_the_disk(tmp_path, left):
    failed = StoreUnavailable("the connection broke")
    with pytest.raises((SettingsError, StoreUnavailable)) as raised, room_on(tmp_path, lambda _: left):
        raise failed
    assert raised.value is failed or f"the disk of {tmp_path} is full" in str(raised.value)
    assert (raised.value is failed) == (left > LITTLE)


def test_a_folder_that_cannot_be_written_is_named_as_the_argument_that_it_is(kept, tmp_path):
    folder, _, _ = kept
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=f"^FOLDER {tmp_path}/file/consent-backup.part: Not a directory"):
        back_up(settings(folder / "data"), None, tmp_path / "file" / "b", silent)


def test_an_archive_that_is_named_from_the_working_folder_is_backed_up_and_restored(kept, tmp_path, monkeypatch):
    folder, manifest, _ = kept
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder / "backup", "there")
    put_back(
        settings(tmp_path / "data", CONSENT_ARCHIVE_URL="sqlite:///data/archive.sqlite3"), tmp_path / "there", silent
    )
    named = settings(tmp_path / "data", CONSENT_ARCHIVE_URL="sqlite:///data/archive.sqlite3")
    assert back_up(named, None, tmp_path / "b", silent).archive == manifest.archive


def test_every_file_of_a_backup_is_its_owners_alone(kept):
    folder, _, _ = kept
    paths = [folder / "backup", *(folder / "backup").rglob("*")]
    wide = {path.name: oct(path.stat().st_mode & 0o777) for path in paths if path.stat().st_mode & 0o077}
    assert wide == {}
    assert len(paths) > 5
