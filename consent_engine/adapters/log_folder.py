"""The log as static files, as C2SP tlog-tiles lays them out: a web server, or a copy in another place, can serve them.

A file is written whole and to disk before it gets its name, and the checkpoint comes last: whoever reads it finds all
tiles that it covers. A tile is the same whoever writes it, so one that stands already is written again or left alone.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from secrets import token_hex

from consent_engine.adapters.file_lock import lock_now, unlock
from consent_engine.config.data_folder import sync
from consent_engine.domain.log.checkpoint import Checkpoint, Note, NotSigned
from consent_engine.domain.log.tiles import WIDTH, Place
from consent_engine.errors import BrokenRecord
from consent_engine.ports.public_log import Folder

CHECKPOINT = "checkpoint"


class LogFolder(Folder):
    """A folder of the log, one writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def kept(self) -> Note | None:
        try:
            note = Note.decode((self.path / CHECKPOINT).read_text(encoding="utf-8"))
            Checkpoint.decode(note.text)
        except FileNotFoundError:
            return None
        except (NotSigned, UnicodeDecodeError):
            raise BrokenRecord(f"{self.path / CHECKPOINT} is no checkpoint: it was changed or cut") from None
        return note

    def write(self, note: Note, files: Callable[[int], Iterable[tuple[Place, bytes]]]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        held = lock_now(self.path / ".lock")
        if held is None:
            return
        try:
            kept, size = self.kept(), Checkpoint.decode(note.text).size
            was = Checkpoint.decode(kept.text).size if kept is not None else 0
            if was < size or (kept is not None and was == size and len(kept.signatures) < len(note.signatures)):
                self._write(note, files(was))
        finally:
            unlock(held)

    def _write(self, note: Note, files: Iterable[tuple[Place, bytes]]) -> None:
        full, folders = list[Path](), {self.path}
        for place, content in files:
            to = self.path / str(place)
            _put(to, content)
            folders.update(each for each in to.parents if self.path in each.parents)
            if place.width == WIDTH:
                full.append(to)
        for folder in folders:
            sync(folder)
        _put(self.path / CHECKPOINT, str(note).encode())
        sync(self.path)
        for tile in full:  # nobody needs its parts any more
            shutil.rmtree(tile.with_name(f"{tile.name}.p"), ignore_errors=True)

    def put_aside(self) -> Path | None:
        """Keep the checkpoint under another name, as of a log that does not go on; return that. None: there was none"""
        kept = self.path / CHECKPOINT
        if not kept.exists():
            return None
        aside = kept.with_name(f"{CHECKPOINT}.{token_hex(4)}")
        kept.replace(aside)
        sync(self.path)
        return aside


def _put(to: Path, content: bytes) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    draft = to.with_name(f".{to.name}")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(to)
