"""Writes the reference of our metrics from a page of them. `python docs/metrics.py` prints it, `--write` writes it."""

import asyncio
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from consent_engine.adapters.sql.log import SqlLog
from consent_engine.api.app import create_app
from consent_engine.api.service.prometheus import Metrics
from consent_engine.config.settings import Settings
from consent_engine.domain.clocks import PERIOD_MS, Heard, Lag
from consent_engine.domain.feed import Feed
from consent_engine.ports.archive import BackupMade
from consent_engine.wiring import archive_of, installation

PAGE = Path(__file__).with_suffix(".md")
NOT_OURS = "process_"
"""Metrics of the process by Python's client: see its own documentation."""


def families() -> list[Metric]:
    """All metrics, with at least one series of each."""
    with tempfile.TemporaryDirectory(prefix="metrics-") as folder:
        settings = Settings.load({"CONSENT_DATA_DIR": folder}, env_file=None)
        with installation(settings) as found:
            app = create_app(found.engine, settings)
            front, registry = app.state.front, found.engine().registry
            front.defects["KeyError"] += 1
            front.posts.repeated["simulated"] += 1
            front.posts.rejected["simulated", "received_at"] += 1
            registry.note_lags([Heard("simulated", registry.now() // PERIOD_MS, Lag(100, 6_000))])
            archive = archive_of(settings)
            archive.note(BackupMade(1, "here"))
            SqlLog(archive).feeds.swap(None, Feed(name="crm", url="http://crm", made_at=1, cursor=0))
            metrics = Metrics(front, certificates=lambda: {"public": 1.0})
            metrics.answered("GET", "/healthz", 200, 0.001)
            text = asyncio.run(metrics.page()).decode()
            text += generate_latest(found.engine().performer.measures.registry).decode()
            front.close()
    return [each for each in text_string_to_metric_families(text) if not each.name.startswith(NOT_OURS)]


def reference(told: Iterable[Metric]) -> str:
    """The page."""
    rows = [f"| `{_name(each)}` | {each.type} | {_labels(each)} | {each.documentation} |" for each in told]
    return "\n".join(
        [
            "# Metrics",
            "",
            "All metrics of APIs and workers, but for `process_*` (memory, CPU, file descriptors of a process). What",
            "to do about them: the alerts of `deploy/prometheus/alerts.yml`, and their [runbook](runbook.md).",
            "",
            "Of one API process (add up over `instance`): `consent_http_*`, `consent_defects_total`,",
            "`consent_replies_repeated_total`, `consent_messages_rejected_total`, `consent_posts_refused_total`,",
            "`consent_door_look_ups_total`, `consent_streams_open`. Of one worker process (add up likewise):",
            "`consent_outside_call*`, `consent_notification*`, `consent_orders_expired_unasked_total`.",
            "All else is what the store knows, and every API reports the same: take the `max`.",
            "",
            "An API's are at `/metrics` (role `ops`), and at `CONSENT_METRICS_ADDR` without a key. A worker's are at",
            "the first free port behind that one: where it is `0.0.0.0:9100`, in a container of its own at 9101.",
            "",
            "| Series | Kind | Labels | Meaning |",
            "|---|---|---|---|",
            *sorted(rows),
            "",
        ]
    )


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _labels(family: Metric) -> str:
    names = {name for sample in family.samples for name in sample.labels} - {"le"}
    return ", ".join(f"`{name}`" for name in sorted(names)) or "-"


def main() -> None:
    """Print the page, or write it."""
    page = reference(families())
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page, encoding="utf-8")
    else:
        print(page)


if __name__ == "__main__":
    main()
