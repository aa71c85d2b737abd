"""`consent plans`: the tariff catalogue."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: see commands.py

from pathlib import Path
from typing import Annotated

import typer

from consent_engine.cli.opening import opened
from consent_engine.cli.tables import record, table

app = typer.Typer(help="The tariff catalogue: load, list, show.")


@app.command()
def load(file: Annotated[Path, typer.Argument(help="Plans in YAML. What says anything new is a new version.")]) -> None:
    """Publish plans, or none of them where a text about one is too long to be sent; orders under way keep the version
    they were asked with."""
    from consent_engine.wiring import plans_from

    plans = plans_from(file)
    with opened() as engine:
        engine.catalogue.check(plans)
        known = {code: listed.plan.version for code, listed in engine.catalogue.fresh().items()}
        rows = []
        for plan in plans:
            now = engine.catalogue.publish(plan)
            rows.append((now.code, now.version, "as it was" if known.get(now.code) == now.version else "new"))
    table(("plan", "version", ""), rows, "no plans in this file")


@app.command("list")
def show_all() -> None:
    """List the plans: code, carrier, version, sale, name, price."""
    with opened() as engine:
        listed = sorted(engine.catalogue.fresh().items())
    rows = [(code, p.plan.carrier, p.plan.version, p.sale, p.plan.name, p.plan.price) for code, p in listed]
    table(("plan", "carrier", "version", "sale", "name", "price"), rows, "no plans: `consent plans load FILE.yaml`")


@app.command()
def show(code: Annotated[str, typer.Argument(help="As `consent plans list` shows it.")]) -> None:
    """Show all of a plan, as subscribers and the public are told it."""
    with opened() as engine:
        listed = engine.plan(code)
    facts: list[tuple[object, ...]] = list(listed.plan.model_dump(mode="json", exclude={"published"}).items())
    facts += [("hash", listed.plan.hash), ("sale", listed.sale)]
    facts += [
        (f"published {w.channel}", w.url, w.since.isoformat(), str(w.until or "-")) for w in listed.plan.published
    ]
    record(facts)
