"""Offer: the part of the question that many orders share: the plan as it stood, the words, the policy.

Stored once, under its hash, and never changed; every order names the hash in the first link of its chain. So the text
is frozen when an order is placed, and costs nothing again for the next order.
"""

from functools import lru_cache

from msgspec import Struct

from consent_engine.domain.canonical_json import Rows
from consent_engine.domain.hashing import digest
from consent_engine.domain.offer.policy import Policy
from consent_engine.domain.offer.tariff import Tariff


class Offer(Struct, frozen=True):
    """One offer.

    language, words: the language and the edition of our texts · text: the question as it is asked where no code is
    needed, with its segments · hash: its name
    """

    carrier: str
    plan: str
    plan_version: int
    plan_hash: str
    plan_name: str
    sender: str
    language: str
    words: int
    text: str
    segments: int
    policy: Policy
    tariff: Tariff
    hash: str = ""

    def encode(self) -> str:
        """The offer as stored, and as hashed."""
        plan = self.plan, self.plan_version, self.plan_hash, self.plan_name
        question = self.sender, self.language, self.words, self.text, self.segments
        return _ROWS.encode(_Kept(self.carrier, plan, question, self.policy, self.tariff))

    @staticmethod
    @lru_cache(4096)
    def decode(kept: str) -> "Offer":
        """Read an offer from the text that `encode` wrote. Raises ValueError."""
        row = _ROWS.decode(kept)
        sender, language, words, text, segments = row.question
        return Offer(
            row.carrier, *row.plan, sender, language, words, text, segments, row.policy, row.tariff, digest(kept)
        )  # fmt: skip


class _Kept(Struct, frozen=True, array_like=True):
    carrier: str
    plan: tuple[str, int, str, str]
    question: tuple[str, str, int, str, int]
    policy: Policy
    tariff: Tariff


_ROWS = Rows(_Kept, least=5)
