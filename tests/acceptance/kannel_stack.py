"""The engine as real processes, and Kannel with the configuration that docs/kannel.md recommends."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from benchmarks.ports import free_ports
from consent_engine.adapters.redis.embedded.server import connect_or_start
from tests import needs
from tests.acceptance.kannel_air import Text, heard
from tests.acceptance.kannel_processes import Running, running
from tests.acceptance.smsc import Smsc
from tests.waiting import HANGS_S, PATIENCE, until

ENGINE = ("-m", "consent_engine")
ROOT = Path(__file__).parents[2]
SECRET = "an-installation-secret-of-some-length"
BSS_SECRET = "between-us-and-the-bss"
SENDER = "10085"
CENTRE_LEFT = "fakesmsc client. Closing connection"
SMPP = """group = smsc
smsc = smpp
smsc-id = CENTRE
host = 127.0.0.1
port = {}
transceiver-mode = true
smsc-username = engine
smsc-password = secret
system-type = ""
reconnect-delay = 1
alt-charset = "ISO-8859-1"

"""
WRONG_DOOR = "wrongdoor"
"""A first word whose service has the wrong secret for us."""


class Stack:
    """Everything, running. Each subscriber has a number of its own."""

    def __init__(
        self, folder: Path, redis_url: str, stack: ExitStack, boxes: dict[str, str], smsc: Smsc | None = None
    ) -> None:
        self.smsc = smsc
        self._processes, self._boxes = stack, boxes
        self._spoken: list[str] = []
        self._folder = folder
        admin, self._smsbox, self._sendsms, self._centre, self._port, bss = free_ports(6)
        self.url = f"http://127.0.0.1:{self._port}"
        self._bss = f"http://127.0.0.1:{bss}"
        self.environ = os.environ | {
            "PYTHONPATH": str(ROOT),
            "CONSENT_REDIS_URL": redis_url,
            "CONSENT_SECRET": SECRET,
            "CONSENT_READING_SPEED": "1000000",
            "CONSENT_DATA_DIR": str(folder / "data"),
            "CONSENT_GATEWAY": "kannel",
            "CONSENT_KANNEL__URL": f"http://127.0.0.1:{self._sendsms}/cgi-bin/sendsms",
            "CONSENT_KANNEL__USERNAME": "engine",
            "CONSENT_KANNEL__PASSWORD": "change-me",
            "CONSENT_KANNEL__SECRET": "way-back",
            "CONSENT_KANNEL__CALLBACK_URL": self.url,
            "CONSENT_PLANS": "sample",
            "CONSENT_BSS": "http",
            "CONSENT_BSS_HTTP__URL": f"{self._bss}/bss",
            "CONSENT_BSS_HTTP__SECRET": BSS_SECRET,
        }
        keys = self._python("keys", *ENGINE, "keys", "add", "desk", "--role", "agent")
        self.key = keys.wait_for(r"\bce_")[0].split()[-1]
        self._start_kannel(admin)
        self.bss = self._python("bss", "-m", "consent_engine.simulator", f"--port={bss}")
        self.bss.wait_for("bss http")
        self.start_api()
        self.workers = self._python("workers", "-m", "workers")
        self.workers.wait_for("works for")

    def _start_kannel(self, admin: int) -> None:
        conf = self._folder / "kannel.conf"
        conf.write_text(self._configuration(admin), "utf-8")
        self.bearerbox = self._run("bearerbox", self._boxes["bearerbox"], "-v", "1", str(conf))
        self.bearerbox.wait_for("entering mainloop")
        self.smsbox = self._run("smsbox", self._boxes["smsbox"], "-v", "0", str(conf))
        self.smsbox.wait_for("Connected to bearerbox")
        if self.smsc is None:
            self.start_centre()
        else:
            assert self.smsc.bound.wait(PATIENCE.seconds), "Kannel did not bind"

    def _configuration(self, admin: int) -> str:
        """The file in the documentation, with our ports, our folder, and less patience."""
        [conf] = re.findall(r"^```\n(group = core.*?)^```", (ROOT / "docs/kannel.md").read_text("utf-8"), re.M | re.S)
        for theirs, ours in {
            "= 13000": f"= {admin}",
            "= 13001": f"= {self._smsbox}",
            "= 13013": f"= {self._sendsms}",
            "= 10000": f"= {self._centre}",
            "127.0.0.1:8080": f"127.0.0.1:{self._port}",
            "/var/log/kannel/": f"{self._folder}/",
            "/var/spool/kannel/": f"{self._folder}/",
            "sms-resend-freq = 10": "sms-resend-freq = 1",
            "http-request-retry = 360": "http-request-retry = 10",
            "http-queue-delay = 10": "http-queue-delay = 1",
            "http-timeout = 10": "http-timeout = 2",
        }.items():
            assert theirs in conf, theirs
            conf = conf.replace(theirs, ours)
        if self.smsc is not None:
            conf = re.sub(r"^group = smsc\n.*?\n\n", SMPP.format(self.smsc.port), conf, flags=re.M | re.S)
        service = conf[conf.index("group = sms-service") :]
        wrong = service.replace("keyword = default", f"keyword = {WRONG_DOOR}").replace("way-back", "wrong-way")
        return f"{conf}\n{wrong}"

    def _run(self, name: str, *command: str) -> Running:
        return self._processes.enter_context(running(name, command, self.environ, self._folder))

    def _python(self, name: str, *arguments: str) -> Running:
        return self._run(name, sys.executable, *arguments)

    def start_centre(self) -> None:
        """Start the SMSC, with a phone for every number. Kannel notices it at once."""
        where = ("-H", "127.0.0.1", "-r", str(self._centre))
        self.centre = self._run("fakesmsc", self._boxes["fakesmsc"], *where, "-v", "0")
        self.bearerbox.wait_for("Fakesmsc client connected", 1 + len(self.bearerbox.matching(CENTRE_LEFT)))

    def end_centre(self) -> None:
        """End the SMSC, and wait until Kannel has noticed."""
        before = len(self.bearerbox.matching(CENTRE_LEFT))
        self._spoken += self.centre.lines
        self.centre.end()
        self.bearerbox.wait_for(CENTRE_LEFT, before + 1)

    def start_api(self) -> None:
        """Start the API, at the address it always has."""
        self.api = self._python("api", *ENGINE, "api", f"--port={self._port}")
        self.api.wait_for("listening at")

    def kill_api(self) -> None:
        """Kill the API as a power cut would."""
        self.api.signal(signal.SIGKILL)
        self.api.end()

    # -- acts of people ------------------------------------------------------------------------------------------------

    def place(self, msisdn: str) -> dict:
        """Place an order as the desk does; return the answer."""
        at = datetime.now(UTC) - timedelta(minutes=2)
        call = {"caller_number": SENDER, "recording_id": f"rec-{msisdn[-4:]}", "started_at": at.isoformat(),
                "agreed_at": (at + timedelta(minutes=1)).isoformat()}  # fmt: skip
        body = {"msisdn": msisdn, "plan": "5g-smart-199", "agent": "A1024", "call": call}
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": msisdn}
        answer = httpx.post(f"{self.url}/v1/orders", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def order(self, order_id: str) -> dict:
        """The order as the desk sees it now."""
        return httpx.get(f"{self.url}/v1/orders/{order_id}", headers={"Authorization": f"Bearer {self.key}"}).json()

    def say(self, msisdn: str, text: str) -> None:
        """Let a subscriber write; returns when the SMSC has sent it on (it sends one a second)."""
        before = len(self.centre.matching("fakesmsc: sent message"))
        ucs2 = "".join(f"%{byte:02x}" for byte in text.encode("utf-16-be"))
        self.centre.type(f"{msisdn} {SENDER} " + (f"text {text}" if text.isascii() else f"ucs2 {ucs2}"))
        self.centre.wait_for("fakesmsc: sent message", before + 1)

    def say_part(self, msisdn: str, text: str, n: int, of: int, reference: int = 42) -> None:
        """Let a subscriber's phone send one part of a longer text (in the GSM alphabet)."""
        before = len(self.centre.matching("fakesmsc: sent message"))
        self.centre.type(f"{msisdn} {SENDER} udh-text %05%00%03%{reference:02x}%{of:02x}%{n:02x} {text}")
        self.centre.wait_for("fakesmsc: sent message", before + 1)

    def texts(self, msisdn: str, count: int = 0) -> list[Text]:
        """The texts on a handset, once so many are whole."""

        def found() -> list[Text]:
            return [each for each in heard(self.printed()) if each.to == msisdn]

        self.centre.wait_until(lambda: sum(each.whole for each in found()) >= count, f"{count} texts")
        return found()

    def printed(self) -> list[str]:
        """Everything that the SMSC has printed, over all its starts."""
        return self._spoken + self.centre.lines

    def parts(self, order: dict, told: str) -> str:
        """The row that ops see of the parts of an order's question, once it contains `told`."""

        def row() -> str:
            rows = self.consent("show", order["id"]).stdout.splitlines()
            return next((row for row in rows if row.startswith("parts of confirmation.1")), "").replace("\t", " ")

        return until(f"{told} of the parts", lambda: told in (seen := row()) and seen)

    def consent(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as an operator at a terminal."""
        command = [sys.executable, *ENGINE, *arguments]
        return subprocess.run(
            command, env=self.environ, cwd=self._folder, capture_output=True, text=True, timeout=HANGS_S, check=False
        )

    def wait_for_event(self, order: dict, trigger: str, times: int = 1) -> None:
        """Wait until the workers have recorded the event so many times."""
        self.workers.wait_for(f"order {order['id']}: {trigger},", times)

    def activations(self, order: dict) -> list[dict]:
        """The activations of an order that the BSS knows."""
        known = httpx.get(f"{self._bss}/ledger").json()["activations"]
        return [each for each in known if each["order_id"] == order["id"]]


@contextmanager
def everything(smsc: Smsc | None = None) -> Iterator[Stack]:
    """The whole stack inside the block; nothing of it afterwards. Without Kannel or a Redis the test is skipped.

    smsc: the one that Kannel is bound to, instead of fakesmsc
    """
    boxes = needs.kannel()
    needs.server()
    folder = Path(tempfile.mkdtemp(prefix="kannel-"))
    try:
        with connect_or_start(folder / "data", "strict") as server, ExitStack() as processes:
            yield Stack(folder, server.url, processes, boxes, smsc)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
