"""`consent serve`, `consent api`, `consent demo`: the commands that run the engine."""

import os
import signal
import sys
from contextlib import suppress
from typing import Annotated

import typer

from consent_engine.cli.tables import lost

HOST, PORT = "127.0.0.1", 8080
_LEASH = typer.Option(hidden=True)
_HOST = typer.Option(help="The address to listen at.")
_PORT = typer.Option(min=1, max=65_535, help="The port to listen at.")
GRACE_S = 30.0
"""How long a process may take to end once its parent is gone."""


def serve(
    host: Annotated[str, _HOST] = HOST,
    port: Annotated[int, _PORT] = PORT,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many worker processes.")] = 2,
    handset_host: Annotated[
        str, typer.Option(help="Where the simulated handset listens: 0.0.0.0 in a container.")
    ] = HOST,
    phone: Annotated[
        str,
        typer.Option(
            help="This machine's address in its network: the handset listens there, and a QR code opens it on a phone."
        ),
    ] = "",
    leash: Annotated[int | None, _LEASH] = None,
) -> None:
    """Run everything on this machine: API, pages, workers, and the embedded server unless CONSENT_REDIS_URL is set."""
    from consent_engine.cli import supervisor
    from consent_engine.config.settings import Settings
    from consent_engine.process import Stop, set_up_logs, tie

    settings = Settings.load()
    set_up_logs("serve", form=settings.log_format, level=settings.log_level)
    stop = Stop()
    stop.on_signals()
    if leash is not None:
        tie(leash, stop.set, 2 * GRACE_S)
    supervisor.serve(supervisor.Wanted(host, port, workers, handset_host=handset_host, phone=phone), stop, _say)


def _say(line: str) -> None:
    """Print a line; where that cannot be written (a log on a full disk), the engine runs without it."""
    with suppress(OSError):
        sys.stdout.write(f"{line}\n")
    lost(sys.stdout)


def api(
    host: Annotated[str, _HOST] = HOST, port: Annotated[int, _PORT] = PORT, leash: Annotated[int | None, _LEASH] = None
) -> None:
    """Run the API alone; workers are `python -m workers`, on any machine."""
    from consent_engine.api.app import run
    from consent_engine.config.settings import Settings
    from consent_engine.process import set_up_logs, tie
    from consent_engine.wiring import installation

    settings = Settings.load()
    set_up_logs("api", form=settings.log_format, level=settings.log_level)
    if leash is not None:
        tie(leash, lambda: os.kill(os.getpid(), signal.SIGTERM), GRACE_S)
    with installation(settings) as found:
        run(found, host, port)


def demo(
    orders: Annotated[int, typer.Option(min=1, max=10_000, help="How many orders are placed.")] = 200,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running at the printed address.")] = False,  # noqa: FBT002
    seed: Annotated[int, typer.Option(help="Another seed: other subscribers, in another order.")] = 1,
) -> int:
    """Run orders end to end with a simulated call centre, subscribers, gateway and BSS, and compare the results.

    Ends with 1 where an order did not end as its subscriber's script says, and with 3 where the machine was too slow to
    find out.
    """
    from consent_engine.cli.demo import run

    return run(orders, seed, keep=keep)
