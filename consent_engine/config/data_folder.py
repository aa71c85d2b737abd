"""The data folder: private to its user, and the secret that is made there once when no other is given."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from consent_engine.errors import SettingsError

OURS = {"lock", "secret", "log.key"}
"""Files by which a data folder is recognised."""
ARCHIVE_FILE = "archive.sqlite3"
NAME_FILE = "installation"
"""The file with the name of the data made here, by which it is noticed that they are gone."""
LOG_FOLDER = "log"
"""The folder with the log's files, where no other one is named."""
LOG_KEY_FILE = "log.key"
"""The file with the keys of the log, the present one first."""
DATA = ("appendonlydir", ARCHIVE_FILE)
"""Data written with a secret, and useless without it."""


def private_folder(path: Path, named_by: str = "CONSENT_DATA_DIR") -> Path:
    """Make `path` private to this user (0700), and return it absolute. A folder that holds other things is left alone.
    Raises SettingsError where that cannot be done. named_by: the setting or argument that it comes from
    """
    path = path.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o077:
            names = {entry.name for entry in path.iterdir()}
            if names and not names & OURS:
                raise SettingsError(
                    f"{named_by} {path}: other users have access to it: chmod 700 it, or name an empty folder"
                )
            path.chmod(0o700)
    except OSError as error:
        raise SettingsError(f"{named_by} {path}: {error.strerror}: name a writable folder") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise SettingsError(f"{named_by} {path}: this process may not write to it: name a writable folder")
    return path


def kept_secret(folder: Path) -> str:
    """Return the secret kept in `folder`, made on first use. Processes that start together agree on one.

    Raises SettingsError, and makes none, where data exist without it: under another one no subscriber is found in them.
    """
    path = private_folder(folder) / "secret"
    try:
        # Data are looked for first: another process makes the secret first, then the data.
        written = [name for name in DATA if (path.parent / name).exists()]
        if not path.exists():
            if written:
                raise SettingsError(f"{path} is missing, and {written[0]} needs it: restore it, or set CONSENT_SECRET")
            make_once(path, secrets.token_urlsafe(32))
        path.chmod(0o600)
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} can not be read or made: restore it, or set CONSENT_SECRET") from error
    if not secret:
        raise SettingsError(f"{path} is empty: restore it, or set CONSENT_SECRET")
    return secret


def log_key(folder: Path, make: Callable[[], str]) -> str:
    """Return the keys of the log kept in `folder`; on first use the one that `make` returns. Raises SettingsError."""
    path = private_folder(folder) / LOG_KEY_FILE
    try:
        if not path.exists():
            make_once(path, make())
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} can not be read or made: restore it, or set CONSENT_LOG_KEY") from error


def kept_log_key(folder: Path) -> str:
    """Return the keys of the log kept in `folder`; "" for none. Raises SettingsError."""
    path = folder / LOG_KEY_FILE
    try:
        return path.read_text(encoding="ascii") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} can not be read: restore it, or set CONSENT_LOG_KEY") from error


def keep_log_key(folder: Path, keys: str) -> None:
    """Replace the keys of the log kept in `folder`, durably. Raises SettingsError."""
    path = private_folder(folder) / LOG_KEY_FILE
    try:
        draft = path.with_name(f"{LOG_KEY_FILE}.{secrets.token_hex(8)}")
        write_synced(draft, keys)
        draft.replace(path)
        sync(folder)
    except OSError as error:
        raise SettingsError(f"{path} can not be written: {error.strerror}") from error


def make_once(path: Path, secret: str) -> None:
    """Write a secret whole and to disk before it gets its name: a reader who sees the file sees all of it."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    write_synced(draft, secret)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was first: its secret is used
    finally:
        draft.unlink()
    sync(path.parent)


def write_synced(draft: Path, secret: str) -> None:
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secret.rstrip()}\n")
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Bring the names in a folder, or the content of a file, to disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def is_new(folder: Path) -> bool:
    """Return whether no engine ever kept anything in this folder."""
    return not any((folder / name).exists() for name in ("secret", NAME_FILE, *DATA))


def kept_name(folder: Path) -> str:
    """Return the name of the data that were made in `folder`; "" where none is known. Raises SettingsError."""
    try:
        return (folder / NAME_FILE).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{folder / NAME_FILE} can not be read: restore it, or remove it") from error


def keep_name(folder: Path, name: str) -> None:
    """Keep the name of the data that are in `folder`, durably. Raises SettingsError where that cannot be done."""
    draft = folder / f"{NAME_FILE}.new"
    try:
        with draft.open("w", encoding="ascii") as file:
            file.write(f"{name}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / NAME_FILE)
        sync(folder)
    except OSError as error:
        raise SettingsError(f"CONSENT_DATA_DIR {folder}: {error.strerror or error}") from error
