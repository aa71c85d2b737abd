"""A real Prometheus on the rules of deploy/, a real Alertmanager, and a receiver that notes when each alert is sent."""

import json
import shutil
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from benchmarks.ports import free_ports
from benchmarks.promises.processes import HOME, Part

RULES = HOME / "deploy" / "prometheus"


@dataclass(frozen=True, slots=True)
class Call:
    """An alert as it reached the operator's telephone. status: `firing` or `resolved`."""

    at: float
    alert: str
    status: str
    severity: str
    summary: str
    page: str


class Telephone(ThreadingHTTPServer):
    """The receiver of Alertmanager's alerts."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Rings)
        self.calls: list[Call] = []
        self.known: set[tuple[str, str, str]] = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Rings(BaseHTTPRequestHandler):
    server: Telephone

    def do_POST(self) -> None:
        """Note each alert once, however often it is repeated: by its fingerprint, its start and its state."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for each in body["alerts"]:
            labels, said = each["labels"], each["annotations"]
            if (one := (each["fingerprint"], each["startsAt"], each["status"])) not in self.server.known:
                self.server.known.add(one)
                named = (labels["alertname"], each["status"], labels["severity"])
                self.server.calls.append(Call(time.monotonic(), *named, said["summary"], said["runbook"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@dataclass(slots=True)
class Watching:
    """Prometheus, Alertmanager and the telephone."""

    prometheus: int
    telephone: Telephone
    parts: list[Part] = field(default_factory=list)

    def alerts(self) -> set[str]:
        """Return the alerts pending or firing, except the one that the audit causes by asking for refused numbers;
        `unknown` where Prometheus does not answer.
        """
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.prometheus}/api/v1/alerts", timeout=5) as answer:
                told: Any = json.loads(answer.read())
        except OSError:
            return {"unknown"}
        found = [each["labels"] for each in told["data"]["alerts"]]
        return {labels["alertname"] for labels in found if labels.get("cause") != "violations"}


def missing() -> list[str]:
    """Return the programs that are not installed here."""
    return [name for name in ("prometheus", "prometheus-alertmanager") if shutil.which(name) is None]


@contextmanager
def watching(folder: Path, targets: Sequence[str]) -> Iterator[Watching]:
    """Scrape and evaluate as deploy/ does; end both programs with the block. targets: of the API, then of workers"""
    folder.mkdir()
    prometheus, manager, telephone, gossip = free_ports(4)
    made = Watching(prometheus, Telephone(telephone))
    told = yaml.safe_load((RULES / "prometheus.yml").read_text("utf-8"))
    told["rule_files"] = [str(RULES / "alerts.yml")]
    told["scrape_configs"] = [
        {"job_name": name, "static_configs": [{"targets": [*of]}]}
        for name, of in (("consent", targets[:1]), ("consent-workers", targets[1:]))
    ]
    told["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{manager}"]}]}]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(told))
    route = {"receiver": "night", "group_by": ["alertname"], "group_wait": "1s", "group_interval": "5s"}
    rings = {"name": "night", "webhook_configs": [{"url": f"http://127.0.0.1:{telephone}/", "send_resolved": True}]}
    (folder / "alertmanager.yml").write_text(yaml.safe_dump({"route": route, "receivers": [rings]}))
    commands = {
        "prometheus": [
            "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", f"--web.listen-address=127.0.0.1:{prometheus}",
        ],
        "prometheus-alertmanager": [
            "--config.file=alertmanager.yml", "--storage.path=alerts", f"--web.listen-address=127.0.0.1:{manager}",
            f"--cluster.listen-address=127.0.0.1:{gossip}",
        ],
    }  # fmt: skip
    for name, options in commands.items():
        made.parts.append(Part(name, [name, *options], {"PATH": "/usr/bin:/bin"}, folder / f"{name}.log"))
    try:
        for part in made.parts:
            part.look()
        yield made
    finally:
        for part in made.parts:
            part.end()
        made.telephone.shutdown()
        made.telephone.server_close()


def tell(what: str) -> None:
    """Print the progress on standard error."""
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()
