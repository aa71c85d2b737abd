"""Every route of the API but webhooks: the roles that may use it, and a request that it accepts."""

from datetime import UTC, datetime

from consent_engine.engine.api_keys import Role
from tests.integration.api_door import OTHER, order
from tests.plans import PLAN

LIFTED = "+8613700137000"
CALLED_AT = datetime.now(UTC).isoformat(timespec="seconds")
YES = {Role.ADMIN}
ANY = frozenset(Role)
ROUTES = {
    ("POST", "/v1/orders"): {Role.AGENT},
    ("GET", "/v1/orders/{id}"): {Role.AGENT, Role.OPS, Role.AUDITOR},
    ("GET", "/v1/orders"): {Role.OPS, Role.AUDITOR},
    ("POST", "/v1/orders/search"): {Role.OPS, Role.AUDITOR},
    ("GET", "/v1/orders/{id}/stream"): {Role.AGENT, Role.OPS},
    ("POST", "/v1/orders/{id}/cancel"): {Role.AGENT, Role.OPS},
    ("POST", "/v1/orders/{id}/resend"): {Role.AGENT, Role.OPS},
    ("POST", "/v1/orders/{id}/retry"): {Role.OPS},
    ("POST", "/v1/orders/{id}/give_up"): {Role.OPS},
    ("POST", "/v1/orders/{id}/end"): {Role.AGENT, Role.OPS},
    ("GET", "/v1/orders/{id}/end"): {Role.AGENT, Role.OPS},
    ("POST", "/v1/orders/{id}/reveal"): {Role.AUDITOR},
    ("POST", "/v1/orders/export"): {Role.AUDITOR},
    ("GET", "/v1/orders/{id}/evidence"): {Role.AUDITOR},
    ("POST", "/v1/calls"): {Role.AGENT},
    ("GET", "/v1/calls"): {Role.REVIEWER, Role.OPS, Role.AUDITOR},
    ("GET", "/v1/calls/{call}"): {Role.AGENT, Role.REVIEWER, Role.OPS, Role.AUDITOR},
    ("POST", "/v1/calls/{call}/end"): {Role.AGENT},
    ("POST", "/v1/calls/{call}/transcript"): {Role.AGENT, Role.OPS},
    ("GET", "/v1/reviews"): {Role.REVIEWER},
    ("GET", "/v1/reviews/pressure"): {Role.REVIEWER, Role.AUDITOR},
    ("GET", "/v1/reviews/coverage"): {Role.REVIEWER, Role.AUDITOR},
    ("GET", "/v1/reviews/waiting"): {Role.OPS, Role.AUDITOR},
    ("POST", "/v1/reviews/let_go"): {Role.OPS},
    ("POST", "/v1/reviews/{call}"): {Role.REVIEWER},
    ("POST", "/v1/reviews/{call}/second"): {Role.REVIEWER},
    ("POST", "/v1/callable"): {Role.AGENT, Role.OPS},
    ("POST", "/v1/permits"): {Role.AGENT, Role.OPS},
    ("POST", "/v1/refusals"): {Role.AGENT, Role.OPS},
    ("GET", "/v1/refusals"): {Role.OPS, Role.AUDITOR},
    ("POST", "/v1/refusals/search"): {Role.OPS, Role.AUDITOR},
    ("POST", "/v1/refusals/held"): {Role.OPS},
    ("POST", "/v1/refusals/import"): {Role.OPS},
    ("POST", "/v1/refusals/lift"): set(),
    ("POST", "/v1/registrations"): {Role.AGENT, Role.OPS},
    ("POST", "/v1/registrations/import"): {Role.AGENT, Role.OPS},
    ("POST", "/v1/registrations/lift"): set(),
    ("POST", "/v1/lines/events"): {Role.OPS},
    ("POST", "/v1/reports"): {Role.AGENT, Role.OPS},
    ("GET", "/v1/reports"): {Role.OPS, Role.AUDITOR},
    ("GET", "/v1/reports/{report}"): {Role.OPS, Role.AUDITOR},
    ("POST", "/v1/reports/{report}/decide"): {Role.OPS},
    ("POST", "/v1/reports/import"): {Role.OPS},
    ("GET", "/v1/stuck"): {Role.OPS, Role.AUDITOR},
    ("POST", "/v1/stuck/retry"): {Role.OPS},
    ("POST", "/v1/stuck/cancel"): {Role.OPS},
    ("GET", "/v1/undeliverable"): {Role.OPS, Role.AUDITOR},
    ("POST", "/v1/undeliverable/ask"): {Role.OPS},
    ("GET", "/v1/pauses"): {Role.OPS, Role.AUDITOR},
    ("POST", "/v1/pauses"): {Role.OPS},
    ("POST", "/v1/pauses/resume"): {Role.OPS},
    ("GET", "/v1/plans"): ANY,
    ("GET", "/v1/plans/{code}"): ANY,
    ("PUT", "/v1/plans/{code}"): set(),
    ("POST", "/v1/plans/{code}/withdraw"): set(),
    ("POST", "/v1/plans/{code}/revoke"): set(),
    ("GET", "/v1/plans/{code}/proposal"): set(),
    ("POST", "/v1/plans/{code}/approve"): set(),
    ("POST", "/v1/plans/{code}/attest"): set(),
    ("POST", "/v1/erasures"): set(),
    ("GET", "/metrics"): {Role.OPS},
}
BODIES = {
    "/v1/orders": order(msisdn=OTHER),
    "/v1/orders/search": {"msisdn": OTHER},
    "/v1/orders/{id}/cancel": {"reason": "changed his mind"},
    "/v1/orders/{id}/end": {"cause": "withdrawn", "channel": "hotline", "reason": "wants it no more"},
    "/v1/orders/{id}/reveal": {"reason": "the regulator asks"},
    "/v1/orders/export": {"reason": "sales calls them again", "state": "undeliverable"},
    "/v1/orders/{id}/give_up": {"reason": "the number is out of service"},
    "/v1/calls": {"from": "10085", "to": OTHER, "carrier": "mobile", "agent": "A1024", "started_at": CALLED_AT},
    "/v1/calls/{call}/end": {"ended_at": CALLED_AT, "outcome": "no_answer"},
    "/v1/calls/{call}/transcript": {
        "recording": "rec-1",
        "lines": [{"at": CALLED_AT, "by": "agent", "text": "每月199元"}],
    },
    "/v1/reviews/let_go": {"reason": "nobody can review this week"},
    "/v1/reviews/{call}": {"verdict": "pass"},
    "/v1/reviews/{call}/second": {"uphold": True},
    "/v1/callable": {"msisdn": OTHER},
    "/v1/permits": {"carrier": "mobile", "msisdns": [OTHER]},
    "/v1/refusals": {"msisdn": OTHER, "channel": "web"},
    "/v1/erasures": {"msisdn": "+8613600136000", "ground": "asked for it"},
    "/v1/refusals/search": {"msisdn": OTHER},
    "/v1/refusals/held": {"ids": [f"{'0' * 28}.mobile.1"], "refusal": True},
    "/v1/plans/{code}/attest": {"channel": "app", "reason": "looked at it"},
    "/v1/stuck/cancel": {"lane": "timer", "why": "given up"},
    "/v1/pauses": {"to": "lane", "name": "timer", "reason": "a look"},
    "/v1/pauses/resume": {"to": "lane", "name": "timer", "reason": "seen"},
    "/v1/stuck/retry": {"lane": "sms"},
    "/v1/undeliverable/ask": {"reason": "no such reason"},
    "/v1/lines/events": {"msisdn": LIFTED, "event": "ported_in", "at": CALLED_AT},
    "/v1/reports": {"msisdn": LIFTED, "carrier": "mobile", "caller_number": "10085", "called_at": CALLED_AT},
    "/v1/reports/{report}/decide": {"class": "ours_unrecorded"},
    "/v1/registrations": {"msisdn": LIFTED, "channel": "hotline"},
    "/v1/plans/{code}": PLAN,
}
CSV_OF_REPORTS = {"content": b"msisdn,carrier,caller_number,called_at\n", "headers": {"Content-Type": "text/csv"}}
CSV = {"content": b"msisdn,carrier,channel\n", "headers": {"Content-Type": "text/csv"}}


def called(door):
    """Make a call known, as an agent; return its id."""
    path, headers = "/v1/calls", {"Idempotency-Key": "a-call"}
    return door.call("POST", path, Role.AGENT, BODIES[path], headers=headers).json()["id"]


def reported(door):
    """Make a report, as an agent; return its id."""
    path = "/v1/reports"
    return door.call("POST", path, Role.AGENT, BODIES[path]).json()["id"]


def ask(door, route, role, order_id):
    method, path = route
    if path.endswith("/import"):
        return door.call(method, path, role, **(CSV_OF_REPORTS if "reports" in path else CSV))
    body = None if method == "GET" else BODIES.get(path)
    if path.endswith("/lift"):
        body = {"msisdn": LIFTED, "evidence": {"channel": "web", "ref": "form-1", "at": datetime.now(UTC).isoformat()}}
    path = path.format(id=order_id, code="5g-smart-199", call=order_id, report=order_id)
    return door.call(method, path, role, body, headers={"Idempotency-Key": "matrix"})
