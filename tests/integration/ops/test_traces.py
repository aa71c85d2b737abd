"""One trace holds an order from its placing to its notification, through every process; no personal data are in it."""

import asyncio
import gzip
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from consent_engine.adapters.traces import EVENTS, MOST_WAITING, Spans, ids_of, listening, traced, tracing
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Accepted
from consent_engine.errors import SettingsError
from consent_engine.ports import Activation, Deactivation, Outside
from tests.acceptance.house import call, house
from tests.conftest import NUMBER, FakeBss
from tests.waiting import HANGS_S, until

ROAD = {
    "POST /v1/orders", "sms confirmation", "confirmation_accepted", "said_yes", "activate", "service_activated",
    "sms notification", "notification_accepted",
}  # fmt: skip


@pytest.fixture
def collector():
    """Run an OTLP collector; yield the spans it was sent, decoded, and its address."""
    spans = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self):
            sent = ExportTraceServiceRequest.FromString(self._body())
            spans.extend(s for each in sent.resource_spans for scope in each.scope_spans for s in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _body(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Takes) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield spans, f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
        server.shutdown()
        thread.join(HANGS_S)


def words_of(message):
    """Yield each text of a span, at any depth; random ids (bytes) and instants (numbers) may have any digits."""
    for _, value in message.ListFields():
        for each in value if isinstance(value, Iterable) and not isinstance(value, str | bytes) else [value]:
            if isinstance(each, str):
                yield each
            elif isinstance(each, Message):
                yield from words_of(each)


def test_one_trace_holds_an_order_from_its_placing_to_its_notification_and_nobody_is_in_it(collector, tmp_path):
    spans, address = collector
    with house(tmp_path, CONSENT_TRACES=address, CONSENT_LOG_LEVEL="warning") as town:
        status, told = town.place(4711)
        assert status == 201
        order = told["id"]
        until("asked", lambda: town.state(order) == "awaiting_reply")
        assert call("POST", f"{town.api}/v1/orders/{order}/resend", {}, {"Authorization": "Bearer no"})[0] == 401
        assert town.say(4711, "是", "mo-1")[0] == 200
        until("notified", lambda: town.state(order) == "notified")
        trace, root = ids_of(order)
        until("the spans", lambda: {s.name for s in spans} >= ROAD)
        assert " INFO " not in town.log, "what is logged stays as it was set"
    of_it = [each for each in spans if each.name in ROAD]
    assert {each.trace_id for each in of_it} == {trace.to_bytes(16, "big")}
    [first] = [each for each in of_it if not each.parent_span_id]
    assert (first.name, first.span_id) == ("POST /v1/orders", root.to_bytes(8, "big"))
    assert {each.parent_span_id for each in of_it if each is not first} == {first.span_id}
    assert first.start_time_unix_nano < first.end_time_unix_nano
    assert all(each.start_time_unix_nano >= first.start_time_unix_nano for each in of_it)
    said = " ".join(text for span in spans for text in words_of(span)).replace(order, "")
    assert "POST /v1/orders" in said
    assert "accepted" in said
    for private in ("4711", "是", town.keys["agent"], "rec-"):
        assert private not in said, private


def test_an_order_is_taken_back_while_its_process_is_traced_and_that_is_a_span(collector):
    spans, address = collector
    order, bss = "0ce7" + "1" * 24, FakeBss()
    wanted = Deactivation("0ce7" + "2" * 24, order, "act-1", NUMBER, "PLAN", "withdrawn", 1, free_exit=False)
    with tracing(address):
        outside = traced(Outside({}, bss=bss))
        asyncio.run(outside.bss.deactivate(wanted))
        assert asyncio.run(outside.bss.ask_ending(wanted.ending_id)) == asyncio.run(bss.ask_ending(wanted.ending_id))
    assert [each.ending_id for each in bss.ended] == [wanted.ending_id]
    assert [(each.name, each.trace_id) for each in spans] == [("deactivate", ids_of(order)[0].to_bytes(16, "big"))]
    assert NUMBER.lstrip("+") not in str(spans)


def test_what_is_off_is_not_even_imported():
    asked = (
        "import sys, consent_engine.wiring as w\nwith w.tracing(None): print('opentelemetry.exporter' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=HANGS_S, check=True)
    assert told.stdout == "False\n"


def test_a_collector_that_is_away_costs_no_order_and_no_end_of_a_process():
    order = "0ce7" + "1" * 24
    with tracing("http://127.0.0.1:9/v1/traces"):
        told_of({"order": order, "trigger": "said_yes", "state": "confirmed"})
        activation = Activation(order, NUMBER, "PLAN", 1, "hash", 1, "head")
        outcome = asyncio.run(traced(Outside({}, bss=FakeBss())).bss.activate(activation))
    assert isinstance(outcome, Accepted)


def test_a_collector_that_takes_calls_and_never_answers_holds_no_process_up():
    with (
        socket.create_server(("127.0.0.1", 0), backlog=64) as mute,
        tracing(f"http://127.0.0.1:{mute.getsockname()[1]}/v1/traces"),
    ):
        for n in range(MOST_WAITING):
            told_of({"order": f"0ce7{n:024x}", "trigger": "said_yes", "state": "confirmed"})


class Broken:
    """A maker of spans that fails, with an error that contains a number."""

    def start_span(self, *_, **__):
        raise RuntimeError("+8613800138000")


def test_each_of_many_events_that_are_told_together_is_a_span(collector):
    spans, address = collector
    orders = [f"0ce7{n:024x}" for n in range(3)]
    with tracing(address):
        each = [{"order": order, "trigger": "said_yes", "state": "confirmed"} for order in orders]
        logging.getLogger(EVENTS).info("many", extra={"each": each})
    assert [span.trace_id for span in spans] == [ids_of(order)[0].to_bytes(16, "big") for order in orders]


def told_of(about):
    logging.getLogger(EVENTS).info("an event", extra={"about": about})


def test_what_cannot_be_traced_is_done_all_the_same_and_is_one_line(caplog):
    spans = Spans(Broken())
    order, bss = "0ce7" + "1" * 24, FakeBss()
    wanted = Activation(order, NUMBER, "PLAN", 1, "hash", 1, "head")
    with listening(spans):
        told_of({"order": order, "trigger": "said_yes", "state": "confirmed"})
        told_of({"order": order, "trigger": "said_yes"})
        told_of({"order": order, "ms": "long", "method": "GET", "route": "/", "status": 200})
        outcome = asyncio.run(traced(Outside({}, bss=bss)).bss.activate(wanted))
    assert isinstance(outcome, Accepted), "the call's own end is what is recorded"
    told = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert sorted(line.split(":")[1].split(";")[0] for line in told) == [" KeyError", " RuntimeError", " ValueError"]
    assert "8000" not in " ".join(told)


@pytest.mark.parametrize("address", ["collector:4318", "http://me:secret@collector/v1/traces", "ftp://collector"])
def test_an_address_that_is_none_stops_the_start_and_is_not_quoted(address):
    with pytest.raises(SettingsError, match="CONSENT_TRACES must be an address") as raised:
        Settings.load({"CONSENT_TRACES": address}, env_file=None)
    assert "secret" not in str(raised.value)
