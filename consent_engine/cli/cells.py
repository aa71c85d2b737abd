"""`consent cells`: where the cells (slices of subscribers) are, and moving all data to another number of cells."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from consent_engine.cli.tables import line, table, tell
from consent_engine.domain.form_errors import in_our_words
from consent_engine.errors import SettingsError

if TYPE_CHECKING:
    from consent_engine.adapters.redis.reshard.dump import Side
    from consent_engine.config.settings import Settings

app = typer.Typer(help="Cells, the slices of subscribers: where they are, and moving to another number of cells.")

_FROM = typer.Option(
    "--from", envvar="CONSENT_MOVE_FROM", help="The Redis that has the data; default: this installation's own."
)
_TO = typer.Option("--to", envvar="CONSENT_MOVE_TO", help="The Redis that the data move to; it must be empty.")
_CELLS = typer.Option(min=1, max=1_024, help="The new number of cells.")
_REPLICAS = typer.Option(min=0, max=9, help="How many replicas must have every write before the move goes on.")


@app.command()
def move(
    to: Annotated[str, _TO], cells: Annotated[int, _CELLS], source: Annotated[str | None, _FROM] = None,
    replicas: Annotated[int, _REPLICAS] = 0,
) -> None:  # fmt: skip
    """Move all data to an empty Redis, into this many cells. Stop APIs and workers first. If it dies, type it again."""
    from consent_engine.adapters.redis.registry import check_server
    from consent_engine.adapters.redis.reshard.move import Move
    from consent_engine.adapters.redis.topology.cluster import is_cluster
    from consent_engine.config.settings import Settings

    settings = Settings.load()
    to = address(to, "--to")
    if cells > 1 and not is_cluster(to):
        raise typer.BadParameter("many cells need redis+cluster://", param_hint="--to")
    there = _side(settings, to, cells, "--to", replicas)
    for wire in there.wires:
        check_server(wire, strict=settings.durability == "strict", named_by="--to")
    with _source(settings, source) as here:
        moved = Move(here, there, tell).run()
    rows = [(kind, count, f"{moved.sums[kind]:016x}") for kind, count in sorted(moved.counts.items())]
    table(("what", "how many", "digest"), rows, "nothing was left to move")
    tell_damaged(moved.damaged)
    tell(f"done: stop the old Redis, start APIs and workers with CONSENT_REDIS_URL of --to, CONSENT_CELLS={cells}")


@app.command()
def stay(source: Annotated[str | None, _FROM] = None) -> None:
    """Give up a move that did not finish: engines may start on the data again. Empty its target afterwards."""
    from consent_engine.adapters.redis.reshard.move import begun, rest
    from consent_engine.adapters.redis.reshard.move import stay as given_up
    from consent_engine.config.settings import Settings

    with _source(Settings.load(), source) as here:
        begun(here)  # nobody stops workers for nothing
        rest(here)
        line(f"the data stay where they are: CONSENT_CELLS={given_up(here)}")


@app.command("list")
def show_all() -> None:
    """List the cells: slot, the master that has it, keys."""
    from consent_engine.adapters.redis.reshard.move import places
    from consent_engine.config.settings import Settings

    table(("cell", "slot", "master", "keys"), list(places(_cluster(Settings.load()))))


def _cluster(settings: "Settings") -> "Side":
    from consent_engine.adapters.redis.client import NAMED_BY
    from consent_engine.adapters.redis.topology.cluster import is_cluster

    if settings.redis_url is None or not is_cluster(settings.redis_url):
        raise SettingsError("there is one cell: more cells need CONSENT_REDIS_URL=redis+cluster://...")
    return _side(settings, settings.redis_url, settings.cells, NAMED_BY)


@contextmanager
def _source(settings: "Settings", url: str | None) -> Iterator["Side"]:
    """Open the source of a move, in as many cells as its data record."""
    from consent_engine.adapters.redis.client import NAMED_BY
    from consent_engine.adapters.redis.embedded.server import connect_or_start
    from consent_engine.adapters.redis.reshard.move import cells_of

    if url is None and settings.redis_url is None:
        with connect_or_start(settings.data_dir, settings.durability, tell) as server:
            yield _side(settings, server.url, 1, NAMED_BY)
        return
    named_by = "--from" if url else NAMED_BY
    at = address(url or settings.redis_url or "", named_by)
    found = cells_of(_side(settings, at, 1, named_by).meta_now())
    yield _side(settings, at, found or 1, named_by)


def _side(settings: "Settings", url: str, cells: int, named_by: str, replicas: int = 0) -> "Side":
    from consent_engine.adapters.redis.client import Wire, connect
    from consent_engine.adapters.redis.reshard.dump import Side
    from consent_engine.adapters.redis.topology.cluster import is_cluster

    strict = settings.durability == "strict"
    wires = [Wire(connect(url, tag=str(n)), proves=strict, replicas=replicas, named_by=named_by) for n in range(cells)]
    return Side(wires, alone=not is_cluster(url))


def tell_damaged(entries: int) -> None:
    """Tell how many entries of the journal cannot be read: they are never left out without a word."""
    if entries:
        are = "entry of the journal is" if entries == 1 else "entries of the journal are"
        tell(f"{entries} {are} damaged, and came along as found: once in the log, `consent audit` names each")


def address(url: str, option: str) -> str:
    """Return a Redis address in the form of the settings. option: the option that gave it. Raises BadParameter."""
    from pydantic import TypeAdapter, ValidationError

    from consent_engine.config.values import RedisUrl

    try:
        return str(TypeAdapter(RedisUrl).validate_python(url))
    except ValidationError as error:
        told = in_our_words(error.errors(include_input=False)[0]["msg"])
        raise typer.BadParameter(told, param_hint=option) from None
