"""The forks that run tests: nothing is lost, and what fails or dies is told."""

import re
import subprocess
import sys
from pathlib import Path

from tests.waiting import HANGS_S

ROOT = Path(__file__).parents[1]
FILES = {
    "test_good.py": """
import pathlib, pytest
@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    yield folder
    pathlib.Path(__file__).with_name("undone").write_text("x")
@pytest.mark.parametrize("n", range(5))
def test_good(made, n): assert made.is_dir(), print("never")
""",
    "test_bad.py": """
def test_bad(capfd):
    print("words of a test that fails")
    assert 1 + 1 == 3
def test_after_it(tmp_path): assert tmp_path.is_dir()
""",
    "test_dies.py": "import os\ndef test_dies(): os._exit(7)\ndef test_lost(): pass\n",
}


def ran(folder, *options):
    command = [sys.executable, "-m", "pytest", "-p", "tests.side_by_side", "-p", "no:cacheprovider", "-q", *options]
    done = subprocess.run(
        [*command, "--rootdir", folder, "-c", "/dev/null", folder], cwd=ROOT, capture_output=True, text=True,
        timeout=HANGS_S, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_what_fails_and_what_dies_is_told_and_all_else_runs_once(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    status, said = ran(tmp_path, "--forks", "2")
    assert status == 1, said
    assert re.search(r"2 failed, 6 passed", said), said
    assert "words of a test that fails" in said
    assert "assert (1 + 1) == 3" in said
    assert "its process ended with 7: tests after it did not run" in said
    assert (tmp_path / "undone").exists(), "what a worker set up is undone at its end"


def test_whoever_asks_for_the_first_failure_alone_is_not_told_of_what_nobody_had_begun(tmp_path):
    (tmp_path / "test_0.py").write_text(FILES["test_bad.py"])
    for n in range(1, 5):
        (tmp_path / f"test_{n}.py").write_text(f"def test_{n}(): pass")
    status, said = ran(tmp_path, "--forks", "1", "-x")
    assert (status, "1 failed" in said, "stopping after 1 failures" in said) == (1, True, True), said
