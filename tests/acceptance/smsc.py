"""An SMSC that speaks SMPP 3.4, as far as Kannel needs it, and treats single parts as a test tells it to."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import strftime

BIND_TRANSCEIVER, ENQUIRE_LINK, UNBIND, SUBMIT, DELIVER = 0x09, 0x15, 0x06, 0x04, 0x05
ANSWER = 0x80000000
UDHI, RECEIPT, UCS2 = 0x40, 0x04, 8
REFUSED, THROTTLED = 0x45, 0x58


@dataclass(frozen=True)
class Submitted:
    """One SMS, or one part of it, as it was handed to the SMSC."""

    id: str
    sender: str
    to: str
    n: int
    of: int
    text: str
    validity: str
    wants_report: bool


@dataclass(frozen=True)
class Fate:
    """The treatment of one part. status: of the answer · stats: the reports on it, in this order."""

    stats: tuple[str, ...] = ("DELIVRD",)
    status: int = 0
    delay_s: float = 0


class Smsc:
    """An SMSC that listens from its creation until `close`. fate: how each submitted part is treated."""

    def __init__(self, fate: Callable[[Submitted], Fate]) -> None:
        self.fate = fate
        self.submitted: list[Submitted] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self.bound = threading.Event()
        self._link: socket.socket | None = None
        self._sequence = 0
        self._writing = threading.Lock()
        self._news = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        for each in (self._door, self._link):
            if each is not None:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def handset(self, msisdn: str, count: int, timeout: float = 40) -> str:
        """The text on a handset, once so many parts of it were delivered there."""

        def parts() -> dict[int, str]:
            return {each.n: each.text for each in self.submitted if each.to == msisdn.lstrip("+")}

        with self._news:
            assert self._news.wait_for(lambda: len(parts()) >= count, timeout), f"{len(parts())} parts of {count}"
        return "".join(parts()[n] for n in sorted(parts()))

    def say(self, msisdn: str, to: str, text: str) -> None:
        """Deliver a subscriber's message."""
        self._deliver(msisdn.lstrip("+"), to, 0, UCS2, text.encode("utf-16-be"))

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self._door.accept()
                threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        stream = link.makefile("rb")
        with suppress(OSError, struct.error):
            while head := stream.read(16):
                length, command, _, sequence = struct.unpack(">IIII", head)
                body = stream.read(length - 16)
                if command == SUBMIT:
                    self._submit(link, sequence, body)
                elif command in {BIND_TRANSCEIVER, ENQUIRE_LINK, UNBIND}:
                    if command == BIND_TRANSCEIVER:
                        self._link = link
                    self._write(link, command | ANSWER, 0, sequence, b"smsc\0" if command == BIND_TRANSCEIVER else b"")
                    if command == BIND_TRANSCEIVER:
                        self.bound.set()

    def _submit(self, link: socket.socket, sequence: int, body: bytes) -> None:
        one = _submitted(body, str(len(self.submitted) + 1))
        fate = self.fate(one)
        self._write(link, SUBMIT | ANSWER, fate.status, sequence, b"" if fate.status else one.id.encode() + b"\0")
        with self._news:
            self.submitted.append(one)
            self._news.notify_all()
        if not fate.status and one.wants_report and fate.stats:
            threading.Timer(fate.delay_s, self._report, (one, fate.stats)).start()

    def _report(self, one: Submitted, stats: tuple[str, ...]) -> None:
        for stat in stats:
            at = strftime("%y%m%d%H%M")
            told = f"id:{one.id} sub:001 dlvrd:001 submit date:{at} done date:{at} stat:{stat} err:027 text:"
            self._deliver(one.to, one.sender, RECEIPT, 0, told.encode())

    def _deliver(self, sender: str, to: str, esm_class: int, coding: int, text: bytes) -> None:
        assert self._link is not None, "Kannel is not bound"
        head = b"\0" + b"\1\1" + sender.encode() + b"\0" + b"\0\1" + to.encode() + b"\0"
        body = head + bytes((esm_class, 0, 0)) + b"\0\0" + bytes((0, 0, coding, 0, len(text))) + text
        self._sequence += 1
        self._write(self._link, DELIVER, 0, self._sequence, body)

    def _write(self, link: socket.socket, command: int, status: int, sequence: int, body: bytes) -> None:
        with self._writing:
            link.sendall(struct.pack(">IIII", 16 + len(body), command, status, sequence) + body)


def _submitted(body: bytes, name: str) -> Submitted:
    def word() -> str:
        nonlocal body
        found, _, body = body.partition(b"\0")
        return found.decode()

    def octets(count: int) -> bytes:
        nonlocal body
        found, body = body[:count], body[count:]
        return found

    word()
    octets(2)
    sender = word()
    octets(2)
    to = word()
    esm_class, *_ = octets(3)
    word()
    validity = word()
    registered, _, coding, _, length = octets(5)
    text, n, of = body[:length], 1, 1
    if esm_class & UDHI:
        of, n = text[4], text[5]
        text = text[1 + text[0] :]
    said = text.decode("utf-16-be" if coding == UCS2 else "latin-1")
    return Submitted(name, sender, to, n, of, said, validity, bool(registered & 1))
