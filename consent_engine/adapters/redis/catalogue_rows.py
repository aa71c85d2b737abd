"""The catalogue's rows, as the registry keeps them, written and read."""

import hashlib
import hmac
import json
from collections.abc import Mapping

from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.versions import PageSeen, Proposal, Sale, Version, dated


def proof_of(secret: str) -> str:
    """Return the check value of a secret, by which data recognise the secret they were written with."""
    return hmac.new(secret.encode(), b"ce:meta", hashlib.sha256).hexdigest()[:32]


def versions_of(kept: Mapping[str, str]) -> tuple[Version, ...]:
    """Read all versions from a plan's record, oldest first. Raises KeyError where the newest version is missing.

    Of the versions without a stamp only the newest says whether it is on sale; older ones count as on sale.
    """
    versions, newest = [], kept["current"]
    for n in sorted({newest, *(name for name in kept if name.isdigit())}, key=int):
        known_at, _, sale = kept.get(f"at:{n}", "0|").partition("|")
        otherwise = kept["sale"] if n == newest else Sale.ON_SALE
        plan, by = Plan.decode(json.loads(kept[n])), tuple(json.loads(kept.get(f"by:{n}", "[]")))
        versions.append(dated(Version(plan, Sale(sale or otherwise), int(known_at), by, seen_of(kept, n))))
    return tuple(versions)


def seen_of(kept: Mapping[str, str], version: str) -> dict[int, PageSeen]:
    """Return the last look at each address of a version, by the address's place."""
    begins = f"seen:{version}:"
    rows = ((name, row) for name, row in kept.items() if name.startswith(begins))
    return {int(name.removeprefix(begins)): PageSeen.decode(row) for name, row in rows}


def proposed_of(proposal: Proposal) -> str:
    """Return a proposal as it is kept: the admin, the instant, the plan, and the one it replaced, if any."""
    row = [proposal.by, proposal.at, json.loads(proposal.plan.encode()), *[proposal.before] * bool(proposal.before)]
    return json.dumps(row, ensure_ascii=False, sort_keys=True)


def proposal_of(row: str) -> Proposal:
    """Read a proposal as it is kept."""
    by, at, plan, *before = json.loads(row)
    return Proposal(Plan.decode(plan), by, at, *map(tuple, before))
