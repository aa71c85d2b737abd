"""The HTTP side of a stack as people build it: FastAPI over the careful orders, Dramatiq behind it.

`uvicorn peers.careful.web:app`. The same requests as ours: orders under a key and an Idempotency-Key, signed webhooks.
An order is answered once it is saved and its first step is sent; a webhook once its message is in the queue. (The
server syncs its file before it answers either.) Endpoints are functions in FastAPI's threads, as its documentation
recommends for a client that waits.
"""

import hmac
import json
import os
import time
from datetime import datetime
from hashlib import sha256
from typing import Annotated

from fastapi import Body, Depends, FastAPI, Header, HTTPException, Request, Response
from peers.careful import dramatiq_app, orders
from peers.careful.outside import SECRET
from pydantic import BaseModel, Field

KEY = "BENCH_KEY_SHA256"
TOLERANCE_S = 300
STATUS = {"new": 201, "same": 200, "conflict": 409, "refused": 409, "duplicate": 409}
app = FastAPI()


class Call(BaseModel):
    """The call in which a subscriber agreed."""

    caller_number: str = Field(pattern=r"^[0-9]{5}$")
    recording_id: str = Field(min_length=1, max_length=128)
    started_at: datetime
    agreed_at: datetime


class Wanted(BaseModel):
    """An order as a desk places it."""

    msisdn: str = Field(pattern=r"^1[0-9]{10}$")
    plan: str
    agent: str = Field(max_length=64)
    call: Call


class Placed(BaseModel):
    """An order as it is answered."""

    id: str
    state: str
    msisdn: str
    plan: dict[str, object]
    text: str
    head: str
    created: str


class Message(BaseModel):
    """A subscriber's message."""

    message_id: str = Field(max_length=200)
    sender: str = Field(alias="from")
    to: str
    text: str = Field(max_length=2000)


class Receipt(BaseModel):
    """A delivery report."""

    ref: str = Field(max_length=100)
    message_id: str
    status: str


def known(authorization: Annotated[str, Header()]) -> None:
    """Let only holders of a key pass."""
    said = sha256(authorization.removeprefix("Bearer ").encode()).hexdigest()
    if not hmac.compare_digest(said, os.environ[KEY]):
        raise HTTPException(401, "no such key")


async def signed(request: Request, x_consent_signature: Annotated[str, Header()]) -> bytes:
    """Return the body of a request that the gateway signed."""
    body = await request.body()
    said = dict(part.partition("=")[::2] for part in x_consent_signature.split(","))
    made = hmac.new(os.environ[SECRET].encode(), f"{said.get('t')}.".encode() + body, "sha256").hexdigest()
    late = not said.get("t", "").isdigit() or abs(time.time() - int(said["t"])) > TOLERANCE_S
    if late or not hmac.compare_digest(made, said.get("v1", "")):
        raise HTTPException(401, "wrong signature")
    return body


@app.post("/v1/orders", dependencies=[Depends(known)])
def place(
    wanted: Annotated[Wanted, Body()], idempotency_key: Annotated[str, Header(max_length=200)], response: Response
) -> Placed:
    """Save an order."""
    if wanted.plan != orders.PLAN["code"]:
        raise HTTPException(422, "plan_unknown")
    call = {name: str(value) for name, value in wanted.call.model_dump(mode="json").items()}
    request = orders.Request(f"load {idempotency_key}", f"+86{wanted.msisdn}", wanted.agent, call)
    [(word, order_id)] = orders.place([request])
    if word in {"conflict", "refused", "duplicate"}:
        raise HTTPException(STATUS[word], word)
    if word == "new":
        dramatiq_app.step.send("confirm", order_id)
    response.status_code = STATUS[word]
    order = orders.load(order_id)
    return Placed.model_validate({**order, "plan": json.loads(order["plan"])})


@app.post("/v1/gateways/http_json/inbound")
def inbound(body: Annotated[bytes, Depends(signed)]) -> dict[str, object]:
    """Take a subscriber's message."""
    said = Message.model_validate_json(body)
    dramatiq_app.reply.send(said.message_id, said.sender, said.text)
    return {"accepted": 1, "rejected": []}


@app.post("/v1/gateways/http_json/receipts")
def receipts(body: Annotated[bytes, Depends(signed)]) -> dict[str, object]:
    """Take a delivery report."""
    said = Receipt.model_validate_json(body)
    dramatiq_app.report.send(f"{said.message_id} {said.status}", said.ref, said.status)
    return {"accepted": 1, "rejected": []}


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Answer that it is up."""
    return {"status": "up"}
