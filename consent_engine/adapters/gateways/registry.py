"""The gateways by name. One that speaks HTTP needs no code: a file describes it (docs/gateways.md)."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta

from consent_engine.adapters.gateways import kannel, simulated, templated
from consent_engine.errors import SettingsError
from consent_engine.ports import Gateway

GATEWAYS: dict[str, Callable[[str, Mapping[str, str], timedelta], Gateway]] = {
    "http_json": templated.build,
    "kannel": kannel.build,
    "simulated": simulated.build,
    **dict.fromkeys((templated.TEMPLATED, *templated.BUNDLED), templated.build),
}

_SPEC = re.compile(r"([a-z0-9_]+)(?::[a-z0-9]+(?:_[a-z0-9]+)*)?")


def build(
    spec: str, settings_of: Callable[[str], Mapping[str, str]], call_timeout: timedelta, setting: str = ""
) -> Gateway:
    """Make the gateway that `spec` names: a name, or `name:box` for a second one of a kind, with settings of its own.
    Raises SettingsError for an unknown name, or wrong settings. setting: the setting that names it, for the message
    """
    match = _SPEC.fullmatch(spec)
    if match is None or match[1] not in GATEWAYS:
        known = f"known: {', '.join(GATEWAYS)}, or NAME:BOX for a second one of a kind"
        raise SettingsError(f"{setting}: unknown gateway; {known}".removeprefix(": "))
    return GATEWAYS[match[1]](spec, settings_of(spec.replace(":", "_").upper()), call_timeout)
