"""The outside of the careful peers: the stub inside the process, or, with BENCH_OUTSIDE, gateway and BSS over HTTP.

Over HTTP as such a stack would: urllib3, with a pool of kept connections, signed, under an idempotency key.
"""

import hmac
import json
import os
import time
from functools import cache

import outside_stub

URL, SECRET = "BENCH_OUTSIDE", "BENCH_OUTSIDE_SECRET"
CALL_S = 10.0
TAKEN = (200, 201, 202)


def sms(order: dict[str, str], purpose: str, text: str) -> str:
    """Hand an SMS to the gateway; return its id there. Raises OSError where that is in doubt or refused."""
    ref = f"{order['id']}.{purpose}.1"
    if not os.environ.get(URL):
        return outside_stub.call(f"{ref} {order['msisdn']} {text}")
    said = {"ref": ref, "from": "10085", "to": order["msisdn"], "text": text, "purpose": purpose}
    return _post("/sms", said, ref)["message_id"]


def activation(order: dict[str, str]) -> str:
    """Have the BSS switch a service on; return its id there. Raises as `sms` does."""
    if not os.environ.get(URL):
        return outside_stub.call(f"{order['id']}.activate")
    said = {
        "order_id": order["id"], "msisdn": order["msisdn"], "plan": "5g-smart-199", "plan_hash": order["plan_hash"],
        "head": order["head"],
    }  # fmt: skip
    return _post("/bss/activations", said, order["id"])["activation_id"]


def _post(path: str, said: dict[str, str], key: str) -> dict[str, str]:
    body = json.dumps(said, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": key, "X-Consent-Signature": signed(body)}
    answer = pool().urlopen("POST", os.environ[URL] + path, body=body, headers=headers)
    if answer.status not in TAKEN:
        raise OSError(answer.status)
    return dict(json.loads(answer.data))


@cache
def pool() -> "urllib3.PoolManager":  # noqa: F821 - only the HTTP stack has it
    """Return the pool of this process."""
    import urllib3  # noqa: PLC0415 - the same

    return urllib3.PoolManager(maxsize=64, timeout=CALL_S, retries=False)


def signed(body: bytes, at: int | None = None) -> str:
    """Return the signature header of a body."""
    when = int(time.time()) if at is None else at
    made = hmac.new(os.environ[SECRET].encode(), f"{when}.".encode() + body, "sha256").hexdigest()
    return f"t={when},v1={made}"
