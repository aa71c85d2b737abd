"""The table of folders in architecture.md, from what each says of itself. `python docs/rooms.py --write` renews it."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms -->\n", "<!-- /rooms -->"


def drawn(page: str) -> str:
    """The page with its table as it should be."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "".join(rows()) + END + after


def rows() -> list[str]:
    """A line for each room: its path, and the first line of its docstring. What is inside says so itself."""
    faces = [ROOT / "workers" / "__init__.py", *sorted((ROOT / "consent_engine").glob("*/__init__.py"))]
    return ["| Folder | Contents |\n", "|---|---|\n", *(f"| `{_name(face)}` | {_about(face)} |\n" for face in faces)]


def _name(face: Path) -> str:
    return face.parent.relative_to(ROOT).as_posix().removeprefix("consent_engine/")


def _about(face: Path) -> str:
    text = ast.get_docstring(ast.parse(face.read_text("utf-8")))
    if not text:
        raise SystemExit(f"{face.relative_to(ROOT)} does not say what it is about")
    return text.split("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    text = drawn(PAGE.read_text("utf-8"))
    if "--write" in sys.argv:
        PAGE.write_text(text, "utf-8")
    else:
        print(text)
