"""The three carriers: their names, the one number each calls from, and the hotline each answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from unicodedata import normalize


class Carrier(StrEnum):
    """A network operator that sells by telephone."""

    MOBILE = "mobile"
    TELECOM = "telecom"
    UNICOM = "unicom"


@dataclass(frozen=True, slots=True)
class Profile:
    """A carrier as its subscribers know it. `outbound` is the only number its sales calls may come from."""

    carrier: Carrier
    name: str
    english: str
    outbound: str
    hotline: str
    company: str
    """the beginning of the legal names of its companies"""


CARRIERS: dict[str, Profile] = {
    profile.carrier: profile
    for profile in (
        Profile(Carrier.MOBILE, "中国移动", "China Mobile", "10085", "10086", "中国移动通信集团"),
        Profile(Carrier.TELECOM, "中国电信", "China Telecom", "10001", "10000", "中国电信股份有限公司"),
        Profile(Carrier.UNICOM, "中国联通", "China Unicom", "10016", "10010", "中国联合网络通信有限公司"),
    )
}


_FROM_ABROAD = re.compile(r"(?:tel:)?\+*(?:(?:00)?86(?=1))?", re.IGNORECASE)
_BLANKS = re.compile(r"[\s-]+")


def as_dialled(to: str) -> str:
    """The number a message was sent to, in plain digits without blanks, `tel:`, plus and the country's 86: all numbers
    of carriers begin with 1.

    >>> as_dialled("10085"), as_dialled("tel:+86-10085"), as_dialled("0086 １００８５234")
    ('10085', '10085', '10085234')
    """
    return _FROM_ABROAD.sub("", _BLANKS.sub("", normalize("NFKC", to)), count=1)


def carrier_of_sender(to: str, senders: Mapping[str, str]) -> str | None:
    """The carrier a message was sent to: the one whose sender is the longest that `to` begins with.

    None when no sender fits, or when carriers share the longest: a guess could record a refusal of the wrong carrier.

    >>> carrier_of_sender("+8610085234", {"mobile": "10085", "telecom": "10001"})
    'mobile'
    """
    to = as_dialled(to)
    fits = {carrier: sender for carrier, sender in senders.items() if sender and to.startswith(sender)}
    longest = max(map(len, fits.values()), default=0)
    best = [carrier for carrier, sender in fits.items() if len(sender) == longest]
    return best[0] if len(best) == 1 else None
