"""The wheel: everything is in it, it installs into an empty environment, and the tour of a day runs with it."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import consent_engine
from tests import needs
from tests.waiting import HANGS_S

ROOT = Path(__file__).parents[2]
OUR_PARTS = ("consent_engine", "workers")
BESIDES = {"__pycache__", ".egg-info"}


def run(*command, timeout=HANGS_S, **more):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=timeout, check=False, **more
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def clean_environ():
    """The variables of this machine that any program needs: none of ours, and no path to our source."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("CONSENT_", "PYTHON", "VIRTUAL_"))
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A repository of what is here, committed."""
    needs.program("git", "git")
    copy = tmp_path_factory.mktemp("source")
    for part in (*OUR_PARTS, "deploy"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns(*BESIDES))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    run("git", "init", "--quiet", copy)
    committed(copy, "first")
    return copy


def committed(source, message):
    known = ["-c", "user.name=me", "-c", "user.email=me@example.com"]
    run("git", "-C", source, "add", "--all")
    run("git", "-C", source, *known, "commit", "--quiet", "--message", message)


def released(source, **environ):
    """Make the wheel of a repository's last commit, as `make wheel` does."""
    run(source / "deploy" / "release", "wheel", sys.executable, env=os.environ | environ)
    return max((source / "dist").glob("*.whl"), key=lambda made: made.stat().st_mtime_ns)


@pytest.fixture(scope="module")
def wheel(source):
    return released(source)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of programs of an environment that holds the wheel and its dependencies, in tested versions."""
    needs.package_index()
    home = tmp_path_factory.mktemp("environment")
    venv.create(home)
    installs(home / "bin", "--no-compile", "--constraint", ROOT / "constraints.txt", wheel)
    return home / "bin"


def installs(programs, *what):
    """Install into an environment with the pip of ours: to give it one takes longer than what it is to hold."""
    pip = [sys.executable, "-m", "pip", "--python", programs / "python", "--disable-pip-version-check", "install", "-q"]
    run(*pip, *what, env=clean_environ(), cwd=programs)


def test_everything_but_caches_is_in_the_wheel(wheel):
    """A kind of file that `package-data` does not name would be missing only where the wheel is installed."""
    ours = {
        str(path.relative_to(ROOT))
        for part in OUR_PARTS
        for path in (ROOT / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert sorted(ours - packed) == []
    for kind in (".lua", ".yaml", ".html", ".css", ".js", "py.typed"):
        assert any(name.endswith(kind) for name in packed), kind


def test_nothing_else_is_in_the_wheel(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(OUR_PARTS)


def test_the_next_commit_is_another_version_which_pip_installs_and_one_commit_is_one_wheel(
    source, wheel, installed, tmp_path
):
    """Two snapshots had one version: of the second pip said that it is installed already."""
    run("git", "clone", "--quiet", source, tmp_path / "elsewhere")
    assert released(tmp_path / "elsewhere").read_bytes() == wheel.read_bytes()
    (source / "README.md").write_text("changed")
    committed(source, "second")
    key, openssl = tmp_path / "key.pem", needs.program("openssl", "openssl")
    run(openssl, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    made = released(source, SIGN=str(key))
    installs(installed, "--no-deps", made)
    told = run(installed / "consent", "--version", "--json", env=clean_environ(), cwd=tmp_path)
    version = json.loads(told)["version"]
    commit = run("git", "-C", source, "rev-parse", "HEAD")
    assert version == f"{consent_engine.__version__}+2.g{commit[:12]}"
    signed = f"{made}.sha256"
    run(openssl, "dgst", "-sha256", "-prverify", key, "-signature", f"{signed}.sig", signed)
    run("sha256sum", "--check", signed, cwd=made.parent)
    bill = json.loads(Path(f"{made}.cdx.json").read_text("utf-8"))
    assert bill["metadata"]["component"]["version"] == version
    assert {"redis", "psycopg-binary", "typing-extensions"} <= {each["name"] for each in bill["components"]}
    assert "pytest" not in {each["name"] for each in bill["components"]}


def test_it_runs_from_an_empty_environment(installed, tmp_path):
    environ = clean_environ()
    told = run(installed / "consent", "--help", env=environ, cwd=tmp_path)
    assert "serve" in told
    assert run(installed / "consent", "read", "是", env=environ, cwd=tmp_path) == "YES\t-\n"
    where = run(
        installed / "python", "-c", "import workers, consent_engine as c; print(c.__file__)", env=environ, cwd=tmp_path
    )
    assert str(installed.parent) in where
    assert list(tmp_path.iterdir()) == []


def test_every_module_imports_with_what_the_wheel_asks_for(installed, tmp_path):
    """A user lacks the packages of the development extras; a module of an extra names the extra it needs."""
    program = """
import importlib, pkgutil, consent_engine, workers
of_extras = {"consent_engine.api.service.provider"}
for package in (consent_engine, workers):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__") and found.name not in of_extras:
            importlib.import_module(found.name)
"""
    run(installed / "python", "-c", program, env=clean_environ(), cwd=tmp_path)


def test_the_tour_of_a_day_is_walked(installed, tmp_path):
    for program in ("bash", "curl", "openssl"):
        needs.program(program, program)
    needs.server()
    environ = {**clean_environ(), "TMPDIR": str(tmp_path)}
    told = run("bash", ROOT / "docs" / "tour.sh", installed, env=environ, cwd=tmp_path)
    assert "The tour went as told" in told
    assert list(tmp_path.iterdir()) == [], "the tour leaves nothing behind"
