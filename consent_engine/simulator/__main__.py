"""`python -m consent_engine.simulator`: only gateway and BSS, for people with curl and for chaos runs.

Its secrets are the engine's settings for them, CONSENT_HTTP_JSON__SECRET and CONSENT_BSS_HTTP__SECRET, in the
environment: an argument would stand in `ps`, and one that begins with a dash would be read as an option. Where one of
them is set, it serves for both.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from consent_engine.domain.msisdn import mask
from consent_engine.simulator.outside import Outside
from consent_engine.simulator.wire import Unreachable

HELP = (
    'type: NUMBER TO TEXT, for example  +8613800138000 10085 是  (or POST /say {"from","to","text"}); '
    "GET /ledger shows everything"
)
PARTS = 3
SECRETS = ("CONSENT_HTTP_JSON__SECRET", "CONSENT_BSS_HTTP__SECRET")
"""The gateway's, and the BSS's."""


def _announce(kind: str, msisdn: str, text: str) -> None:
    _tell(f"{kind} to {mask(msisdn)}: {text}")


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m consent_engine.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (%(default)s)")
    parser.add_argument("--port", type=int, default=8900, help="the port to listen at (%(default)s)")
    parser.add_argument("--part-ids", action="store_true", help="give every part of an SMS an id of its own")
    parser.add_argument("--engine", default="http://127.0.0.1:8080", help="the engine's address (%(default)s)")
    return parser.parse_args(arguments)


async def _console(outside: Outside, reader: asyncio.StreamReader) -> None:
    """Read lines; each is an SMS written on a handset. Ends with the input; after that only HTTP is left."""
    while line := await reader.readline():
        parts = line.decode(errors="replace").split(maxsplit=PARTS - 1)
        if len(parts) < PARTS:
            _tell(HELP)
            continue
        msisdn, to, text = parts
        try:
            reply = await outside.handsets.write(msisdn, to, text.rstrip("\n"))
        except Unreachable as error:
            _tell(str(error))
            continue
        _tell(f"engine: {reply.status} {reply.body}")


async def _stdin() -> asyncio.StreamReader:
    """Return standard input as lines, if it is a terminal: a chaos run has none, and a file cannot be waited for."""
    reader = asyncio.StreamReader()
    if sys.stdin is not None and sys.stdin.isatty():
        # A separate handle: closing the transport must not close the process's standard input.
        pipe = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


async def _serve(outside: Outside, engine: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with outside.serving(engine):
        _tell(f"gateway {outside.gateway_url} · bss {outside.bss_url} · ledger {outside.url}/ledger\n{HELP}")
        console = asyncio.create_task(_console(outside, await _stdin()))
        await stop.wait()
        console.cancel()
        await asyncio.gather(console, return_exceptions=True)


def secrets_of(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the secrets of the gateway and of the BSS. Raises KeyError where neither is set."""
    found = [environ.get(name) for name in SECRETS]
    other = next((each for each in found if each), None)
    if other is None:
        raise KeyError(" or ".join(SECRETS))
    gateway, bss = (each or other for each in found)
    return gateway, bss


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM."""
    options = _options(arguments)
    try:
        gateway, bss = secrets_of(os.environ)
        outside = Outside(gateway, bss, options.host, options.port, _announce, part_ids=options.part_ids)
    except KeyError as missing:
        sys.stderr.write(f"set {missing.args[0]} in the environment, to the value that the engine has\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"cannot listen on {options.host}:{options.port}: {error.strerror}\n")
        return 1
    asyncio.run(_serve(outside, options.engine))
    return 0


if __name__ == "__main__":
    sys.exit(main())
