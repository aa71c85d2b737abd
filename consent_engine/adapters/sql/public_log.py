"""What is published of the log, in the archive's database: tiles, checkpoints, and what witnesses said of them.

The tiles are made from the entries' column `leaf` alone, and only grow: whoever makes them, and however often, makes
the same ones. So nothing here is lost by a process that dies, and two that publish at once do no harm.
"""

from base64 import urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, Row, Select, delete, func, select, update

from consent_engine.adapters.sql.tables import (
    CHECKPOINTS,
    FEEDS,
    LOG,
    META,
    MISGIVINGS,
    NAME,
    ROTATIONS,
    TILED,
    TILES,
    say,
)
from consent_engine.domain.feed import Feed, read_feed
from consent_engine.domain.hashing import HASH_LENGTH
from consent_engine.domain.log.checkpoint import Checkpoint, Note, NotSigned
from consent_engine.domain.log.merkle import Tile
from consent_engine.errors import BrokenRecord
from consent_engine.ports.public_log import Feeds, Misgiving, PublicLog, Published, Publishing, Signed

if TYPE_CHECKING:
    from consent_engine.adapters.sql.archive import SqlArchive


class SqlPublished(Published):
    """The tree of the log. asking: opens the transaction of a look at it"""

    def __init__(self, asking: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._asking = asking

    def size(self) -> int:
        """Return how many entries are published. Raises BrokenRecord for a count that somebody changed."""
        with self._asking() as connection:
            kept = _said(connection, TILED)
        if not (kept.isascii() and kept.isdecimal() and len(kept) <= 15):  # noqa: PLR2004 - no log has more
            raise BrokenRecord(f"the archive's count of published entries (archive_meta, {TILED}) was changed")
        return int(kept)

    def tile(self, level: int, number: int) -> bytes:
        wanted = select(TILES.c.hashes).where(TILES.c.level == level, TILES.c.number == number)
        with self._asking() as connection:
            found: bytes | None = connection.execute(wanted).scalar()
        if found is None:
            raise LookupError("the log has no such tile")
        return found

    def entries(self, first: int, most: int) -> list[bytes]:
        wanted = select(LOG.c.n, LOG.c.leaf).where(LOG.c.n >= first).order_by(LOG.c.n).limit(most)
        with self._asking() as connection:
            found = connection.execute(wanted).all()
        if found and found[-1].n - first != len(found) - 1:
            gone = next(at for at, row in enumerate(found, first) if row.n != at)
            raise BrokenRecord(f"entry {gone} of the log is gone from the archive: see consent audit")
        try:
            return [a2b_base64(leaf.encode().translate(_STANDARD) + b"=") for _, leaf in found]
        except ValueError:
            raise BrokenRecord(f"an entry of the log after {first} was changed: see consent audit") from None


class SqlPublicLog(SqlPublished, PublicLog):
    """The PublicLog beside the log."""

    def __init__(self, archive: "SqlArchive") -> None:
        super().__init__(archive.asking)
        self._archive = archive

    @contextmanager
    def publishing(self) -> Iterator["SqlPublishing"]:
        with self._archive.asking() as connection:
            # The row is held until the end: another one that publishes waits, and the scribe does not.
            connection.execute(update(META).where(META.c.name == TILED).values(value=META.c.value))
            yield SqlPublishing(connection, self._archive.insert)

    def number_of(self, published: bytes) -> int | None:
        leaf = urlsafe_b64encode(published).decode()[:HASH_LENGTH]
        with self._archive.asking() as connection:
            found: int | None = connection.execute(select(LOG.c.n).where(LOG.c.leaf == leaf)).scalar()
            return found

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def named(self, name: str = "", *, anew: bool = False) -> str:
        with self._archive.asking() as connection:
            if anew:
                say(connection, NAME, name)
            elif name:
                self._archive.say_once(connection, NAME, name)
            return _said(connection, NAME)

    def keep(self, signed: Signed) -> None:
        row = {**_columns(signed), "name": signed.checkpoint.origin, "size": signed.checkpoint.size}
        with self._archive.asking() as connection:
            connection.execute(self._archive.insert(CHECKPOINTS).values(row).on_conflict_do_nothing())

    def add(self, signed: Signed) -> None:
        of = CHECKPOINTS.c.name == signed.checkpoint.origin, CHECKPOINTS.c.size == signed.checkpoint.size
        with self._archive.asking() as connection:
            connection.execute(update(CHECKPOINTS).where(*of).values(_columns(signed)))

    def newest(self, cosigned: int = 0) -> Signed | None:
        of = CHECKPOINTS.c.name == _NAMED, CHECKPOINTS.c.cosigned >= cosigned
        return self._first(select(CHECKPOINTS).where(*of).order_by(CHECKPOINTS.c.size.desc()))

    def covering(self, number: int, cosigned: int = 0) -> Signed | None:
        of = CHECKPOINTS.c.size > number, CHECKPOINTS.c.cosigned >= cosigned
        return self._first(select(CHECKPOINTS).where(*of).order_by(CHECKPOINTS.c.size, CHECKPOINTS.c.at))

    def checkpoints(self, after: int, most: int) -> Sequence[Signed]:
        of = CHECKPOINTS.c.name == _NAMED, CHECKPOINTS.c.size > after
        wanted = select(CHECKPOINTS).where(*of).order_by(CHECKPOINTS.c.size).limit(most)
        with self._archive.asking() as connection:
            return [_signed(row) for row in connection.execute(wanted)]

    def thin(self, before: int, each_ms: int) -> int:
        """Delete checkpoints made before an instant but for the first of each span of so many milliseconds; return how
        many. A proof needs any one that covers its entry, and the first of a span says best when that was.
        """
        made = CHECKPOINTS.c.at < before
        span = CHECKPOINTS.c.at - CHECKPOINTS.c.at % each_ms
        first = select(func.min(CHECKPOINTS.c.size)).where(made).group_by(CHECKPOINTS.c.name, span)
        with self._archive.asking() as connection:
            return connection.execute(delete(CHECKPOINTS).where(made, CHECKPOINTS.c.size.not_in(first))).rowcount

    def _first(self, wanted: Select[Any]) -> Signed | None:
        with self._archive.asking() as connection:
            row = connection.execute(wanted.limit(1)).first()
        return _signed(row) if row else None

    # -- keys and witnesses --------------------------------------------------------------------------------------------

    def rotations(self) -> Sequence[Note]:
        with self._archive.asking() as connection:
            return _rotations(connection)

    def rotate(self, note: Note) -> None:
        with self._archive.asking() as connection:
            connection.execute(update(META).where(META.c.name == TILED).values(value=META.c.value))
            notes = _rotations(connection)
            if note.text not in {each.text for each in notes}:
                say(connection, ROTATIONS, msgspec.json.encode([str(each) for each in (*notes, note)]).decode())

    def misgivings(self, most: int = 100) -> Sequence[Misgiving]:
        wanted = select(MISGIVINGS).order_by(MISGIVINGS.c.at.desc()).limit(most)
        with self._archive.asking() as connection:
            found = connection.execute(wanted)
            return [Misgiving(row.witness, row.at, row.status, row.size, row.note) for row in found]

    def refused(self, misgiving: Misgiving) -> bool:
        row = {**misgiving._asdict(), "name": misgiving.note.partition("\n")[0]}
        with self._archive.asking() as connection:
            return self._archive.is_new(connection, MISGIVINGS, row)


class SqlFeeds(Feeds):
    """The Feeds beside the log."""

    def __init__(self, archive: "SqlArchive") -> None:
        self._archive = archive

    def all(self) -> list[Feed]:
        with self._archive.asking() as connection:
            kept = connection.execute(select(FEEDS.c.kept).order_by(FEEDS.c.name)).scalars().all()
        try:
            return [read_feed(each) for each in kept]
        except ValueError:
            raise BrokenRecord("a feed in the archive (its table feeds) cannot be read: it was changed") from None

    def swap(self, was: Feed | None, new: Feed) -> bool:
        kept = FEEDS.c
        with self._archive.asking() as connection:
            if was is None:
                return self._archive.is_new(connection, FEEDS, {"name": new.name, "kept": new.encode()})
            same = kept.name == was.name, kept.kept == was.encode()
            return bool(connection.execute(update(FEEDS).where(*same).values(kept=new.encode())).rowcount)


class SqlPublishing(SqlPublished, Publishing):
    """A transaction that holds the tiles."""

    def __init__(self, connection: Connection, written: Callable[..., Any]) -> None:
        super().__init__(lambda: nullcontext(connection))
        self._connection = connection
        self._insert = written

    def grow(self, tiles: Mapping[Tile, bytes], size: int) -> None:
        if not tiles:
            return
        rows = [{"level": level, "number": number, "hashes": hashes} for (level, number), hashes in tiles.items()]
        made = self._insert(TILES)
        key = [TILES.c.level, TILES.c.number]
        anew = made.on_conflict_do_update(index_elements=key, set_={"hashes": made.excluded.hashes})
        self._connection.execute(anew, rows)
        self._connection.execute(update(META).where(META.c.name == TILED).values(value=str(size)))


_STANDARD = bytes.maketrans(b"-_", b"+/")
_NAMED = select(META.c.value).where(META.c.name == NAME).scalar_subquery()


def _said(connection: Connection, name: str) -> str:
    found: str | None = connection.execute(select(META.c.value).where(META.c.name == name)).scalar()
    return found or ""


def _columns(signed: Signed) -> dict[str, Any]:
    note, token = str(signed.note), signed.token
    return {"at": signed.at, "note": note, "cosigned": signed.cosigned, "token": token}


def _signed(row: Row[Any]) -> Signed:
    try:
        note = Note.decode(row.note)
        return Signed(Checkpoint.decode(note.text), row.at, note, row.cosigned, row.token)
    except NotSigned as error:
        raise BrokenRecord(f"a kept checkpoint of the log ({row.size} entries) cannot be read: {error}") from None


def _rotations(connection: Connection) -> list[Note]:
    try:
        kept = msgspec.json.decode(_said(connection, ROTATIONS) or "[]", type=list[str])
        return [Note.decode(each) for each in kept]
    except (msgspec.DecodeError, NotSigned):
        raise BrokenRecord("the notes of the log's keys in the archive were changed") from None
