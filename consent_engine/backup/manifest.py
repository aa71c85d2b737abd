"""The manifest of a backup: `manifest.json`, written last, so that a folder that has it is complete."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from consent_engine.errors import ConsentError, SettingsError

NAME = "manifest.json"
FORMAT = 4
"""The one format that is read."""
KEY_FILE = "secret"
REDIS = "redis"
"""The folder with one folder for each Redis server that was copied."""
PIECE = 1 << 20
LITTLE = 1 << 20
"""With less room than this, in bytes, a disk counts as full."""
Tell = Callable[[str], None]


class File(Struct, frozen=True):
    """One file of a backup, by its path in the folder."""

    path: str
    bytes: int
    sha256: str


class ArchiveKept(Struct, frozen=True):
    """The archive. kind: `sqlite` (its copy is in the folder) or `postgresql` (its copy is the operator's) · id: the
    archive's own · log: the number of entries in its log · unasked: why the archive was not asked, "" if it was; then
    its copy is the operator's, too, the id is the one that the data name ("" for none), and its log is not known
    """

    kind: str
    id: str
    log: int
    unasked: str = ""


class Manifest(Struct, frozen=True):
    """A backup. at: the instant of its data, in ms · installation: whose data they are · secret: a check value by which
    the secret is recognised, but cannot be found · cells: their number · cluster: whether Redis was one · database: the
    one that the data were in · servers: the software of each Redis that was copied; it reads these files, and so does
    what is newer
    """

    format: int
    at: int
    release: str
    installation: str
    secret: str
    cells: int
    cluster: bool
    database: int
    servers: list[str]
    archive: ArchiveKept
    files: list[File]

    def has(self, path: str) -> bool:
        return any(each.path == path for each in self.files)


def free_on(folder: Path) -> int:
    """Return the room, in bytes, that is left on a folder's disk."""
    return shutil.disk_usage(folder).free


@contextmanager
def room_on(folder: Path, free: Callable[[Path], int] = free_on) -> Iterator[None]:
    """Raise SettingsError for anything that fails because a folder's disk is full: servers and databases that write
    there give other causes, or none.
    """
    try:
        yield
    except (ConsentError, OSError) as error:
        if free(folder) >= LITTLE:
            raise
        raise SettingsError(f"the disk of {folder} is full: make room there, and run the command again") from error


def _digest(path: Path, tell: Tell) -> tuple[int, str]:
    """Return a file's size and SHA-256."""
    made, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            made.update(piece)
            size += len(piece)
            tell(f"{path.name}: {size >> 20} MiB looked at")
    return size, made.hexdigest()


def listed(folder: Path, tell: Tell) -> list[File]:
    """Return the files in a folder, each with its size and digest. Each is made private to its owner, wherever the
    folder is copied, and flushed to the disk.
    """
    paths = sorted(folder.rglob("*"))
    for path in paths:
        path.chmod(0o700 if path.is_dir() else 0o600)
    synced(paths)
    return [File(path.relative_to(folder).as_posix(), *_digest(path, tell)) for path in paths if path.is_file()]


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, durably; all files that it names are on the disk."""
    draft = folder / f"{NAME}.new"
    draft.touch(mode=0o600)
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    synced([draft])
    draft.replace(folder / NAME)
    synced([folder])


def synced(paths: Iterable[Path]) -> None:
    """Flush files and folders to the disk."""
    for path in paths:
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def read(folder: Path) -> Manifest:
    """Read a folder's manifest. Raises SettingsError where there is none that this release can read."""
    try:
        raw = (folder / NAME).read_bytes()
        if (made := msgspec.json.decode(raw, type=_Format).format) != FORMAT:
            raise SettingsError(f"{folder}: this backup has format {made}, this release reads {FORMAT}: use its own")
        return msgspec.json.decode(raw, type=Manifest)
    except FileNotFoundError:
        raise SettingsError(f"{folder} is no whole backup: {NAME} is missing: name another one") from None
    except msgspec.MsgspecError:
        raise SettingsError(f"{folder}/{NAME} is damaged: name another backup") from None


class _Format(Struct):
    format: int = 0


def check(folder: Path, manifest: Manifest, tell: Tell) -> None:
    """Compare every file with the manifest. Raises SettingsError for the first that is missing or not as written."""
    for each in manifest.files:
        path = folder / each.path
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise SettingsError(f"{folder}: {each.path} is missing: name another backup, or bring that file back")
        if _digest(path, tell) != (each.bytes, each.sha256):
            raise SettingsError(f"{folder}: {each.path} is damaged (its SHA-256 is another one): name another backup")
