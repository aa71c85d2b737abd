"""The application with its pages, visited as by a browser: cookies are kept, and the origin is sent."""

import re

from consent_engine.api.app import create_app
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import Door

SAME = {"Sec-Fetch-Site": "same-origin"}
ORIGIN = {"Origin": "http://door"}
MAY = {
    "/": set(Role),
    "/desk": {Role.AGENT, Role.ADMIN},
    "/ops": {Role.OPS, Role.AUDITOR, Role.ADMIN},
    "/board": {Role.SUPERVISOR, Role.ADMIN},
    "/review": {Role.REVIEWER, Role.ADMIN},
    "/reports": {Role.OPS, Role.AUDITOR, Role.ADMIN},
    "/audit": {Role.AUDITOR, Role.ADMIN},
    "/help": set(Role),
    "/rq/": {Role.OPS, Role.AUDITOR, Role.ADMIN},
}
"""The roles that may open each page."""


class PageDoor(Door):
    """A door with RQ's dashboard, and visitors."""

    def serve(self, engines) -> None:
        if self.app is not None:
            self.app.state.front.close()
        self.app = create_app(
            lambda: self.noted(engines()), self.settings, self.installation.rq_url, bounds=self.bounds
        )

    def sign_in(self, role: Role | str, **headers: str) -> "Visitor":
        """Return a visitor who signed in with the key of a role."""
        visitor = Visitor(self)
        answer = visitor.post_form("/sign-in", {"key": self.keys[role]}, **headers)
        assert answer.status_code == 303, answer.text
        return visitor

    def stranger(self) -> "Visitor":
        return Visitor(self)


class Visitor:
    """A browser: it sends back the cookies that it was given."""

    def __init__(self, door: PageDoor) -> None:
        self.door = door
        self.cookies: dict[str, str] = {}

    def ask(self, method, path, body=None, headers=None, **more):
        sent = {"Cookie": "; ".join(f"{n}={v}" for n, v in self.cookies.items())} if self.cookies else {}
        answer = self.door.call(method, path, None, body, headers={**sent, **(headers or {})}, **more)
        for name, value in answer.cookies.items():
            self.cookies[name] = value
        return answer

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post_form(self, path, form, **headers):
        said = {"Content-Type": "application/x-www-form-urlencoded", **(headers or SAME)}
        body = "&".join(f"{name}={value}" for name, value in form.items())
        return self.ask("POST", path, headers=said, content=body.encode())

    def post(self, path, body=None, **headers):
        """Post as a script of our pages does."""
        return self.ask("POST", path, body, headers={"X-CSRF-Token": self.csrf, **SAME, **headers})

    @property
    def csrf(self) -> str:
        return re.search(r'name="csrf" value="([0-9a-f]{64})"', self.get("/").text).group(1)

    @property
    def is_in(self) -> bool:
        return 'id="sign-out"' in self.get("/").text
