"""Files that describe another system: its requests, and what its answers mean. All is checked when a file is read.

Its templates are parsed by jinja2; of what that knows, only values, texts, `~`, A if B else C and a few filters are
allowed. None can loop, call or reach an attribute, so the file's size bounds their size and time.
"""

import hashlib
import hmac
import html
import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar
from urllib.parse import quote, urlencode
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

from consent_engine.adapters.outbound import Answer, Client, document
from consent_engine.config.environment import read_yaml, yaml_fault
from consent_engine.domain.days import CHINA
from consent_engine.domain.effects import Unavailable, Uncertain
from consent_engine.domain.forms import in_our_words
from consent_engine.domain.hitch import Hitch
from consent_engine.errors import SettingsError

LONGEST_FILE = 64 * 1024
Values = Mapping[str, object]
Maker = Callable[[Values], Any]
"""Fills in one template."""


UNFILLED = (LookupError, TypeError, ValueError)
"""The errors of a request that cannot be made of its values; nothing was sent."""


def as_text(value: object) -> str:
    """Return a value as text, the same in JSON, XML and headers; "" for a list, an object and nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


# The form of a file -----------------------------------------------------------------------------------------------


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
Place = Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=200)]
"""The place of a field in an answer: names and numbers of lists with dots between; `@name` for an attribute in XML."""
Places = Annotated[list[Place], BeforeValidator(_listed)]
_Constant = Annotated[str, StringConstraints(max_length=200)] | int | bool
_Status = Annotated[int, Field(ge=200, le=599)]
_Header = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9-]{1,64}$"), AfterValidator(_free)]


class Form(BaseModel):
    """A part of a file, with the fields that it may have and no other."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


_FIELDS: Mapping[str, frozenset[str]] = {
    "done": frozenset({"id", "ids", "since", "fee", "refund", "refund_by", "restored"}),
    "refused": frozenset({"code"}),
    "unknown": frozenset({"code"}),
    "in_progress": frozenset({"task"}),
}
_LATER, NOT_NOW = frozenset({"not_taken", "throttled"}), 503


class Row(Form):
    """A row of a table of answers: which it covers, what they mean, and the places of what they say."""

    means: Literal["done", "refused", "not_taken", "refuses_us", "throttled", "in_progress", "unknown"] = Field(
        alias="is"
    )
    status: Annotated[list[_Status], BeforeValidator(_listed)] = Field(default_factory=list)
    where: dict[Place, Annotated[list[_Constant], BeforeValidator(_listed)]] = Field(default_factory=dict)
    id: Places = Field(default_factory=list)
    ids: Place = ""
    since: Places = Field(default_factory=list)
    code: Place = ""
    task: Place = ""
    fee: Place = ""
    refund: Place = ""
    refund_by: Place = ""
    restored: Place = ""

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        may = _FIELDS.get(self.means, frozenset())
        given = {name for name in type(self).model_fields if getattr(self, name)} - {"means", "status", "where"}
        denying = {*range(400, 500), *([NOT_NOW] if self.means in _LATER else [])}
        if self.means == "done" and not self.id:
            raise ValueError("with `is: done` must name the field of its id")
        if other := sorted(given - may):
            raise ValueError(f"with `is: {self.means}` has no {other[0]}")
        if self.means == "done":
            if not self.status or any(each >= 300 for each in self.status):  # noqa: PLR2004 - HTTP's
                raise ValueError("with `is: done` must name its statuses, all of them 2xx")
        elif self.means != "in_progress" and not self.where:
            if not self.status or not denying.issuperset(self.status):
                raise ValueError(
                    f"with `is: {self.means}` must name statuses of 4xx, or say `where`: others may be a proxy's"
                )
        elif not self.status and not self.where:
            raise ValueError("must name a status, or say `where`")
        return self


class Request(Form):
    """A kind of request, and its table of answers."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[str, StringConstraints(pattern="^(/.*)?$")]
    headers: dict[_Header, str] = Field(default_factory=dict)
    body: Any = None
    answers: Annotated[list[Row], Field(min_length=1)]


class File(Form):
    """The fields that the files of all kinds have."""

    format: str
    charset: str = "utf-8"
    signed: bool = False
    headers: dict[_Header, str] = Field(default_factory=dict)
    tables: dict[str, Annotated[dict[str, _Constant], Field(min_length=1)]] = Field(default_factory=dict)


FormOf = TypeVar("FormOf", bound=Form)
Made = TypeVar("Made")


def made_from(text: str, form: type[FormOf], make: Callable[[FormOf], Made]) -> Made:
    """Read the text of a file. Raises ValueError, which names the place in it and the fault."""
    if len(text) > LONGEST_FILE:
        raise ValueError(f"is longer than {LONGEST_FILE} characters")
    try:
        if any(isinstance(each, yaml.AliasEvent) for each in yaml.parse(text, yaml.SafeLoader)):
            raise ValueError("must not have aliases: write it out")
        return make(form.model_validate(read_yaml(text)))
    except yaml.YAMLError as error:
        raise ValueError(yaml_fault(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place} {in_our_words(first['msg'])}".strip()) from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def from_setting(prefix: str, name: str, read: Callable[[str], Made]) -> Made:
    """Read the file that the setting MAPPING names. Raises SettingsError, which names the file and the fault."""
    try:
        with Path(name).open(encoding="utf-8") as file:
            return read(file.read(LONGEST_FILE + 1))
    except OSError as error:
        raise SettingsError(f"{prefix}MAPPING names a file that cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{prefix}MAPPING names a file that is not text in UTF-8") from None
    except ValueError as error:
        raise SettingsError(f"{prefix}MAPPING: {Path(name).name}: {error}") from None


@cache
def bundled(kind: str, name: str) -> str:
    """Return the text of a file that is part of this package. kind: bss, gateways"""
    return files(f"consent_engine.adapters.{kind}").joinpath(f"{name}.yaml").read_text("utf-8")


# What is made of it -----------------------------------------------------------------------------------------------


class Heard(NamedTuple):
    """An answer, as it can be read, and the first row that covers it."""

    answer: Answer
    said: object
    row: Row | None


@dataclass(frozen=True, slots=True)
class Operation:
    """A kind of request, and its table of answers. reads: how the body of an answer is read"""

    method: str
    path: Maker
    headers: Mapping[str, Maker]
    body: Maker | None
    answers: Sequence[Row]
    reads: Callable[[bytes], object]

    def filled(self, values: Values) -> tuple[str, bytes | None, dict[str, str]]:
        """Return path, body and headers of a request. Raises what is UNFILLED."""
        body = self.body(values) if self.body else None
        known = {**values, "body": body or b""}
        return self.path(known), body, {name: made(known) for name, made in self.headers.items()}

    async def heard(
        self, client: Client, url: str, values: Values, *, changes: bool
    ) -> Heard | Unavailable | Uncertain:
        """Send one request below an address, and read its answer."""
        try:
            path, body, headers = self.filled(values)
        except UNFILLED as error:
            return Unavailable(Hitch.UNFILLED.of(type(error).__name__))
        answer = await client.send(self.method, url + path, body, headers, changes=changes)
        if not isinstance(answer, Answer):
            return answer
        try:
            said = self.reads(answer.body)
        except (ValueError, ET.ParseError):
            said = None  # it has no field
        return Heard(answer, said, next((row for row in self.answers if _covers(row, answer.status, said)), None))


class Templates:
    """The templates of one file: each is checked as it is compiled, and filled in once with values as they may be.

    used: the values that the templates compiled so far name
    """

    def __init__(self, file: File) -> None:
        self.used: set[str] = set()
        self._file = file
        self._trying = False

    def operation(
        self, name: str, form: Request, means: frozenset[str], names: frozenset[str], apart: frozenset[str], reads: str
    ) -> Operation:
        """Compile a request. means: the meanings that its answers may have · names: the values that its body may have ·
        apart: those of them that must stand nowhere else: proxies log addresses and headers · reads: the format of its
        answers. Raises ValueError.
        """
        file, elsewhere = self._file, names - apart
        if wrong := [row.means for row in form.answers if row.means not in means]:
            raise ValueError(f"{name}.answers has no `is: {wrong[0]}`: {', '.join(sorted(means))}")
        headers = {**file.headers, **form.headers}
        if form.body is not None and "content-type" not in map(str.lower, headers):
            headers = {"Content-Type": f"application/{_MEDIA.get(file.format, file.format)}", **headers}
        made = Operation(
            form.method,
            self.text(f"{name}.path", form.path, elsewhere, _in_address),
            {each: self.text(f"{name}.headers.{each}", text, elsewhere | {"body"}) for each, text in headers.items()},
            None if form.body is None else self._body(f"{name}.body", form.body, names),
            form.answers,
            lambda body: _READ[reads](body.decode(file.charset)),
        )
        self._try(name, made, names)
        return made

    def _try(self, name: str, made: Operation, names: frozenset[str]) -> None:
        values = {each: f"{each}-1" for each in names}
        instants = dict.fromkeys(("confirmed_at", "asked_at", "sent_at"), "2025-08-01T02:00:00.000+00:00")
        self._trying = True  # the first row of a table for any value; later a value that no row has is UNFILLED
        try:
            path, body, _ = made.filled({**values, **instants})
            if body is not None and self._file.format == "xml":
                ET.fromstring(body.decode(self._file.charset))  # noqa: S314 - the operator's own file
        except ET.ParseError as error:
            raise ValueError(f"{name}.body is no XML: {error}") from None
        except UNFILLED as error:
            raise ValueError(f"{name}: a template cannot be filled in: {type(error).__name__}") from error
        finally:
            self._trying = False
        if not re.fullmatch(r"(/[!-~]*)?", path) or "#" in path:
            raise ValueError(f"{name}.path must be ASCII without blanks and without #")

    def _body(self, at: str, body: object, names: frozenset[str]) -> Maker:
        charset = self._file.charset
        if self._file.format == "json":
            return written(self.json(at, body, names))
        if self._file.format == "form":
            if not isinstance(body, dict):
                raise ValueError(f"{at} must be the form's fields: names with their texts")
            form = self.json(at, body, names)
            return lambda values: urlencode(
                [(name, as_text(each)) for name, each in form(values).items() if each is not None], encoding=charset
            ).encode()
        if not isinstance(body, str):
            raise ValueError(f"{at} must be a text of XML: `body: |`")  # noqa: TRY004 - as all that is wrong here
        text = self.text(at, body, names, _in_xml)
        return lambda values: text(values).encode(charset, "xmlcharrefreplace")

    def json(self, at: str, body: object, names: frozenset[str]) -> Maker:
        """Return what fills in a body of JSON, leaf by leaf; a leaf that is one expression keeps its value's type.
        Raises ValueError, which names the leaf.
        """
        if isinstance(body, dict):
            if odd := [each for each in body if not isinstance(each, str)]:
                raise ValueError(f"{at}: the name {odd[0]} must stand in quotes")
            fields = {name: self.json(f"{at}.{name}", each, names) for name, each in body.items()}
            return lambda values: {name: made(values) for name, made in fields.items()}
        if isinstance(body, list):
            items = [self.json(f"{at}.{n}", each, names) for n, each in enumerate(body)]
            return lambda values: [made(values) for made in items]
        if isinstance(body, str):
            return self.text(at, body, names, None)
        if body is None or isinstance(body, bool | int | float):
            return lambda _: body
        raise ValueError(f"{at} must be a text in quotes, a number, true, false, null, a list or an object")

    def text(self, at: str, text: str, names: frozenset[str], put: Callable[[object], str] | None = as_text) -> Maker:
        """Compile one template. put: writes a value as it must stand in that place; None: as it is, where it is all.
        Raises ValueError, which names the place.
        """
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
                self.used.add(name)
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
_MEDIA = {"form": "x-www-form-urlencoded"}


def _putting(made: Maker, put: Callable[[object], str]) -> Maker:
    return lambda values: put(made(values))


def written(made: Maker) -> Maker:
    """Return what writes the JSON that `made` fills in."""
    return lambda values: json.dumps(made(values), separators=(",", ":"), allow_nan=False).encode()


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


def _base64(value: object) -> str:
    return b64encode(_short(_bytes(value))).decode()


def _hex(value: object, charset: str) -> str:
    return _short(as_text(value).encode(charset)).hex()


def _short(value: bytes) -> bytes:
    """Raise ValueError for a value that filters in a row have made long: each doubles it."""
    if len(value) > LONGEST_FILE:
        raise ValueError(f"longer than {LONGEST_FILE} bytes")
    return value


def _time(value: object, form: str) -> str:
    return datetime.fromisoformat(as_text(value)).astimezone(CHINA.zone).strftime(form)


_HASHES: Mapping[str, Callable[..., object]] = {"digest": _digest, "hmac": _hmac}
_FILTERS: Mapping[str, Callable[..., object]] = {
    **_HASHES,
    "base64": _base64,
    "digits": lambda value: as_text(value).removeprefix("+"),
    "hex": _hex,
    "national": lambda value: as_text(value).removeprefix("+86"),
    "time": _time,
    "upper": lambda value: as_text(value).upper(),
}
"""None makes a value longer than a fixed bound, but `upper`, once and by a factor of three at most."""


# Answers ----------------------------------------------------------------------------------------------------------


class _NoDoctype(ET.TreeBuilder):
    """A builder that refuses a DTD, and with it every entity that could be declared."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("a DTD")


def _xml(text: str) -> ET.Element:
    parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314 - see there
    parser.feed(text)
    above = ET.Element("")
    above.append(parser.close())
    return above


def _words(text: str) -> object:
    return [each.strip('"') for each in text.split()]


_READ: Mapping[str, Callable[[str], object]] = {
    "json": lambda text: document(text.encode()),
    "xml": _xml,
    "words": _words,
}
"""The formats of answers; `words`: a line of words, with quotes or without, counted from 0."""


def found_at(said: object, place: str) -> object:
    """Return what stands at a place of an answer; None where nothing does, or more than one thing."""
    if "." not in place and isinstance(said, dict):
        return said.get(place)
    for step in place.split(".") if place else ():
        said = _below(said, step)
    if isinstance(said, ET.Element):
        return None if len(said) else (said.text or "").strip()
    return said


def _below(said: object, step: str) -> object:
    if isinstance(said, dict):
        return said.get(step)
    if isinstance(said, list):
        return said[int(step)] if step.isascii() and step.isdecimal() and int(step) < len(said) else None
    if not isinstance(said, ET.Element):
        return None
    if step.startswith("@"):
        found: Sequence[object] = [text for name, text in said.attrib.items() if _local(name) == step[1:]]
    else:
        found = [each for each in said if _local(each.tag) == step]
    return found[0] if len(found) == 1 else None


def _local(name: str) -> str:
    return name.rpartition("}")[2]  # without its namespace


def _covers(row: Row, status: int, said: object) -> bool:
    if row.status and status not in row.status:
        return False
    found = ((as_text(found_at(said, place)), wanted) for place, wanted in row.where.items())
    return all(text and text in map(as_text, wanted) for text, wanted in found)
