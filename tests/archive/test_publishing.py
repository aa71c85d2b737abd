"""The log is published: its tree in tiles, a checkpoint of it signed every 10 s or 10,000 entries, all of it as files.

Whatever dies, whoever else publishes, and whatever copy of SQL it goes on from: what was signed once is never signed
otherwise, and the files that the last checkpoint covers are all there.
"""

import random
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from consent_engine.adapters.log_folder import LogFolder
from consent_engine.config.settings import Settings
from consent_engine.doctor.findings import Level
from consent_engine.doctor.journal import LATE_MS, public
from consent_engine.domain.hashing import digest
from consent_engine.domain.log.checkpoint import Checkpoint, Note, NotSigned, PrivateKey, followed
from consent_engine.domain.log.merkle import (
    ENTRIES,
    HASH_BYTES,
    WIDTH,
    Place,
    changed,
    included,
    leaf_hash,
    published,
)
from consent_engine.domain.seal import Chained, Leaf
from consent_engine.engine.audit_checkpoint import compared, signed_before
from consent_engine.engine.publishing import (
    EVERY,
    EVERY_MS,
    PIECE,
    Keys,
    content,
    files,
    grow,
    growth,
    proof,
)
from consent_engine.errors import BrokenRecord, LogForked, SettingsError
from consent_engine.wiring import log_keys
from tests.archive.house import append
from tests.archive.press import NAME, Press, Recording, consistent, entries_of, older, sql

DAY_MS = 86_400_000


@pytest.fixture
def press(archive, tmp_path):
    return Press(archive, tmp_path / "log")


@pytest.fixture
def quick(small, tmp_path):
    """On SQLite only, for tests that do not depend on the database."""
    return Press(small.archive, tmp_path / "log")


# -- when --------------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_signed_every_ten_seconds_or_ten_thousand_entries_and_only_of_a_log_that_grew(press):
    assert (press.publish(), press.kept()) == (None, 0)
    press.add(300)
    assert press.publish().checkpoint.size == press.kept() == 300
    press.later()
    assert press.publish() is None, "it did not grow"
    press.add(1)
    press.later(EVERY_MS - 1)
    assert press.publish().checkpoint.size == press.kept() == 301
    press.add(1)
    press.later(EVERY_MS - 1)
    assert press.publish() is None, "not yet"
    press.add(EVERY - 2)
    assert press.publish() is None
    press.add(1)
    assert press.publish().checkpoint.size == press.kept() == 301 + EVERY, "so many are enough"
    press.one_history()


def test_every_entry_is_shown_to_be_in_every_later_checkpoint_and_each_to_begin_with_those_before(press):
    signed = []
    for count in (1, 254, 1, 1, 256, 700):
        press.add(count)
        signed.append(press.publish())
        press.later()
    for n, one in enumerate(signed):
        for number in {0, 1, 254, 255, 256, one.checkpoint.size - 1} & set(range(one.checkpoint.size)):
            [(_, entry, _)] = press.log.entries(number, 1)
            shown = proof(press.public, number, one)
            leaf = leaf_hash(published(entry))
            assert included(leaf, number, one.checkpoint.size, shown.hashes, one.checkpoint.root)
            assert press.public.number_of(published(entry)) == number
        for other in signed[n:]:
            old, new = one.checkpoint, other.checkpoint
            assert consistent(old.size, old.root, new.size, new.root, growth(press.public, old.size, new.size))
        with pytest.raises(LookupError):
            proof(press.public, one.checkpoint.size, one)
    assert press.public.covering(256) == signed[3]
    assert press.public.covering(press.count) is None
    assert press.public.newest() == signed[-1]


def test_a_folder_that_cannot_be_written_holds_up_no_signature(quick, caplog):
    quick.folder.path.write_text("a file in its place", "utf-8")
    for n in range(3):
        quick.add(10)
        quick.later()
        assert quick.publish().checkpoint.size == 10 * (n + 1)
    assert "its folder cannot be written now" in caplog.text
    quick.folder.path.unlink()
    quick.publish()
    assert quick.kept() == 30, "it has everything once it can be written"


def test_a_large_log_is_written_in_pieces_and_is_whole(quick):
    for count in (PIECE + WIDTH, PIECE + 3, 1):
        quick.add(count)
        quick.later()
        quick.publish()
        assert quick.kept() == quick.count


def test_partial_tiles_go_once_the_whole_one_is_there(quick):
    for _ in range(4):
        quick.add(100)
        quick.publish()
        quick.later()
    parts = sorted(str(each.relative_to(quick.folder.path)) for each in quick.folder.path.rglob("*.p"))
    assert parts == ["tile/0/001.p", "tile/1/000.p", "tile/entries/001.p"]


def test_what_is_served_is_what_the_files_hold_and_nothing_more(press):
    press.add(700)
    press.publish()
    for place in changed(0, 700):
        assert content(press.public, place) == (press.folder.path / str(place)).read_bytes()
    for place in (
        Place(0, 2, 189),
        Place(0, 3, 1),
        Place(ENTRIES, 2, 189),
        Place(1, 0, 3),
        Place(2, 0, 1),
        Place(0, 2),
    ):
        with pytest.raises(LookupError):
            content(press.public, place)
    assert content(press.public, Place(0, 2, 7)) == content(press.public, Place(0, 2, 188))[: 7 * HASH_BYTES]


def test_of_old_checkpoints_one_an_hour_is_kept(press):
    for n in range(12):
        press.add(1)
        press.publish()
        press.later(600_000 if n < 11 else 2 * DAY_MS)
    press.add(1)
    press.publish()
    ages = [(each.at - 1_764_000_000_000) // 600_000 for each in press.public.checkpoints(0, 100)]
    assert ages == [0, 6, 299], "the first of each hour, and the newest one"


# -- whatever dies -----------------------------------------------------------------------------------------------------


MOST_STEPS = 36
"""More than publishing ever takes here."""


class Dies(BaseException):
    """The process is gone."""


class Mortal:
    """Hands on to something, and dies before its n-th call, or after it and before the answer: 2n, 2n + 1."""

    def __init__(self, inner, life):
        self._inner = inner
        self._life = life

    def __getattr__(self, name):
        step = getattr(self._inner, name)
        return self._publishing if name == "publishing" else lambda *a, **k: self._life.step(step, *a, **k)

    @contextmanager
    def _publishing(self):
        with self._inner.publishing() as to:
            yield Mortal(to, self._life)
            self._life.step(lambda: None)
        self._life.step(lambda: None)


class Life:
    def __init__(self, at):
        self.at, self.steps = at, 0

    def step(self, done, *args, **more):
        mine, self.steps = self.steps, self.steps + 2
        if mine == self.at:
            raise Dies
        answer = done(*args, **more)
        if mine + 1 == self.at:
            raise Dies
        return answer


class MortalFolder(LogFolder):
    """A folder in which each file is a step, too."""

    def __init__(self, path, life):
        super().__init__(path)
        self._life = life

    def kept(self):
        return self._life.step(super().kept)

    def write(self, note, files):
        def each(since):
            for found in files(since):
                yield self._life.step(lambda found=found: found)
            self._life.step(lambda: None)

        self._life.step(super().write, note, each)


def test_whenever_it_dies_nothing_is_signed_twice_and_the_rest_follows(quick):
    died = 0
    for point in range(MOST_STEPS * 2):
        quick.add(130)
        quick.later()
        life = Life(point)
        try:
            quick.publish(Mortal(quick.public, life), MortalFolder(quick.folder.path, life))
        except Dies:
            died += 1
        assert life.steps <= MOST_STEPS * 2, "it was killed at all of them"
        assert quick.kept() <= quick.count, "what the folder has is whole, however far it came"
        quick.one_history()
        if point % 3 == 0:
            quick.publish()
            assert quick.public.newest().checkpoint.size == quick.kept()
    assert died > 40
    quick.later()
    quick.publish()
    assert quick.kept() == quick.count
    quick.one_history()


def test_the_parts_that_a_checkpoint_names_are_there_until_the_next_checkpoint_is(quick):
    quick.add(WIDTH - 1)
    quick.publish()
    quick.add(2)
    quick.later()
    draft = quick.folder.path / ".checkpoint"
    draft.mkdir()
    quick.publish()  # it ends before the checkpoint has its name
    assert quick.kept() == WIDTH - 1
    draft.rmdir()
    quick.later()
    quick.publish()
    assert quick.kept() == WIDTH + 1


def test_several_that_publish_at_once_show_one_history(press, tmp_path):
    another = Press(press.log.archive, tmp_path / "another")
    another.key = press.key
    mixed = random.Random(7)  # noqa: S311 - a fixed order
    for _ in range(40):
        who = mixed.choice([press, another])
        press.add(mixed.randrange(60))
        who.now = press.now = press.now + mixed.choice([0, EVERY_MS])
        who.publish()
    another.count = press.count
    for each in (press, another):
        each.now = press.now + EVERY_MS
        each.publish()
        each.kept()
        each.one_history()


# -- what is not the log that was signed -------------------------------------------------------------------------------


def test_an_older_copy_of_sql_is_a_fork_at_once_and_after_it_grew_again(press):
    press.add(400)
    press.publish()
    press.later()
    press.add(100)
    press.publish()
    older(press, 400)
    signed = len(press.key.signed)
    with pytest.raises(LogForked, match="has 400 entries, and 500 were signed"):
        press.publish()
    append(press.log, entries_of(100, 100_000))
    press.later()
    with pytest.raises(LogForked, match="first 500 entries are not those that were signed"):
        press.publish()
    append(press.log, entries_of(300, 200_000))
    with pytest.raises(LogForked):
        press.publish()
    assert len(press.key.signed) == signed, "nothing more is signed"
    assert Checkpoint.decode(press.folder.kept().text).size == 500, "what shows it is kept"


def test_a_log_that_was_changed_before_it_was_published_stops_where_an_entry_is_gone(quick):
    quick.add(10)
    sql(quick, "DELETE FROM log WHERE n = 4")
    with pytest.raises(BrokenRecord, match="entry 4 of the log is gone"):
        quick.publish()


def test_tiles_that_were_changed_or_cut_are_not_signed(quick):
    for damage in ("SET hashes = zeroblob(length(hashes))", "SET hashes = substr(hashes, 1, 40)"):
        quick.add(300)
        quick.later()
        quick.publish()
        sql(quick, f"UPDATE log_tiles {damage} WHERE level = 0 AND number = {quick.count // WIDTH}")
        quick.add(1)
        quick.later()
        with pytest.raises(LogForked):
            quick.publish()
        older(quick, quick.count)
        quick.publish()
        quick.one_history()


def test_another_key_and_another_name_sign_nothing(quick):
    quick.add(10)
    quick.publish()
    quick.add(10)
    quick.later()
    for other, said in (
        (Recording(), "another key than CONSENT_LOG_KEY"),
        (Recording("other.example"), "is signed as"),
    ):
        with pytest.raises(LogForked, match=said):
            quick.publish(keys=Keys([other]))
        assert other.signed == []
    assert quick.publish().checkpoint.size == 20


def test_a_checkpoint_of_another_log_in_the_folder_and_one_that_was_changed_are_named(quick, tmp_path):
    quick.add(10)
    quick.publish()
    kept = quick.folder.path / "checkpoint"
    was = kept.read_text("utf-8")
    for wrong, error, said in (
        (was.replace("\n10\n", "\n11\n"), LogForked, "is false"), (was[:60], BrokenRecord, "changed or cut"),
        (str(Note(str(Checkpoint("other.example", 3, b"r" * 32))).signed_by(Recording("other.example"))), LogForked,
         "another key"), ("", BrokenRecord, "changed or cut"),
    ):  # fmt: skip
        kept.write_text(wrong, "utf-8")
        with pytest.raises(error, match=said):
            quick.publish()
    kept.write_text(was, "utf-8")
    assert quick.publish() is None


# -- another key -------------------------------------------------------------------------------------------------------


def test_a_new_key_signs_beside_the_old_one_and_both_say_that_it_follows(press):
    old, new = press.key, Recording()
    press.add(10)
    press.publish()
    press.add(10)
    press.later()
    signed = press.publish(keys=Keys([new, old]))
    assert signed.note.signers([old.key, new.key]).keys() == {old.key, new.key}
    rotations = press.public.rotations()
    assert followed([old.key], rotations) == {old.key, new.key}
    press.publish(keys=Keys([new, old]))
    assert press.public.rotations() == rotations, "said once"
    press.add(10)
    press.later()
    alone = press.publish(keys=Keys([new]))
    assert alone.note.signers(followed([old.key], rotations)) == {new.key: 0}
    with pytest.raises(NotSigned):
        followed([old.key], [rotations[0]._replace(text=rotations[0].text.replace(str(new.key), str(old.key)))])


def test_a_key_is_made_once_and_one_that_is_lost_is_named(quick, tmp_path):
    settings = Settings.load({"CONSENT_DATA_DIR": str(tmp_path / "data")}, env_file=None)
    made = log_keys(settings, quick.public, "0123456789abcdef")
    assert (made.name, (settings.data_dir / "log.key").stat().st_mode & 0o777) == ("consent-engine/0123456789ab", 0o600)
    assert log_keys(settings, quick.public, "0123456789abcdef").known == made.known
    quick.add(1)
    quick.publish(keys=made)
    (settings.data_dir / "log.key").unlink()
    with pytest.raises(SettingsError, match="signed as consent-engine/0123456789ab, and its key is neither in"):
        log_keys(settings, quick.public, "0123456789abcdef")
    both = f"{PrivateKey.made('a.example')} {PrivateKey.made('a.example')}"
    named = Settings.load({"CONSENT_LOG_KEY": both, "CONSENT_PUBLIC_URL": "https://c.example/x"}, env_file=None)
    assert log_keys(named, quick.public, "0").name == "a.example"
    for wrong in ("x", f"{PrivateKey.made('a.example')} {PrivateKey.made('b.example')}", f"{both[:-1]}"):
        with pytest.raises(SettingsError, match="CONSENT_LOG_KEY") as refused:
            Settings.load({"CONSENT_LOG_KEY": wrong}, env_file=None)
        assert wrong[:40] not in str(refused.value) or wrong == "x"


def test_the_files_of_a_log_are_those_since_a_size(quick):
    quick.add(300)
    quick.publish()
    assert [str(place) for place, _ in files(quick.public, 299, 300)] == ["tile/0/001.p/44", "tile/entries/001.p/44"]


# -- the audit ---------------------------------------------------------------------------------------------------------


def audited(press, known=None):
    signed, changed = signed_before(press.public, press.folder.kept(), [press.key.key])
    return [*changed, *compared(press.log, known, signed)[1]]


def moved(first, second, third=10**9):
    """Statements by which two entries change places."""
    return [
        f"UPDATE log SET n = {third} WHERE n = {first}", f"UPDATE log SET n = {first} WHERE n = {second}",  # noqa: S608
        f"UPDATE log SET n = {second} WHERE n = {third}",  # noqa: S608
    ]  # fmt: skip


REWRITTEN = Leaf(Chained.ORDER, "f" * 28, 0, 2, "h" * 43).entry
TILES_ANEW = ["DELETE FROM log_tiles", "UPDATE archive_meta SET value = '0' WHERE name = 'log_tiled'"]
DAMAGES = {
    "dropped": (
        ["DELETE FROM log WHERE n = 7", *(f"UPDATE log SET n = {n - 1} WHERE n = {n}" for n in range(8, 320)),  # noqa: S608
         "UPDATE archive_meta SET value = '319' WHERE name = 'log'"],
        {("entry 7", "dropped: what follows it moved up"), ("entries 319 to 319", "dropped: they were published")}),
    "the end dropped": (
        ["DELETE FROM log WHERE n >= 310", "UPDATE archive_meta SET value = '310' WHERE name = 'log'"],
        {("entries 310 to 319", "dropped: they were published"),
         ("checkpoint of 320", "shortened: it has 310 entries, and had 320 at this checkpoint")}),
    "written anew": (
        [f"UPDATE log SET entry = '{REWRITTEN}', leaf = '{digest(REWRITTEN)}' WHERE n = 7"],  # noqa: S608
        {("entry 7", "written anew: another one was published")}),
    "reordered": (moved(7, 20), {("entry 7", "reordered: it stands later now")}),
    "a tile cut": (
        ["UPDATE log_tiles SET hashes = substr(hashes, 1, 64) WHERE level = 0 AND number = 1"],
        {("entry 258", "its tile is gone, or was cut")}),
    "written anew with its tiles": (
        [f"UPDATE log SET entry = '{REWRITTEN}', leaf = '{digest(REWRITTEN)}' WHERE n = 7", *TILES_ANEW],  # noqa: S608
        {("checkpoint of 300", "written anew: its first 300 entries are not those of this checkpoint")}),
    "shortened with its tiles and checkpoints": (
        ["DELETE FROM log WHERE n >= 310", "UPDATE archive_meta SET value = '310' WHERE name = 'log'", *TILES_ANEW,
         "DELETE FROM log_checkpoints WHERE size > 310"],
        {("checkpoint of 320", "shortened: it has 310 entries, and had 320 at this checkpoint")}),
    "a checkpoint changed": (
        ["UPDATE log_checkpoints SET note = replace(note, '300', '301') WHERE size = 300"],
        {("checkpoint of 301", "changed: the signature of log.example/consent is false")}),
}  # fmt: skip
"""What is done to SQL by somebody who can write there, and what the audit must say of it."""


def test_the_audit_names_whatever_was_done_to_what_was_published(quick, tmp_path):
    quick.add(300)
    quick.publish()
    quick.add(20)
    quick.later()
    quick.publish()
    assert audited(quick) == []
    file, missed = tmp_path / "archive.sqlite3", {}
    with quick.log.archive.asking() as connection:
        connection.execute(text("SELECT 1"))
    quick.log.archive.close()
    was = file.read_bytes()
    for name, (statements, told) in DAMAGES.items():
        quick.log.archive.close()
        file.write_bytes(was)
        sql(quick, *statements)
        if "tiles" in name:
            grow(quick.public)
        found = set(audited(quick))
        if not told <= found:
            missed[name] = found
    assert missed == {}


def test_a_checkpoint_that_was_kept_elsewhere_shows_what_was_done_with_all_that_is_kept_here(quick):
    quick.add(320)
    quick.publish()
    known, _ = compared(quick.log)
    sql(quick, *DAMAGES["written anew"][0], *TILES_ANEW, "DELETE FROM log_checkpoints")
    quick.folder.put_aside()
    quick.publish()
    assert audited(quick) == [], "the limit: all of it was made anew, with the key"
    [(name, told)] = audited(quick, known)
    assert (name, told.partition(":")[0]) == ("log", "written anew")


def found_by_doctor(press, witnesses=(), keys=None):
    keys = [press.key.key] if keys is None else keys
    return [(each.level, each.what) for each in public(press.log, press.folder, keys, witnesses, press.now)]


def test_the_doctor_names_a_log_that_is_not_signed_in_time_and_one_that_is_not_the_one_that_was_signed(quick):
    assert found_by_doctor(quick) == []
    quick.add(10)
    quick.publish()
    assert found_by_doctor(quick) == [(Level.GOOD, f"the public log {NAME}: 10 entries are signed")]
    quick.later(LATE_MS + 1)
    assert found_by_doctor(quick)[0][0] is Level.GOOD, "nothing came since"
    quick.add(1)
    [(level, what)] = found_by_doctor(quick)
    assert (level, what.partition(",")[0]) == (Level.BAD, "the public log: entries are in no checkpoint")
    quick.publish()
    [(level, what)] = found_by_doctor(quick, keys=[])
    assert (level, what) == (Level.BAD, f"the public log: another key than ours signed it ({NAME})")
    older(quick, 10)
    grow(quick.public)
    [(level, what)] = found_by_doctor(quick)
    assert (level, "has 10 entries, and 11 were signed" in what) == (Level.BAD, True)
    (quick.folder.path / "checkpoint").write_text("half", "utf-8")
    [(level, what)] = found_by_doctor(quick)
    assert (level, "is no checkpoint: it was changed or cut" in what) == (Level.BAD, True)


def test_after_an_older_copy_of_sql_a_new_log_goes_on_and_the_old_ones_last_checkpoint_stays(quick):
    quick.add(20)
    quick.publish()
    older(quick, 10)
    grow(quick.public)
    with pytest.raises(LogForked):
        quick.publish()
    old, quick.key = quick.key, Recording(f"{NAME}/2")
    quick.public.named(f"{NAME}/2", anew=True)
    aside = quick.folder.put_aside()
    assert Note.decode(aside.read_text("utf-8")).signers([old.key])
    assert (quick.publish().checkpoint.size, quick.kept()) == (10, 10)
    assert quick.public.covering(5).checkpoint.origin in {NAME, f"{NAME}/2"}
    assert [level for level, _ in found_by_doctor(quick)] == [Level.GOOD]
