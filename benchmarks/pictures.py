"""Bars in SVG, and tables in Markdown between two marks of a file."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

WIDTH, BAR, GAP, LEFT, RIGHT, TOP = 860, 22, 10, 330, 110, 44
DOCS = Path(__file__).parents[1] / "docs"
OUT = DOCS / "performance"
"""The folder of the figures, and the pages that show them."""
OURS, THEIRS = "#1f6f8b", "#b8b8b8"


def bars(title: str, unit: str, rows: Sequence[tuple[str, float, bool]]) -> str:
    """Draw horizontal bars, one for each row: its name, its length, whether it is ours."""
    most = max((value for _, value, _ in rows), default=1.0) or 1.0
    room = WIDTH - LEFT - RIGHT
    height = TOP + len(rows) * (BAR + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"',
        f'font-family="sans-serif" font-size="13" role="img" aria-label="{escape(title)}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{GAP}" y="26" font-size="16" fill="#222222">{escape(title)}</text>',
    ]
    for n, (name, value, ours) in enumerate(rows):
        y, length = TOP + n * (BAR + GAP), max(1.0, value / most * room)
        middle = y + BAR / 2 + 5
        parts += [
            f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end" fill="#222222">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{OURS if ours else THEIRS}"/>',
            f'<text x="{LEFT + length + 6:.1f}" y="{middle}" fill="#222222">{amount(value)} {escape(unit)}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def amount(value: float) -> str:
    """Return a number as people read it."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"  # noqa: PLR2004


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; every column but the first two is aligned to the right."""
    words = 2
    line = ["---" if n < words else "--:" for n in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, line, *rows]) + "\n"


def between(file: Path, mark: str, text: str) -> None:
    """Put text between `<!-- mark -->` and `<!-- /mark -->` of a file."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    old = file.read_text(encoding="utf-8")
    if begin not in old or end not in old:
        raise SystemExit(f"{file.name} has no place for it: {begin} ... {end}")
    before, rest = old.split(begin, 1)
    _, after = rest.split(end, 1)
    file.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")
