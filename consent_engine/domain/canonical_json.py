"""JSON as we store and hash it.

msgspec writes and reads it several times as fast as the standard library, and the same bytes for texts, integers, lists
and mappings of them: shown by `tests/unit/test_canonical_json.py`. Numbers with a point it writes in another way:
whatever may hold one, such as what people sent, is written by `canonical`.
"""

import json
from typing import Any, ClassVar, Generic, Self, TypeVar

from msgspec import NODEFAULT, DecodeError, Struct, ValidationError, convert, defstruct, to_builtins
from msgspec.json import Decoder, Encoder
from msgspec.structs import astuple, fields

T = TypeVar("T")
S = TypeVar("S", bound=Struct)

canonical = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Any value as JSON without blanks, by the standard library."""


def _plain(value: object) -> str:
    if isinstance(value, str):  # a subclass of it, such as Msisdn
        return str(value)
    raise TypeError(f"{type(value).__name__} is not kept as JSON")


_write, _read = Encoder(enc_hook=_plain).encode, Decoder[Any]().decode


def compact(value: object) -> str:
    """Texts, integers, lists and mappings, and Structs of them, as JSON without blanks."""
    try:
        return _write(value).decode()
    except UnicodeEncodeError:  # half a character
        return canonical(to_builtins(value, enc_hook=_plain))


def parsed(text: str) -> Any:  # noqa: ANN401 - JSON
    """What was kept. Raises ValueError when it is no JSON, or is nested so deeply that nothing reads it."""
    try:
        return _read(text)
    except (DecodeError, UnicodeEncodeError):
        return _read_slowly(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _read_slowly(text: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


_TOO_DEEP = "nested too deeply"


class Reader(Generic[T]):
    """Reads what was kept as one type. whole: bytes that are no text, and half a character, are refused."""

    def __init__(self, kind: type[T], *, whole: bool = False) -> None:
        self._kind = kind
        self._whole = whole
        self._read = Decoder(kind).decode

    def __call__(self, kept: str) -> T:
        """What was kept. Raises ValueError when it is no such thing."""
        try:
            return self._read(kept)
        except ValidationError as error:
            raise ValueError(str(error)) from None
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None
        except (DecodeError, UnicodeEncodeError):  # half a character, or no JSON
            return self._loosely(kept)

    def _loosely(self, kept: str) -> T:
        if self._whole:
            raise ValueError("no JSON")
        try:
            return convert(_read_slowly(kept), self._kind)
        except ValidationError as error:
            raise ValueError(str(error)) from None


class Rows(Generic[S]):
    """A kind of Struct that is kept as a JSON array of its fields, in their order.

    least: so many are always written. A field that came later has a default: an older row lacks it, and it is written
    only where it, or one behind it, says something; so what was written is written again, byte by byte · named: so
    many of the fields stand before the row, in the name that it is kept under
    """

    def __init__(self, kind: type[S], least: int, named: int = 0, *, whole: bool = False) -> None:
        own = fields(kind)[named:]
        typed = [(f.name, f.type) if f.default is NODEFAULT else (f.name, f.type, f.default) for f in own]
        is_row = kind.__struct_config__.array_like and not named
        self._kind = kind
        row = kind if is_row else defstruct(kind.__name__, typed, array_like=True, frozen=True)
        self._read = Reader(row, whole=whole)
        self._named = named
        self._later = tuple(each.default for each in reversed(own[least:]))

    def row(self, value: S) -> tuple[Any, ...]:
        """What is written of a value."""
        told = astuple(value)
        n = len(told)
        for default in self._later:
            if told[n - 1] != default:
                break
            n -= 1
        return told[self._named : n]

    def write(self, value: S) -> str:
        return compact(self.row(value))

    def read(self, kept: str, *named: object) -> S:
        """What `write` wrote, with the fields that were in its name. Raises ValueError."""
        read = self._read(kept)
        return read if isinstance(read, self._kind) else self._kind(*named, *astuple(read))


class Row(Struct, frozen=True):
    """A Struct that is kept as a JSON array of its fields. rows: how, set once the class stands"""

    rows: ClassVar[Rows[Any]]

    def kept(self) -> str:
        return self.rows.write(self)

    @classmethod
    def read(cls, *kept: str) -> Self:
        """What `kept` wrote, behind the fields that were in its name. Raises ValueError."""
        found: Self = cls.rows.read(kept[-1], *kept[:-1])
        return found
