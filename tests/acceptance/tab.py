"""A tab of a real browser, as a person at a keyboard uses it."""

from typing import ClassVar

from playwright.sync_api import Error

from tests.waiting import PATIENCE

MOST_CHANGES = 20
_FOCUS = "() => document.activeElement?.outerHTML.slice(0, 200)"


class Tab:
    """A page, with all errors it reported."""

    opened: ClassVar[list["Tab"]] = []
    """Those that are open: a test that fails tells what they show (`conftest.py`)."""

    def __init__(self, browser, home, role, *, width=1280, language="zh-CN", zone="Asia/Shanghai") -> None:
        self.context = browser.new_context(locale=language, viewport={"width": width, "height": 800}, timezone_id=zone)
        self.page = self.context.new_page()
        self.page.set_default_timeout(1_000 * PATIENCE.seconds)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.home, self.role, self.language = home, role, language
        self.opened.append(self)

    def shows(self):
        """Return what a person would see here, and the errors that the page reported."""
        try:
            seen = "\n".join([self.page.url, f"focus: {self.page.evaluate(_FOCUS)}", self.page.inner_text("body")])
        except Error as error:
            seen = f"{self.page.url} shows nothing: {error}"
        return "\n".join([*(f"error: {each}" for each in self.complaints), seen])

    def goto(self, address) -> None:
        """Open an address."""
        goto(self.page, address)

    def sign_in(self, path) -> None:
        self.goto(self.home.api + path)
        self.page.wait_for_selector("#key:focus")
        self.page.keyboard.type(self.home.keys[self.role])
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("#sign-out, .consent-engine")
        self.page.wait_for_load_state()

    def focus(self, selector) -> None:
        """Move the focus by Tab, as a person without a mouse does."""
        for _ in range(20):
            if self.page.evaluate("s => document.activeElement?.matches(s)", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{selector} cannot be reached by Tab")

    def type(self, selector, text) -> None:
        self.focus(selector)
        self.page.keyboard.type(text)

    def press(self, selector) -> None:
        self.focus(selector)
        self.page.keyboard.press("Enter")

    def run(self, module, script, argument=None):
        """Call a function of JavaScript with what one of the page's modules exports, and an argument."""
        at = "document.querySelector('script[type=module]').src"
        called = f"async ([name, argument]) => ({script})(await import(new URL(name, {at})), argument)"
        return self.page.evaluate(called, [module, argument])

    def close(self) -> None:
        self.opened.remove(self)
        self.context.close()


def goto(page, address) -> None:
    """Open an address; once more where the browser saw another test's containers change the machine's networks."""
    for _ in range(MOST_CHANGES):
        try:
            page.goto(address)
        except Error as error:
            if "ERR_NETWORK_CHANGED" not in str(error):
                raise
        else:
            return
    raise AssertionError(f"{address}: the machine's networks never stay as they are")


def fill(desk, number):
    """On /desk: go from the number to everything read and agreed, by keyboard."""
    begin(desk, number)
    desk.page.keyboard.press("ArrowDown")
    desk.page.wait_for_selector("#script li.now")
    read_aloud(desk)
    desk.page.keyboard.press("F9")
    desk.page.wait_for_selector("#place:focus")


def begin(desk, number):
    """On /desk: get a permit for the number, and begin the call."""
    desk.type("#msisdn", f"138{number:08d}")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#call-step:enabled")
    if not desk.page.locator("#agent").input_value():
        desk.type("#agent", "A1024")
    desk.press("#begin")
    desk.page.wait_for_selector("#plan:focus")


def read_aloud(desk):
    """Read every line of the script, with Space."""
    for _ in range(desk.page.locator("#script li").count()):
        desk.page.keyboard.press("Space")
    desk.page.wait_for_selector("#stamp:disabled")


def hang_up(desk, recording):
    """End the call and name its recording."""
    desk.page.keyboard.press("F2")
    desk.page.wait_for_selector("#recording:focus")
    desk.page.keyboard.type(recording)
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#call-said:not(:empty)")
