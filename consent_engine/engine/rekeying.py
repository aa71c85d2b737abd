"""Persons encrypted anew under the newest key, while the engine works: in the store by commits as any other, which the
scribe brings to SQL; in SQL alone where the store let a record go.

What was done is under the newest key, and is passed over: a run that died is the same again.
"""

import logging
from collections.abc import Sequence

from consent_engine.domain.at_rest import Cipher
from consent_engine.domain.seal import cipher_of
from consent_engine.engine.scribe import as_of_now
from consent_engine.errors import ArchiveUnavailable, BrokenRecord
from consent_engine.ports import Change, Commit, CommitResult, Owner, Registry, Store

log = logging.getLogger(__name__)
PASSES = 5
"""How often all is walked through, at most: each time finds only what was changed, recalled or let go meanwhile."""


def rekey(store: Store, registry: Registry) -> tuple[int, int]:
    """Encrypt all persons under the newest key. Return how many records had something under a former one, and how many
    still have: an unread message, or what cannot be read. Where this finds none at all, only the newest key is needed
    from now on: until a minute after one that found some, a step may bring back to the store what it had read in SQL.
    Raises StoreUnavailable and ArchiveUnavailable.
    """
    if (archive := store.bound_archive()) is None:
        raise ArchiveUnavailable("there is no archive: its records could not be encrypted anew")
    cipher, done, left = cipher_of(archive.seal), 0, 0
    for _ in range(PASSES):
        now = sum(_renewed(store, cipher, of, some) for of in Owner for some in store.records.names(of) if some)
        as_of_now(store)
        let_go, left = archive.rekey()
        now += let_go
        done += now
        if not now:
            break
    if not (done or left):
        registry.name_keys(cipher.names, ())
    return done, left


def _renewed(store: Store, cipher: Cipher, owner: Owner, records: Sequence[str]) -> int:
    """Commit these records' persons as they stand in the store; return how many: another commit may be first."""
    changes = list[Change]()
    for name, fields in store.retirement.whole(owner, records).items():
        line = {} if owner is Owner.LINE else {"line": fields.get("line", "")}
        try:
            if former := cipher.outdated(line.get("line", name), fields):
                changes.append(Change(owner, name, int(fields["v"]), {**line, **former}))
        except (BrokenRecord, KeyError, ValueError) as error:
            log.error("%s: it cannot be read: %s", name, type(error).__name__)
    commits = [Commit("", (each,)) for each in changes]
    return store.records.commit(commits, prove=True).count(CommitResult.OK) if commits else 0
