"""The catalogue of events in feeds.md, from the lifecycle and the endings. `python docs/feeds.py --write` renews it."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from consent_engine.domain.feed import ASKED, OF_ENDINGS, OF_ORDERS, PLACED, TYPES
from consent_engine.domain.lifecycle import TRANSITIONS

PAGE = Path(__file__).with_suffix(".md")
BEGIN, END = "<!-- catalogue -->\n", "<!-- /catalogue -->"


def rows() -> Iterator[tuple[str, str, str]]:
    """Each type of event: its meaning, and the states that it leads to."""
    yield PLACED, "The order was placed: the call was agreed", "`agreed`"
    for trigger, name in OF_ORDERS.items():
        states = dict.fromkeys(to for each, _, to in TRANSITIONS if each is trigger)
        yield name, trigger.said[1], ", ".join(f"`{state}`" for state in states) or "-"
    yield ASKED, "An activated order is to be taken back", "`ending`"
    for kind, name in OF_ENDINGS.items():
        yield name, (inspect.getdoc(kind) or "").partition(".")[0].replace("\n", " "), "see `data.state`"


def drawn(page: str) -> str:
    """The page with its catalogue as it should be."""
    told = list(rows())
    if {name for name, _, _ in told} != TYPES:
        raise SystemExit("the catalogue lacks a type")
    before, _, rest = page.partition(BEGIN)
    lines = [f"| `{name}` | {said} | {state} |\n" for name, said, state in told]
    head = "| Type | Meaning | State then |\n|---|---|---|\n"
    return before + BEGIN + head + "".join(lines) + END + rest.partition(END)[2]


if __name__ == "__main__":
    text = drawn(PAGE.read_text("utf-8"))
    if "--write" in sys.argv:
        PAGE.write_text(text, "utf-8")
    else:
        sys.stdout.write(text)
