"""A log, its key and its folder, without the rest of a town: entries come, and are published; and what a witness does
with them: it checks that a log begins with what it saw before, and cosigns.
"""

import hashlib

from sqlalchemy import text

from consent_engine.adapters.log_folder import LogFolder
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.domain.log.checkpoint import Checkpoint, PrivateKey, Signature
from consent_engine.domain.log.merkle import (
    ENTRIES,
    HASH_BYTES,
    WIDTH,
    Tree,
    bundle,
    changed,
    leaf_hash,
    node_hash,
    published,
)
from consent_engine.domain.seal import Chained, Leaf
from consent_engine.engine.publishing import EVERY_MS, Keys, Publisher
from consent_engine.verify import cosigned
from tests.archive.house import append

NAME = "log.example/consent"


def entries_of(count, first=0):
    return [Leaf(Chained.ORDER, f"{n:028x}", 0, 1, "h" * 43).entry for n in range(first, first + count)]


def tree_of(log, size):
    return Tree(leaf_hash(published(entry)) for _, entry, _ in log.entries(0, size))


def cosigned_by(note, witness, at_s):
    """Return a note with a witness' signature, made at an instant in seconds."""
    value = at_s.to_bytes(8, "big") + witness.sign(cosigned(note.text, at_s))
    return note._replace(signatures=(*note.signatures, Signature(witness.key.name, witness.key.id, value)))


def consistent(old, old_root, new, new_root, proof):
    """Whether a proof shows that the new tree begins with the old one: RFC 9162, 2.1.4.2."""
    if not 0 <= old <= new:
        return False
    if old in {0, new}:
        return not proof and old_root == (new_root if old else hashlib.sha256().digest())
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    return bool(path) and _climbed(at, last, path[0], path[1:]) == (old_root, new_root)


def _climbed(at, last, start, proof):
    """Climb from a node to the root; return the hash over what is left of the way, with the node, and the root. None
    for a proof that is too long, or too short. last: the number of the last node on its level
    """
    left = whole = start
    for hashed in proof:
        if not last:
            return None
        if at & 1 or at == last:
            left, whole = node_hash(hashed, left), node_hash(hashed, whole)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            whole = node_hash(whole, hashed)
        at, last = at >> 1, last >> 1
    return None if last else (left, whole)


class Recording:
    """A key that keeps what it signed: whoever saw one of these must never see another history."""

    def __init__(self, name=NAME):
        self._inner = PrivateKey.made(name)
        self.key = self._inner.key
        self.signed = []

    def sign(self, message):
        self.signed.append(message.decode())
        return self._inner.sign(message)


class Press:
    """A log, its key and its folder, and publishing on them."""

    def __init__(self, archive, path):
        self.log = SqlLog(archive)
        self.public = self.log.public
        self.key = Recording()
        self.folder = LogFolder(path)
        self.now = 1_764_000_000_000
        self.count = 0

    def add(self, count):
        append(self.log, entries_of(count, self.count))
        self.count += count

    def publish(self, public=None, folder=None, keys=None):
        return Publisher(public or self.public, keys or Keys([self.key]), folder or self.folder).publish(self.now)

    def later(self, ms=EVERY_MS):
        self.now += ms

    def kept(self):
        """The size of the folder's checkpoint, after everything that it covers was checked; 0 where there is none."""
        note = self.folder.kept()
        if note is None:
            return 0
        assert note.signers([self.key.key])
        checkpoint, tree = Checkpoint.decode(note.text), Tree()
        for place in changed(0, checkpoint.size):
            found = (self.folder.path / str(place)).read_bytes()
            if place.level == ENTRIES:
                rows = self.log.entries(place.number * WIDTH, place.width)
                assert found == bundle([published(entry) for _, entry, _ in rows])
            elif place.level == 0:
                for n in range(0, len(found), HASH_BYTES):
                    tree.add(found[n : n + HASH_BYTES])
            else:
                assert len(found) == place.width * HASH_BYTES
        assert (tree.size, tree.root) == (checkpoint.size, checkpoint.root)
        return checkpoint.size

    def one_history(self):
        """All that was ever signed is of the log as it is."""
        tree = Tree()
        for checkpoint in sorted(map(Checkpoint.decode, self.key.signed), key=lambda each: each.size):
            for _, entry, _ in self.log.entries(tree.size, checkpoint.size - tree.size):
                tree.add(leaf_hash(published(entry)))
            assert (tree.size, tree.root) == (checkpoint.size, checkpoint.root)


def sql(press, *statements):
    with press.log.archive.asking() as connection:
        for each in statements:
            connection.execute(text(each))


def older(press, size, tiled=None):
    """SQL is as it was when the log had so many entries."""
    sql(
        press, f"DELETE FROM log WHERE n >= {size}", f"UPDATE archive_meta SET value = '{size}' WHERE name = 'log'",  # noqa: S608
        f"DELETE FROM log_checkpoints WHERE size > {size}",  # noqa: S608
    )  # fmt: skip
    sql(press, "DELETE FROM log_tiles", "UPDATE archive_meta SET value = '0' WHERE name = 'log_tiled'")
    press.count = size
