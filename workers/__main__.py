"""`python -m workers`: one worker process. SIGTERM lets calls in flight end and records them; a second does not."""

import argparse
import logging
import os
import secrets
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from consent_engine.adapters.review_command import ProcessCommand
from consent_engine.adapters.rq_queue import connect_rq
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Lane
from consent_engine.engine.first_review import FirstReviews
from consent_engine.errors import ConsentError
from consent_engine.process import Stop, freeze_objects, set_up_logs, tie
from consent_engine.wiring import Installation, call_bound, installation
from workers import jobs
from workers.clock import Clock
from workers.engine_loop import CLOSE_S, EngineLoop
from workers.ticking import Feeder, FirstReviewer, LogPublisher, Scribe, TariffWatch, Ticking
from workers.worker import LaneWorker, listen_on

log = logging.getLogger(__name__)

RQ_TIMEOUT_S = 5.0
LEASH_GRACE_S = 10.0
"""Time beside the longest call that a process whose parent is gone may take to end."""
NEIGHBOURS = 64
"""How many workers of one host have an address for their metrics."""


def _lanes(text: str) -> list[Lane]:
    try:
        return list(dict.fromkeys(Lane(name.strip()) for name in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"lanes are {', '.join(Lane)}") from None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m workers", description="Work for the Consent Engine.")
    parser.add_argument("--lanes", type=_lanes, default=list(Lane), metavar="a,b", help=f"of {', '.join(Lane)}")
    parser.add_argument("--leash", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Work until SIGTERM; return 0 when everything begun was seen to its end or to its bound."""
    options = _options(arguments)
    process = f"worker {os.getpid()}"
    set_up_logs(process)
    stop = Stop()
    stop.on_signals()
    try:
        settings = Settings.load()
        set_up_logs(process, form=settings.log_format, level=settings.log_level)
        if options.leash is not None:
            tie(options.leash, stop.set, call_bound(settings).total_seconds() + LEASH_GRACE_S)
        with installation(settings) as found:
            return work(found, options.lanes, stop)
    except ConsentError as error:
        log.error("cannot start: %s", error)
        return 1


def work(found: Installation, lanes: Sequence[Lane], stop: Stop) -> int:
    """Work until `stop`."""
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
    bound_s = call_bound(found.settings).total_seconds()
    loop = EngineLoop(found.engine, lanes)
    measures = loop.engine.performer.measures
    clock = Clock(partial(found.engine, measures), name, lanes, bound_s)
    serve_metrics(found.settings.metrics_addr, measures.registry)
    slices = jobs.Slices(loop, stop)
    jobs.serve(slices)
    clock.start()
    scribe, publisher = Scribe(found.store, name), LogPublisher(found.publisher)
    threads: list[Ticking[Any]] = [scribe, publisher, *_others(found, name)]
    for each in threads:
        each.start()
    freeze_objects()
    log.info("works for %s", ", ".join(lanes))
    listen_on(lambda n: LaneWorker(lanes, connect_rq(found.rq_url, RQ_TIMEOUT_S), f"{name}-{n}"), stop)
    log.info("takes no more jobs, %d calls in flight", loop.engine.performer.in_flight())
    clock.stop()
    for each in threads:
        each.stop()
    if slices.hung:
        return 1
    left = loop.land(bound_s)
    if left:
        log.warning("%d calls did not end in time: they are taken up again when their leases expire", left)
    loop.close()
    clock.join(bound_s + CLOSE_S)
    scribe.join(bound_s + CLOSE_S)
    publisher.join(CLOSE_S)
    log.info("ends")
    return 0


def serve_metrics(address: str | None, registry: CollectorRegistry) -> None:
    """Serve the metrics of this process, its CPU and memory among them, at the first free port behind that of the API,
    which `address` is: many workers may share a host and its settings. Without a free one work goes on, unwatched.
    """
    if address is None:
        return
    host, _, port = address.rpartition(":")
    ProcessCollector(registry=registry)
    for own in range(int(port) + 1, int(port) + 1 + NEIGHBOURS):
        with suppress(OSError, OverflowError):
            start_http_server(own, host.strip("[]"), registry)
            log.info("metrics at %s port %d", host, own)
            return
    log.error("CONSENT_METRICS_ADDR %s: none of the %d ports behind it is free: no metrics", address, NEIGHBOURS)


def _others(found: Installation, name: str) -> Iterator[Ticking[Any]]:
    """Yield the threads that need not end before the process does: each does its work in one process at a time."""
    yield Feeder(partial(found.feeding, name))
    if found.settings.addresses().checked:
        yield TariffWatch(found.engine, name)
    if (line := found.settings.review_command) is not None:
        more = ProcessCommand(line), found.settings.review_sample, found.secret, name
        yield FirstReviewer(lambda: FirstReviews(found.engine(), *more))


if __name__ == "__main__":
    sys.exit(main())
