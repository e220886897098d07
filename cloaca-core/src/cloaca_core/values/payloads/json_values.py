"""JSON values of a context: checks them on entry, copies, compares and encodes them.

The rest of the engine handles only *normal* values: exact built-in types, no NaN, no text that a
database refuses. Only ``normalise`` makes them. This module never guesses a conversion: it refuses
a type without a JSON form, and names the form to store instead.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn, TypeAlias, cast

from cloaca_core.errors import ContextError, ContextTypeError, ContextValueError

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_DEPTH: Final = 200
"""How deep lists and dicts may be nested in one value."""

PATH_END: Final = 80
"""Number of characters that a message shows at each end of a path."""

LEAST_INT: Final = -(2**63)
GREATEST_INT: Final = 2**64 - 1

MAX_RANGE: Final = 2**23
"""Items of a stored range: more do not fit into 16 MiB of JSON, and might not fit into memory."""


def _encoding(*, sort_keys: bool) -> Callable[[JsonValue, int], Iterable[str]]:
    """The pieces of a value in JSON, by a compact encoder with its C part made once.

    The standard ``encode`` makes that part for each value, which takes longer than most encodings.
    """
    encoder = json.JSONEncoder(
        ensure_ascii=False,
        check_circular=False,
        allow_nan=False,
        sort_keys=sort_keys,
        separators=(",", ":"),
    )
    try:
        chunks = json.encoder.c_make_encoder(  # type: ignore[attr-defined] # not in typeshed
            None,
            encoder.default,
            json.encoder.encode_basestring,
            None,
            encoder.key_separator,
            encoder.item_separator,
            encoder.sort_keys,
            encoder.skipkeys,
            encoder.allow_nan,
        )
    except TypeError:  # None in an interpreter without the C part
        return lambda value, _: encoder.iterencode(value)
    return cast("Callable[[JsonValue, int], Iterable[str]]", chunks)


_compact: Final = _encoding(sort_keys=False)
_canonical: Final = _encoding(sort_keys=True)


def encode(value: JsonValue) -> str:
    """Compact JSON of a normal value: no spaces, non-ASCII unescaped, keys in insertion order."""
    return "".join(_compact(value, 0))


def canonical(value: JsonValue) -> str:
    """The same with sorted keys: one text for each value."""
    return "".join(_canonical(value, 0))


def decode(text: str) -> JsonValue:
    """The value of a JSON text; ``ContextValueError`` for text that is not JSON.

    The result is normal when the text came from ``encode``; pass others on to ``normalise``.
    """
    try:
        value: JsonValue = _DECODER.decode(text)
    except RecursionError:
        raise ContextValueError(f"JSON text is nested deeper than {MAX_DEPTH} levels") from None
    except ContextError:
        raise
    except ValueError as error:
        raise ContextValueError(str(error)) from error
    return value


def normalise(value: object, path: str = "") -> JsonValue:
    """A deep copy of ``value`` in plain JSON types.

    Accepted: None, bool, int in [-2**63, 2**64 - 1], finite float, str, list, tuple and range
    (as list), dict with str keys, nested up to ``MAX_DEPTH``; subclasses count as their base.
    Raises ``ContextValueError`` or ``ContextTypeError`` naming the place, as in
    ``orders[3].price``; ``path`` is the name of ``value`` itself in that.
    """
    try:
        return _normal(value, 0)
    except _RefusedError as refused:
        raise refused.located(path) from None


def normalise_items(items: Iterable[tuple[object, object]]) -> dict[str, JsonValue]:
    """Make a normal object of these members; a member's name begins the path in an error."""
    try:
        return _members(items, 0)
    except _RefusedError as refused:
        raise refused.located("") from None


def normalise_key(key: object) -> str:
    """Return ``key`` as an exact str that can name a value, else raise a ``ContextError``."""
    try:
        return _key(key)
    except _RefusedError as refused:
        raise refused.located("") from None


def path_of(key: str) -> str:
    """The beginning of a path, for a top-level key: ``price``, or ``["a b"]``."""
    return key if key.isidentifier() else f"[{json.dumps(key)}]"


def shown_path(path: str) -> str:
    """A path as a message shows it: of a long one only both ends."""
    return path if len(path) <= 2 * PATH_END else f"{path[:PATH_END]}…{path[-PATH_END:]}"


def mapping_hint(value: object, verb: str = "give") -> str:
    """The end of an error message: how to convert this value to a mapping; "" if not known.

    Models and records are recognised by their methods, so that no module is imported for a
    message.
    """
    forms = (form for method, form in _MAPPINGS.items() if hasattr(type(value), method))
    form = next(forms, None)
    return "" if form is None else f"; {verb} {form}"


def copy_value(value: JsonValue) -> JsonValue:
    """A deep copy of a normal value."""
    if type(value) is list:
        return [copy_value(item) if type(item) in _CONTAINERS else item for item in value]
    if type(value) is dict:
        return {
            key: copy_value(item) if type(item) in _CONTAINERS else item
            for key, item in value.items()
        }
    return value


def same_value(a: JsonValue, b: JsonValue) -> bool:
    """True when two normal values have the same JSON text, apart from the order of keys.

    So ``True``, ``1`` and ``1.0`` are three different values, as are ``0.0`` and ``-0.0``.
    """
    if a is b:
        return True
    if type(a) is not type(b) or a != b:
        return False
    # Python also says 1 == True and 0.0 == -0.0, so the inside of equal values must be compared.
    return type(a) in _EXACT_EQUALITY or canonical(a) == canonical(b)


_CONTAINERS: Final = frozenset((list, dict))
_EXACT_EQUALITY: Final = frozenset((str, int, bool, type(None)))


# -- normalise -----------------------------------------------------------------------------------


class _RefusedError(Exception):
    """A value was refused; ``steps`` grows from the inside out while the stack unwinds."""

    def __init__(self, kind: type[ContextError], reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.steps: list[str] = []

    def located(self, root: str) -> ContextError:
        path = root + "".join(reversed(self.steps))
        path = path.removeprefix(".")
        reason = f"{shown_path(path)}: {self.reason}" if path else self.reason
        return self.kind(reason, path=path)


def _normal(value: object, depth: int) -> JsonValue:
    if value is None or value is True or value is False:
        return value
    match value:
        case str():
            return _text(value)
        case int():
            return _integer(value)
        case float():
            return _number(value)
        case dict():
            return _object(value, depth + 1)
        case list() | tuple() | range():
            return _array(value, depth + 1)
        case _:
            raise _wrong_type(value)


def _text(value: str) -> str:
    text = value
    if type(value) is not str:
        _refuse_numpy(value)
        text = str.__str__(value)  # a subclass may override the methods used below
    if "\0" in text:
        raise _RefusedError(ContextValueError, "text with a NUL character cannot be stored")
    if not text.isascii():
        _refuse_surrogates(text)
    return text


def _refuse_surrogates(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        character = ascii(value[error.start])
        raise _RefusedError(
            ContextValueError,
            f"text with the lone surrogate {character} at {error.start} cannot be stored",
        ) from None


def _integer(value: int) -> int:
    number = int.__int__(value)
    if not LEAST_INT <= number <= GREATEST_INT:
        raise _RefusedError(
            ContextValueError,
            "an int must be between -2**63 and 2**64 - 1; store a larger one as str(value)",
        )
    return number


def _number(value: float) -> float:
    if type(value) is not float:
        _refuse_numpy(value)
    number = float.__float__(value)
    if number - number != 0.0:
        raise _RefusedError(
            ContextValueError, f"{number!r} has no JSON form; store None or a str instead"
        )
    return number


def _array(value: list[Any] | tuple[Any, ...] | range, depth: int) -> list[JsonValue]:
    _refuse_depth(depth)
    if isinstance(value, range):
        _refuse_long_range(value)
    items: list[JsonValue] = []
    item: Any
    try:
        for item in value:  # no comprehension: its length is the place of a refusal
            kind = type(item)
            if (kind is str and item.isascii() and "\0" not in item) or (
                kind is int and LEAST_INT <= item <= GREATEST_INT
            ):
                items.append(item)
            else:
                items.append(_normal(item, depth))
    except _RefusedError as refused:
        refused.steps.append(f"[{len(items)}]")
        raise
    return items


def _object(value: dict[Any, Any], depth: int) -> dict[str, JsonValue]:
    _refuse_depth(depth)
    return _members(value.items(), depth)


def _members(items: Iterable[tuple[object, Any]], depth: int) -> dict[str, JsonValue]:
    members: dict[str, JsonValue] = {}
    for key, item in items:
        # Most keys and values are plain: the checks of ``_key`` and ``_normal`` without the calls.
        name = key if type(key) is str and key.isascii() and "\0" not in key else _key(key)
        kind = type(item)
        if (
            (kind is str and item.isascii() and "\0" not in item)
            or (kind is int and LEAST_INT <= item <= GREATEST_INT)
            or (kind is float and item - item == 0.0)
            or item is None
            or kind is bool
        ):
            members[name] = item
            continue
        try:
            members[name] = _normal(item, depth)
        except _RefusedError as refused:
            refused.steps.append(f".{name}" if name.isidentifier() else path_of(name))
            raise
    return members


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise _RefusedError(
            ContextTypeError,
            f"key must be a str, got {reprlib.repr(key)} ({type(key).__name__}); use str(key)",
        )
    try:
        return _text(key)
    except _RefusedError as refused:
        refused.reason = f"key {key!a}: {refused.reason}"
        raise


def _refuse_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _RefusedError(
            ContextValueError, f"lists and dicts may be nested at most {MAX_DEPTH} levels deep"
        )


def _refuse_long_range(value: range) -> None:
    # Not len(): it overflows on huge ranges.
    if value and (value[-1] - value[0]) // value.step >= MAX_RANGE:
        raise _RefusedError(ContextValueError, f"a range of over {MAX_RANGE} items is too large")


# -- forms to store instead ----------------------------------------------------------------------

_STORE_INSTEAD: Final = {
    "builtins.set": "sorted(value) or list(value)",
    "builtins.frozenset": "sorted(value) or list(value)",
    "builtins.bytes": "base64.b64encode(value).decode()",
    "builtins.bytearray": "base64.b64encode(value).decode()",
    "builtins.memoryview": "base64.b64encode(value).decode()",
    "builtins.complex": "[value.real, value.imag]",
    "datetime.datetime": "value.isoformat()",
    "datetime.date": "value.isoformat()",
    "datetime.time": "value.isoformat()",
    "datetime.timedelta": "value.total_seconds()",
    "decimal.Decimal": "str(value)",
    "fractions.Fraction": "str(value)",
    "uuid.UUID": "str(value)",
    "enum.Enum": "value.value",
    "builtins.coroutine": "what awaiting it gives",
    "cloaca_core.definition.context.Context": "value.to_dict()",
}
"""Keyed by name, so that none of these modules is imported for the sake of a message."""

_ACCEPTED: Final = "None, bool, int, float, str, list, tuple, range or dict"


def _wrong_type(value: object) -> _RefusedError:
    kind = type(value)
    return _RefusedError(
        ContextTypeError,
        f"{kind.__name__} has no JSON form; store {_instead_of(kind)} instead",
    )


def _instead_of(kind: type) -> str:
    for base in kind.__mro__:
        known = _STORE_INSTEAD.get(f"{base.__module__}.{base.__name__}")
        if known is not None:
            return known
    if _is_numpy(kind):
        return "value.tolist()"
    for method, form in _METHODS.items():
        if hasattr(kind, method):
            return form
    return _ACCEPTED


_MAPPINGS: Final = {
    "model_dump": 'value.model_dump(mode="json")',
    "__validators__": "json.loads(value.json())",
    "__attrs_attrs__": "attrs.asdict(value)",
    "__dataclass_fields__": "dataclasses.asdict(value)",
    "__struct_fields__": "msgspec.to_builtins(value)",
    "_asdict": "value._asdict()",
    "keys": "dict(value)",
}
"""How to convert objects to mappings, by an attribute of the type, the most specific first:
pydantic 2, pydantic 1, attrs, a dataclass, msgspec, a named tuple, an object like a mapping.
"""

_METHODS: Final = {"__fspath__": "str(value)", **_MAPPINGS, "__iter__": "list(value)"}
"""Forms for a value inside a context, found in the same way."""


def _refuse_numpy(value: object) -> None:
    """Refuse numpy's values, except float64 and str_, which are a float and a str."""
    if _is_numpy(type(value)):
        raise _wrong_type(value)


def _is_numpy(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "numpy"


def _refuse_constant(name: str) -> NoReturn:
    raise ContextValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
