"""A reviewer's day in a real browser, by keyboard alone: recordings are played, and ten calls get their verdict."""

import io
import threading
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.acceptance.house import house
from tests.acceptance.tab import Tab
from tests.waiting import until

CALLS = 10


class Sounds(BaseHTTPRequestHandler):
    """A server of ten seconds of silence at every address."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        sound = io.BytesIO()
        with wave.open(sound, "wb") as made:
            made.setparams((1, 1, 8000, 0, "NONE", ""))
            made.writeframes(b"\x80" * 80_000)
        self.send_response(200)
        self.send_header("Content-Type", "audio/wav")
        self.send_header("Content-Length", str(len(sound.getvalue())))
        self.end_headers()
        self.wfile.write(sound.getvalue())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def sounds():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Sounds)
    made.asked = []
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def home(tmp_path, browser, sounds):
    where = f"http://127.0.0.1:{sounds.server_port}/{{ref}}.wav"
    with house(tmp_path, CONSENT_RECORDING_URL=where) as made:
        for name in ("reviewer-1", "reviewer-2"):
            made.keys[name] = made.command("keys", "add", name, "--role", "reviewer").stdout.split()[-1]
        yield made


def test_ten_reviews_by_keyboard_and_one_is_looked_at_again(home, browser, sounds):
    orders = [home.place(7000 + n)[1]["id"] for n in range(CALLS)]
    until("asked", lambda: {home.state(each) for each in orders} == {"awaiting_reply"})
    tab = Tab(browser, home, "reviewer-1")
    tab.sign_in("/review")
    page, keys = tab.page, tab.page.keyboard
    page.wait_for_selector("#queue li >> nth=9")
    page.wait_for_selector("#sold li")
    assert "rec-7000" in page.locator("#facts").inner_text(), "the oldest first"
    assert "+86138****7000" in page.locator("#facts").inner_text()
    assert "13800007000" not in page.content()
    assert "5G" in page.locator(".asked").inner_text()
    keys.press("Space")
    page.wait_for_function("() => document.getElementById('player').currentTime > 0")
    keys.press("ArrowRight")
    page.wait_for_function("() => document.getElementById('player').currentTime > 4")
    assert "/rec-7000.wav" in sounds.asked
    # The focus says that the verdict before is done: until then no key decides.
    there = "ref => document.activeElement.id === 'heard' && document.getElementById('facts').textContent.includes(ref)"
    page.locator("#heard").focus()
    for n in range(CALLS - 1):
        page.wait_for_function(there, arg=f"rec-{7000 + n}")
        keys.press("p")
        keys.press("p")  # a key pressed twice is one verdict, and none on the next call
    page.wait_for_function(there, arg="rec-7009")
    keys.press("f")
    page.wait_for_selector("#reasons input:focus")
    for key in ("1", "4", "Enter"):
        keys.press(key)
    until("all were heard", lambda: home.ask("GET", "/v1/reviews", role="admin")[1]["calls"] == [])
    page.wait_for_selector("#queue li", state="detached")
    assert page.locator("#coverage svg.covered").get_attribute("aria-label").endswith("10 条已听，0 条未听")
    keys.press("c")
    page.wait_for_selector("#second:visible")
    keys.press("u")
    page.wait_for_function("() => document.getElementById('wrong').textContent.includes('同一位')")
    tab.close()

    other = Tab(browser, home, "reviewer-2", language="en-GB")
    other.sign_in("/review")
    other.page.wait_for_selector("#queue-told")
    other.page.keyboard.press("c")
    other.page.wait_for_selector("#second:visible")
    assert "reviewer-1 failed it: the price was not told" in other.page.locator("#first-said").inner_text()
    other.page.keyboard.press("u")
    until("cancelled", lambda: home.state(orders[-1]) == "cancelled")
    assert other.complaints == []
    assert [each for each in tab.complaints if "403" not in each] == []
    assert not [url for url in (*tab.asked, *other.asked) if "1380000" in url]
    other.close()
