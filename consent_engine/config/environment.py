"""The variables of ours, from a file and the environment, and the one line that says which of them is wrong."""

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from pydantic import ValidationError

from consent_engine.errors import SettingsError

PREFIX = "CONSENT_"


def kept(env_file: Path | str | None) -> Mapping[str, str | None]:
    """What a file of settings says; nothing where none is named. Raises SettingsError for one that cannot be read."""
    try:
        return dotenv_values(env_file, interpolate=False) if env_file else {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{env_file} can not be read") from error


def ours_of(*sources: Mapping[str, str | None]) -> dict[str, str]:
    """Our variables without their prefix; later sources win. An empty one is one that is not set."""
    found = {name: value for source in sources for name, value in source.items() if name.startswith(PREFIX)}
    return {name.removeprefix(PREFIX): value.strip() for name, value in found.items() if value and value.strip()}


def one_line(error: ValidationError) -> str:
    """The first thing that is wrong, in our words: the variable, never its value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    told = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{PREFIX}{str(first['loc'][0]).upper()} {told}"
