"""Commands under their plain names, as an operator types them: each starts a program of this checkout or machine."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

CONSENT = (sys.executable, "-m", "consent_engine")


def shims(folder: Path, programs: Mapping[str, Sequence[str]]) -> Path:
    """Write a shell script for each name that runs its words with the arguments given; return the folder for PATH.

    A path with a blank stays one word: a checkout may lie anywhere.
    """
    folder.mkdir()
    for name, words in programs.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        (folder / name).chmod(0o755)
    return folder
