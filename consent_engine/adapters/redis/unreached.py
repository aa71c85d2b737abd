"""The reason why a Redis server was not reached, in words for a log: no address, no user, no password."""

import ssl

CERTIFICATE = "the server's certificate is not accepted"


def unreached(error: Exception) -> str:
    """Return the kind of an error of a connection; where TLS is in the way, its reason. redis-py wraps these."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"{CERTIFICATE}: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"no TLS with this server: {(cause.reason or type(cause).__name__).lower().replace('_', ' ')}"
    if isinstance(cause, FileNotFoundError):
        return "a file that its address names is not there (ssl_ca_certs, or a socket)"
    return type(error).__name__
