"""Msisdn: the number of a Chinese mobile subscription, how it is read, shown and placed."""

import re
import unicodedata
from binascii import crc_hqx

from consent_engine.errors import FieldError, Malformed

SLOTS = 16384
"""As many as in Redis Cluster, and counted the same way."""

_MAX_TEXT = 40
_SEPARATORS = re.compile(r"(?<=[0-9])[ \t\-\u2010-\u2015\u2212]+(?=[0-9])")
_WRITTEN = re.compile(r"(?:\+86|0086|86)?(1[3-9][0-9]{9})")
_E164 = re.compile(r"\+861[3-9][0-9]{9}")


class Msisdn(str):
    """A number as E.164 with plus. Made by `parse`, or from a record that `parse` once filled."""

    __slots__ = ()


def parse(text: str) -> Msisdn:
    """Read a Chinese mobile number, with or without 86, +86 or 0086; raise Malformed, which never repeats it.

    >>> parse("138 0013-8000"), parse("008613800138000")
    ('+8613800138000', '+8613800138000')
    """
    # The length is looked at first: NFKC makes up to 18 characters of one.
    folded = unicodedata.normalize("NFKC", text).strip() if len(text) <= _MAX_TEXT else ""
    match = _WRITTEN.fullmatch(_SEPARATORS.sub("", folded))
    if match is None:
        raise Malformed([FieldError("msisdn", "invalid_msisdn", "must be a Chinese mobile number")])
    return Msisdn("+86" + match[1])


def mask(msisdn: str) -> str:
    """The number as staff may see it; nothing at all of a text that is no number.

    >>> mask("+8613800138000"), mask("13800138000")
    ('+86138****8000', '****')
    """
    return f"{msisdn[:6]}****{msisdn[-4:]}" if _E164.fullmatch(msisdn) else "****"


def slot(msisdn: str) -> int:
    """The number's slot. Part of every order id, so it never changes.

    >>> slot("+8613800138000")
    3303
    """
    return crc_hqx(msisdn.removeprefix("+").encode(), 0) % SLOTS
