"""The spool: messages of gateways as files in a folder, until the store has them. Encrypted as persons are in records.

Any number of processes may have a folder. A file is whole, and on disk, once it has its name; whoever reads it deletes
it when the store has what is in it. A file that is read twice brings repeats, which are recognised.
"""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from msgspec import Struct, convert, to_builtins

from consent_engine.adapters.file_lock import lock_now, lock_soon, unlock
from consent_engine.config.data_folder import make_once, private_folder, sync, write_synced
from consent_engine.domain.at_rest import Cipher
from consent_engine.domain.canonical_json import parsed, plain
from consent_engine.domain.sms import DeliveryReport, Reply
from consent_engine.errors import SettingsError, StoreUnavailable

MOST_BYTES = 256 * 1024 * 1024
"""How much may wait: about half a million replies."""
_ENDING, _ABOUT = ".messages", "spool"


class Spool:
    """A folder's messages. waiting: how many there were at the last look. Raises SettingsError for no usable folder."""

    def __init__(self, folder: Path, cipher: Cipher) -> None:
        self.folder, self._cipher = private_folder(folder, "CONSENT_SPOOL"), cipher
        held = lock_soon(folder / "lock", 5, shared=True)
        if held is None:
            raise SettingsError(f"CONSENT_SPOOL {folder}: another process holds its lock")
        make_once(folder / "name", token_hex(4))
        self.name, self._held = (folder / "name").read_text(encoding="ascii").strip(), held
        self._bytes = self.waiting = 0

    def add(self, messages: Sequence[Struct]) -> Path:
        """Write replies and reports to a file, on disk when this returns. Raises StoreUnavailable, where full too."""
        kept = [[m for m in messages if isinstance(m, kind)] for kind in (Reply, DeliveryReport)]
        text = self._cipher.close(_ABOUT, json.dumps(to_builtins(kept, enc_hook=plain)))
        if self._bytes + len(text) > MOST_BYTES:
            raise StoreUnavailable("the store cannot be reached, and the spool is full")
        self._bytes += len(text)
        draft = self.folder / f"{time.time_ns():020d}-{len(messages)}-{len(text)}-{token_hex(8)}.new"
        path = draft.with_suffix(_ENDING)
        try:
            write_synced(draft, text)
            draft.replace(path)
            sync(self.folder)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise StoreUnavailable(f"the store cannot be reached, nor the spool written: {error.strerror}") from error
        self.waiting += len(messages)
        return path

    def files(self) -> list[Path]:
        """Return the files that wait, the oldest first."""
        found = sorted(self.folder.glob(f"*{_ENDING}"))
        named = [path.stem.split("-") for path in found]
        self.waiting, self._bytes = (sum(int(each[n]) for each in named) for n in (1, 2))
        return found

    def read(self, path: Path) -> list[Reply | DeliveryReport]:
        """Return the messages of a file. Raises OSError, and what its opening and reading raise."""
        text = self._cipher.open(_ABOUT, path.read_text(encoding="ascii").strip())
        kept = convert(parsed(text), tuple[list[Reply], list[DeliveryReport]], dec_hook=lambda kind, it: kind(it))
        return [*kept[0], *kept[1]]

    def leave(self) -> bool:
        """Give the folder up; return whether no process has it until this one ends, and nothing waits there."""
        unlock(self._held)
        return lock_now(self.folder / "lock") is not None and not self.files()
