"""A tab of a real browser, as somebody at a keyboard has it."""


class Tab:
    """A page, with all that it complained of."""

    def __init__(self, browser, home, role, *, width=1280, language="zh-CN") -> None:
        self.context = browser.new_context(
            locale=language, viewport={"width": width, "height": 800}, timezone_id="Asia/Shanghai"
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.home, self.role = home, role

    def sign_in(self, path) -> None:
        self.page.goto(self.home.api + path)
        self.page.wait_for_selector("#key:focus")
        self.page.keyboard.type(self.home.keys[self.role])
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("#sign-out, .consent-engine")
        self.page.wait_for_load_state()

    def focus(self, selector) -> None:
        """By Tab, as a person without a mouse; the focus must be there to be seen."""
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

    def close(self) -> None:
        self.context.close()


def fill(desk, number, recording=None):
    """On /desk: from the number to everything filled in, by keyboard."""
    desk.type("#msisdn", f"138{number:08d}")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#plan:focus")
    desk.page.keyboard.press("ArrowDown")
    desk.page.wait_for_selector("#script p")
    desk.type("#agent", "A1024")
    desk.type("#recording", f"rec-{number}" if recording is None else recording)
    desk.press("#now-agreed")
