"""The daemon of these tests, and a Debian of this machine's own package source for their images."""

import subprocess
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests import needs
from tests.containers import stack
from tests.waiting import HANGS_S

KEPT_S = 7 * 86_400
"""Seconds for which a root filesystem is used again: Debian's packages change."""


def root_filesystem() -> Path:
    """The tar of a small Debian; made in three quarters of a minute, and kept for a week."""
    recipe = sha256(" ".join([stack.PACKAGES, *stack.LEAN]).encode()).hexdigest()[:12]
    kept = Path.home() / ".cache" / "consent-engine-tests" / f"debian-{recipe}.tar"
    if kept.exists() and time.time() - kept.stat().st_mtime < KEPT_S:
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=kept.parent) as folder:
        made = Path(folder, "debian.tar")
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={stack.PACKAGES}", *stack.LEAN]
        subprocess.run([*command, "--dpkgopt=force-unsafe-io", "trixie", made], check=True, timeout=HANGS_S)
        made.replace(kept)
    return kept


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Docker]:
    """A daemon that has the image `stand-in`."""
    needs.docker()
    # The path of a socket must be short, and pytest's folders are deep.
    with TemporaryDirectory(prefix="docker-") as folder, stack.daemon(Path(folder)) as running:
        stack.stand_in(running, root_filesystem(), tmp_path_factory.mktemp("stand-in"))
        yield running
