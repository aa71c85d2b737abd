"""The load of `benchmarks/http/latency.py` is open: a slow answer delays no later request and hides none."""

import asyncio
import time

from benchmarks.http import open_load

EVERY_S, ORDERS, STALL_S, WAIT_S = 0.01, 30, 0.6, 30
ANSWER = b'HTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\n{"id":"ab"}'


class Desk:
    """A server that answers while it is ready; `all_there`: every order has reached it."""

    def __init__(self):
        self.ready, self.all_there, self.came = asyncio.Event(), asyncio.Event(), 0
        self.ready.set()

    def takes(self):
        self.came += 1
        if self.came == ORDERS:
            self.all_there.set()


async def answering(reader, writer, desk):
    while head := await reader.readuntil(b"\r\n\r\n"):
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        desk.takes()
        await desk.ready.wait()
        writer.write(ANSWER)


async def loaded(trouble):
    """Send orders at their instants, with `trouble(loop, desk)` on the way; return what was seen."""
    desk, serving = Desk(), []

    async def serve(reader, writer):
        serving.append(asyncio.current_task())
        try:
            await answering(reader, writer, desk)
        except asyncio.IncompleteReadError:
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client, ears = open_load.Client(server.sockets[0].getsockname()[1]), open_load.Ears()
    for n in range(ORDERS):
        for kind in ("confirmation", "notification"):
            ears.heard[kind, f"+86{13_600_000_000 + n}"] = (0.0, "ref")
    opened = open_load.Open(client, open_load.Requests("key", "secret"), ears)
    trouble(asyncio.get_running_loop(), desk)
    meant = [open_load.Meant(n, n * EVERY_S, silent=True) for n in range(ORDERS)]
    await asyncio.wait_for(opened.go(meant), WAIT_S)
    client.close()
    server.close()
    await asyncio.wait_for(asyncio.gather(*serving), WAIT_S)  # no connection is left to the collector of garbage
    return opened.seen


def test_a_server_that_stalls_is_in_every_latency_of_its_stall():
    async def over(desk):
        await asyncio.sleep(0.1 + STALL_S)
        await desk.all_there.wait()  # no request waited for an earlier answer
        desk.ready.set()

    def stall(loop, desk):
        desk.ready.clear()
        desk.healing = loop.create_task(over(desk))

    seen = asyncio.run(loaded(stall))

    waits = sorted(seen.took["answer"])
    assert len(waits) == ORDERS
    assert sum(wait > STALL_S / 3 for wait in waits) > ORDERS / 2


def test_a_sender_that_is_late_counts_it_against_what_it_sends():
    def block(loop, _desk):
        def busy():
            until = time.monotonic() + STALL_S
            while time.monotonic() < until:
                pass

        loop.call_later(0.1 + EVERY_S / 2, busy)

    seen = asyncio.run(loaded(block))

    assert max(seen.took["sender"]) > STALL_S / 2
    assert sum(wait > STALL_S / 3 for wait in seen.took["answer"]) > ORDERS / 2


def test_a_load_of_which_too_much_was_sent_late_is_void():
    on_time, late = [0.004] * 99, [0.006]

    assert open_load.lag(on_time + late) == {"sent": 100, "sent_late": 1, "void": False}
    assert open_load.lag(on_time + late * 2) == {"sent": 101, "sent_late": 2, "void": True}
    assert open_load.lag([])["void"]  # nothing was sent: nothing was measured


def test_shares_are_those_of_the_nearest_rank():
    found = open_load.shares([n / 1000 for n in range(1, 1001)])

    assert found == {"count": 1000, "p50": 500.0, "p99": 990.0, "p99.9": 999.0, "max": 1000.0}
    assert open_load.shares([]) == {"count": 0}
