"""Witnesses sign what the log signed, if it goes on from what they saw; what they do never holds up the log."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_engine.adapters.sql.log import SqlLog
from consent_engine.doctor.findings import Level
from consent_engine.doctor.journal import LATE_MS, public
from consent_engine.domain.log.checkpoint import (
    COSIGNS,
    Checkpoint,
    Note,
    NotSigned,
    PrivateKey,
    Witness,
    asking,
    quorum,
    with_cosignature,
)
from consent_engine.engine.publishing import EVERY_MS, unwitnessed_ms
from consent_engine.engine.witnessing import AGAIN_MS, ANOTHERS_MS, Witnessing
from consent_engine.ports.public_log import Misgiving
from tests.archive.house import append
from tests.archive.press import Press, consistent, cosigned_by, entries_of, older


class Watching:
    """A witness as the specification has it. says: what it answers instead, one status a request"""

    def __init__(self, name):
        self.key = PrivateKey(name, Ed25519PrivateKey.generate(), COSIGNS)
        self.witness = Witness(f"http://{name}", self.key.key)
        self.seen = None
        self.says = []
        self.asked = 0

    def add(self, body, log_keys):
        self.asked += 1
        if self.says:
            status, answer = self.says.pop(0)
            if status == 0:
                raise OSError("no_answer:")
            return status, answer
        head, _, text = body.decode().partition("\n\n")
        first, *lines = head.split("\n")
        old, note = int(first.removeprefix("old ")), Note.decode(text)
        if not note.signers(log_keys):
            return 403, b""
        checkpoint = Checkpoint.decode(note.text)
        seen = self.seen or Checkpoint(checkpoint.origin, 0, b"")
        if old != seen.size:
            return 409, f"{seen.size}\n".encode()
        proof = [Note.decode(f"{each}\n\n\N{EM DASH} a {each}\n").signatures[0] for each in lines]
        hashes = [each.id + each.value for each in proof]
        if old and not consistent(old, seen.root, checkpoint.size, checkpoint.root, hashes):
            return 422, b""
        self.seen = checkpoint
        return 200, str(cosigned_by(note, self.key, 1_764_000_001)).rpartition("\n\n")[2].splitlines(keepends=True)[
            -1
        ].encode()


@pytest.fixture
def press(small, tmp_path):
    return Press(small.archive, tmp_path / "log")


class Watched:
    """A log with witnesses, in one process of several."""

    def __init__(self, press, *watching):
        self.press, self.watching = press, watching
        self.asker = self.another()

    def another(self):
        async def post(url, body, media):
            assert media.startswith("text/plain")
            return self.at(url).add(body, [self.press.key.key])

        return Witnessing(self.press.public, [each.witness for each in self.watching], post)

    def at(self, url):
        return next(each for each in self.watching if url == f"{each.witness.url}/add-checkpoint")

    def round(self, asker=None):
        press = self.press
        return asyncio.run((asker or self.asker).ask(press.publish(), press.now))

    def grown(self, count=5):
        self.press.add(count)
        self.press.later()
        return self.round()

    def findings(self):
        press, witnesses = self.press, [each.witness for each in self.watching]
        return [
            (each.level, each.what) for each in public(press.log, press.folder, [press.key.key], witnesses, press.now)
        ]


def test_each_checkpoint_is_signed_by_every_witness_from_the_first_on(press):
    one, two = Watching("w1.example"), Watching("w2.example")
    watched = Watched(press, one, two)
    for n, count in enumerate((5, 300, 1), 1):
        signed = watched.grown(count)
        assert (signed.cosigned, press.public.newest()) == (2, signed)
        assert signed.note.signers([one.key.key, two.key.key]).keys() == {one.key.key, two.key.key}
        assert one.asked == n + 0, "what it saw last is known from the last time"
        assert watched.round() is None, "nothing is asked twice"
    press.publish()
    assert press.folder.kept().signers([one.key.key]), "the file has it, too"


def test_a_process_that_starts_learns_from_the_witness_what_it_saw(press):
    one = Watching("w1.example")
    watched = Watched(press, one)
    watched.grown()
    press.add(7)
    press.later()
    before = one.asked
    assert watched.round(watched.another()).cosigned == 1
    assert one.asked == before + 2, "409 says the size, then it signs"


def test_a_late_witness_is_asked_again_and_named_and_the_log_goes_on(press):
    one, two, three = (Watching(f"w{n}.example") for n in range(3))
    watched = Watched(press, one, two, three)
    assert quorum([each.witness for each in watched.watching]) == 2
    two.says = [(0, b"")]
    assert watched.grown().cosigned == 2
    asked = two.asked
    press.now += AGAIN_MS - 1
    watched.round()
    assert two.asked == asked, "not at once"
    press.now += 1
    assert watched.round().cosigned == 3
    two.says, three.says = [(503, b"")] * 99, [(404, b""), (403, b""), (200, b"nonsense")] * 33
    for _ in range(8):
        assert watched.grown().cosigned == 1
    assert unwitnessed_ms(press.public, 2, press.now) > LATE_MS
    assert (Level.WARN, "not 2 of 3 witnesses sign it") in [
        (level, what.partition(" s ")[2]) for level, what in watched.findings()
    ]
    two.says = []
    assert watched.grown().cosigned == 2
    assert watched.findings()[-1] == (Level.GOOD, "the public log: 2 of 3 witnesses signed 50 entries")


def test_a_fork_is_refused_and_the_refusal_is_kept_once_and_named(press, tmp_path):
    one = Watching("w1.example")
    watched = Watched(press, one)
    watched.grown(20)
    older(press, 10)
    append(press.log, entries_of(20, 500))
    press.folder.put_aside()  # nothing that is kept here shows it
    for _ in range(3):
        assert watched.grown().cosigned == 0
        press.now += AGAIN_MS
        watched.round()
    [kept] = press.public.misgivings()
    assert (kept.witness, kept.status, kept.size) == ("w1.example", 422, 20)
    assert Note.decode(kept.note).signers([press.key.key]), "what shows the two histories, with our own signature"
    assert one.seen.size == 20
    told = "the public log: witness w1.example refused a checkpoint (422): the log does not go on from the 20 entries"
    assert [level for level, what in watched.findings() if what.startswith(told)] == [Level.BAD]


def test_an_older_copy_of_sql_is_behind_what_the_witness_saw(press):
    one = Watching("w1.example")
    watched = Watched(press, one)
    watched.grown(20)
    older(press, 10)
    press.folder.put_aside()
    watched.grown(2)
    [kept] = press.public.misgivings()
    assert (kept.status, kept.size) == (409, 20)


def test_a_witness_that_is_ahead_through_another_process_is_no_fork(press):
    one = Watching("w1.example")
    watched = Watched(press, one)
    first = watched.grown(20)
    watched.grown(20)
    stale = watched.another()
    asyncio.run(stale.ask(first._replace(note=Note(first.note.text, first.note.signatures[:1])), press.now))
    assert press.public.misgivings() == []


def test_whoever_finds_a_checkpoint_that_nobody_asked_for_asks(press):
    one = Watching("w1.example")
    watched = Watched(press, one)
    press.add(5)
    press.publish()  # and the process dies
    press.now += ANOTHERS_MS - 1
    assert watched.round(watched.another()) is None
    press.now += 1
    assert watched.round(watched.another()).cosigned == 1


def test_only_the_named_witness_signs_only_this_note(press):
    one, two = Watching("w1.example"), Watching("w2.example")
    press.add(5)
    signed = press.publish()
    own = str(cosigned_by(signed.note, one.key, 5)).encode().splitlines(keepends=True)[-1]
    other = str(cosigned_by(signed.note._replace(text="x\n"), one.key, 5)).encode().splitlines(keepends=True)[-1]
    stranger = str(cosigned_by(signed.note, two.key, 5)).encode().splitlines(keepends=True)[-1]
    assert len(with_cosignature(signed.note, stranger + own, one.key.key).signatures) == 2, (
        "others' lines are passed over"
    )
    for answer in (b"", b"\xff", stranger, other, own + b"more\n"):
        with pytest.raises(NotSigned):
            with_cosignature(signed.note, answer, one.key.key)
    again = with_cosignature(with_cosignature(signed.note, own, one.key.key), own, one.key.key)
    assert len(again.signatures) == 2, "one line a witness"


def test_the_body_is_as_the_specification_has_it():
    note = Note("a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n").signed_by(PrivateKey.made("a"))
    assert asking(3, [b"h" * 32], note) == f"old 3\naGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg=\n\n{note}".encode()


@pytest.mark.parametrize(
    "text", ["", "http://w.example", "ftp://w.example KEY", "http://w.example KEY", "KEY http://w"]
)
def test_what_names_no_witness_is_refused(text):
    log = str(PrivateKey.made("log.example").key)  # a log's key signs no cosignatures
    with pytest.raises(NotSigned):
        Witness.decode(text.replace("KEY", log))


def test_a_witness_is_named_by_its_address_and_its_key():
    key = Watching("w.example").key.key
    assert Witness.decode(f" https://w.example/prefix/  {key} ") == Witness("https://w.example/prefix", key)
    assert EVERY_MS == AGAIN_MS


def test_a_witness_that_refuses_the_same_twice_is_noted_once(archive):
    refused = Misgiving("w1.example", 7, 409, 20, "log.example\n20\n\n")
    public = SqlLog(archive).public
    assert public.refused(refused)
    assert not public.refused(refused._replace(at=8))
    assert public.misgivings() == [refused]
