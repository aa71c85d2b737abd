"""The browser of tests, benchmarks and pictures, found in one place."""

import shutil

NAMES = ("chromium-headless-shell", "chromium")
"""A browser without windows first: Debian's other program draws its own around each tab, for two fifths of the CPU."""


def chromium() -> str | None:
    """Return the path of a Chromium that Playwright can drive; None where PATH has none: Playwright takes its own."""
    return next(filter(None, map(shutil.which, NAMES)), None)
