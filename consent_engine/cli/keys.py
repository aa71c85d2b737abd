"""`consent keys`: the API keys."""

from typing import Annotated

import typer

from consent_engine.cli.opening import one_of, opened
from consent_engine.cli.tables import instant, line, table

app = typer.Typer(help="API keys: add, list, revoke.")


@app.command()
def add(
    name: Annotated[
        str, typer.Argument(help="Name of its owner, shown in every event the owner causes. Never given twice.")
    ],
    role: Annotated[str, typer.Option(help="agent, reviewer, ops, auditor or admin (may do everything).")],
    agent: Annotated[
        str, typer.Option(help="The owner's agent number: orders must name it; its calls are reviewed by others.")
    ] = "",
) -> None:
    """Make a key. It is printed once, as the last word, and stored as a hash."""
    from consent_engine.domain.roles import Role

    one_of(role, Role, "--role")
    wanted = Role(role)
    with opened() as engine:
        key = engine.keys.add(name, wanted, agent)
    line(f"key of {name} ({wanted}), shown this once: {key}")


@app.command("list")
def show_all() -> None:
    """List the keys: name, role, since when, the agent they are bound to."""
    with opened() as engine:
        rows = [(key.name, key.role, instant(key.created_at), key.agent or "-") for key in engine.keys.all()]
    table(("name", "role", "since", "agent"), rows, "no keys yet: `consent keys add NAME --role ROLE`")


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="As `consent keys list` shows it.")]) -> None:
    """Revoke a key: it is not accepted any more, and its name is never given again."""
    with opened() as engine:
        engine.keys.revoke(name)
    line(f"revoked: {name}")
