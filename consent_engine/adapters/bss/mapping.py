"""The file that describes a BSS: its requests, and what its answers mean. All of it is checked when it is read.

Its templates are parsed by jinja2; of what that knows, only values, texts, `~`, A if B else C and a few filters are
allowed. None can loop, call or reach an attribute, so the file's size bounds their size and time. See docs/bss.md.
"""

import hashlib
import hmac
import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote
from xml.etree import ElementTree as ET

import yaml
from jinja2 import TemplateError, nodes
from jinja2.sandbox import SandboxedEnvironment
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from consent_engine.config.environment import read_yaml, yaml_fault
from consent_engine.domain.days import CHINA
from consent_engine.domain.forms import in_our_words

LONGEST_FILE = 64 * 1024
Values = Mapping[str, object]
Maker = Callable[[Values], Any]
"""Fills in one template."""


class Unfilled(Exception):
    """A request cannot be made of these values; nothing was sent. The message is the kind of the error."""


def as_text(value: object) -> str:
    """Return a value as text, the same in JSON, XML and headers; "" for a list, an object and nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


# The form of the file ---------------------------------------------------------------------------------------------


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _free(name: str) -> str:
    if name.lower() in _OUR_HEADERS:
        raise ValueError("is a header that the client sets itself")
    return name


_OUR_HEADERS = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding",
    "upgrade", "user-agent", "x-consent-signature",
})  # fmt: skip
_Place = Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=200)]
"""The place of a field in an answer: names and numbers of lists with dots between; `@name` for an attribute in XML."""
_Places = Annotated[list[_Place], BeforeValidator(_listed)]
_Status = Annotated[int, Field(ge=200, le=599)]
_Constant = Annotated[str, StringConstraints(max_length=200)] | int | bool
_Header = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9-]{1,64}$"), AfterValidator(_free)]
_Means = Literal["done", "refused", "not_taken", "refuses_us", "in_progress", "unknown"]
_FIELDS_OF: Mapping[str, frozenset[str]] = {
    "done": frozenset({"id", "since", "fee", "refund", "refund_by", "restored"}),
    "refused": frozenset({"code"}),
    "unknown": frozenset({"code"}),
    "in_progress": frozenset({"task"}),
}
_NEEDED = frozenset({"id", "code"})
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


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Row(_Form):
    """A row of a table of answers: which it covers, what they mean, and the places of what they say."""

    means: _Means = Field(alias="is")
    status: Annotated[list[_Status], BeforeValidator(_listed)] = Field(default_factory=list)
    where: dict[_Place, Annotated[list[_Constant], BeforeValidator(_listed)]] = Field(default_factory=dict)
    id: _Places = Field(default_factory=list)
    since: _Places = Field(default_factory=list)
    code: _Place = ""
    task: _Place = ""
    fee: _Place = ""
    refund: _Place = ""
    refund_by: _Place = ""
    restored: _Place = ""

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        may = _FIELDS_OF.get(self.means, frozenset())
        given = {name for name in type(self).model_fields if getattr(self, name)} - {"means", "status", "where"}
        if lacking := sorted((may & _NEEDED) - given):
            raise ValueError(f"with `is: {self.means}` must name the field of its {lacking[0]}")
        if other := sorted(given - may):
            raise ValueError(f"with `is: {self.means}` has no {other[0]}")
        if self.means == "done":
            if not self.status or any(each >= 300 for each in self.status):  # noqa: PLR2004 - HTTP's
                raise ValueError("with `is: done` must name its statuses, all of them 2xx")
        elif self.means != "in_progress" and not self.where:
            if not self.status or any(each // 100 != 4 for each in self.status):  # noqa: PLR2004 - HTTP's
                raise ValueError(
                    f"with `is: {self.means}` must name statuses of 4xx, or say `where`: others may be a proxy's"
                )
        elif not self.status and not self.where:
            raise ValueError("must name a status, or say `where`")
        return self


class _Request(_Form):
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[str, StringConstraints(pattern="^/")]
    headers: dict[_Header, str] = Field(default_factory=dict)
    body: Any = None
    answers: Annotated[list[Row], Field(min_length=1)]


class _File(_Form):
    format: Literal["json", "xml"]
    charset: Literal["utf-8", "gb18030"] = "utf-8"
    signed: bool = False
    headers: dict[_Header, str] = Field(default_factory=dict)
    tables: dict[str, Annotated[dict[str, _Constant], Field(min_length=1)]] = Field(default_factory=dict)
    activate: _Request
    deactivate: _Request
    ask: _Request | None = None
    ask_ending: _Request | None = None
    poll: _Request | None = None


# What is made of it -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """A kind of request, and its table of answers."""

    method: str
    path: Maker
    headers: Mapping[str, Maker]
    body: Maker | None
    answers: Sequence[Row]

    def filled(self, values: Values) -> tuple[str, bytes | None, dict[str, str]]:
        """Return path, body and headers of a request. Raises Unfilled."""
        try:
            body = self.body(values) if self.body else None
            known = {**values, "body": body or b""}
            return self.path(known), body, {name: made(known) for name, made in self.headers.items()}
        except (LookupError, TypeError, ValueError) as error:
            raise Unfilled(type(error).__name__) from None


@dataclass(frozen=True, slots=True)
class BssMapping:
    """A BSS as its file describes it. keyed: its requests need a secret"""

    operations: Mapping[str, Operation]
    format: str
    charset: str
    signed: bool
    keyed: bool


@lru_cache(16)
def mapping_from(text: str) -> BssMapping:
    """Read the text of a file. Raises ValueError, which names the place in it and the fault."""
    if len(text) > LONGEST_FILE:
        raise ValueError(f"is longer than {LONGEST_FILE} characters")
    try:
        if any(isinstance(each, yaml.AliasEvent) for each in yaml.parse(text, yaml.SafeLoader)):
            raise ValueError("must not have aliases: write it out")
        return _Compiled(_File.model_validate(read_yaml(text))).mapping()
    except yaml.YAMLError as error:
        raise ValueError(yaml_fault(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place} {in_our_words(first['msg'])}".strip()) from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None


class _Compiled:
    """The templates of one file: each is checked as it is compiled, and filled in once with values as they may be."""

    def __init__(self, file: _File) -> None:
        self._file = file
        self._used: set[str] = set()
        self._trying = True

    def mapping(self) -> BssMapping:
        file = self._file
        forms = {name: form for name in _NAMES if (form := getattr(file, name)) is not None}
        tasks = {name for name, form in forms.items() if any(row.task for row in form.answers)}
        if not tasks <= {"activate", "deactivate"} or bool(tasks) != ("poll" in forms):
            raise ValueError("poll and `task` belong together: a row of activate or deactivate names the task's field")
        keyed, operations = file.signed, {}
        for name, form in forms.items():
            self._used = set()
            operations[name] = self._operation(name, form)
            keyed = keyed or "secret" in self._used
        self._trying = False
        return BssMapping(operations, file.format, file.charset, file.signed, keyed)

    def _operation(self, name: str, form: _Request) -> Operation:
        if wrong := [row.means for row in form.answers if row.means not in _MEANINGS[name]]:
            raise ValueError(f"{name}.answers has no `is: {wrong[0]}`: {', '.join(sorted(_MEANINGS[name]))}")
        if name == "poll" and any(row.means == "not_taken" and not row.where for row in form.answers):
            raise ValueError("poll.answers with `is: not_taken` must say `where`: a task that is not found may be done")
        if name in {"activate", "deactivate"} and form.method == "GET":
            raise ValueError(f"{name}.method must not be GET: proxies repeat it")
        names = _OFTEN.union(_NAMES[name])
        apart = names - {"msisdn"}  # proxies log addresses and headers: the number stands in bodies only
        headers = {**self._file.headers, **form.headers}
        if form.body is not None and "content-type" not in map(str.lower, headers):
            headers = {"Content-Type": f"application/{self._file.format}", **headers}
        made = Operation(
            form.method,
            self._text(f"{name}.path", form.path, apart, _in_address),
            {each: self._text(f"{name}.headers.{each}", text, apart | {"body"}) for each, text in headers.items()},
            None if form.body is None else self._body(f"{name}.body", form.body, names),
            form.answers,
        )
        if (key := _NAMES[name][0]) not in self._used:
            raise ValueError(f"{name} must name {key}: a repeat could not be told from another request")
        self._try(name, made)
        return made

    def _try(self, name: str, made: Operation) -> None:
        values = {each: f"{each}-1" for each in _OFTEN.union(_NAMES[name])}
        instants = dict.fromkeys(("confirmed_at", "asked_at", "sent_at"), "2025-08-01T02:00:00.000+00:00")
        try:
            path, body, _ = made.filled({**values, **instants})
            if body is not None and self._file.format == "xml":
                ET.fromstring(body.decode(self._file.charset))  # noqa: S314 - the operator's own file
        except Unfilled as error:
            raise ValueError(f"{name}: a template cannot be filled in: {error}") from error
        except ET.ParseError as error:
            raise ValueError(f"{name}.body is no XML: {error}") from None
        if not re.fullmatch(r"/[!-~]*", path) or "#" in path:
            raise ValueError(f"{name}.path must be ASCII without blanks and without #")

    def _body(self, at: str, body: object, names: frozenset[str]) -> Maker:
        charset = self._file.charset
        if self._file.format == "json":
            made = self._json(at, body, names)
            return lambda values: json.dumps(made(values), separators=(",", ":"), allow_nan=False).encode()
        if not isinstance(body, str):
            raise ValueError(f"{at} must be a text of XML: `body: |`")  # noqa: TRY004 - as all that is wrong here
        text = self._text(at, body, names, _in_xml)
        return lambda values: text(values).encode(charset, "xmlcharrefreplace")

    def _json(self, at: str, body: object, names: frozenset[str]) -> Maker:
        """Return what fills in a body of JSON, leaf by leaf; a leaf that is one expression keeps its value's type."""
        if isinstance(body, dict):
            if odd := [each for each in body if not isinstance(each, str)]:
                raise ValueError(f"{at}: the name {odd[0]} must stand in quotes")
            fields = {name: self._json(f"{at}.{name}", each, names) for name, each in body.items()}
            return lambda values: {name: made(values) for name, made in fields.items()}
        if isinstance(body, list):
            items = [self._json(f"{at}.{n}", each, names) for n, each in enumerate(body)]
            return lambda values: [made(values) for made in items]
        if isinstance(body, str):
            return self._text(at, body, names, None)
        if body is None or isinstance(body, bool | int | float):
            return lambda _: body
        raise ValueError(f"{at} must be a text in quotes, a number, true, false, null, a list or an object")

    def _text(self, at: str, text: str, names: frozenset[str], put: Callable[[object], str] | None = as_text) -> Maker:
        """Compile one template. put: writes a value as it must stand in that place; None: as it is, where it is all"""
        try:
            tree = _PARSER.parse(text)
        except TemplateError as error:
            raise ValueError(f"{at}: {error}") from None
        parts = [each for node in tree.body for each in (node.nodes if isinstance(node, nodes.Output) else [node])]
        made = [self._part(at, each, names) for each in parts]
        if len(made) == 1 and put is None:
            return made[0]
        plain = [isinstance(each, nodes.TemplateData) for each in parts]
        places = [each if data else _putting(each, put or as_text) for each, data in zip(made, plain, strict=True)]
        return lambda values: "".join([each(values) for each in places])

    def _part(self, at: str, node: nodes.Node, names: frozenset[str], *, hashed: bool = False) -> Maker:
        """Compile an expression. Raises ValueError for one that is not allowed."""
        match node:
            case nodes.TemplateData(data=constant) | nodes.Const(value=constant):
                return lambda _: constant
            case nodes.Name(name=name):
                if name not in names or (name == "body" and not hashed):
                    raise ValueError(f"{at}: {name} is no value here: {', '.join(sorted(names))}")
                self._used.add(name)
                return itemgetter(name)
            case nodes.Filter(name=name, node=nodes.Node() as of, kwargs=[], dyn_args=None, dyn_kwargs=None):
                inner = self._part(at, of, names, hashed=name in _HASHES)
                arguments = [self._part(at, each, names) for each in node.args]
                made = self._filter(at, name, node.args)
                return lambda values: made(inner(values), *[each(values) for each in arguments])
            case nodes.Concat():
                parts = [self._part(at, each, names) for each in node.nodes]
                return lambda values: "".join([as_text(each(values)) for each in parts])
            case nodes.CondExpr(expr2=nodes.Node() as other):
                test, one, two = (self._part(at, each, names) for each in (node.test, node.expr1, other))
                return lambda values: one(values) if test(values) else two(values)
        allowed = "values, texts, ~, A if B else C, and filters"
        raise ValueError(f"{at}: {type(node).__name__} is not allowed: only {allowed}")

    def _filter(self, at: str, name: str, arguments: Sequence[nodes.Expr]) -> Callable[..., object]:
        if name != "table" and name not in _FILTERS:
            raise ValueError(f"{at}: {name} is no filter here: {', '.join(sorted(_FILTERS))}, table")
        if name != "table":
            return _FILTERS[name]
        known = [each.value for each in arguments if isinstance(each, nodes.Const)]
        rows = self._file.tables.get(known[0]) if len(known) == 1 else None
        if rows is None:
            raise ValueError(f"{at}: table needs the name of one of `tables`, in quotes")
        first = next(iter(rows.values()))
        return lambda value, _: first if self._trying else rows[as_text(value)]


_PARSER = SandboxedEnvironment()


def _putting(made: Maker, put: Callable[[object], str]) -> Maker:
    return lambda values: put(made(values))


def _in_address(value: object) -> str:
    return quote(as_text(value), safe="")


def _in_xml(value: object) -> str:
    return html.escape(as_text(value))


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else as_text(value).encode()


def _digest(value: object, name: str = "sha256") -> str:
    return hashlib.new(name, _bytes(value), usedforsecurity=False).hexdigest()


def _hmac(value: object, key: object, name: str = "sha256") -> str:
    return hmac.new(_bytes(key), _bytes(value), name).hexdigest()


def _time(value: object, form: str) -> str:
    return datetime.fromisoformat(as_text(value)).astimezone(CHINA.zone).strftime(form)


_HASHES: Mapping[str, Callable[..., object]] = {"digest": _digest, "hmac": _hmac}
_FILTERS: Mapping[str, Callable[..., object]] = {
    **_HASHES,
    "national": lambda value: as_text(value).removeprefix("+86"),
    "time": _time,
    "upper": lambda value: as_text(value).upper(),
}
"""None makes a value longer than a fixed bound, but `upper`, once and by a factor of three at most."""
