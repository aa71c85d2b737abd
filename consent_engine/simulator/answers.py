"""The answers of an outside system: a proper one, an error, garbage, or none at all."""

import json
from collections.abc import Mapping, MutableSequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from consent_engine.domain.hashing import HEADER, check
from consent_engine.errors import Unauthenticated
from consent_engine.simulator.ledger import Ledger
from consent_engine.simulator.scripts import Answer
from consent_engine.simulator.tasks import Tasks

STATUSES = {
    Answer.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    Answer.SLOW_DOWN: HTTPStatus.TOO_MANY_REQUESTS,
    Answer.IN_PROGRESS: HTTPStatus.CONFLICT,
    Answer.REJECT: HTTPStatus.UNPROCESSABLE_ENTITY,
    Answer.ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class Answers:
    """Gives the answers that scripts ask for."""

    tasks: Tasks

    async def give(
        self, request: web.Request, answer: Answer, delay: float, proper: Mapping[str, object]
    ) -> web.StreamResponse:
        """Answer; `proper` is the body of a good answer. After HOLD and RESET the engine has received no answer.

        Cancelled when the engine gives its connection up, which HOLD waits for.
        """
        await self.tasks.pause(delay)
        if answer in {Answer.HOLD, Answer.RESET}:
            if answer is Answer.HOLD:
                await self.tasks.closing.wait()
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if answer is Answer.GARBAGE:
            return web.Response(text="<html><body>it works!</body></html>", content_type="text/html")
        if answer is Answer.OK:
            return web.json_response(dict(proper), status=HTTPStatus.CREATED)
        return _refusal(STATUSES[answer])


def _refusal(status: HTTPStatus) -> web.Response:
    headers = {"Retry-After": "1"} if status is HTTPStatus.TOO_MANY_REQUESTS else {}
    return web.json_response({"code": "scripted", "reason": status.phrase}, status=status, headers=headers)


async def signed_object(
    request: web.Request, secret: str, errors: MutableSequence[str], now: float
) -> dict[str, object] | web.Response:
    """Return the body of a request, or an error response if it is unsigned or no JSON object; `errors` records that."""
    raw = await request.read()
    try:
        check(secret, request.headers.get(HEADER), raw, int(now * 1000))
    except Unauthenticated:
        errors.append(f"{request.path}: the engine's signature does not fit")
        return web.json_response({"error": "signature"}, status=HTTPStatus.UNAUTHORIZED)
    try:
        read = json.loads(raw)
    except ValueError:
        read = None
    if isinstance(read, dict):
        return read
    errors.append(f"{request.path}: the engine sent no JSON object")
    return web.json_response({"error": "body"}, status=HTTPStatus.BAD_REQUEST)


async def signed_fields(
    request: web.Request, secret: str, ledger: Ledger, fields: frozenset[str], key: str
) -> dict[str, object] | web.Response:
    """Return the body of a request that has these fields, one of them equal to its Idempotency-Key; or an error
    response if it breaks the contract, which the ledger records.
    """
    body = await signed_object(request, secret, ledger.errors, ledger.now())
    if isinstance(body, web.Response) or (fields <= set(body) and request.headers.get("Idempotency-Key") == body[key]):
        return body
    ledger.errors.append(f"{request.path}: the engine's request breaks the contract")
    return web.json_response({"error": "fields"}, status=HTTPStatus.BAD_REQUEST)


def unknown(done: str) -> web.Response:
    """Make the 404 for a key under which nothing was done."""
    return web.json_response({"code": "unknown", "reason": f"nothing was {done}"}, status=HTTPStatus.NOT_FOUND)
