"""Replies as people write them, each labelled by hand: `corpus.tsv`, with a label, a tab and a text per line.

A label is a keyword; after a slash the code, the reason of a HOLD, or `free` for a STOP that registers marketing-free.
A text that starts with a quotation mark is JSON: it contains invisible characters.

`refusals.txt` and `harmless.txt` hold, a text per line, what a subscriber may send to an open question. They were
written for the rule of doubt by one person who knew the words above: whether each refuses is known, but not its label.
"""

import json
from pathlib import Path


def labelled():
    lines = Path(__file__).with_name("corpus.tsv").read_text("utf-8").splitlines()
    rows = [line.split("\t", 1) for line in lines]
    return [(label, json.loads(text) if text.startswith('"') else text) for label, text in rows]


def answers(name):
    """Return the texts of `refusals` or `harmless`."""
    return Path(__file__).with_name(f"{name}.txt").read_text("utf-8").splitlines()


def label(found):
    """Return the label of a reading."""
    more = found.code or found.reason or ("free" if found.marketing_free else "")
    return f"{found.keyword}/{more}" if more else str(found.keyword)
