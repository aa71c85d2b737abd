"""The BSS we can switch services on with. To add one: write its file, add its line."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta

from consent_engine.adapters.bss import http, simulated
from consent_engine.errors import SettingsError
from consent_engine.ports import Bss

BSS: dict[str, Callable[[str, Mapping[str, str], timedelta], Bss]] = {
    "http": http.build,
    "simulated": simulated.build,
}

_SPEC = re.compile(r"([a-z0-9_]+)(?::[a-z0-9]+(?:_[a-z0-9]+)*)?")


def build(spec: str, settings_of: Callable[[str], Mapping[str, str]], call_timeout: timedelta) -> Bss:
    """The BSS that `spec` names: a name, or `name:box` for another one of a kind, with settings of its own. Raises
    SettingsError for an unknown name, or settings that will not do.
    """
    match = _SPEC.fullmatch(spec)
    if match is None or match[1] not in BSS:
        raise SettingsError(f"unknown BSS; known: {', '.join(BSS)}, or NAME:BOX for another one of a kind")
    return BSS[match[1]](spec, settings_of(f"BSS_{spec.replace(':', '_').upper()}"), call_timeout)
