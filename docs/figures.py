"""Figures of the house, from its sources: sizes, rooms, circles, errors that docstrings name. `make figures`."""

import ast
import re
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PACKAGES = ("consent_engine", "workers")
NO_ROOMS = {PACKAGES[0], "__main__"}
"""What only starts the rooms, or holds them."""
ERRORS = ROOT / "consent_engine" / "errors.py"

Function = ast.FunctionDef | ast.AsyncFunctionDef
Arrow = tuple[str, str]


def product() -> dict[Path, str]:
    """The text of every file that is shipped."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {path: path.read_text("utf-8") for path in sorted(found)}


def functions(text: str) -> list[Function]:
    """Every function of a file, methods and nested ones too."""
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, Function)]


def length(function: Function) -> int:
    """Its lines, without decorators."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


# -- rooms ------------------------------------------------------------------------------------------------------------


def room(module: str) -> str:
    """The drawn house: a folder or a file directly under consent_engine, or workers."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == PACKAGES[0] else parts[0]


def arrows() -> set[Arrow]:
    """Which room imports which other."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    pairs = (
        (room(one), room(other)) for one in graph.modules for other in graph.find_modules_directly_imported_by(one)
    )
    return {(one, other) for one, other in pairs if one != other and not {one, other} & NO_ROOMS}


def reached(start: str, among: set[Arrow]) -> set[str]:
    """Every room that an import leads to, over any number of others."""
    found: set[str] = set()
    todo = [start]
    while todo:
        here = todo.pop()
        new = {other for one, other in among if one == here} - found
        found |= new
        todo += new
    return found


def circles(among: set[Arrow]) -> list[str]:
    """The rooms from which imports lead back to themselves."""
    return sorted(one for one in {one for one, _ in among} if one in reached(one, among))


# -- docstrings -------------------------------------------------------------------------------------------------------


def names_of_errors() -> set[str]:
    """What errors.py defines, and ValueError."""
    tree = ast.parse(ERRORS.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)} - {"FieldError"} | {"ValueError"}


def raised(function: Function, errors: set[str]) -> set[str]:
    """The errors that the body itself raises; not those of functions inside it."""
    found: set[str] = set()
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, Function | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Raise):
            made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            found |= {getattr(made, "id", getattr(made, "attr", ""))} & errors
        todo += ast.iter_child_nodes(node)
    return found


def public(tree: ast.Module) -> Iterator[Function]:
    """Functions and methods that a caller elsewhere may call."""
    for node in tree.body:
        inside = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else [node]
        yield from (each for each in inside if isinstance(each, Function) and not each.name.startswith("_"))


def unnamed(texts: Iterable[tuple[Path, str]]) -> tuple[list[str], int]:
    """Public functions that raise an error their docstring does not name; how many raise any. A method that has none is
    a port's, and has the port's.
    """
    errors, silent, count = names_of_errors(), [], 0
    trees = {path: ast.parse(text) for path, text in texts}
    ported = [each for path, tree in trees.items() if path.parent.name == "ports" for each in public(tree)]
    for path, tree in trees.items():
        for function in public(tree):
            of_ports = (ast.get_docstring(each) or "" for each in ported if each.name == function.name)
            said = ast.get_docstring(function) or " ".join(of_ports)
            missing = {name for name in raised(function, errors) if name not in said}
            count += bool(raised(function, errors))
            silent += [
                f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {', '.join(sorted(missing))}"
            ] * bool(missing)
    return silent, count


# -- the table --------------------------------------------------------------------------------------------------------


def per_hundred_tests() -> tuple[int, int, float, float]:
    """Tests and their lines; lines with monkeypatch, and lines that sleep, to a hundred tests."""
    texts = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")]
    tests = sum(len(re.findall(r"def test_", text)) for text in texts)
    patched, asleep = (
        sum(word in line for text in texts for line in text.splitlines()) for word in ("monkeypatch", "sleep(")
    )
    return tests, sum(len(text.splitlines()) for text in texts), 100 * patched / tests, 100 * asleep / tests


def rows() -> Iterator[tuple[str, str]]:
    """A figure a row."""
    texts = product()
    sizes = [len(text.splitlines()) for text in texts.values()]
    lengths = sorted(length(each) for text in texts.values() for each in functions(text))
    lines = sum(sizes)
    yield "product lines, files", f"{lines:,}, {len(sizes)}"
    yield "lines of a file, median / max", f"{statistics.median(sizes):g} / {max(sizes)}"
    p95 = lengths[int(len(lengths) * 0.95)]
    yield "lines of a function, median / p95 / max", f"{statistics.median(lengths):g} / {p95} / {lengths[-1]}"
    for word in ("type: ignore", "noqa"):
        yield f"{word} per 1,000 lines", f"{1000 * sum(text.count('# ' + word) for text in texts.values()) / lines:.1f}"
    drawn = arrows()
    yield "rooms", ", ".join(sorted({each for arrow in drawn for each in arrow}))
    yield "circles", ", ".join(circles(drawn)) or "0"
    silent, count = unnamed(texts.items())
    yield "public docstrings that name the errors raised", f"{count - len(silent)} of {count}"
    yield from (("not named", each) for each in silent)
    tests, length_of_tests, patched, asleep = per_hundred_tests()
    yield "tests, their lines", f"{tests:,}, {length_of_tests:,}"
    yield "monkeypatch and sleeps per 100 tests", f"{patched:.1f}, {asleep:.1f}"


if __name__ == "__main__":
    for name, figure in rows():
        print(f"{name:<46} {figure}")
