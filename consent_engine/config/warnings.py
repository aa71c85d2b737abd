"""What the person who starts the program may want to read: warnings of settings that are no error, but may be a
mistake; and every setting with its value and where it comes from.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from dotenv import dotenv_values

from consent_engine.config import sign_in
from consent_engine.config.durations import written
from consent_engine.config.environment import IN_FILE, PREFIX
from consent_engine.config.settings import Settings

SHORT_SECRET = 16
OF_COMMANDS = {f"{PREFIX}BACKUP_FROM"}
"""Addresses with passwords that single commands take from the environment, so that they do not stand in `ps`."""


def warnings(settings: Settings) -> list[str]:
    """Return the warnings for the person who starts the program: a line each, without secrets."""
    known = [name.upper() for name in Settings.model_fields]
    lines = []
    for name in settings.unknown:
        if name in OF_COMMANDS:
            continue
        near = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1, cutoff=0.7)
        lines.append(f"{name} is not a setting" + (f": did you mean {PREFIX}{near[0]}?" if near else ""))
    used = {*settings.routes().values(), f"bss_{settings.bss_name()}"}
    idle = settings.adapters.keys() - {sign_in.PREFIX} - {name.replace(":", "_").upper() for name in used}
    lines += [f"{PREFIX}{prefix}__* belongs to no gateway and no BSS in use" for prefix in sorted(idle)]
    if not settings.embedded and settings.archive_url is None:
        lines.append(f"{PREFIX}ARCHIVE_URL is not set: settled orders move to a file that all processes must share")
    if settings.secret is not None and len(settings.secret.get_secret_value()) < SHORT_SECRET:
        lines.append(f"CONSENT_SECRET is short: {SHORT_SECRET} characters at least, better 32")
    return lines


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
