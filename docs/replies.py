"""Puts the words of the grammar into replies.md. `python docs/replies.py` prints the page, `--write` renews it."""

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.grammar import EDITION, Keyword, read, words

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_suffix(".md")
OF_ONE = "- **YES to one carrier alone**: "


REPLIES_A_DAY, UNLISTED, REFUSING = 650_000, 0.03, 0.25
"""Assumed, of a million orders a day: the replies, the share in no closed list, and the share of those that refuses."""
MOST_FALSE = 1 / 50

SHOWN = 12
"""Of the refusals: the page shows what they are like; the data have all."""


def measured() -> str:
    """How the answers that were written for doubt are read, and what that costs the people who decide."""
    rows = ["| Texts | Number | STOP, NO | held otherwise | `doubtful` | unclear |", "|---|---|---|---|---|---|"]
    shares = {}
    for name in ("refusals", "harmless"):
        found = [read(text) for text in (ROOT / f"tests/unit/replies/{name}.txt").read_text("utf-8").splitlines()]
        listed_ones = sum(each.keyword in {Keyword.STOP, Keyword.NO} for each in found)
        doubtful = sum(each.is_doubtful for each in found)
        held = sum(each.keyword is Keyword.HOLD for each in found) - doubtful
        unclear = len(found) - listed_ones - held - doubtful
        rows.append(f"| {name} | {len(found):,} | {listed_ones} | {held} | {doubtful} | {unclear:,} |")
        shares[name] = doubtful / (len(found) - listed_ones)
    free = REPLIES_A_DAY * UNLISTED
    true, false = free * REFUSING * shares["refusals"], free * (1 - REFUSING) * MOST_FALSE
    cost = (
        f"What it costs: of a million orders a day there are about {REPLIES_A_DAY:,} replies. If {UNLISTED:.0%} of "
        f"them are in no closed list ({free:,.0f}; assumed), and {REFUSING:.0%} of these refuse (assumed), "
        f"{true:,.0f} a day are held as doubtful, and at most {false:,.0f} harmless ones, at one in fifty. The same "
        "words are decided at once, and what nobody decides ends its order after a day: the work of two persons."
    )
    return "\n".join((*rows, "", cost))


def listed(all_of: Iterable[str]) -> str:
    """Words beside each other."""
    return " · ".join(f"`{each}`" for each in all_of)


def begun(all_of: Sequence[str]) -> str:
    """How many they are, and the first of them: no list has every refusal, and `consent read` tells of each text."""
    return f"{len(all_of)} texts: {listed(all_of[:SHOWN])} …"


def drawn(page: str) -> str:
    """The page with the words and the edition of today; what stands behind a list after `; ` stays."""
    lists = {
        "YES": listed(words.YES), "NO": begun(words.NO), "STOP": begun(words.STOP), "HELP": listed(words.HELP),
        "Registers marketing-free, too": listed(words.MARKETING_FREE),
        "Never a code": listed(sorted(words.NEVER_CODES)),
    }  # fmt: skip
    for head, told in lists.items():
        page = re.sub(rf"(?m)^(- \*\*{re.escape(head)}\*\*: )[^;\n]*", rf"\g<1>{told}", page)
    page = re.sub("(?s)(<!-- doubt -->\n).*(<!-- /doubt -->)", lambda ends: f"{ends[1]}{measured()}\n{ends[2]}", page)
    page = re.sub(rf"(?m)^{re.escape(OF_ONE)}.*\n", "", page)
    own = "; ".join(f"{CARRIERS[carrier].english} {listed(all_of)}" for carrier, all_of in words.YES_OF.items())
    page = page.replace("- **NO**: ", f"{OF_ONE}{own}\n- **NO**: ") if own else page
    return re.sub("this page shows edition [0-9]+,", f"this page shows edition {EDITION},", page)


if __name__ == "__main__":
    text = drawn(PAGE.read_text("utf-8"))
    if "--write" in sys.argv:
        PAGE.write_text(text, "utf-8")
    else:
        print(text)
