"""A reader of fakesmsc's output, as a handset would show it: parts put together, UCS-2 decoded."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

_LINE = re.compile(r"Got message \d+: <(\S+) (\S+) (\S+) (.*)>$")
_CONCATENATED = b"\x05\x00\x03"


@dataclass
class Text:
    """An SMS on a handset. parts: number -> text of the part."""

    sender: str
    to: str
    of: int = 1
    parts: dict[int, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return len(self.parts) == self.of

    @property
    def text(self) -> str:
        return "".join(self.parts[n] for n in sorted(self.parts))


def heard(lines: Iterable[str]) -> list[Text]:
    """Every SMS in fakesmsc's output, in the order of their first parts."""
    found: dict[object, Text] = {}
    for n, (sender, to, kind, rest) in enumerate(_messages(lines)):
        if kind != "udh":
            said = _bytes(rest).decode("utf-16-be") if kind == "ucs-2" else rest
            found[n] = Text(sender, to, 1, {1: said})
            continue
        header, _, said = rest.partition(" data ")
        udh = _bytes(header)
        assert (udh[:3], len(udh)) == (_CONCATENATED, 6)
        reference, of, part = udh[3:]
        whole = found.setdefault((sender, to, reference), Text(sender, to, of))
        assert part not in whole.parts, "a part came twice"
        whole.parts[part] = _bytes(said).decode("utf-16-be")
    return list(found.values())


def _messages(lines: Iterable[str]) -> Iterator[tuple[str, ...]]:
    return (found.groups() for found in map(_LINE.search, lines) if found)


def _bytes(said: str) -> bytes:
    return unquote_to_bytes(said.replace("+", " "))
