"""A BSS that a file describes (docs/bss.md): requests for activations, deactivations and questions, and their outcomes.

Success is only what a row of the file's tables names as success; what no row covers is in doubt. The generic BSS, kind
`http`, is the bundled file `http.yaml`.
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

from msgspec.structs import asdict

from consent_engine.adapters.outbound import Client, as_id, as_word, code, endpoint, flag, opaque, required, tls_of
from consent_engine.adapters.templates import (
    NOT_NOW,
    File,
    Heard,
    Operation,
    Request,
    Row,
    Templates,
    Values,
    as_text,
    bundled,
    found_at,
    from_setting,
    made_from,
)
from consent_engine.domain.days import GREENWICH
from consent_engine.domain.effects import (
    Accepted,
    Outcome,
    Rejected,
    Restored,
    Settlement,
    Unavailable,
    Uncertain,
    Untaken,
)
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.texts.words import instant_from
from consent_engine.errors import SettingsError
from consent_engine.ports import Activation, Deactivation

GENERIC = "http"
POLL_S = 0.5
"""The shortest pause before a task is asked for again."""
_WHEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9:]{5,8}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?")
_AMOUNT = re.compile(r"[0-9]{1,7}(\.[0-9]{1,2})?")
_RESTORED = {"true": Restored.YES, "false": Restored.NO}


# The file ---------------------------------------------------------------------------------------------------------


_ON = frozenset({"done", "refused", "not_taken", "refuses_us", "in_progress"})
_MEANINGS: Mapping[str, frozenset[str]] = {
    "activate": _ON,
    "deactivate": _ON,
    "poll": _ON - {"refuses_us"},
    "ask": _ON - {"not_taken"} | {"unknown"},
    "ask_ending": _ON - {"not_taken"} | {"unknown"},
}
_OFTEN = frozenset({"secret", "sent_at"})
_NAMES: Mapping[str, tuple[str, ...]] = {
    "activate": ("order_id", "msisdn", "plan", "plan_version", "plan_hash", "confirmed_at", "head"),
    "deactivate": (
        "ending_id", "order_id", "activation_id", "msisdn", "plan", "cause", "asked_at", "free_exit",
    ),
    "poll": ("task",),
    "ask": ("order_id",),
    "ask_ending": ("ending_id",),
}  # fmt: skip
"""The values of each request; the first is its key, which distinguishes it from other requests."""


class _File(File):
    format: Literal["json", "xml"]
    charset: Literal["utf-8", "gb18030"] = "utf-8"
    activate: Request
    deactivate: Request
    ask: Request | None = None
    ask_ending: Request | None = None
    poll: Request | None = None


class BssMapping(NamedTuple):
    """A BSS as its file describes it. keyed: its requests need a secret"""

    operations: Mapping[str, Operation]
    signed: bool
    keyed: bool


@lru_cache(16)
def mapping_from(text: str) -> BssMapping:
    """Read the text of a file. Raises ValueError, which names the place in it and the fault."""
    return made_from(text, _File, _compiled)


def _compiled(file: _File) -> BssMapping:
    forms: dict[str, Request] = {name: form for name in _NAMES if (form := getattr(file, name)) is not None}
    tasks = {name for name, form in forms.items() if any(row.task for row in form.answers)}
    if not tasks <= {"activate", "deactivate"} or bool(tasks) != ("poll" in forms):
        raise ValueError("poll and `task` belong together: a row of activate or deactivate names the task's field")
    templates, keyed, operations = Templates(file), file.signed, {}
    for name, form in forms.items():
        templates.used.clear()
        operations[name] = _operation(templates, file, name, form)
        keyed = keyed or "secret" in templates.used
    return BssMapping(operations, file.signed, keyed)


def _operation(templates: Templates, file: _File, name: str, form: Request) -> Operation:
    for n, row in enumerate(form.answers):
        if row.means in {"refused", "unknown"} and not row.code:
            raise ValueError(f"{name}.answers.{n} with `is: {row.means}` must name the field of its code")
        if row.ids or (NOT_NOW in row.status and not row.where):
            raise ValueError(f"{name}.answers.{n} has no `ids`, and no 503 without `where`: it may be a proxy's")
    if name == "poll" and any(row.means == "not_taken" and not row.where for row in form.answers):
        raise ValueError("poll.answers with `is: not_taken` must say `where`: a task that is not found may be done")
    if name in {"activate", "deactivate"} and form.method == "GET":
        raise ValueError(f"{name}.method must not be GET: proxies repeat it")
    names = _OFTEN.union(_NAMES[name])
    made = templates.operation(name, form, _MEANINGS[name], names, frozenset({"msisdn"}), file.format)
    if (key := _NAMES[name][0]) not in templates.used:
        raise ValueError(f"{name} must name {key}: a repeat could not be told from another request")
    return made


# The system -------------------------------------------------------------------------------------------------------


@dataclass
class TemplatedBss:
    """A BSS that switches services on and off as its mapping says.

    can_ask: whether it can be asked for earlier outcomes. If not, `ask` and `ask_ending` return None at once · seconds:
    how long a change may take, with the questions for its task
    """

    name: str
    url: str
    client: Client
    mapping: BssMapping
    secret: str
    seconds: float
    now: Callable[[], float]
    can_ask: bool

    async def activate(self, activation: Activation) -> Outcome:
        """Switch a service on. The idempotency key is the order's id, at every attempt."""
        confirmed = GREENWICH.instant(activation.confirmed_at)
        return await self._changed("activate", {**asdict(activation), "confirmed_at": confirmed})

    async def deactivate(self, deactivation: Deactivation) -> Outcome:
        """Switch a service off. The idempotency key is the ending's id, at every attempt."""
        asked = GREENWICH.instant(deactivation.asked_at)
        return await self._changed("deactivate", {**asdict(deactivation), "asked_at": asked})

    async def ask(self, order_id: str) -> Outcome | None:
        """Ask for an order's outcome; None where no authoritative answer came. Without any answer the doubt stays."""
        return await self._asked("ask", {"order_id": order_id})

    async def ask_ending(self, ending_id: str) -> Outcome | None:
        """Ask as `ask` does, for an ending."""
        return await self._asked("ask_ending", {"ending_id": ending_id})

    async def _changed(self, name: str, values: Values) -> Outcome:
        over = asyncio.get_running_loop().time() + self.seconds
        heard = await self._heard(name, values, changes=True)
        if not isinstance(heard, Heard):
            return heard
        if heard.row is None or not heard.row.task:
            return _meaning(heard) or Uncertain(Hitch.BSS.of(heard.answer.status))
        if not (task := as_id(found_at(heard.said, heard.row.task))):
            return Uncertain(Hitch.BSS_ODD.of(heard.answer.status))
        try:  # it was taken: whatever becomes of the questions, it is in doubt at least
            async with asyncio.timeout_at(over):
                return await self._followed(task, heard.answer.after)
        except TimeoutError:
            return Uncertain(Hitch.IN_PROGRESS.of())

    async def _followed(self, task: str, after: int) -> Outcome:
        """Ask for the task until it has ended; the caller limits the time."""
        while True:
            await asyncio.sleep(max(after / 1000, POLL_S))
            heard = await self._heard("poll", {"task": task}, changes=False)
            if not isinstance(heard, Heard):
                return Uncertain(Hitch.IN_PROGRESS.of())
            if heard.row is None or heard.row.means != "in_progress":
                return _meaning(heard) or Uncertain(Hitch.IN_PROGRESS.of())
            after = heard.answer.after

    async def _asked(self, name: str, values: Values) -> Outcome | None:
        if not self.can_ask or name not in self.mapping.operations:
            return None
        heard = await self._heard(name, values, changes=False)
        if not isinstance(heard, Heard):
            return Uncertain(Hitch.ASKED.of(heard.reason))
        return _meaning(heard, asked=True)

    async def _heard(self, name: str, values: Values, *, changes: bool) -> Heard | Unavailable | Uncertain:
        often = {"secret": self.secret, "sent_at": GREENWICH.instant(int(self.now() * 1000))}
        operation = self.mapping.operations[name]
        return await operation.heard(self.client, self.url, {**values, **often}, changes=changes)


def build(
    name: str, raw: Mapping[str, str], call_timeout: timedelta, now: Callable[[], float] = time.time
) -> TemplatedBss:
    """Make a BSS of this kind from its own settings: URL, SECRET, the sender's certificate, and MAPPING, the file; of
    kind `http` CAN_ASK, and no file. Raises SettingsError.
    """
    prefix = f"CONSENT_BSS_{name.replace(':', '_').upper()}__"
    url = endpoint(prefix, raw)
    if "?" in url or "#" in url:
        raise SettingsError(f"{prefix}URL must end in a path: that of each request is appended to it")
    generic = name.partition(":")[0] == GENERIC
    mapping = (
        mapping_from(bundled("bss", GENERIC))
        if generic
        else from_setting(prefix, required(prefix, raw, "MAPPING"), mapping_from)
    )
    secret = required(prefix, raw, "SECRET") if mapping.keyed else ""
    # One handshake for each call is cheap beside a service that counts as active because of another call's answer.
    client = Client(call_timeout, secret if mapping.signed else "", now, tls_of(prefix, raw))
    can_ask = flag(prefix, raw, "CAN_ASK") if generic else "ask" in mapping.operations
    return TemplatedBss(name, url.rstrip("/"), client, mapping, secret, call_timeout.total_seconds(), now, can_ask)


def _meaning(heard: Heard, *, asked: bool = False) -> Outcome | None:
    """Return the outcome that its row gives an answer; None where a question is not answered by it. asked: it answers a
    question, and one that leaves a doubt as it is says so
    """
    answer, said, row = heard

    def why(code: Hitch) -> str:
        said = code.of(answer.status)
        return Hitch.ASKED.of(said) if asked else said

    if row is None:
        return Uncertain(why(Hitch.BSS))
    match row.means:
        case "done":
            return _done(row, said, answer.status)
        case "refused":
            # Without a code it comes from elsewhere (a proxy, a validator): the BSS did not refuse this service for
            # good. Its prose may quote the subscriber; only the code is kept.
            word = _code(row, said)
            return Rejected(code(word)) if word else Uncertain(why(Hitch.BSS_ODD))
        case "unknown":
            return Untaken(Hitch.ASKED.of(Hitch.BSS_UNKNOWN.of())) if _code(row, said) else None
        case "not_taken" | "refuses_us":  # of a question: neither news nor one more doubt, it is asked again
            refusing = answer.refuses_us or row.means == "refuses_us"
            return Unavailable(why(Hitch.BSS), answer.after, refusing)
        case _:
            # An earlier attempt is still being processed. Neither a refusal nor a proof that nothing was done.
            busy = Hitch.IN_PROGRESS.of()
            return Unavailable(Hitch.ASKED.of(busy), answer.after) if asked else Uncertain(busy)


def _code(row: Row, said: object) -> str:
    """Return an answer's code. A number is one only where the row says by `where` that the BSS itself spoke: frameworks
    write the status there.
    """
    found = found_at(said, row.code)
    return as_word(as_text(found)) if row.where else as_word(found)


def _done(row: Row, said: object, status: int) -> Outcome:
    ref = next((found for place in row.id if (found := as_id(found_at(said, place)))), "")
    since = next((found for place in row.since if (found := as_word(found_at(said, place)))), "")
    if not ref:
        return Uncertain(Hitch.BSS_ODD.of(status))
    return Accepted(opaque(ref), since if _WHEN.fullmatch(since) else "", settled=_settled(row, said))


def _settled(row: Row, said: object) -> Settlement:
    """Read the BSS's answer on money and on the former plan. What cannot be read is as if it were not said: the
    service is off all the same, and its subscriber is told to ask the hotline.
    """
    fee, amount = (_amount(found_at(said, place)) if place else "" for place in (row.fee, row.refund))
    by = as_word(found_at(said, row.refund_by)) if row.refund_by and amount else ""
    when = by if instant_from(by) is not None and _WHEN.fullmatch(by) else ""
    restored = found_at(said, row.restored) if row.restored else None
    back = _RESTORED.get(as_text(restored), Restored.UNSAID) if isinstance(restored, bool | str) else Restored.UNSAID
    return Settlement(fee, amount, when, back)


def _amount(value: object) -> str:
    said = "" if isinstance(value, bool) else as_text(value)
    return said if _AMOUNT.fullmatch(said) else ""
