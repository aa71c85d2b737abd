"""`consent serve`: everything on one machine: embedded server, API and workers, each restarted when it dies."""

import logging
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from time import monotonic
from typing import Self

from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.config.environment import PREFIX
from consent_engine.config.settings import Settings, warnings
from consent_engine.domain.line.line import keyed
from consent_engine.errors import ConsentError, SettingsError
from consent_engine.process import Stop
from consent_engine.wiring import Installation, call_bound, installation

log = logging.getLogger(__name__)

LOOK_S = 0.2
"""How often the supervisor checks its children, in seconds."""
BACKOFF_S, MOST_BACKOFF_S, HEALTHY_S = 0.2, 10.0, 20.0
"""The pause before a restart, doubled each time up to the most; reset for a child that lived HEALTHY_S."""
API_END_S, WORKER_END_S, HANDSET_END_S = 23.0, 8.0, 8.0
"""How long API and handset may take to end, and a worker beyond its longest call. Then they are killed."""


class Stopping(ConsentError, code="stopping"):
    """The process was asked to end while the server was still loading its files."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Options of `serve`: addresses of API and handset, number of workers, environment of the children."""

    host: str
    port: int
    workers: int
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    handset_host: str = "127.0.0.1"
    phone: str = ""

    @property
    def address(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class Child:
    """A process to keep running: restarted when it dies, each time after a longer pause."""

    def __init__(
        self, name: str, command: list[str], environ: Mapping[str, str], leash: int, end_s: float, *inherits: int
    ) -> None:
        self.name = name
        self._command = [*command, "--leash", str(leash)]
        self._environ = dict(environ)
        self._leash = leash
        self._end_s = end_s
        self._inherits = inherits
        self._process: subprocess.Popen[bytes] | None = None
        self._backoff = BACKOFF_S
        self._started_at = self._again_at = 0.0

    def look(self) -> None:
        """Start the process if it does not run and its pause is over."""
        if self._process is not None and (status := self._process.poll()) is not None:
            self._died(status)
        if self._process is None and monotonic() >= self._again_at:
            self._started_at = monotonic()
            # In a session of its own: Ctrl-C at the terminal reaches only us, and we end the children in order.
            self._process = subprocess.Popen(
                self._command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                pass_fds=[self._leash, *self._inherits],
                start_new_session=True,
            )

    def _died(self, status: int) -> None:
        self._process = None
        if monotonic() - self._started_at > HEALTHY_S:
            self._backoff = BACKOFF_S
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        log.error("%s ended %s: started again in %.1f s", self.name, how, self._backoff)
        self._again_at = monotonic() + self._backoff * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        self._backoff = min(self._backoff * 2, MOST_BACKOFF_S)

    def terminate(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def ended(self) -> None:
        """Wait for the process to end; kill it when that takes too long, which loses nothing acknowledged."""
        if self._process is None:
            return
        try:
            self._process.wait(self._end_s)
        except subprocess.TimeoutExpired:
            log.error("%s does not end: killed", self.name)
            self._process.kill()
            self._process.wait()
        self._process = None


@dataclass(frozen=True, slots=True)
class Handset:
    """A page on this machine where the simulated gateway's SMS land and are answered. The socket outlives its child."""

    listening: socket.socket
    secret: str
    phone: str = ""

    @classmethod
    @contextmanager
    def at(cls, port: int, secret: str, host: str = "127.0.0.1", phone: str = "") -> Iterator[Self]:
        """Listen at this port of `host`, else at any free one. phone: an address of this machine in its own network,
        used in place of `host`. Raises SettingsError if it is not one.
        """
        try:
            host = str(_within(phone)) if phone else host
            try:
                listening = socket.create_server((host, port))
            except (OSError, OverflowError):
                listening = socket.create_server((host, 0))
        except (OSError, ValueError):
            if not phone:
                raise
            raise SettingsError(f"--phone {phone} is not an address of this machine in its local network") from None
        with listening:
            yield cls(listening, secret, phone)

    @property
    def address(self) -> str:
        """Return the page's address. Its path stays the same, and other users of this machine do not know it."""
        return f"http://{self.phone or '127.0.0.1'}:{self.listening.getsockname()[1]}/{keyed(self.secret, 'handset')}/"

    @property
    def environ(self) -> dict[str, str]:
        """Return settings for API and workers with which the simulated gateway hands its SMS to this page."""
        return {"CONSENT_SIMULATED__URL": f"{self.address}sms", "CONSENT_SIMULATED__SECRET": self.secret}

    def child(self, wanted: Wanted, leash: int) -> Child:
        """Return the page's process. It gets no other secret than the one it signs with."""
        plain = {name: value for name, value in wanted.environ.items() if not name.startswith(PREFIX)}
        fd = self.listening.fileno()
        command = [
            sys.executable,
            "-m",
            "consent_engine.simulator.handset",
            "--fd",
            str(fd),
            "--engine",
            wanted.address,
            *(["--phone", self.phone] if self.phone else []),
        ]
        return Child("the handset", command, {**plain, **self.environ}, leash, HANDSET_END_S, fd)


def _within(address: str) -> IPv4Address:
    """Parse an address in a private network. Raises ValueError for others: the handset answers for subscribers."""
    found = IPv4Address(address)
    if not found.is_private or found.is_unspecified:
        raise ValueError
    return found


class Supervisor:
    """The children of one installation, in the order in which they end: the API first, then the workers."""

    def __init__(self, found: Installation, wanted: Wanted, stop: Stop, handset: Handset | None = None) -> None:
        self._server = found.server if isinstance(found.server, EmbeddedServer) else None
        self._stop = stop
        self._server_backoff = BACKOFF_S
        self._server_again_at = 0.0
        # Children hold the reading end. The kernel closes the writing end however this process dies, and they notice.
        reads, self._leash = os.pipe()
        environ = {**wanted.environ, **found.environ(), "PYTHONUNBUFFERED": "1", **(handset.environ if handset else {})}
        listen = ["--host", wanted.host, "--port", str(wanted.port)]
        python = [sys.executable, "-m"]
        worker_end_s = call_bound(found.settings).total_seconds() + WORKER_END_S
        self._api = Child("the API", [*python, "consent_engine", "api", *listen], environ, reads, API_END_S)
        self._workers = [
            Child(f"worker {n}", [*python, "workers"], environ, reads, worker_end_s)
            for n in range(1, wanted.workers + 1)
        ]
        self._handset = [handset.child(wanted, reads)] if handset else []

    def run(self) -> None:
        """Keep the children running until asked to stop, then end them."""
        try:
            while not self._stop.is_set:
                self._look()
                self._stop.wait(LOOK_S)
        finally:
            self._end()

    def _look(self) -> None:
        if self._server is not None and not self._server.alive() and monotonic() >= self._server_again_at:
            self._restart(self._server)
        for child in (*self._handset, self._api, *self._workers):
            child.look()

    def _restart(self, server: EmbeddedServer) -> None:
        log.error("the server ended: started again")
        try:
            server.restart(progress(self._stop))
        except Stopping:
            return
        except ConsentError as error:
            log.error("%s; again in %.1f s", error, self._server_backoff)
            self._server_again_at = monotonic() + self._server_backoff
            self._server_backoff = min(self._server_backoff * 2, MOST_BACKOFF_S)
        else:
            self._server_backoff = BACKOFF_S

    def _end(self) -> None:
        log.info("ending: the API, then the workers, then the server")
        self._api.terminate()
        self._api.ended()
        for child in (*self._workers, *self._handset):
            child.terminate()
        for child in (*self._workers, *self._handset):
            child.ended()


def progress(stop: Stop) -> Callable[[str], None]:
    """Return a function that logs the reason a server's start waits, and ends the wait when this process must stop."""

    def tell(text: str) -> None:
        if stop.is_set:
            raise Stopping("asked to end")
        log.info("%s", text)

    return tell


def check_free(host: str, port: int) -> None:
    """Raise SettingsError when another process listens at the port: better said before anything is started."""
    try:
        [(family, *_, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        raise SettingsError(
            f"cannot listen at {host} port {port} ({error.strerror}): name another --port, or this machine's --host"
        ) from None


def serve(wanted: Wanted, stop: Stop, say: Callable[[str], None]) -> None:
    """Run everything until `stop`. Raises ConsentError when it cannot start."""
    settings = Settings.load(wanted.environ)
    check_free(wanted.host, wanted.port)
    for warning in warnings(settings):
        log.warning("%s", warning)
    try:
        with (
            installation(settings, progress(stop), own=True) as found,
            _handset(wanted, found.simulated_secret()) as handset,
        ):
            for line in first_steps(settings, wanted, handset):
                say(line)
            Supervisor(found, wanted, stop, handset).run()
    except Stopping:
        return


def _handset(wanted: Wanted, secret: str | None) -> AbstractContextManager[Handset | None]:
    if not secret and wanted.phone:
        raise SettingsError("--phone needs a simulated gateway and a simulated BSS: leave it out")
    return Handset.at(wanted.port + 1, secret, wanted.handset_host, wanted.phone) if secret else nullcontext()


def first_steps(settings: Settings, wanted: Wanted, handset: Handset | None) -> list[str]:
    """Return the lines printed at the start: addresses, place of the data, first steps."""
    shown = wanted.address.replace("//0.0.0.0:", "//127.0.0.1:")
    simulated = "simulated" in settings.gateways() or settings.bss_name() == "simulated"
    return [
        f"Consent Engine at {shown} (calls: {shown}/docs, health: {shown}/readyz)",
        f"data: {settings.data_dir}" if settings.embedded else "data: in the Redis of CONSENT_REDIS_URL",
        "first steps, in another terminal:",
        "  consent keys add desk --role agent     an API key, printed once",
        "  consent plans list                     what can be sold",
        "  consent stuck                          what waits for a person",
        *([f"handset, to answer an order of {shown}/desk with your own 是: {handset.address}"] if handset else []),
        *(["anyone in this network with that address answers for subscribers"] if handset and handset.phone else []),
        *(["gateway or BSS simulated: no subscriber is reached (CONSENT_GATEWAY, CONSENT_BSS)"] if simulated else []),
        "Ctrl-C ends it; nothing that was acknowledged is lost",
    ]
