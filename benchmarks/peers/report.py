"""The report of the benchmark: medians and ratios as a table, as JSON, as pictures, and into docs/performance.md."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import postgres
from benchmarks.peers.one_run import Row
from benchmarks.pictures import DOCS, OUT, amount, bars, between, table
from consent_engine.adapters.redis.embedded.binary import find_binary

OURS = {"strict": "ours, strict", "everysec": "ours, everysec"}


def medians(rows: Iterable[dict[str, Any]]) -> dict[tuple[int, str, str, str], float]:
    """Return the median of orders a second, by what was run."""
    found: dict[tuple[int, str, str, str], list[float]] = {}
    for row in rows:
        key = (row["ms"], row["engine"], row["config"], row["durability"])
        found.setdefault(key, []).append(row["orders_per_s"])
    return {key: statistics.median(values) for key, values in found.items()}


def ratios(rounds: Sequence[Sequence[Row]], ms: int, name: str, *, cpu: bool = False) -> dict[str, float | None]:
    """Return how many times as fast ours was: the median over rounds in which both ran. cpu: by CPU time an order."""
    found: dict[str, float | None] = {}
    for durability, mine in OURS.items():
        each = []
        for rows in rounds:
            rates = {row.engine: 1 / row.cpu if cpu else row.rate for row in rows if row.ms == ms}
            if name in rates and mine in rates:
                each.append(rates[mine] / rates[name])
        found[durability] = statistics.median(each) if each else None
    return found


def summary(rounds: Sequence[Sequence[Row]], ms: int) -> list[dict[str, Any]]:
    """Return a row for each engine: medians, and the ratios."""
    rows = [row for each in rounds for row in each if row.ms == ms]
    lines = []
    for name in dict.fromkeys(row.engine for row in rows):
        mine = [row for row in rows if row.engine == name]
        rates = sorted(row.rate for row in mine)
        asked = [row.commands for row in mine if row.commands is not None]
        lines.append({
            "ms": ms, "engine": name, "config": mine[0].config, "durability": mine[0].durability,
            "runs": len(mine), "orders": mine[0].orders, "orders_per_s": round(statistics.median(rates), 1),
            "least": round(rates[0], 1), "most": round(rates[-1], 1), "ratio": ratios(rounds, ms, name),
            "cpu_ratio": ratios(rounds, ms, name, cpu=True),
            "cpu_ms_per_order": round(statistics.median(row.cpu for row in mine) * 1000, 3),
            "commands_per_order": round(statistics.median(asked), 1) if asked else None,
            "load": round(max(row.load for row in mine), 2), "others": round(max(row.others for row in mine), 3),
        })  # fmt: skip
    return sorted(lines, key=lambda line: -line["orders_per_s"])


HEAD = (
    "engine", "run as; durability", "orders/s (least - most)", "ours strict / it", "ours everysec / it",
    "CPU ms an order", "CPU: it / ours strict", "Redis commands an order", "busy with others",
)  # fmt: skip


def table_of(lines: Sequence[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    rows = [
        (
            f"**{x['engine']}**" if x["engine"] in OURS.values() else x["engine"],
            f"{x['config']}; {x['durability']}",
            f"{amount(x['orders_per_s'])} ({amount(x['least'])} - {amount(x['most'])})",
            *(f"{x['ratio'][d]:.2f}" if x["ratio"][d] else "-" for d in OURS),
            f"{x['cpu_ms_per_order']:.2f}",
            f"{x['cpu_ratio']['strict']:.1f}" if x["cpu_ratio"]["strict"] else "-",
            "-" if x["commands_per_order"] is None else f"{x['commands_per_order']:.0f}",
            f"{x['others']:.0%}",
        )
        for x in lines
    ]
    return table(HEAD, rows)


def sweep_table(sweep: Sequence[dict[str, Any]]) -> str:
    """Return every configuration tried, fastest first, peer by peer."""
    found, rows = medians(sweep), []
    busy: dict[tuple[int, str, str, str], float] = {}
    for row in sweep:
        key = (row["ms"], row["engine"], row["config"], row["durability"])
        busy[key] = max(busy.get(key, 0.0), row["others"])
    for ms, name in sorted({(key[0], key[1]) for key in found}):
        mine = sorted(((rate, key) for key, rate in found.items() if key[:2] == (ms, name)), reverse=True)
        rows += [(name, f"{key[2]}; {key[3]}", str(ms), amount(rate), f"{busy[key]:.0%}") for rate, key in mine]
    return table(("peer", "run as; durability", "ms a call", "orders/s", "busy with others"), rows)


def machine() -> dict[str, Any]:
    """Describe the machine, without its name."""
    model = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ""
    )
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}


def kept() -> dict[str, Any]:
    """Return the data that earlier runs wrote."""
    file = OUT / "bench.json"
    return dict(json.loads(file.read_text())) if file.is_file() else {"sweep": [], "table": [], "rows": []}


def write(data: dict[str, Any]) -> None:
    """Write JSON, pictures, and the tables in docs/performance.md."""
    OUT.mkdir(exist_ok=True)
    (OUT / "bench.json").write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    parts = []
    for ms in sorted({line["ms"] for line in data["table"]}):
        lines = [line for line in data["table"] if line["ms"] == ms]
        shown = [
            (f"{x['engine']} ({x['config']})"[:52], x["orders_per_s"], x["engine"] in OURS.values()) for x in lines
        ]
        title = f"Orders a second from placed to notified, calls of {ms} ms"
        (OUT / f"bench-{ms}ms.svg").write_text(bars(title, "orders/s", shown))
        parts.append(f"### Calls of {ms} ms\n\n{table_of(lines)}\n![{title}](performance/bench-{ms}ms.svg)\n")
    between(DOCS / "performance.md", "bench", "\n".join([*parts, doubt(data["table"]), told_machine(data)]))
    if data["sweep"]:
        between(OUT / "sweep.md", "sweep", sweep_table(data["sweep"]))


NOISE = 0.1
"""The share of the machine that may be busy with others before the figures are called into question."""


def doubt(lines: Sequence[dict[str, Any]]) -> str:
    """Return a warning about figures taken on a busy machine; nothing when it was quiet."""
    most = max((line["others"] for line in lines), default=0.0)
    if most <= NOISE:
        return ""
    return (
        f"**The machine was not quiet: up to {most:.0%} of it was busy with other things.** Rates are lower than they "
        "would be, and whoever runs more processes gets a larger share of it. Run it again on a quiet machine.\n"
    )


def told_machine(data: dict[str, Any]) -> str:
    """Return the machine and the versions in a sentence."""
    m = data["machine"]
    skipped = "".join(f" {name} was skipped: {why}." for name, why in data["skipped"].items())
    return (
        f"{m['cpu']}, {m['cores']} cores, {m['system']}, Python {m['python']}, {data['redis']}, {data['postgres']}; "
        + "; ".join(f"{name}: {versions}" for name, versions in data["versions"].items())
        + f".{skipped}\n"
    )


def versions_of_servers() -> dict[str, str]:
    """Return the versions of Redis or Valkey, and of PostgreSQL."""

    def ask(command: list[str]) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    redis = ask([str(find_binary()), "--version"]).split(" sha")[0].replace(" server v=", " ")
    try:
        return {"redis": redis, "postgres": ask([postgres.program("postgres"), "--version"])}
    except postgres.NoPostgres:
        return {"redis": redis, "postgres": "no PostgreSQL"}
