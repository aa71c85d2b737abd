"""Findings of checks that failed, each with its cause."""

from redis.exceptions import AuthenticationError, BusyLoadingError, NoPermissionError, RedisError, ResponseError

from consent_engine.adapters.redis.unreached import CERTIFICATE
from consent_engine.doctor.findings import Finding, bad
from consent_engine.errors import ArchiveUnavailable, SettingsError, StoreUnavailable


def failed(look: str, error: Exception, cli: str) -> Finding:
    """Return the finding for a check that failed. Others' errors are not quoted: they may hold a subscriber's words."""
    text = f"{look}: {error if isinstance(error, StoreUnavailable) else type(error).__name__}"
    if isinstance(error, ArchiveUnavailable):
        return bad(text, "is the archive's database up and writable? consent doctor, once it answers")
    if isinstance(error, NoPermissionError | SettingsError):
        return bad(text, "this Redis user lacks a permission: deploy/redis/users.acl lists all that it needs")
    cause = error.__cause__ or error
    if isinstance(error, StoreUnavailable) and isinstance(cause, ResponseError):  # it is up: PING would answer
        return bad(text, f"{cli} INFO: is it a replica, a master with too few replicas, or full? its disk: df -h")
    if isinstance(cause, AuthenticationError):  # it is up, and PING with that password would say no more
        return bad(text, "the server is up and refuses user or password: correct them in CONSENT_REDIS_URL")
    if CERTIFICATE in text:
        return bad(text, "renew it, and restart the server; or correct ssl_ca_certs in CONSENT_REDIS_URL")
    if isinstance(cause, BusyLoadingError):
        return bad(text, f"{cli} INFO persistence: it is reading its files back: wait; if it repeats: df -h")
    if isinstance(error, StoreUnavailable | RedisError | OSError):
        return bad(text, f"{cli} PING: is it up and reachable?")
    return bad(f"{text}: something stored cannot be read", "keep the data, and report it: this must never happen")
