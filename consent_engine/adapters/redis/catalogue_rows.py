"""The catalogue's rows, as the registry keeps them, written and read."""

import hashlib
import hmac
import json

from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.versions import Proposal


def proof_of(secret: str) -> str:
    """Return the check value of a secret, by which data recognise the secret they were written with."""
    return hmac.new(secret.encode(), b"ce:meta", hashlib.sha256).hexdigest()[:32]


def proposed_of(proposal: Proposal) -> str:
    """Return a proposal as it is kept: the admin, the instant, the plan, and the one it replaced, if any."""
    row = [proposal.by, proposal.at, json.loads(proposal.plan.encode()), *[proposal.before] * bool(proposal.before)]
    return json.dumps(row, ensure_ascii=False, sort_keys=True)


def proposal_of(row: str) -> Proposal:
    """Read a proposal as it is kept."""
    by, at, plan, *before = json.loads(row)
    return Proposal(Plan.decode(plan), by, at, *map(tuple, before))
