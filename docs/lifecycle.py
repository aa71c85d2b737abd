"""Draws the lifecycle from its table. `python docs/lifecycle.py` prints it, `--write` puts it into both READMEs."""

import sys
from pathlib import Path

from consent_engine.domain.lifecycle import SETTLED, TRANSITIONS, State

README = Path(__file__).parents[1] / "README.md"
CHINESE = README.with_name("README.zh-CN.md")
BEGIN, END = "<!-- lifecycle -->", "<!-- /lifecycle -->"

# The card that started all this speaks of five steps; ours beside them.
CARD = {
    State.AGREED: "call agreed",
    State.AWAITING_REPLY: "confirmation SMS sent",
    State.CONFIRMED: "user reply: yes",
    State.DECLINED: "user reply: no",
    State.ACTIVATED: "service activated",
    State.NOTIFIED: "notification SMS sent",
}


def picture() -> str:
    """The table as a Mermaid state diagram, the card's words beside ours."""
    names = [f"    {state}: {state}{f'<br>({CARD[state]})' if state in CARD else ''}" for state in State]
    arrows: dict[tuple[State, State], list[str]] = {}
    for trigger, source, to in TRANSITIONS:
        arrows.setdefault((source, to), []).append(trigger)
    moves = [f"    {source} --> {to}: {'<br>'.join(triggers)}" for (source, to), triggers in arrows.items()]
    ends = [f"    {state} --> [*]" for state in State if state in SETTLED]
    return "\n".join(["```mermaid", "stateDiagram-v2", *names, f"    [*] --> {State.AGREED}", *moves, *ends, "```"])


def table() -> str:
    """The states in Chinese."""
    return "\n".join(["| 状态 | 含义 |", "|---|---|", *(f"| `{state}` | {state.said[0]} |" for state in State)])


def drawn(readme: str, told: str) -> str:
    """A README with the picture or the table between its marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{told}\n{END}{after}"


def main() -> None:
    """Print the picture, or write it."""
    if "--write" not in sys.argv[1:]:
        print(picture())
        return
    for file, told in ((README, picture()), (CHINESE, table())):
        readme = file.read_text(encoding="utf-8")
        if BEGIN not in readme or END not in readme:
            sys.exit(f"{file} has no {BEGIN} ... {END} to put it between")
        file.write_text(drawn(readme, told), encoding="utf-8")


if __name__ == "__main__":
    main()
