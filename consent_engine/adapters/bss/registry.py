"""The BSS by name. One that speaks HTTP needs no code: `templated` reads a file that describes it (docs/bss.md)."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import NamedTuple

from consent_engine.adapters.bss import simulated, subscriber_look_up, templated
from consent_engine.errors import SettingsError
from consent_engine.ports import Bss, Subscribers


class Kind(NamedTuple):
    """The two ways to one kind of BSS; a kind without a look-up of subscribers has a `look_up` that returns None."""

    build: Callable[[str, Mapping[str, str], timedelta], Bss]
    look_up: Callable[[str, Mapping[str, str], timedelta], Subscribers | None]


BSS = {
    "http": Kind(templated.build, subscriber_look_up.build),
    "simulated": Kind(simulated.build, simulated.build_look_up),
    "templated": Kind(templated.build, subscriber_look_up.build),
}

_SPEC = re.compile(r"([a-z0-9_]+)(?::[a-z0-9]+(?:_[a-z0-9]+)*)?")


def build(spec: str, settings_of: Callable[[str], Mapping[str, str]], call_timeout: timedelta) -> Bss:
    """Make the BSS that `spec` names: a name, or `name:box` for another one of a kind, with settings of its own. Raises
    SettingsError for an unknown name, or wrong settings.
    """
    return _kind(spec).build(spec, settings_of(_prefix(spec)), call_timeout)


def look_up(spec: str, settings_of: Callable[[str], Mapping[str, str]], call_timeout: timedelta) -> Subscribers | None:
    """Make the subscriber look-up of the BSS that `spec` names; None where it has none. Raises SettingsError."""
    return _kind(spec).look_up(spec, settings_of(_prefix(spec)), call_timeout)


def _kind(spec: str) -> Kind:
    match = _SPEC.fullmatch(spec)
    if match is None or match[1] not in BSS:
        raise SettingsError(f"CONSENT_BSS: unknown BSS; known: {', '.join(BSS)}, or NAME:BOX for another one of a kind")
    return BSS[match[1]]


def _prefix(spec: str) -> str:
    return f"BSS_{spec.replace(':', '_').upper()}"
