"""The log as static files, as C2SP tlog-tiles lays them out: a web server, or a copy in another place, can serve them.

A file is written whole and to disk before it gets its name, and the checkpoint comes last: whoever reads it finds all
tiles that it covers. A tile is the same whoever writes it, so one that stands already is written again or left alone.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from secrets import token_hex

from consent_engine.adapters.file_lock import lock_now, unlock
from consent_engine.config.data_folder import sync
from consent_engine.domain.log.checkpoint import Checkpoint, Note, NotSigned
from consent_engine.domain.log.merkle import WIDTH, Place
from consent_engine.errors import BrokenRecord
from consent_engine.ports.public_log import Folder

CHECKPOINT = "checkpoint"
AT_ONCE = 128
"""How many files are written before they are synced."""


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
        found, whole = iter(files), list[Path]()
        while some := [(self.path / str(place), place, content) for place, content in islice(found, AT_ONCE)]:
            _put([(to, content) for to, _, content in some])
            for folder in {each for to, _, _ in some for each in to.parents if each.is_relative_to(self.path)}:
                sync(folder)
            whole += [to for to, place, _ in some if place.width == WIDTH]
        _put([(self.path / CHECKPOINT, str(note).encode())])
        sync(self.path)
        for to in whole:  # the checkpoint before may have named their parts; nobody needs these any more
            shutil.rmtree(to.with_name(f"{to.name}.p"), ignore_errors=True)

    def put_aside(self) -> Path | None:
        """Keep the checkpoint under another name, as of a log that does not go on; return that. None: there was none"""
        kept = self.path / CHECKPOINT
        if not kept.exists():
            return None
        aside = kept.with_name(f"{CHECKPOINT}.{token_hex(4)}")
        kept.replace(aside)
        sync(self.path)
        return aside


def _put(files: Sequence[tuple[Path, bytes]]) -> None:
    """Write files, whole and to disk before any has its name. All are written before the first is synced: one sync then
    brings most of the others to disk as well.
    """
    for folder in {to.parent for to, _ in files}:
        folder.mkdir(parents=True, exist_ok=True)
    drafts = [to.with_name(f".{to.name}") for to, _ in files]
    for draft, (_, content) in zip(drafts, files, strict=True):
        draft.write_bytes(content)
    for draft in drafts:
        sync(draft)
    for draft, (to, _) in zip(drafts, files, strict=True):
        draft.replace(to)
