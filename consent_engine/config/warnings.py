"""Warnings for the person who starts the program: settings that are no error, but may be a mistake."""

import difflib

from consent_engine.config import sign_in
from consent_engine.config.environment import PREFIX
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
