"""Roles, and the names by which people and programs stand in orders, events and log lines."""

from enum import StrEnum

from consent_engine.domain.unseen import is_legible

MOST_NAME_LENGTH = 64


class Role(StrEnum):
    """What a key may do. admin may do everything."""

    AGENT = "agent"
    REVIEWER = "reviewer"
    OPS = "ops"
    AUDITOR = "auditor"
    ADMIN = "admin"


def is_sound(name: str) -> bool:
    """Whether a name can stand in orders, events and log lines."""
    return 0 < len(name) <= MOST_NAME_LENGTH and name.isprintable() and is_legible(name) and not set(name) & set(" :|")
