"""Puts the words of the grammar into replies.md. `python docs/replies.py` prints the page, `--write` renews it."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.grammar import EDITION, words

PAGE = Path(__file__).with_suffix(".md")
OF_ONE = "- **YES to one carrier alone**: "


def listed(all_of: Iterable[str]) -> str:
    """Words beside each other."""
    return " · ".join(f"`{each}`" for each in all_of)


def drawn(page: str) -> str:
    """The page with the words and the edition of today; what stands behind a list after `; ` stays."""
    lists = {
        "YES": words.YES, "NO": words.NO, "STOP": words.STOP, "HELP": words.HELP,
        "Registers marketing-free, too": words.MARKETING_FREE, "Never a code": sorted(words.NEVER_CODES),
    }  # fmt: skip
    for head, all_of in lists.items():
        before = rf"(?m)^(- \*\*{re.escape(head)}\*\*: )[^;\n]*"
        page = re.sub(before, rf"\g<1>{listed(all_of)}", page)
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
