"""`consent serve` with its handset, on which an order was asked, answered and activated."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.house import HOME
from tests.integration.serve_house import NUMBER, Serving, asked, closing_down, place
from tests.waiting import HANGS_S, until

TYPED = {"Content-Type": "application/json"}


@contextmanager
def handset(folder: Path) -> Iterator[str]:
    """Run it inside the block, and yield the address of its page."""
    folder.mkdir()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    told = {"CONSENT_READING_SPEED": "1000000", "CONSENT_DATA_DIR": str(folder / "data"), "PYTHONPATH": HOME}
    with closing_down(Serving(plain | told, folder)) as serving:
        until("it is ready", serving.ready)
        made = [sys.executable, "-m", "consent_engine", "keys", "add", "desk", "--role", "agent"]
        done = subprocess.run(
            made, env=plain | told, cwd=folder, capture_output=True, text=True, timeout=HANGS_S, check=True
        )
        place(serving, done.stdout.split()[-1])
        page = next(line.split()[-1] for line in serving.said().splitlines() if line.startswith("handset"))

        def messages() -> list[dict[str, str]]:
            return [each for phone in json.loads(asked(f"{page}phones.json")[1]) for each in phone["messages"]]

        [question] = until("the question is there", messages)
        asked(f"{page}write", {"from": NUMBER, "to": question["other"], "text": "是"}, TYPED)
        until("the notification is there", lambda: len(messages()) > 2)
        yield page
