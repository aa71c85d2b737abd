"""Checks the pages' scripts: `python -m tests.front.check`.

TypeScript checks each page with its own words and elements, and the API's own shapes; Biome, how they are written. npm
installs both into .venv, as package-lock.json says.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.front.declared import HERE, write

ROOT = HERE.parents[1]
PATIENCE_S = 300


class NoTools(Exception):
    """The tools are not here: there is no npm, or it could not install them."""


def tools() -> Path:
    """Return the folder of tsc and biome, installed where they are not. Raises NoTools."""
    folder, wanted = Path(sys.prefix) / "front", (HERE / "package-lock.json").read_bytes()
    programs, made_of = folder / "node_modules" / ".bin", folder / "made_of"
    if made_of.exists() and made_of.read_bytes() == wanted:
        return programs
    npm = shutil.which("npm")
    if npm is None:
        raise NoTools("no npm here to check the pages' scripts with (Debian: nodejs, npm)")
    folder.mkdir(exist_ok=True)
    made_of.unlink(missing_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
    made = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
    if made.returncode:
        raise NoTools(f"npm could not install TypeScript and Biome: {made.stderr.strip()}")
    made_of.write_bytes(wanted)
    return programs


def _said(*command: str | Path) -> str:
    """Run a tool; return what it found, "" for nothing."""
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE_S, cwd=ROOT)
    return f"{run.stdout}{run.stderr}" if run.returncode else ""


def typed(programs: Path, *more: Path) -> str:
    """Return the errors of types in the scripts; more: other scripts, each checked as a part of every page."""
    with TemporaryDirectory() as folder:
        projects = write(Path(folder), *more)
        return "".join(_said(programs / "tsc", "--pretty", "false", "-p", each) for each in projects)


def written(programs: Path) -> str:
    """Return where the scripts are written otherwise than Biome writes them, and what its rules forbid."""
    return _said(programs / "biome", "ci", "--colors=off", *map(str, folders()))


def folders() -> Iterator[Path]:
    """The folders of the scripts."""
    yield from (ROOT / "consent_engine").glob("*/pages")


if __name__ == "__main__":
    try:
        found = tools()
    except NoTools as missing:
        sys.exit(str(missing))
    sys.exit(typed(found) + written(found) or 0)
