"""A Docker daemon of the tests' own, and the compose file started in it. The machine's own Docker is not touched."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import needs
from tests.waiting import HANGS_S, until

ROOT = Path(__file__).parents[2]
OURS = Path(__file__).parent
SECRET = "0123456789abcdef0123456789abcdef"
BUILT_FROM = ("docker-compose.yml", "deploy", "consent_engine", "workers", "constraints.txt", "pyproject.toml")
PACKAGES = "python3,python3-venv,ca-certificates,valkey-server,valkey-tools,wget,systemd-sysv,dbus,redis-server"
LEAN = [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("doc", "man", "locale")]


@dataclass(frozen=True, slots=True)
class Docker:
    """A daemon: its socket, and commands to it."""

    at: Path

    def ran(self, *command: object, within: float = 300, said: str | None = None) -> str:
        """Run a `docker` command that must succeed, and return its output."""
        told = subprocess.run(
            [needs.program("docker", "docker-cli"), *map(str, command)],
            env={**os.environ, "DOCKER_HOST": f"unix://{self.at}", "BUILDKIT_PROGRESS": "plain"},
            input=said,
            stdin=None if said is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
        assert told.returncode == 0, f"docker {command}\n{told.stdout}\n{told.stderr}"
        return told.stdout

    def typed(self, container: str, script: str) -> str:
        """Run a script in a container's shell, each line of which must succeed, and return its output."""
        return self.ran("exec", "-i", container, "sh", "-e", said=script)

    def process(self, container: str) -> int:
        """The main process of a container, as this machine numbers it; 0 while there is none."""
        return int(self.ran("inspect", "--format", "{{.State.Pid}}", container))


@contextmanager
def daemon(folder: Path) -> Iterator[Docker]:
    """A daemon whose images, containers and volumes lie in `folder`, and end with the block."""
    at = folder / "docker.sock"
    command = ["dockerd", "--bridge=none", "--data-root", folder / "data", "--exec-root", folder / "exec"]
    command += ["--pidfile", folder / "pid", "--host", f"unix://{at}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(each) for each in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    docker = Docker(at)
    try:
        until("a Docker daemon", lambda: process.poll() is not None or (at.exists() and _answers(docker)))
        assert process.poll() is None, (folder / "log").read_text()[-2000:]
        yield docker
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(HANGS_S)
        # The daemon mounts its own folder onto itself, and leaves that mount behind.
        unmount = ["umount", "--quiet", "--recursive", "--lazy", str(folder / "data")]
        subprocess.run(unmount, check=False, capture_output=True)


def _answers(docker: Docker) -> bool:
    try:
        return bool(docker.ran("version", within=10))
    except AssertionError:
        return False


def stand_in(docker: Docker, root_filesystem: Path, folder: Path) -> None:
    """Build the image `stand-in` from a root filesystem and files of this machine."""
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", folder)
    shutil.copy(str(shutil.which("prometheus")), folder)
    shutil.copy(OURS / "Dockerfile", folder)
    docker.ran("import", root_filesystem, "debian")
    docker.ran("build", "--quiet", "--network=host", "--tag=stand-in", folder)


@dataclass(frozen=True, slots=True)
class Stack:
    """The compose file in a folder of its own, with a filled-in .env beside it."""

    docker: Docker
    folder: Path

    @classmethod
    def laid(cls, docker: Docker, folder: Path) -> "Stack":
        """Lay out the files that an operator has."""
        for name in (*BUILT_FROM, "README.md", "LICENSE"):
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, folder / name)
        shutil.copy(OURS / "compose.yml", folder / "over.yml")
        return cls(docker, folder)

    def fill_in(self, secret: str = SECRET) -> None:
        """Write .env from deploy/.env.example as an operator does: a gateway and a BSS by name, and plans to sell."""
        lines = (self.folder / "deploy" / ".env.example").read_text("utf-8").splitlines()
        given = {
            "CONSENT_SECRET": secret,
            "CONSENT_HTTP_JSON__SECRET": SECRET,
            "CONSENT_BSS_HTTP__SECRET": SECRET,
            "CONSENT_HTTP_JSON__URL": "http://gateway:8900/sms",
            "CONSENT_BSS_HTTP__URL": "http://gateway:8900/bss",
        }
        kept = [line for line in lines if line.partition("=")[0] not in given]
        given |= {"CONSENT_PLANS": "sample", "CONSENT_PUBLICATION": "stated", "CONSENT_READING_SPEED": "1000000"}
        (self.folder / ".env").write_text("\n".join([*kept, *(f"{name}={value}" for name, value in given.items())]))

    def compose(self, *command: object, within: float = 600, said: str | None = None) -> str:
        """Run `docker compose` as it is typed, with our file laid over."""
        files = ["--project-directory", self.folder, "-f", self.folder / "docker-compose.yml"]
        return self.docker.ran("compose", *files, "-f", self.folder / "over.yml", *command, within=within, said=said)

    def containers(self, *services: str) -> list[str]:
        """The containers of services, by id."""
        return self.compose("ps", "--quiet", *services).split()

    def address(self, service: str, port: int) -> str:
        """The address of a service's port on this machine."""
        return "http://" + self.compose("port", service, port).strip()

    def key(self, name: str, role: str = "agent", service: str = "api") -> str:
        """Make an API key, as an operator does."""
        return self.compose("exec", "-T", service, "consent", "keys", "add", name, "--role", role).split()[-1]
