"""A server that shows a certificate, as long as it lasts; which is renewed while it runs."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])


class Shown:
    """The server, in a thread of its own. port: of 127.0.0.1"""

    def __init__(self, folder: Path, listening: socket.socket) -> None:
        self._file = folder / "shown.pem"
        self._listening = listening
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.port: int = listening.getsockname()[1]

    @classmethod
    @contextmanager
    def at(cls, folder: Path, days: float) -> Iterator[Self]:
        """Show a certificate that lasts so long, until the block ends."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            made = cls(folder, listening)
            made.renew(days)
            serving = threading.Thread(target=made._serve)
            serving.start()
            try:
                yield made
            finally:
                listening.shutdown(socket.SHUT_RDWR)
                serving.join()

    def renew(self, days: float) -> None:
        """Show another one. days: from now; one that has expired where they are negative"""
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=100)).not_valid_after(now + timedelta(days=days))
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._file.write_bytes(private + builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
        self._context.load_cert_chain(self._file)

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            with suppress(OSError), line, self._context.wrap_socket(line, server_side=True) as shown:
                shown.recv(1)
