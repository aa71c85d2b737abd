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
import time
from contextlib import closing
from itertools import product

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as Unreachable

from consent_engine import cli
from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.snapshot import check_readable, fetch, received
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.backup.manifest import LITTLE, NAME, read, room_on
from consent_engine.backup.put_back import by_hand, put_back
from consent_engine.backup.take import take
from consent_engine.config.settings import Settings
from consent_engine.doctor import Level, Wanted, examine
from consent_engine.domain.effects import Lane
from consent_engine.domain.msisdn import parse
from consent_engine.domain.sms import Delivery
from consent_engine.engine.audit import audit
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.report_code import CodeAsked
from consent_engine.engine.sealing import seal
from consent_engine.errors import ArchiveUnavailable, OrderNotFound, SettingsError, StoreUnavailable
from tests import needs
from tests.archive.house import LONG
from tests.conftest import OTHER
from tests.durability.backups import SECRET, server_in, settings, silent, town_on
from tests.integration.rq_house import ROOT
from tests.shims import CONSENT, shims
from tests.waiting import HANGS_S

REFUSED = "13800138078"
"""The number that refuses after the backup was made."""
MAY_FETCH = ("ping", "info", "time", "client|setinfo", "replconf", "sync")


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
        seal(town.engine.store, "one")
        town.engine.reports.send_code(CodeAsked(parse(OTHER), "mobile"))
        town.client.hset(Cell().rhythm("2025-01-01"), "q|A1024", "9000,1735700000000,0123456789ab;")
        town.client.hset("ce:workers", "alive", f"{time.time_ns() // 1_000_000}|sms")
        manifest = take(settings(folder / "data"), None, folder / "backup", silent)
        later = town.place(parse("13800138077"))
        town.engine.refuse(RefusalAsked(parse(REFUSED), "mobile", "ops", "cli:me"))
        town.run()
        seal(town.engine.store, "one")
    ids = {"gone": gone.id, "read_not": read_not.id, "asked_not": asked_not.id, "later": later.id}
    return folder, manifest, ids


def whole(found):
    """The doctor's findings on the records."""
    return [each.what for each in found if each.level is Level.BAD and "worker" not in each.what]


def filled(there, kept, to):
    """Type the lines that bring a backup's data into a Redis of one's own, in the folder of its files."""
    typed = [line for line in by_hand(there, kept, read(kept)) if not line.startswith("#")]
    subprocess.run("; ".join(typed), shell=True, cwd=to, check=True, timeout=HANGS_S)  # noqa: S602 - as a person does


@pytest.mark.parametrize("n", [0, 1])
def test_what_waits_in_a_backup_goes_on_to_notified_on_another_kind_of_server(kept, tmp_path, n):
    folder, manifest, ids = kept
    binary = needs.servers()[n % len(needs.servers())]
    with server_in(tmp_path / "redis", binary) as server, closing(connect(server.url)) as client:
        client.set("ce:lost", "1")
        there = settings(tmp_path / "data", server.url)
    assert put_back(there, folder / "backup", silent) == manifest
    filled(there, folder / "backup", tmp_path / "redis")
    with server_in(tmp_path / "redis", binary) as server, town_on(server.url, tmp_path / "data") as town:
        assert not town.client.exists("ce:lost")
        for name in ("read_not", "asked_not"):
            assert not town.engine.show(ids[name]).state.settled
        town.run()
        assert town.say("是", OTHER)
        town.run()
        assert [town.engine.show(ids[name]).state for name in ("read_not", "asked_not")] == ["notified"] * 2
        assert len({each.order_id for each in town.bss.asked}) == 2
        assert town.engine.show(ids["gone"]).person
        seal(town.engine.store, "two")
        assert not audit(town.engine.store, 0, (0, 2**62)).wrong


def test_a_data_folder_is_restored_and_a_doctor_finds_it_well(kept, tmp_path):
    folder, manifest, ids = kept
    there = settings(tmp_path / "data", CONSENT_SECRET="")
    put_back(there, folder / "backup", silent)
    put_back(there, folder / "backup", silent)  # nobody has started there yet: the same
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


def test_where_the_archive_was_not_lost_what_came_after_the_backup_is_named_and_refusals_are_put_back(kept, tmp_path):
    folder, _, ids = kept
    (tmp_path / "data").mkdir(mode=0o700)
    source = SqlArchive(f"sqlite:///{folder}/data/archive.sqlite3")
    source.check()
    source.close()
    for each in (folder / "data").glob("archive.sqlite3*"):
        (tmp_path / "data" / each.name).write_bytes(each.read_bytes())
    there = settings(tmp_path / "data")
    with pytest.raises(SettingsError, match="--keep-archive"):
        put_back(there, folder / "backup", silent)
    put_back(there, folder / "backup", silent, keep_archive=True)
    with server_in(tmp_path / "data") as server, town_on(server.url, tmp_path / "data") as town:
        wrong = audit(town.engine.store, 0, (0, 2**62)).wrong
        assert (ids["later"], "dropped, or cannot be read: the log has its event 0") in wrong
        assert {record for record, _ in wrong} >= {ids["later"], ids["read_not"]}
        assert ids["gone"] not in {record for record, _ in wrong}
        assert town.engine.dial(parse(REFUSED), "mobile").callable, "nothing in these data says otherwise"
    told = whole(examine(there, Wanted(), silent))
    assert any("older than their archive" in each for each in told)
    assert any(each.what.startswith("put back") for each in examine(there, Wanted(all=True, mend=True), silent))
    with server_in(tmp_path / "data") as server, town_on(server.url, tmp_path / "data") as town:
        assert not town.engine.dial(parse(REFUSED), "mobile").callable
        assert [(number, each.door) for number, each in town.engine.refusals().rows] == [("", "doctor")]


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
            assert ready.wait(20)
            before = list(acknowledged)
            take(settings(tmp_path / "data"), None, tmp_path / "backup", silent)
            assert len(acknowledged) > len(before), "nobody waited for it"
        finally:
            stop.set()
            works.join(20)
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
    assert died["restore"] >= 8
    made, restored = list(tmp_path.glob("b*")), list(tmp_path.glob("d*"))
    assert len(made) > died["backup"], "the last one was not killed"
    for each in made:
        assert read(each).keys > manifest.keys
        assert [file.path for file in read(each).files] == [file.path for file in manifest.files]
    for each in restored:
        found = {path.name for path in each.iterdir()} - {"lock"}
        assert found == {"appendonlydir", "archive.sqlite3", "installation", "secret"}
    assert not list(tmp_path.glob("*.part"))


def damage(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no manifest", "manifest.json is missing"),
        ("half a manifest", "manifest.json is damaged"),
        ("another format", "this backup has format 4, this release reads 3"),
        ("a damaged file", "archive.sqlite3 is damaged"),
        ("a file too few", "secret is missing"),
        ("another secret", "CONSENT_SECRET is not the one"),
        ("no secret", "made without its secret"),
    ],
)
def test_what_cannot_be_restored_is_said_and_nothing_is_written(kept, tmp_path, what, said):
    folder, _, _ = kept
    copy, secret = tmp_path / "copy", SECRET
    shutil.copytree(folder / "backup", copy)
    if what == "no manifest":
        (copy / NAME).unlink()
    elif what == "half a manifest":
        (copy / NAME).write_bytes((copy / NAME).read_bytes()[:300])
    elif what == "another format":
        (copy / NAME).write_text(json.dumps({"format": 4}))
    elif what == "a damaged file":
        damage(copy, "archive.sqlite3")
    elif what == "a file too few":
        (copy / "secret").unlink()
    elif what == "another secret":
        secret = "another-secret"
    else:
        told = json.loads((copy / NAME).read_text())
        told["files"] = [each for each in told["files"] if each["path"] != "secret"]
        (copy / NAME).write_text(json.dumps(told))
        secret = ""
    with pytest.raises(SettingsError, match=said) as raised:
        put_back(settings(tmp_path / "data", CONSENT_SECRET=secret), copy, silent)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "data").exists()


def test_a_backup_is_not_made_of_data_with_another_secret_nor_over_anything(kept, tmp_path):
    folder, _, _ = kept
    with pytest.raises(SettingsError, match="CONSENT_SECRET is not the one"):
        take(settings(folder / "data", CONSENT_SECRET="another-secret"), None, tmp_path / "b", silent)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SettingsError, match="is there: name a new folder"):
        take(settings(folder / "data"), None, folder / "backup", silent)


def test_a_redis_that_cannot_be_reached_leaves_nothing_behind(kept, tmp_path):
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        take(settings(tmp_path / "data", f"unix://{tmp_path}/nowhere"), None, tmp_path / "b", silent)
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
    assert [line.split("\t")[1] for line in told[1].stdout.splitlines() if line.startswith("bad")] == [
        "no worker was heard from: nothing moves"
    ]
    assert not (tmp_path / "tried").exists()


@pytest.mark.parametrize("own", [True, False])
def test_after_a_restore_whose_archive_was_kept_nobody_who_refused_since_the_backup_may_be_called(
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
    assert cli.run(["restore", "--keep-archive", f"{folder}/backup"]) == 0
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


def test_an_archive_that_is_to_stay_must_be_there(kept, tmp_path):
    folder, _, _ = kept
    with pytest.raises(SettingsError, match="is not there: bring it back"):
        put_back(settings(tmp_path / "data"), folder / "backup", silent, keep_archive=True)
    assert not (tmp_path / "data").exists()


def test_the_commands_say_what_a_backup_holds_and_what_a_restore_loses(kept, tmp_path, monkeypatch, capsys):
    folder, _, _ = kept
    monkeypatch.chdir(tmp_path)
    for name, value in {"DATA_DIR": folder / "data", "SECRET": SECRET, "DURABILITY": "everysec"}.items():
        monkeypatch.setenv(f"CONSENT_{name}", str(value))
    assert cli.run(["backup", "here"]) == 0
    told = capsys.readouterr()
    assert "keys in Redis\t" in told.out
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


class Says:
    """A server that names its software and version."""

    def __init__(self, **told):
        self.told = told

    def info(self, _):
        return self.told


class Goes(Says):
    """A server that names its software and version, and is gone."""

    @property
    def connection_pool(self):
        return self

    def get_connection(self):
        raise Unreachable


def test_a_server_that_goes_before_it_is_copied_is_one_that_cannot_be_reached(tmp_path):
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        fetch(Goes(redis_version="7.2.0"), tmp_path / "b", silent)
    assert list(tmp_path.iterdir()) == []


def test_a_server_whose_snapshots_no_program_here_reads_is_named_before_anything_is_fetched():
    ours = needs.wheel_server()  # a Valkey
    with pytest.raises(
        SettingsError, match=r"is Redis 8\.0\.2, .*found: Valkey \d.*install redis-server >= 8\.0 "
    ) as said:
        check_readable(Says(redis_version="8.0.2"), [ours])
    assert "\n" not in str(said.value)
    check_readable(Says(redis_version="7.2.5"), [ours])
    check_readable(Says(redis_version="7.2.4", valkey_version="9.9.9"), [ours])
    with pytest.raises(SettingsError, match="found: none"):
        check_readable(Says(redis_version="7.4.0"), [])


def test_a_user_of_redis_who_may_fetch_and_nothing_else_makes_a_backup(kept, tmp_path):
    folder, manifest, _ = kept
    put_back(settings(tmp_path / "redis"), folder / "backup", silent)
    with server_in(tmp_path / "redis") as server:
        with connect(server.url) as client:
            client.acl_setuser("keeper", enabled=True, passwords=["+p"], commands=[f"+{each}" for each in MAY_FETCH])
            client.acl_setuser("desk", enabled=True, passwords=["+p"], commands=["+ping", "+time"])
        there = settings(tmp_path / "redis", server.url)
        url = server.url.replace("unix://", "unix://{}:p@")
        assert take(there, url.format("keeper"), tmp_path / "b", silent).keys == manifest.keys
        with pytest.raises(SettingsError, match="may not fetch a backup"):
            take(there, url.format("desk"), tmp_path / "c", silent)
        assert not list(tmp_path.glob("c*"))


def test_the_page_names_the_user_who_may_fetch():
    assert " ".join(f"+{each}" for each in MAY_FETCH) in (ROOT / "docs" / "operations.md").read_text("utf-8")


def test_a_backup_of_a_folder_without_data_makes_nothing_in_it(tmp_path):
    empty = tmp_path / "data"
    with pytest.raises(SettingsError, match="no data"):
        take(settings(empty).model_copy(update={"secret": None}), None, tmp_path / "backup", silent)
    assert not list(tmp_path.iterdir())
    with pytest.raises(SettingsError, match="no data"):
        take(settings(empty), None, tmp_path / "backup", silent)
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
        take(there, None, tmp_path / "b", silent)
    assert not list(tmp_path.glob("b*"))


DOWN = "postgresql://postgres@127.0.0.1:1/none"


def test_a_database_that_is_down_stops_no_backup_and_the_manifest_says_so(kept, tmp_path):
    folder, manifest, ids = kept
    made = take(settings(folder / "data", CONSENT_ARCHIVE_URL=DOWN), None, tmp_path / "b", silent)
    assert made.archive.id == manifest.archive.id, "the data name it"
    assert made.archive.unasked == "the archive cannot be reached: OperationalError"
    assert made.file("archive.sqlite3") is None
    assert read(tmp_path / "b") == made
    put_back(settings(tmp_path / "data", CONSENT_ARCHIVE_URL=DOWN), tmp_path / "b", silent)
    with server_in(tmp_path / "data") as server, town_on(server.url, tmp_path / "data") as town:
        assert town.engine.show(ids["later"])


def test_an_sqlite_archive_that_cannot_be_read_is_left_out_on_purpose_only(kept, tmp_path):
    folder, manifest, _ = kept
    there = settings(folder / "data", CONSENT_ARCHIVE_URL=f"sqlite:///{tmp_path}/away.sqlite3")
    with pytest.raises(ArchiveUnavailable, match="or leave it out: --without-archive"):
        take(there, None, tmp_path / "b", silent)
    assert not list(tmp_path.iterdir())
    made = take(there, None, tmp_path / "b", silent, with_archive=False)
    assert (made.archive.id, made.archive.unasked) == (manifest.archive.id, "it was left out")
    put_back(settings(tmp_path / "data"), tmp_path / "b", silent)
    assert not (tmp_path / "data" / "archive.sqlite3").exists()


@pytest.mark.parametrize("known", [True, False])
def test_an_archive_that_was_not_asked_is_known_by_its_id_or_else_by_its_owner(kept, tmp_path, known):
    folder, manifest, _ = kept
    copy = tmp_path / "copy"
    shutil.copytree(folder / "backup", copy)
    told = json.loads((copy / NAME).read_text())
    told["archive"] |= {"unasked": "down", "log": 0} | ({} if known else {"id": ""})
    (copy / NAME).write_text(json.dumps(told))
    theirs = SqlArchive(f"sqlite:///{tmp_path}/theirs.sqlite3")
    theirs.claim("another-installation")
    theirs.close()
    for name, data in (("theirs.sqlite3", "one"), ("ours.sqlite3", "two")):
        if name == "ours.sqlite3":
            shutil.copyfile(folder / "backup" / "archive.sqlite3", tmp_path / name)
        there = settings(tmp_path / data, CONSENT_ARCHIVE_URL=f"sqlite:///{tmp_path}/{name}")
        if name == "ours.sqlite3":
            assert put_back(there, copy, silent, keep_archive=True).installation == manifest.installation
        else:
            with pytest.raises(SettingsError, match="another archive than this backup's"):
                put_back(there, copy, silent, keep_archive=True)
            assert not (tmp_path / data).exists()


def test_a_damaged_entry_of_the_journal_stops_no_backup_and_comes_back_as_it_was(kept, tmp_path):
    folder, _, ids = kept
    damaged, order = [b"o 1 \xff\xfe", "单".encode(), b""], Cell().order(ids["asked_not"])
    put_back(settings(tmp_path / "data"), folder / "backup", silent)
    with server_in(tmp_path / "data") as server:
        with closing(Redis.from_url(server.url)) as raw:
            raw.lpush(Cell().journal, *damaged)
            raw.hset(order, b"\xfe", b"\xff")
        made = take(settings(tmp_path / "data"), None, tmp_path / "b", silent)
    assert read(tmp_path / "b") == made
    put_back(settings(tmp_path / "new"), tmp_path / "b", silent)
    with server_in(tmp_path / "new") as server:
        with closing(Redis.from_url(server.url)) as raw:
            assert raw.lrange(Cell().journal, 0, 2) == damaged[::-1]
            assert raw.hget(order, b"\xfe") == b"\xff", "so does whatever else is no text"
        with town_on(server.url, tmp_path / "new") as town:
            seal(town.engine.store, "one")
            found = audit(town.engine.store, 0, (0, 2**62)).wrong
            assert sum(what == "an entry of the log cannot be read" for _, what in found) == len(damaged)


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
    with pytest.raises(SettingsError, match=f"^FOLDER {tmp_path}/file/b.part: Not a directory"):
        take(settings(folder / "data"), None, tmp_path / "file" / "b", silent)


def test_an_archive_that_is_named_from_the_working_folder_is_backed_up_and_restored(kept, tmp_path, monkeypatch):
    folder, manifest, _ = kept
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder / "backup", "there")
    put_back(
        settings(tmp_path / "data", CONSENT_ARCHIVE_URL="sqlite:///data/archive.sqlite3"), tmp_path / "there", silent
    )
    named = settings(tmp_path / "data", CONSENT_ARCHIVE_URL="sqlite:///data/archive.sqlite3")
    assert take(named, None, tmp_path / "b", silent).archive == manifest.archive


def test_every_file_of_a_backup_is_its_owners_alone(kept):
    folder, _, _ = kept
    paths = [folder / "backup", *(folder / "backup").rglob("*")]
    wide = {path.name: oct(path.stat().st_mode & 0o777) for path in paths if path.stat().st_mode & 0o077}
    assert wide == {}
    assert len(paths) > 5
