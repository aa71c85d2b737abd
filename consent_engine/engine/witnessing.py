"""Witnesses and time: witnesses are asked to sign each new checkpoint, too, and an authority to stamp its time.

They never hold up an order, or the next checkpoint.

A witness that does not answer is asked again, and is late meanwhile: an alarm. One that refuses because the log does
not go on from what it saw may hold the proof of two histories: that is kept for ever and logged.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence

from consent_engine.domain.effects import Millis
from consent_engine.domain.log.checkpoint import ADD, Key, Note, NotSigned, Witness, asking, size_in, with_cosignature
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.engine.publishing import growth
from consent_engine.errors import BrokenRecord
from consent_engine.ports.public_log import Misgiving, Post, PublicLog, Signed, Stamp

log = logging.getLogger(__name__)
AGAIN_MS = 10_000
"""How long after a failure a witness is asked again."""
ANOTHERS_MS = 60_000
"""After so long a checkpoint that another process signed counts as abandoned by it."""
TRIES = 3
"""Of one witness in a round: it may say first what it has, and another process may ask it meanwhile."""
_TAKEN, _OTHER_SIZE, _NO_GROWTH = 200, 409, 422


class Witnessing:
    """Asks witnesses for their signatures, on one event loop. post: sends a body to an address · stamp: has the time of
    a checkpoint stamped; None: nobody does
    """

    def __init__(self, public: PublicLog, witnesses: Sequence[Witness], post: Post, stamp: Stamp | None = None) -> None:
        self._log = public
        self._witnesses = witnesses
        self._post = post
        self._stamp = stamp
        self._unstamped = LogOnChange(log, "the time stamp authority (CONSENT_TSA_URL) is late")
        self._had = dict[Key, int]()
        self._again = dict[Key | None, Millis]()  # None: the authority
        self._trouble = {each.key: LogOnChange(log, f"witness {each.key.name} is late") for each in witnesses}

    async def ask(self, signed: Signed | None, now: Millis) -> Signed | None:
        """Ask every witness whose signature the newest checkpoint lacks, and for its time; keep what they say, and
        return it with that.

        signed: the checkpoint that was just signed here; None asks for one that was signed some time ago. Raises
        ArchiveUnavailable.
        """
        newest = signed or self._log.newest()
        if newest is None or (signed is None and now - newest.at < AGAIN_MS):
            return None
        lacking = [each for each in self._lacking(newest.note) if now >= self._again.get(each.key, 0)]
        timeless = self._stamp is not None and newest.token is None and now >= self._again.get(None, 0)
        if not (lacking or timeless) or (signed is None and not self._again and now - newest.at < ANOTHERS_MS):
            return None
        token, *answers = await asyncio.gather(
            self._time(newest, now), *(self._one(each, newest, now) for each in lacking)
        )
        note = newest.note
        for each, answer in zip(lacking, answers, strict=True):
            if answer is not None:
                note = with_cosignature(note, answer, each.key)
        if (note, token) != (newest.note, newest.token):
            by = len(self._witnesses) - len(list(self._lacking(note)))
            newest = newest._replace(note=note, cosigned=by, token=token)
            self._log.add(newest)
        return newest

    async def _time(self, signed: Signed, now: Millis) -> bytes | None:
        """Return the token of a checkpoint, or a fresh one of its text; None where there is none now."""
        if self._stamp is None or signed.token is not None or now < self._again.get(None, 0):
            return signed.token
        try:
            token = await self._stamp(signed.note.text.encode())
        except OSError as error:
            self._again[None] = now + AGAIN_MS
            self._unstamped.met(error)
            return None
        self._again.pop(None, None)
        self._unstamped.over()
        return token

    def _lacking(self, note: Note) -> Iterable[Witness]:
        signers = note.signers(each.key for each in self._witnesses)
        return (each for each in self._witnesses if each.key not in signers)

    async def _one(self, witness: Witness, signed: Signed, now: Millis) -> bytes | None:
        """Return the answer in which a witness signs a checkpoint; None where it does not."""
        trouble = self._trouble[witness.key]
        try:
            answer = await self._signature(witness, signed, now)
            with_cosignature(signed.note, answer, witness.key)
        except (OSError, NotSigned, BrokenRecord, LookupError) as error:
            self._again[witness.key] = now + AGAIN_MS
            trouble.met(error)
            return None
        self._again.pop(witness.key, None)
        self._had[witness.key] = signed.checkpoint.size
        trouble.over()
        return answer

    async def _signature(self, witness: Witness, signed: Signed, now: Millis) -> bytes:
        """Raises OSError where the witness does not sign now, and BrokenRecord where it refuses for good."""
        size, old = signed.checkpoint.size, self._had.get(witness.key, 0)
        old = old if old <= size else 0  # it answers what it has
        for _ in range(TRIES):
            body = asking(old, growth(self._log, old, size), signed.note)
            status, answer = await self._post(f"{witness.url}{ADD}", body, "text/plain; charset=utf-8")
            if status == _TAKEN:
                return answer
            said = size_in(answer) if status == _OTHER_SIZE else None
            if said is not None and said <= size and said != old:
                old = self._had[witness.key] = said
                continue
            if status == _NO_GROWTH or (said is not None and said > size):
                self._refused(witness, signed, now, status, said or old)
            break
        raise OSError(f"it answered {status}")

    def _refused(self, witness: Witness, signed: Signed, now: Millis, status: int, had: int) -> None:
        """Keep a refusal that may show two histories. Raises BrokenRecord, unless another process is merely ahead."""
        newest = self._log.newest()
        if newest is not None and newest.checkpoint.size >= had and newest.checkpoint.size > signed.checkpoint.size:
            return
        misgiving = Misgiving(witness.key.name, now, status, had, str(signed.note))
        if self._log.refused(misgiving):
            log.critical("%s: consent doctor", said_of(misgiving))
        raise BrokenRecord(said_of(misgiving))


def said_of(misgiving: Misgiving) -> str:
    """Return in words what a witness refused."""
    return (
        f"witness {misgiving.witness} refused a checkpoint ({misgiving.status}): the log does not go on from the "
        f"{misgiving.size:,} entries that it saw"
    )
