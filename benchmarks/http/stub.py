"""Gateway and BSS, as cheap as HTTP can be: a process that accepts everything and reports what it received, and when.

`python -m benchmarks.http.stub MS`, started by house.py: it answers after so many milliseconds; 0: at once. Its
first line is its port; then a line for each SMS or
activation: kind (the purpose, or `activation`), number, ref, and the instant its request was read (CLOCK_MONOTONIC, the
same for all processes of a machine). It ends with its standard input. No framework: the CPU of this process is the
same for whatever is measured against it, and should be next to nothing.
"""

import asyncio
import json
import re
import sys
import time
from itertools import count
from typing import Any

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
END = b"\r\n\r\n"
ACTIVATIONS = b"POST /bss/activations "


class Told:
    """Lines for standard output; those of one turn of the event loop are one write."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def say(self, line: str) -> None:
        """Write the line at the end of this turn of the event loop."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._flush)
        self._lines.append(line)

    def _flush(self) -> None:
        sys.stdout.write("".join(self._lines))
        sys.stdout.flush()
        self._lines.clear()


class Desk(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, told: Told, ids: "count[int]", after_s: float) -> None:
        self._told, self._ids, self._after_s = told, ids, after_s
        self._buffer = b""
        self._wire: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._wire = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._buffer += data
        while (end := self._buffer.find(END)) >= 0:
            length = LENGTH.search(self._buffer, 0, end)
            whole = end + len(END) + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            request, self._buffer = self._buffer[:whole], self._buffer[whole:]
            self._answer(request.startswith(ACTIVATIONS), json.loads(request[end + len(END) :]))

    def _answer(self, activation: bool, said: dict[str, str]) -> None:  # noqa: FBT001 - one of two
        now, number = time.monotonic(), next(self._ids)
        if activation:
            self._told.say(f"activation {said['msisdn']} {said['order_id']} {now:.6f}\n")
            body = b'{"activation_id":"a%d","active_from":"2025-11-25T00:00:00+08:00"}' % number
        else:
            self._told.say(f"{said['purpose']} {said['to']} {said['ref']} {now:.6f}\n")
            body = b'{"message_id":"%b"}' % said["ref"].encode()  # as the load's reports name it
        head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        if self._after_s:
            asyncio.get_running_loop().call_later(self._after_s, self._wire.write, head + body)
        else:
            self._wire.write(head + body)


async def main() -> None:
    """Serve until standard input ends."""
    told, ids, after_s = Told(), count(1), float(sys.argv[1]) / 1000
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Desk(told, ids, after_s), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
