"""JSON as the engine stores and hashes it.

msgspec is several times as fast as the standard library, and writes the same bytes for texts, integers, lists and
mappings of them: shown by `tests/unit/test_canonical_json.py`. It writes floats differently: a value that may hold one,
such as a body from outside, is written by `canonical`.
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


def plain(value: object) -> str:
    """Return a text of a subclass of str as a plain one, for an encoder. Raises TypeError for anything else."""
    if isinstance(value, str):  # a subclass of str, such as Msisdn
        return str(value)
    raise TypeError(f"{type(value).__name__} is not kept as JSON")


_write, _read = Encoder(enc_hook=plain).encode, Decoder[Any]().decode


def compact(value: object) -> str:
    """Write texts, integers, lists and mappings, and Structs of them, as JSON without blanks."""
    try:
        return _write(value).decode()
    except UnicodeEncodeError:  # a lone surrogate
        return canonical(to_builtins(value, enc_hook=plain))


def parsed(text: str) -> Any:  # noqa: ANN401 - JSON
    """Read stored JSON. Raises ValueError when the text is no JSON, or is nested too deeply to be read."""
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
    """Reads stored JSON as one type. whole: lone surrogates, as from bytes that are no text, are refused."""

    def __init__(self, kind: type[T], *, whole: bool = False) -> None:
        self._kind = kind
        self._whole = whole
        self._read = Decoder(kind).decode

    def __call__(self, kept: str) -> T:
        """Read stored JSON as the type. Raises ValueError when it does not fit."""
        try:
            return self._read(kept)
        except ValidationError as error:
            raise ValueError(str(error)) from None
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None
        except (DecodeError, UnicodeEncodeError):  # a lone surrogate, or no JSON
            return self._loosely(kept)

    def _loosely(self, kept: str) -> T:
        if self._whole:
            raise ValueError("no JSON")
        try:
            return convert(_read_slowly(kept), self._kind)
        except ValidationError as error:
            raise ValueError(str(error)) from None


class Rows(Generic[S]):
    """A kind of Struct that is stored as a JSON array (a row) of its fields, in their order.

    least: how many fields are always written. The others have a default, and are written only where one, or a field
    after it, differs from that · named: how many of the first fields are not in the row, but in the name that it is
    stored under
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
        """The row of a value: those of its fields that are written."""
        values = astuple(value)
        n = len(values)
        for default in self._later:
            if values[n - 1] != default:
                break
            n -= 1
        return values[self._named : n]

    def encode(self, value: S) -> str:
        return compact(self.row(value))

    def decode(self, kept: str, *named: object) -> S:
        """Read a value from the row that `encode` made, and the fields that were in its name. Raises ValueError."""
        read = self._read(kept)
        return read if isinstance(read, self._kind) else self._kind(*named, *astuple(read))


class Row(Struct, frozen=True):
    """A Struct that is stored as a JSON array of its fields. rows: the layout, set once the class is defined"""

    rows: ClassVar[Rows[Any]]

    def encode(self) -> str:
        return self.rows.encode(self)

    @classmethod
    def decode(cls, *kept: str) -> Self:
        """Read a value from the fields that were in its name, then the row that `encode` made. Raises ValueError."""
        found: Self = cls.rows.decode(kept[-1], *kept[:-1])
        return found
