"""One conversation as it was on the handset, in bubbles."""

import unicodedata
from collections.abc import Iterator

from consent_engine.domain.days import CHINA
from consent_engine.domain.msisdn import mask
from consent_engine.simulator.case import Case
from consent_engine.simulator.ledger import Ledger

SCREEN = 66
BUBBLE = 46


def width(text: str) -> int:
    """Count the columns of a text on a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, columns: int) -> str:
    """Return the text, filled with blanks to a number of columns."""
    return text + " " * max(0, columns - width(text))


def wrap(text: str, columns: int) -> list[str]:
    """Break a text into lines of at most this many columns; Chinese breaks anywhere."""
    lines = [""]
    for character in text:
        if character == "\n" or width(lines[-1] + character) > columns:
            lines.append("")
        if character != "\n":
            lines[-1] += character
    return lines


def conversation(case: Case, ledger: Ledger) -> Iterator[str]:
    """Yield the screen by line: the engine's SMS to the left, the subscriber's to the right, each with its time."""
    theirs = [(at, sms.sender, sms.text, False) for at, sms in ledger.on_handset(case.msisdn)]
    own_side = [(said.at, said.to, said.text, True) for said in ledger.said if said.msisdn == case.msisdn]
    yield "╭" + "─" * (SCREEN + 2) + "╮"
    yield _row(f"{mask(case.msisdn)}   {case.script.says}")
    yield "├" + "─" * (SCREEN + 2) + "┤"
    for at, number, text, own in sorted(theirs + own_side):
        clock = CHINA.at(int(at * 1000)).strftime("%H:%M:%S")  # as in the texts, wherever this machine is
        yield from _bubble(text, f"{clock} {'to' if own else 'from'} {number}", own)
    for order in case.orders:
        yield _row(f"{order.plan} ({order.code or '-'}): {order.state or order.door}")
    yield "╰" + "─" * (SCREEN + 2) + "╯"


def _bubble(text: str, caption: str, own: bool) -> Iterator[str]:  # noqa: FBT001 - which side it stands on
    lines = wrap(text, BUBBLE - 4)
    inner = max(map(width, lines))
    box = ["╭" + "─" * (inner + 2) + "╮", *(f"│ {pad(line, inner)} │" for line in lines)]
    box += ["╰" + "─" * (inner + 2) + "╯", caption]
    for line in box:
        yield _row(" " * (SCREEN - width(line)) + line if own else line)


def _row(text: str) -> str:
    return f"│ {pad(text, SCREEN)} │"
