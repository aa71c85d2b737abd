"""Fuzzing guided by coverage: `python -m tests.security.fuzz [TARGET] [--seconds N] [--runs N]`.

atheris is no dependency of ours: 37 MB for a command that is run now and then. `pip install atheris`, where it has a
wheel; without it this command says so, and the suite's own fuzzing (tests/security/test_fuzz.py) is all there is.
"""

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Return 0, or libFuzzer's exit status when a promise was broken; the input is printed and kept."""
    options = argparse.ArgumentParser(description="Fuzz a parser.")
    options.add_argument(
        "target", nargs="?", default="keywords", choices=("keywords", "http_json", "jasmin", "kannel", "answers")
    )
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--runs", type=int, default=-1)
    wanted = options.parse_args()
    if importlib.util.find_spec("atheris") is None:
        sys.stdout.write("no atheris here: nothing was fuzzed (pip install atheris)\n")
        return 0
    import atheris  # noqa: PLC0415 - where it is installed

    with atheris.instrument_imports(include=["consent_engine"]):
        from tests.security import targets  # noqa: PLC0415 - after atheris, which counts what it imports
    target, seeds = targets.TARGETS[wanted.target]
    with tempfile.TemporaryDirectory() as folder:
        for n, seed in enumerate(seeds):
            (Path(folder) / str(n)).write_bytes(seed)
        bounds = [f"-max_total_time={wanted.seconds}", f"-runs={wanted.runs}", "-max_len=4096"]
        atheris.Setup([sys.argv[0], *bounds, folder], target)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
