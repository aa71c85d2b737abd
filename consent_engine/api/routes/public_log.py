"""The public log, as C2SP tlog-tiles serves it: its checkpoint, its tiles, what is published of its entries.

All of it is hashes, and all but the checkpoint never changes, so a cache in front may keep it for ever. The same files
are in the log's folder, for whoever wants to serve them without this process.
"""

from base64 import b64encode, urlsafe_b64decode

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.http.problems import NotInLog
from consent_engine.api.http.queries import AskProof
from consent_engine.api.schemas.views import ProofView
from consent_engine.api.service.service import front_of
from consent_engine.domain.log.merkle import Place
from consent_engine.engine.engine import Engine
from consent_engine.engine.publishing import content, proof
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports.public_log import PublicLog

operations = Operations("log")
FRESH = {"Cache-Control": "public, max-age=5"}
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@operations.add("GET", "/log/checkpoint", PUBLIC)
async def checkpoint(request: Request) -> Response:
    """How many entries the log has, and the hash that covers them, signed by the log and by its witnesses."""
    front = front_of(request)
    note = await front.recent.of("checkpoint", front.bounds.tariffs_s, lambda: front.ask(_checkpoint))
    return Response(note.encode(), headers={**FRESH, "Content-Type": "text/plain; charset=utf-8"})


@operations.add("GET", "/log/tile/{path:path}", PUBLIC)
async def tile(request: Request, path: str) -> Response:
    """Up to 256 hashes of one level of its tree, `LEVEL/N` or `LEVEL/N.p/WIDTH`, as C2SP tlog-tiles numbers them."""
    return await _served(request, path)


@operations.add("GET", "/log/entries/{path:path}", PUBLIC)
async def entries(request: Request, path: str) -> Response:
    """What is published of up to 256 entries, `N` or `N.p/WIDTH`: the hash of each. Also at /log/tile/entries/."""
    return await _served(request, f"entries/{path}")


@operations.add("GET", "/v1/log/proof", PUBLIC, "The proof that an entry is in the log", problems=(NotInLog,))
def shown(engine: Engine, form: AskProof) -> ProofView:
    """The way from what is published of an entry to the root that the newest checkpoint signs."""
    log = _public(engine)
    number, newest = log.number_of(urlsafe_b64decode(f"{form.leaf}=")), log.newest()
    if number is None or newest is None or number >= newest.checkpoint.size:
        raise NotInLog("the log has no such entry, or no checkpoint covers it yet")
    hashes = [b64encode(each).decode() for each in proof(log, number, newest).hashes]
    return ProofView(leaf=form.leaf, number=number, proof=hashes, checkpoint=str(newest.note))


async def _served(request: Request, path: str) -> Response:
    try:
        place = Place.decode(f"tile/{path}")
        found = await front_of(request).ask(lambda engine: content(_public(engine), place))
    except LookupError:
        raise NotInLog("the log has no such tile, or not yet") from None
    return Response(found, headers={**FOR_EVER, "Content-Type": "application/octet-stream"})


def _public(engine: Engine) -> PublicLog:
    if engine.store.log is None:
        raise ArchiveUnavailable("there is no log here")
    engine.store.bound_archive()
    return engine.store.log.public


def _checkpoint(engine: Engine) -> str:
    newest = _public(engine).newest()
    if newest is None:
        raise NotInLog("no checkpoint was signed yet")
    return str(newest.note)
