"""A machine whose first process is systemd: a container that gets one, set up as deploy/systemd/README.md says."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.containers.stack import ROOT, SECRET, Docker
from tests.waiting import until

IMAGE = "consent-engine:0.1.0"
COPIED = ("deploy", "tests", "benchmarks")
BOOT = "mount --make-rshared /; umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec /sbin/init"
"""systemd wants version 2 of cgroups, and finds it empty where the machine still has version 1; and shared mounts, as
machines have: without them no unit finds its credentials.
"""
DONE = re.compile(r"^(useradd|python3 -m venv|/opt/consent/bin/pip) ", re.M)
"""Commands of the README that the image has already done, in the same words."""
CREDENTIALS = f"""
install -d -m 0700 /etc/consent/secrets
(umask 077; echo {SECRET} >/etc/consent/secrets/CONSENT_SECRET)
for unit in consent-api.service consent-worker@.service; do
    install -d "/etc/systemd/system/$unit.d"
    cp deploy/systemd/consent-secrets.conf "/etc/systemd/system/$unit.d/"
done
systemctl daemon-reload
"""
"""The secret in a file that root alone reads, as the README says beside its blocks."""
SIMULATOR = (
    f"CONSENT_HTTP_JSON__SECRET={SECRET} "
    "exec /opt/consent/bin/python -m consent_engine.simulator --engine http://127.0.0.1:8080"
)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine under systemd."""

    docker: Docker
    name: str

    def typed(self, script: str) -> str:
        """Run a script in root's shell, and return its output."""
        return self.docker.typed(self.name, script)

    def process(self, unit: str) -> int:
        """The main process of a unit; 0 while there is none."""
        return int(self.typed(f"systemctl show --value --property=MainPID {unit}"))

    def ready(self) -> None:
        """Wait until the API answers that it is ready: a durable store, and a worker heard from."""
        asked = "wget -qO- http://127.0.0.1:8080/readyz || echo not yet"
        until("ready", lambda: '"ready"' in self.typed(asked))

    def sells(self, msisdn: str) -> None:
        """Take an order from the desk to its notification."""
        key = self.as_the_engine(f"keys add desk-{msisdn[-4:]} --role agent").split()[-1]
        ends = "http://127.0.0.1:8080 http://127.0.0.1:8900"
        self.typed(f"PYTHONPATH=/repo /opt/consent/bin/python -m tests.containers.desk {ends} {key} {msisdn}")

    def as_the_engine(self, command: str) -> str:
        """Run a command of ours as a person at this machine types it, without what the image sets."""
        return self.typed(f"env -u CONSENT_DATA_DIR /usr/local/bin/consent {command}")


@contextmanager
def machine(docker: Docker) -> Iterator[Machine]:
    """A machine on which both Redis, the API and two workers were started by systemd; gone with the block."""
    name = "systemd"
    # fmt: off
    docker.ran("create", "--name", name, "--privileged", "--user=0", "--network=none", "--cgroupns=private",
               "--tmpfs=/run", "--tmpfs=/tmp", "--env=container=docker", "--entrypoint=sh", IMAGE, "-c", BOOT)
    # fmt: on
    try:
        made = Machine(docker, name)
        for source in COPIED:
            docker.ran("cp", ROOT / source, f"{name}:/repo-{source}")
        docker.ran("start", name)
        until(
            "systemd",
            lambda: made.typed("systemctl is-system-running 2>/dev/null || true").strip() in {"running", "degraded"},
        )
        _installed(made)
        made.ready()
        yield made
    finally:
        docker.ran("rm", "--force", "--volumes", name)


def _installed(made: Machine) -> None:
    """Run the README's blocks, the second, about Redis, first; and fill in the settings."""
    readme = (ROOT / "deploy" / "systemd" / "README.md").read_text("utf-8")
    engine, redis = re.findall(r"^```sh\n(.*?)^```", readme, re.M | re.S)
    placed = "".join(f"; mv /repo-{source} /repo/{source}" for source in COPIED)
    made.typed(f"mkdir /repo{placed}; systemctl mask --now valkey-server")
    redis = redis.replace("apt-get install redis-server && ", "").replace(" && sysctl --system", "")
    made.typed(f"mkdir -p /etc/sysctl.d; cd /repo\n{redis}")
    unit, _, start = DONE.sub(r": \1 ", engine).rpartition("systemctl enable")
    filled = {
        "CONSENT_REDIS_URL": "redis://127.0.0.1:6379/0",
        "CONSENT_RQ_URL": "redis://127.0.0.1:6380/0",
        "CONSENT_HTTP_JSON__SECRET": SECRET,
        "CONSENT_BSS_HTTP__SECRET": SECRET,
        "CONSENT_HTTP_JSON__URL": "http://127.0.0.1:8900/sms",
        "CONSENT_BSS_HTTP__URL": "http://127.0.0.1:8900/bss",
        "CONSENT_PLANS": "sample",
        "CONSENT_PUBLICATION": "stated",
        "CONSENT_READING_SPEED": "1000000",
    }
    lines = "\n".join(f"{name}={value}" for name, value in filled.items())
    made.typed(f"cd /repo\n{unit}\ncat >>/etc/consent/consent.env <<'X'\n{lines}\nX")
    made.typed(f"cd /repo\n{CREDENTIALS}")
    made.docker.ran("exec", "--detach", made.name, "sh", "-c", SIMULATOR)
    made.typed(f"systemctl enable{start}")
