"""The same tests on SQLite and on a real PostgreSQL, on a server of its own where that matters."""

import shutil
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from consent_engine import cli
from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.embedded.server import connect_or_start
from consent_engine.adapters.sql.archive import SqlArchive
from tests import needs
from tests.archive.house import SHORT, Town, emptied
from tests.integration.calls.desk import Desk
from tests.memory import a_store
from tests.written_out import empty_at


@pytest.fixture(scope="session")
def postgres_url():
    with needs.postgres() as running:
        yield running.url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return empty_at(tmp_path)
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def archive(url):
    made = emptied(SqlArchive(url, SHORT))
    yield made
    made.close()


@pytest.fixture
def town(archive):
    made = Town(a_store(), archive)
    yield made
    made.runner.close()


@pytest.fixture
def small(tmp_path):
    """A town on SQLite only, for tests that do not depend on the database."""
    archive = SqlArchive(empty_at(tmp_path), SHORT)
    made = Town(a_store(), archive)
    yield made
    made.runner.close()
    archive.close()


@pytest.fixture(scope="session")
def redis_server():
    needs.server()
    folder = Path(tempfile.mkdtemp(prefix="ar-"))
    with connect_or_start(folder / "data", "everysec") as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def real(redis_server, tmp_path):
    """A town over a real server."""
    client = connect(redis_server.url)
    client.flushdb()
    archive = SqlArchive(empty_at(tmp_path), SHORT)
    made = Town(client, archive)
    yield made
    made.runner.close()
    archive.close()
    client.close()


@pytest.fixture
def consent(real, redis_server, tmp_path, monkeypatch, capsys):
    """The command, on this town's data: exit status, standard output, standard error."""
    for name, value in {
        "REDIS_URL": redis_server.url, "SECRET": "test-secret", "DURABILITY": "everysec",
        "DATA_DIR": str(tmp_path), "GATEWAY": "simulated", "BSS": "simulated",
        "ARCHIVE_URL": f"sqlite:///{tmp_path}/archive.sqlite3",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"CONSENT_{name}", value)
    monkeypatch.chdir(tmp_path)

    def typed(*words):
        status = cli.run(list(words))
        told = capsys.readouterr()
        return status, told.out, told.err

    return typed


@pytest.fixture
def desk(tmp_path):
    with closing(SqlArchive(empty_at(tmp_path))) as archive:
        made = Desk(a_store(), archive)
        yield made
        made.runner.close()
