"""A shadow as it runs at a carrier's: `consent serve` with its workers and a real server, beside a system of theirs."""

import hashlib
import hmac
import json
import time

import httpx

from benchmarks.ports import free_port
from tests import needs
from tests.integration.callers import heard
from tests.integration.serve_house import asked, place, served_in, typed_in
from tests.waiting import HANGS_S, until

SECRET = "their-gateways-secret"


def posted(serving, told):
    body, at = json.dumps(told).encode(), int(time.time())
    signed = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"X-Consent-Signature": f"t={at},v1={signed}", "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{serving.port}/v1/gateways/http_json/inbound"
    return httpx.post(url, content=body, headers=headers, timeout=HANGS_S).status_code


@needs.linux
def test_a_day_beside_their_system(environ, tmp_path):
    """Workers ask, read, activate and notify, and nobody is called; the file differs; no other mode opens the data."""
    with heard() as (url, callers):
        environ |= {
            "CONSENT_SHADOW": "true", "CONSENT_GATEWAY": "http_json", "CONSENT_HTTP_JSON__URL": f"{url}/sms",
            "CONSENT_HTTP_JSON__SECRET": SECRET, "CONSENT_BSS": "http", "CONSENT_BSS_HTTP__URL": url,
            "CONSENT_BSS_HTTP__SECRET": SECRET, "CONSENT_PLANS": "sample",
        }  # fmt: skip
        consent = typed_in(environ)
        with served_in(environ, tmp_path) as serving:
            assert "this is a shadow" in serving.said()
            key = consent("keys", "add", "desk", "--role", "agent").stdout.split()[-1]
            name, headers = place(serving, key)
            at = f"http://127.0.0.1:{serving.port}/v1/orders/{name}"

            def state():
                return json.loads(asked(at, headers=headers)[1])["state"]

            until("the question counts as asked", lambda: state() == "awaiting_reply")
            told = {"message_id": "m-1", "from": "13800138000", "to": "10085", "text": "是"}
            assert posted(serving, told) == 200
            until("the notification counts as sent", lambda: state() == "notified")
            evidence = tmp_path / "evidence.json"
            evidence.write_text(consent("evidence", name).stdout, "utf-8")
            verified = consent("verify", str(evidence))
            assert verified.returncode == 1
            assert "is a shadow's" in verified.stdout
            theirs = tmp_path / "theirs.csv"
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            head = "number,agreed,plan,asked,answer,activated,notified"
            theirs.write_text(f"{head}\n13800138000,{now},5g-smart-199,yes,yes,yes,no\n", "utf-8")
            differs = consent(
                "shadow", "compare", str(theirs), "--columns", "msisdn=number,at=agreed", "--within", "1h"
            )
            assert differs.returncode == 1, differs.stderr
            [last] = [each.split("\t") for each in differs.stdout.splitlines() if "theirs:" in each]
            assert (last[0], last[1], last[5:]) == (
                "notified",
                "line 2",
                ["theirs: no", "ours: yes", f"{name} notified"],
            )
        assert callers == []
    other = consent("serve", "--port", str(free_port()), CONSENT_SHADOW="false")
    assert other.returncode == 1
    assert "CONSENT_SHADOW: what this Redis has is a shadow's" in other.stderr
