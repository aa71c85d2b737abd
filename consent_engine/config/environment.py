"""The engine's variables, from a file and the environment, and the one-line error that names a wrong one."""

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from pydantic import ValidationError

from consent_engine.domain.form_errors import in_our_words
from consent_engine.errors import SettingsError

PREFIX = "CONSENT_"


def kept(env_file: Path | str | None) -> Mapping[str, str | None]:
    """Read a file of settings; empty where none is named. Raises SettingsError for one that cannot be read."""
    try:
        return dotenv_values(env_file, interpolate=False) if env_file else {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{env_file} can not be read") from error


def own_variables(*sources: Mapping[str, str | None]) -> dict[str, str]:
    """Return our variables without their prefix; later sources win. An empty one counts as not set."""
    found = {name: value for source in sources for name, value in source.items() if name.startswith(PREFIX)}
    return {name.removeprefix(PREFIX): value.strip() for name, value in found.items() if value and value.strip()}


def one_line(error: ValidationError) -> str:
    """Return the first error in our words: the variable, never its value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{PREFIX}{str(first['loc'][0]).upper()} {in_our_words(first['msg'])}"
