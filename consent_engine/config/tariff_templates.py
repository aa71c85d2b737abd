"""The file of templates (`CONSENT_TARIFF_TEMPLATES`): YAML that says for each host how its pages are read."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from consent_engine.config.environment import read_yaml
from consent_engine.domain.offer.address import EVERYTHING, PLAIN, Template
from consent_engine.errors import SettingsError

MOST_HOSTS, MOST_FIELDS, LONGEST = 100, 100, 200
_ID = re.compile(r"[^\s\"'<>]+")


def templates_in(path: Path | None) -> Mapping[str, Template]:
    """Read the templates by host. Raises SettingsError that names the host and the fault, in one line."""
    if path is None:
        return {}
    try:
        content = read_yaml(path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise _wrong(path, "is not text in UTF-8") from None
    except yaml.YAMLError:
        raise _wrong(path, "is not YAML") from None
    if not isinstance(content, dict) or len(content) > MOST_HOSTS:
        raise _wrong(path, f"must map host names to templates, {MOST_HOSTS} at most")
    return {str(host).lower(): _template(path, str(host), each) for host, each in content.items()}


def _template(path: Path, host: str, content: object) -> Template:
    if not isinstance(content, dict):
        raise _wrong(path, f"{host}: its template must have fields like within: ID")
    if unknown := sorted(str(name) for name in content if name not in EVERYTHING):
        raise _wrong(path, f"{host}: unknown: {', '.join(unknown)}; known: {', '.join(EVERYTHING)}")
    for name in (name for name in content if name != "fields"):
        if not isinstance(content[name], str) or not 0 < len(content[name]) <= LONGEST:
            raise _wrong(path, f"{host}: {name} must be text of 1 to {LONGEST} characters")
    fields = _fields(path, host, content.get("fields", {}))
    found = Template(**{**{name: content[name] for name in content if name != "fields"}, "fields": fields})
    if found.within and not _ID.fullmatch(found.within):
        raise _wrong(path, f"{host}: within must be the id of an element")
    if found.charset and not _is_charset(found.charset):
        raise _wrong(path, f"{host}: charset is not a known character set")
    if found == PLAIN:
        raise _wrong(path, f"{host}: its template is empty: remove the host")
    return found


def _fields(path: Path, host: str, content: object) -> Mapping[str, str]:
    if not isinstance(content, dict) or len(content) > MOST_FIELDS or not all(map(_is_pair, content.items())):
        raise _wrong(path, f"{host}: fields must map names of its JSON to ours, {MOST_FIELDS} at most")
    return dict(content)


def _is_pair(pair: tuple[object, object]) -> bool:
    return all(isinstance(each, str) and each for each in pair)


def _is_charset(name: str) -> bool:
    try:
        return bool("".encode(name) or True)
    except LookupError:
        return False


def _wrong(path: Path, problem: str) -> SettingsError:
    return SettingsError(f"CONSENT_TARIFF_TEMPLATES: {path.name}: {problem}")
