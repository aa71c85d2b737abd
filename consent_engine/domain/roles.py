"""Roles of keys, and the names of people and programs in orders, events and log lines."""

from enum import StrEnum

from consent_engine.domain.forms import is_legible

MOST_NAME_LENGTH = 64


class Role(StrEnum):
    """The permissions of a key. admin may do everything."""

    AGENT = "agent"
    REVIEWER = "reviewer"
    SUPERVISOR = "supervisor"
    OPS = "ops"
    AUDITOR = "auditor"
    ADMIN = "admin"


def is_sound(name: str) -> bool:
    """Whether a name may be used in orders, events and log lines."""
    return 0 < len(name) <= MOST_NAME_LENGTH and name.isprintable() and is_legible(name) and not set(name) & set(" :|")
