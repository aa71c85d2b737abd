"""The rules of this repository, as tests: layers, sizes, and a README that is true."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from consent_engine import DISTRIBUTION
from tests.longest_first import LONGEST
from tests.waiting import HANGS_S

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for part in ("consent_engine", "workers") for path in (ROOT / part).rglob("*.py"))
README = ROOT / "README.md"
CHINESE = ROOT / "README.zh-CN.md"


def run(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S, check=False)


def parsed(path):
    return ast.walk(ast.parse(path.read_text("utf-8")))


def statements(node):
    """Yield the statements of a file at any depth: expressions have most of its nodes."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.stmt | ast.excepthandler | ast.match_case):
            yield each
            yield from statements(each)


def files_with(words, *folders):
    """Return the files in which a pattern is found: only those need be parsed to see where it stands."""
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in files if re.search(words, path.read_text("utf-8"))]


def readme_commands(program):
    """Return the subcommands of `program` that the README's code blocks tell people to type."""
    blocks = re.findall(r"^```(?:sh|bash|console|text)?\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return sorted({line.split()[1] for line in lines if re.match(rf"{program} [a-z]", line)})


def test_imports_point_down():
    checked = run(sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_function_is_seen_at_one_look():
    functions = [
        (path, node)
        for path in SOURCES
        for node in statements(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [f"{path}: {f.name}" for path, f in functions if (f.end_lineno or 0) - f.lineno >= 40] == []


def test_what_a_machine_lacks_is_told_in_one_place():
    """If each test looked for a need on its own, one of them would miss it, on a machine that was never tried."""
    skips = re.compile(r"pytest\.(skip|importorskip)\b|\bmark\.skip|\bSkipTest\b")
    found = [path.name for path in sorted((ROOT / "tests").rglob("*.py")) if skips.search(path.read_text("utf-8"))]
    assert set(found) <= {"needs.py", "conftest.py", "test_house_rules.py"}, "ask tests/needs.py"


def test_the_files_that_are_begun_first_are_there():
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []


def test_no_test_imports_another_tests_module():
    """Code that two tests share has a file of its own; an import of a fixture hides where it comes from."""
    borrowed = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files_with(r"(?m)^\s*(?:import|from)\b[^\n(]*(?:\([^)]*)?\btest_", "tests", "benchmarks")
        for node in parsed(path)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (getattr(node, "module", None) or "", *(alias.name for alias in node.names))
        if (name.startswith("tests.") and name.rpartition(".")[2].startswith("test_")) or name.startswith("test_")
    }
    assert borrowed == set()


def script(name):
    """Load a script of docs/, as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_the_page_of_the_house_has_every_room_in_its_own_words():
    rooms = script("rooms")
    page = rooms.PAGE.read_text("utf-8")
    assert rooms.BEGIN in page
    assert page == rooms.drawn(page), "run: make written"


def test_the_house_has_no_circle():
    assert script("figures").circles(script("figures").arrows()) == []


def test_a_circle_of_rooms_is_seen():
    assert script("figures").circles({("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")}) == ["a", "b", "c"]


PLACES = ("", "consent_engine", "consent_engine/adapters/redis", "tests", "tests/integration", "tests/security")
PAGES = [path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if path.name != "CHANGELOG.md"]


def test_a_file_that_a_page_names_is_there():
    """A file is named with its folder; one that is named alone is beside one that is named in full."""
    file = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|lua|js|html|yaml|toml|sh))(?:::[^`]*)?`")
    named = {(page.name, name) for page in PAGES for name in file.findall(page.read_text("utf-8"))}
    assert {each for each in named if not any((ROOT / place / each[1]).exists() for place in PLACES)} == set()


def anchors(page):
    """Return the addresses of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    titles = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in re.findall(r"^#+ (.*)", text, re.M)]
    slugs = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
    return {f"{slug}-{slugs[:n].count(slug)}" if slug in slugs[:n] else slug for n, slug in enumerate(slugs)}


def test_every_link_of_a_page_leads_somewhere():
    pages = [*ROOT.glob("*.md"), *(path for part in ("docs", "deploy") for path in (ROOT / part).rglob("*.md"))]
    dead = []
    for page in pages:
        links = re.findall(r"\]\((?!https?:)([^)# ]*)#?([^) ]*)\)", page.read_text("utf-8"))
        for name, anchor in links:
            target = page.parent / name if name else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                dead.append(f"{page.relative_to(ROOT)}: {name}#{anchor}")
    assert dead == []


def test_a_file_that_the_code_names_in_docs_is_there():
    files = [
        path
        for part in ("consent_engine", "workers", "tests", "benchmarks", "deploy")
        for path in (ROOT / part).rglob("*")
    ]
    code = [
        path
        for path in (*files, *ROOT.glob("*.*"))
        if path.suffix in {".py", ".lua", ".toml", ".yml", ".yaml", ".txt", ".js"}
    ]
    named = {name for path in code for name in re.findall(r"\bdocs/[\w./-]+\.\w+", path.read_text("utf-8"))}
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_readme_is_read_in_five_minutes():
    for page in (README, CHINESE):
        text = page.read_text("utf-8")
        assert [line for line in text.splitlines() if len(line) > 120] == []
        prose = re.sub(r"^```.*?^```|<!-- lifecycle -->.*?<!-- /lifecycle -->", "", text, flags=re.M | re.S)
        assert len(prose.split()) <= 900


def test_pages_that_everybody_reads_stay_short():
    most = {"docs/architecture.md": 900, "docs/operations.md": 3_000, "README.md": 900}
    words = {name: len(re.findall(r"\S*\w\S*", (ROOT / name).read_text("utf-8"))) for name in most}
    assert {name: count for name, count in words.items() if count > most[name]} == {}
    assert len((ROOT / "CHANGELOG.md").read_bytes()) <= 12_000
    assert len(list((ROOT / "docs" / "decisions").glob("*.md"))) <= 20


def test_both_readmes_show_the_lifecycle_of_the_table():
    drawing = script("lifecycle")
    for file, told in ((README, drawing.picture()), (CHINESE, drawing.table())):
        readme = file.read_text(encoding="utf-8")
        assert drawing.BEGIN in readme
        assert readme == drawing.drawn(readme, told), "run: make written"


def test_the_pythons_that_will_do_are_the_same_wherever_one_is_looked_for():
    named = re.findall(r"Python :: 3\.(\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert f"Python 3.{named[0]}-3.{named[-1]} " in README.read_text("utf-8")
    for place in ("Makefile", ".ci/run", "docs/tour.sh"):
        text = (ROOT / place).read_text("utf-8")
        assert set(re.findall(r"\bpython3\.(\d+)\b(?![/.])", text)) <= {*named}, place
        assert all(f"python3.{minor}" in text for minor in named), place
        assert f"<= (3, {named[-1]})" in text, place


def test_no_text_is_looked_for_in_an_enum():
    """Python 3.11 raises TypeError there, and the program would not run: a text is looked for in a tuple of it."""
    files = {
        path: list(parsed(path)) for path in files_with(r"Enum\)|Worded\)|\bin [A-Z]", "consent_engine", "workers")
    }
    classes = [node for nodes in files.values() for node in nodes if isinstance(node, ast.ClassDef)]
    enums = {"StrEnum", "Worded"}
    enums |= {each.name for each in classes if enums & {ast.unparse(base) for base in each.bases}}
    assert len(enums) > 20
    compared = [(path, node) for path, nodes in files.items() for node in nodes if isinstance(node, ast.Compare)]
    asked = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, node in compared
        for op, of in zip(node.ops, node.comparators, strict=True)
        if isinstance(op, ast.In | ast.NotIn) and ast.unparse(of) in enums
    ]
    assert asked == []


def test_the_chinese_readme_has_the_same_commands():
    """The page is translated by hand: the commands are compared without their comments."""
    blocks = [re.findall(r"^```sh\n(.*?)^```", path.read_text("utf-8"), re.M | re.S) for path in (README, CHINESE)]
    typed = [[re.sub(r" +# .*$", "", block, flags=re.M) for block in of_one] for of_one in blocks]
    assert typed[0] == typed[1] != []
    told = CHINESE.read_text("utf-8")
    assert all((ROOT / target).exists() for target in re.findall(r"\]\((?!http)([^)#]+)", told))


def test_the_readmes_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert {"demo", "test"} <= set(readme_commands("make")) <= targets


def test_the_readmes_commands_exist():
    for command in readme_commands("consent"):
        told = run(sys.executable, "-m", "consent_engine", command, "--help")
        assert told.returncode == 0, f"consent {command}: {told.stderr}"


def test_pip_is_told_the_name_of_our_distribution_and_of_no_other():
    told = re.compile(r"(?<!sms-)consent-engine\[|(?<!sms_)consent_engine-\*\.whl|uninstall --yes consent")
    pages = [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "Makefile", *(ROOT / "docs").rglob("*.md")]
    files = [*pages, *(ROOT / "deploy").rglob("*"), *(ROOT / "consent_engine").rglob("*.py")]
    read = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in files if path.is_file()}
    assert [name for name, text in read.items() if told.search(text)] == []
    assert tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["name"] == DISTRIBUTION


def test_each_decision_has_a_number_of_its_own_and_says_it():
    pages = [path for path in (ROOT / "docs" / "decisions").glob("*.md") if path.name[:4].isdigit()]
    numbers = [path.name[:4] for path in pages]
    assert {number for number in numbers if numbers.count(number) > 1} == set()
    said = {path.name: re.match(r"# 0*(\d+)[.:] ", path.read_text("utf-8")) for path in pages}
    assert [name for name, number in said.items() if not number or int(number[1]) != int(name[:4])] == []


CLOCKS = {"monotonic", "perf_counter"}


def asks_a_clock(node):
    calls = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    return any(getattr(func, "attr", getattr(func, "id", "")) in CLOCKS for func in calls)


def kept_figures(function):
    """Yield the names under which a function keeps what it read from a clock."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AugAssign) and asks_a_clock(node.value):
            for target in getattr(node, "targets", None) or [node.target]:
                sides = zip(target.elts, node.value.elts, strict=True) if isinstance(target, ast.Tuple) else ()
                pairs = sides or [(target, node.value)]
                yield from (getattr(to, "id", getattr(to, "attr", "")) for to, value in pairs if asks_a_clock(value))


def test_no_assertion_asks_how_long_something_took():
    """A starved machine would have it red by chance: wait for an event (`tests/waiting.py`), or hand time in."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files_with("|".join(CLOCKS), "tests")
        for function in parsed(path)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for kept in [set(kept_figures(function))]
        for node in ast.walk(function)
        if isinstance(node, ast.Assert)
        if asks_a_clock(node.test) or any(getattr(each, "id", None) in kept for each in ast.walk(node.test))
    ]
    assert found == []


MOST_OF_A_LOOK_S = 3
"""A longer wait is no look, and no pause of what is played."""
BOUNDED = {"has_ended", "join", "settimeout", "timeout", "wait", "wait_for"}


def test_waiting_has_one_bound():
    """A test that waits for as long as a machine is thought to need is red where the machine needs longer."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files_with(r"\bdef until\b", "tests")
        for node in parsed(path)
        if isinstance(node, ast.FunctionDef) and node.name == "until" and path.name != "waiting.py"
    ]
    assert found == []
    bounds = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files_with(rf"\b({'|'.join(BOUNDED)})\(.*\d|\btimeout=\d", "tests")
        for node in parsed(path)
        if isinstance(node, ast.Call)
        for bound in (
            *(node.args if getattr(node.func, "attr", getattr(node.func, "id", "")) in BOUNDED else ()),
            *(more.value for more in node.keywords if more.arg == "timeout"),
        )
        if isinstance(getattr(bound, "value", None), int | float) and bound.value > MOST_OF_A_LOOK_S
    ]
    assert bounds == [], "the bound of a wait is HANGS_S; what is shorter on purpose has a name that says why"
