"""The engine's variables, from a file and the environment, the one-line error that names a wrong one, and YAML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values
from pydantic import ValidationError

from consent_engine.domain.forms import in_our_words
from consent_engine.errors import SettingsError

PREFIX = "CONSENT_"
IN_FILE = "_FILE"
"""Ends the name of a variable that names a file with the value of a setting, as containers and systemd pass secrets."""

YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader in C where the package has it: it needs a sixth of the time."""


def read_yaml(text: str) -> Any:  # noqa: ANN401 - whatever a file holds
    """Return what a YAML text holds. Raises yaml.YAMLError, also where a name stands twice: its author meant one."""
    return read_yaml_rows(text)[0]


def read_yaml_rows(text: str) -> tuple[Any, list[int]]:
    """As `read_yaml`, with the line of each entry, where the text is a list."""
    loader = YAML(text)
    try:
        tree = loader.get_single_node()
        _each_once(tree)
        lines = [each.start_mark.line + 1 for each in tree.value] if isinstance(tree, yaml.SequenceNode) else []
        return (None if tree is None else loader.construct_document(tree)), lines
    finally:
        loader.dispose()


def _each_once(tree: yaml.Node | None) -> None:
    """Raise MarkedYAMLError for a name that stands twice in one place."""
    todo, looked = [tree], set[int]()
    while todo:
        node = todo.pop()
        if id(node) in looked:  # an alias
            continue
        looked.add(id(node))
        if isinstance(node, yaml.MappingNode):
            names = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            found = {(key.tag, key.value): key for key in reversed(names)}
            if again := next((key for key in names if found[key.tag, key.value] is not key), None):
                raise yaml.MarkedYAMLError(problem=f"has the name {again.value} twice", problem_mark=again.start_mark)
            todo += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value


def yaml_fault(error: yaml.YAMLError) -> str:
    """Return what is wrong with a text that `read_yaml` does not take, and where."""
    mark = getattr(error, "problem_mark", None)
    if type(error) is yaml.MarkedYAMLError and mark is not None:
        return f"{error.problem}, in line {mark.line + 1}"
    return f"is not YAML{f' in line {mark.line + 1}' if mark else ''}"


def kept(env_file: Path | str | None) -> Mapping[str, str | None]:
    """Read a file of settings; empty where none is named. Raises SettingsError for one that cannot be read."""
    try:
        return dotenv_values(env_file, interpolate=False) if env_file else {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{env_file} can not be read") from error


def own_variables(*sources: Mapping[str, str | None]) -> dict[str, str]:
    """Return our variables without their prefix; later sources win. An empty one counts as not set. `NAME_FILE` is the
    file with the value of NAME, where its source has no NAME itself. Raises SettingsError for one that cannot be read.
    """
    found: dict[str, str] = {}
    for source in sources:
        own = {
            name.removeprefix(PREFIX): value.strip()
            for name, value in source.items() if name.startswith(PREFIX) and value and value.strip()
        }  # fmt: skip
        files = {name.removesuffix(IN_FILE): path for name, path in own.items() if name.endswith(IN_FILE)}
        found |= {name: _value_in(name, path) for name, path in files.items() if name not in own}
        found |= {name: value for name, value in own.items() if not name.endswith(IN_FILE)}
    return found


def _value_in(name: str, path: str) -> str:
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{PREFIX}{name}{IN_FILE} names a file that can not be read") from error
    if not value:
        raise SettingsError(f"{PREFIX}{name}{IN_FILE} names an empty file")
    return value


def one_line(error: ValidationError) -> str:
    """Return the first error in our words: the variable, never its value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{PREFIX}{str(first['loc'][0]).upper()} {in_our_words(first['msg'])}"
