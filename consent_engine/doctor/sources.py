"""The settings, their values, and where each comes from."""

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from dotenv import dotenv_values

from consent_engine.config.durations import written
from consent_engine.config.environment import IN_FILE, PREFIX
from consent_engine.config.settings import Settings

HIDDEN = ("SECRET", "PASSWORD", "TOKEN", "URL")


def sources(settings: Settings, environ: Mapping[str, str] = os.environ) -> Iterator[tuple[str, str, str]]:
    """Yield every setting: its variable, its value (secrets hidden), and its source."""
    kept = dotenv_values(".env", interpolate=False) if Path(".env").is_file() else {}

    def stands(name: str, where: Mapping[str, str | None]) -> bool:
        return bool(where.get(name) or where.get(name + IN_FILE))

    for field in sorted(type(settings).model_fields):
        if field in {"adapters", "unknown"}:
            continue
        name = PREFIX + field.upper()
        source = "environment" if stands(name, environ) else ".env" if stands(name, kept) else "default"
        yield name, _shown(name, getattr(settings, field)), source
    for prefix, values in sorted(settings.adapters.items()):
        for key, value in sorted(values.items()):
            name = f"{PREFIX}{prefix}__{key}"
            yield name, _shown(name, value), "environment" if stands(name, environ) else ".env"


def _shown(name: str, value: object) -> str:
    if value is None or value in ("", {}):
        return "-"
    if any(word in name for word in HIDDEN) and name != f"{PREFIX}PUBLIC_URL":
        return "(set)"
    return written(value) if isinstance(value, timedelta) else str(value)
