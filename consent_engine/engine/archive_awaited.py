"""The archive before anything is written to it: waited for in a thread, and the one that the data belong to."""

import asyncio

from consent_engine.ports import Archive, Store


async def awaited(store: Store, archive: Archive) -> None:
    """Until the archive answers, and is ours. Where the data name one of theirs that is not there, none is made.

    Raises ArchiveUnavailable, NotOurArchive and StoreUnavailable.
    """
    store.expect_archive()  # first: whoever asks an archive that is not there for its id makes it
    await asyncio.to_thread(archive.id)
    store.ours()
