"""The file that describes a BSS: its requests, and what its answers mean. See docs/bss.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from consent_engine.adapters.templates import (
    LONGEST_FILE,
    Answers,
    File,
    Operation,
    Place,
    Places,
    Request,
    Templates,
    made_from,
)

__all__ = ["LONGEST_FILE", "BssMapping", "Row", "mapping_from"]

_Means = Literal["done", "refused", "not_taken", "refuses_us", "in_progress", "unknown"]
_FIELDS_OF: Mapping[str, frozenset[str]] = {
    "done": frozenset({"id", "since", "fee", "refund", "refund_by", "restored"}),
    "refused": frozenset({"code"}),
    "unknown": frozenset({"code"}),
    "in_progress": frozenset({"task"}),
}
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


class Row(Answers):
    """A row of a table of answers: what they mean, and the places of what they say."""

    FIELDS = _FIELDS_OF
    NEEDED = frozenset({"id", "code"})
    SUCCESS = "done"
    means: _Means = Field(alias="is")
    id: Places = Field(default_factory=list)
    since: Places = Field(default_factory=list)
    code: Place = ""
    task: Place = ""
    fee: Place = ""
    refund: Place = ""
    refund_by: Place = ""
    restored: Place = ""


class _Request(Request):
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[str, StringConstraints(pattern="^/")]
    answers: Annotated[list[Row], Field(min_length=1)]


class _File(File):
    format: Literal["json", "xml"]
    charset: Literal["utf-8", "gb18030"] = "utf-8"
    activate: _Request
    deactivate: _Request
    ask: _Request | None = None
    ask_ending: _Request | None = None
    poll: _Request | None = None


@dataclass(frozen=True, slots=True)
class BssMapping:
    """A BSS as its file describes it. keyed: its requests need a secret"""

    operations: Mapping[str, Operation[Row]]
    signed: bool
    keyed: bool


@lru_cache(16)
def mapping_from(text: str) -> BssMapping:
    """Read the text of a file. Raises ValueError, which names the place in it and the fault."""
    return made_from(text, _File, _compiled)


def _compiled(file: _File) -> BssMapping:
    forms: dict[str, _Request] = {name: form for name in _NAMES if (form := getattr(file, name)) is not None}
    tasks = {name for name, form in forms.items() if any(row.task for row in form.answers)}
    if not tasks <= {"activate", "deactivate"} or bool(tasks) != ("poll" in forms):
        raise ValueError("poll and `task` belong together: a row of activate or deactivate names the task's field")
    templates, keyed, operations = Templates(file), file.signed, {}
    for name, form in forms.items():
        templates.used.clear()
        operations[name] = _operation(templates, file, name, form)
        keyed = keyed or "secret" in templates.used
    templates.done()
    return BssMapping(operations, file.signed, keyed)


def _operation(templates: Templates, file: _File, name: str, form: _Request) -> Operation[Row]:
    if wrong := [row.means for row in form.answers if row.means not in _MEANINGS[name]]:
        raise ValueError(f"{name}.answers has no `is: {wrong[0]}`: {', '.join(sorted(_MEANINGS[name]))}")
    if name == "poll" and any(row.means == "not_taken" and not row.where for row in form.answers):
        raise ValueError("poll.answers with `is: not_taken` must say `where`: a task that is not found may be done")
    if name in {"activate", "deactivate"} and form.method == "GET":
        raise ValueError(f"{name}.method must not be GET: proxies repeat it")
    names = _OFTEN.union(_NAMES[name])
    made = templates.operation(name, form, form.answers, names, frozenset({"msisdn"}), file.format)
    if (key := _NAMES[name][0]) not in templates.used:
        raise ValueError(f"{name} must name {key}: a repeat could not be told from another request")
    return made
