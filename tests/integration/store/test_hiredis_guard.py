"""Reading through hiredis: never in the main thread, where signal handlers run; correct under a storm of signals."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis._parsers import _HiredisParser, _RESP2Parser
from redis.connection import HiredisRespSerializer, PythonRespSerializer

from consent_engine.adapters.redis.client import Calls, Wire, connect
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.adapters.rq_queue import connect_rq
from tests.waiting import HANGS_S

STORM = """
import signal, sys, threading
from consent_engine.adapters.redis.client import connect
from tests.waiting import HANGS_S

class Storm(Exception):
    pass

def raises(number, frame):
    global armed  # one at a time: none while the one before is being caught
    if armed:
        armed = False
        raise Storm

def asks(wrong, done, caught):
    client = connect(sys.argv[1])
    for n in range(200_000):
        if client.eval("return ARGV[1]", 0, f"{n:06d}是") != f"{n:06d}是":
            wrong.append(n)
        if n > 2_000 and len(caught) > 100:
            break
    done.append(True)

wrong, done, caught, ends, armed = [], [], [], False, False
thread = threading.Thread(target=asks, args=[wrong, done, caught])
thread.start()
signal.signal(signal.SIGALRM, raises)
while not ends:
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        while not done:
            signal.pause()
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        ends = True
    except Storm:
        caught.append(1)
thread.join()
print(len(wrong), len(caught) > 100)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with EmbeddedServer.start(tmp_path_factory.mktemp("data"), "everysec") as started:
        yield started


def in_another_thread(work):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def speech(client):
    options = client.connection_pool.connection_kwargs
    return options["parser_class"], type(options["command_packer"])


def test_a_client_of_the_main_thread_and_one_for_rq_speak_through_python():
    assert speech(connect("redis://localhost")) == (_RESP2Parser, PythonRespSerializer)
    for made in (connect_rq("redis://localhost"), in_another_thread(lambda: connect_rq("redis://localhost"))):
        assert speech(made) == (_RESP2Parser, PythonRespSerializer)


def test_a_client_of_another_thread_speaks_through_hiredis():
    made = in_another_thread(lambda: connect("redis://localhost"))
    assert speech(made) == (_HiredisParser, HiredisRespSerializer)


def test_what_was_made_for_another_thread_is_refused_in_the_main_one():
    assert threading.current_thread() is threading.main_thread()
    wire = in_another_thread(lambda: Wire(connect("redis://localhost"), proves=False, replicas=0))
    calls = Calls()
    calls.plain("TIME")
    with pytest.raises(AssertionError, match="another thread"):
        wire.send(calls)


def test_both_ways_of_speaking_say_and_hear_the_same(server):
    said = ["是/y\u2028😀", "", "a b\r\nc", 7, "x" * 7_000]

    def heard():
        client = connect(server.url)
        return client.eval("return {ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], {1, false, 'ok'}}", 0, *said)

    assert heard() == in_another_thread(heard) == [*map(str, said), [1, None, "ok"]]


def test_signal_handlers_that_raise_in_the_main_thread_spoil_nothing_in_another(server):
    command = [sys.executable, "-c", STORM, server.url]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=HANGS_S)
    assert (run.returncode, run.stdout.split()) == (0, ["0", "True"]), run.stderr[-500:]
    assert run.returncode != -signal.SIGSEGV
