"""Send timers that are due, and steps whose message was lost: `python -m peers.careful.sweep MODULE`, once a second."""

import importlib
import sys
import time

from peers.careful import orders

EVERY_S = 1.0


def main() -> None:
    """Look once a second until the process is ended."""
    app = importlib.import_module(f"peers.careful.{sys.argv[1]}")
    while True:
        steps, timers = orders.overdue(time.time())
        for each in steps:
            app.send_step(*each.split())
        for each in timers:
            app.send_timer(*each.split())
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main()
