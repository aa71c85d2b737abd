"""`consent keys`: the API keys."""

import os
import sys
from typing import Annotated

import typer

from consent_engine.cli.opening import one_of, opened
from consent_engine.cli.tables import OutputLost, instant, line, table
from consent_engine.domain.roles import Role
from consent_engine.engine.api_keys import Keys
from consent_engine.errors import ConsentError, StoreUnavailable


class KeyUnseen(ConsentError, code="key_unseen"):
    """A key whose text nobody can have read: it is revoked, or the message says how to revoke it."""


app = typer.Typer(help="API keys: add, list, revoke.")


@app.command()
def add(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Name of its owner, shown in every event the owner causes. Never given twice."
        ),
    ],
    role: Annotated[str, typer.Option(help="agent, reviewer, supervisor, ops, auditor or admin (may do everything).")],
    agent: Annotated[
        str, typer.Option(help="The owner's agent number: orders must name it; its calls are reviewed by others.")
    ] = "",
    team: Annotated[
        str,
        typer.Option(help="The agent's team; a supervisor's key sees the bound agents of its team, without one all."),
    ] = "",
) -> None:
    """Make a key. It is printed once, as the last word, and stored as a hash."""
    one_of(role, Role, "--role")
    if getattr(sys.stdout, "name", "") == os.devnull:
        raise KeyUnseen("standard output is closed, and a key is printed once: nothing was made, open it")
    with opened() as engine:
        _shown(engine.keys, name, Role(role), agent, team)


def _shown(keys: Keys, name: str, role: Role, agent: str, team: str) -> None:
    """Make a key and print it. One that cannot be printed is revoked: a key that nobody knows of is never looked for.

    Raises KeyUnseen.
    """
    try:
        key = keys.add(name, role, agent, team)
    except StoreUnavailable as error:  # its answer may be lost, and another try finds the name taken
        raise KeyUnseen(f"{error}; if `consent keys list` shows {name}, revoke it: nobody has seen it") from error
    try:
        line(f"key of {name} ({role}), shown this once: {key}")
        sys.stdout.flush()
    except BaseException as error:
        try:
            keys.revoke(name)
        except ConsentError:
            raise KeyUnseen(
                f"the key could not be printed, nor taken back: consent keys revoke {name}, take another name"
            ) from error
        lost = error.__cause__ if isinstance(error, OutputLost) else error
        if not isinstance(lost, OSError):
            raise
        why = lost.strerror or type(lost).__name__
        raise KeyUnseen(f"the key could not be printed ({why}), and is revoked: take another name") from error


@app.command("list")
def show_all() -> None:
    """List the keys: name, role, since when, the agent they are bound to, the team."""
    with opened() as engine:
        rows = [
            (key.name, key.role, instant(key.created_at), key.agent or "-", key.team or "-")
            for key in engine.keys.all()
        ]
    table(("name", "role", "since", "agent", "team"), rows, "no keys yet: `consent keys add NAME --role ROLE`")


@app.command()
def revoke(name: Annotated[str, typer.Argument(metavar="NAME", help="As `consent keys list` shows it.")]) -> None:
    """Revoke a key: it is not accepted any more, and its name is never given again."""
    with opened() as engine:
        engine.keys.revoke(name)
    line(f"revoked: {name}")
