"""The JSON object that the tasks of a run hand on, and the input of a run that it begins as.

A Context checks values that are put in and copies values that are read, so that no task can
change another task's data through a shared list. It knows nothing of runs: the engine finds a
task's changes through the private methods at the end of the class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, TypeAlias, final

from cloaca_core.errors import (
    ContextKeyError,
    ContextTypeError,
    ContextValueError,
    SecretsNotConfiguredError,
)
from cloaca_core.values.payloads.json_values import (
    JsonValue,
    copy_value,
    decode,
    encode,
    mapping_hint,
    normalise,
    normalise_items,
    normalise_key,
    path_of,
)

# Outside the class, where ``set`` is still the type and not the method.
_Keys: TypeAlias = set[str]
_State: TypeAlias = tuple[dict[str, JsonValue], _Keys]


@final
class Context(Mapping[str, Any]):
    """A JSON object with str keys, usable as a mapping; every read gives a fresh copy.

    Values: None, bool, int in [-2**63, 2**64 - 1], finite float, str, list, tuple and range
    (stored as list), dict with str keys, nested up to 200 levels; subclasses count as their base.
    Other values are refused when they are put in, with the place in the error's ``path``
    (``orders[3].price``): ``ContextTypeError`` (a TypeError) for a type without a JSON form,
    ``ContextValueError`` (a ValueError) for NaN, infinities, NUL, lone surrogates and excess.
    A key that is not a str is a ``ContextTypeError`` in every call but ``in``. Convert a model or
    a record to a mapping first: ``model.model_dump(mode="json")``, ``dataclasses.asdict(record)``.
    """

    __slots__ = ("_data", "_touched")

    _data: dict[str, JsonValue]
    _touched: _Keys

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        self._data = {} if data is None else normal_items(data, "data")
        self._touched = set()

    # -- one key -----------------------------------------------------------------------------

    def get(self, key: str, default: Any = None) -> Any:
        """Return a copy of the value (None for a stored null), or ``default`` if there is none."""
        try:
            return copy_value(self._data[key])
        except (KeyError, TypeError):  # TypeError: a key that cannot be hashed
            normalise_key(key)
            return default

    def set(self, key: str, value: Any) -> None:
        """Store ``value`` under ``key``, whether or not the key exists."""
        key = normalise_key(key)
        self._data[key] = normalise(value, path_of(key))
        self._touched.add(key)

    def insert(self, key: str, value: Any) -> None:
        """Store a value under a new key; ValueError "Key already exists: …" otherwise."""
        if normalise_key(key) in self._data:
            raise ContextValueError(f"Key already exists: {key}", path=path_of(key))
        self.set(key, value)

    # One key and a value, as in 0.x, where MutableMapping would take many: a Context is a Mapping.
    def update(self, key: str, value: Any) -> None:
        """Replace the value of an existing key; KeyError "Key not found: …" otherwise."""
        if normalise_key(key) not in self._data:
            raise _missing(key)
        self.set(key, value)

    def remove(self, key: str) -> Any:
        """Remove a key and return its value, or None when it was not there."""
        if normalise_key(key) not in self._data:
            return None
        self._touched.add(key)
        return copy_value(self._data.pop(key))  # other contexts may hold the same list

    # -- all of it ---------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """A deep copy as a dict, keys in insertion order."""
        return {key: copy_value(value) for key, value in self._data.items()}

    def update_from_dict(self, data: Mapping[str, Any]) -> None:
        """Store every item of ``data``, or none of them when one is refused."""
        items = normal_items(data, "data")
        self._data.update(items)
        self._touched.update(items)

    def to_json(self) -> str:
        """Compact JSON, non-ASCII unescaped, keys in insertion order."""
        return encode(self._data)

    @staticmethod
    def from_json(json_str: str) -> Context:
        """The Context of a JSON object's text.

        ValueError "Failed to deserialize from JSON: …" for bad JSON, for another JSON value than
        an object, and for values that a Context refuses.
        """
        if not isinstance(json_str, str):
            raise ContextTypeError(f"json_str must be a str, got {type(json_str).__name__}")
        try:
            return Context(_object_of(json_str))
        except ContextValueError as error:
            message = f"Failed to deserialize from JSON: {error}"
            raise ContextValueError(message, path=error.path) from error

    def copy(self) -> Context:
        """An equal Context that changes on its own."""
        twin = Context.__new__(Context)
        twin.__setstate__(self.__getstate__())
        return twin

    # -- secrets -----------------------------------------------------------------------------

    def secret(self, name: str) -> Any:
        """The secret ``name`` from the runner's secret provider.

        RuntimeError "secrets backend not configured…": this version has no provider.
        """
        _refuse_secret(name=name)

    def secret_field(self, name: str, field: str) -> Any:
        """One field of the secret ``name``; errors as for ``secret``."""
        _refuse_secret(name=name, field=field)

    # -- as a mapping ------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        try:
            return copy_value(self._data[key])
        except (KeyError, TypeError):
            raise _missing(normalise_key(key)) from None

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        if normalise_key(key) not in self._data:
            raise _missing(key)
        self.remove(key)

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __eq__(self, other: object) -> bool:
        """By value, as dicts compare, with any mapping."""
        if isinstance(other, Context):
            return self._data == other._data
        if isinstance(other, Mapping):
            return self._data == dict(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment] # mutable, so unhashable, as dict is

    def __repr__(self) -> str:
        return f"Context({encode(self._data)})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Context:
        return self.copy()  # values are never changed in place, so both may hold the same

    # -- for the engine only -----------------------------------------------------------------
    #
    # ``_data`` holds normal values that are only replaced, never changed in place; the engine keeps
    # to that too. ``_touched`` has every key that was stored or removed since the Context was made,
    # so that the engine finds a body's changes without comparing all values. Copies and pickles
    # keep it: a body may return a copy, or run in another process.

    @classmethod
    def _view(cls, data: dict[str, JsonValue]) -> Context:
        """A Context over a shallow copy of ``data``, whose values are normal: no checks."""
        context = cls.__new__(cls)
        context._data = data.copy()
        context._touched = set()
        return context

    def __getstate__(self) -> _State:  # for ``copy.copy`` as well, so neither part is shared
        return self._data.copy(), self._touched.copy()

    def __setstate__(self, state: _State) -> None:
        self._data, self._touched = state


def normal_items(data: Mapping[str, Any], parameter: str) -> dict[str, JsonValue]:
    """Checked copies of the items of a mapping; ``parameter`` names it in error messages."""
    if type(data) is not dict and not isinstance(data, Mapping):
        raise ContextTypeError(
            f"{parameter} must be a mapping with str keys, got {type(data).__name__}"
            f"{mapping_hint(data)}"
        )
    return normalise_items(data.items())


def _object_of(text: str) -> dict[str, JsonValue]:
    value = decode(text)
    if not isinstance(value, dict):
        raise ContextValueError(f"expected a JSON object, got {type(value).__name__}")
    return value


def _missing(key: str) -> ContextKeyError:
    return ContextKeyError(f"Key not found: {key}", path=path_of(key))


def _refuse_secret(**names: str) -> NoReturn:
    for parameter, value in names.items():
        if not isinstance(value, str):
            raise ContextTypeError(f"{parameter} must be a str, got {type(value).__name__}")
    raise SecretsNotConfiguredError(
        "secrets backend not configured: this version of cloaca has no secret provider"
    )


ContextLike: TypeAlias = Context | Mapping[str, Any] | None
"""The types that a caller may give as the input of a run."""


def items_of(context: ContextLike, name: str = "context") -> dict[str, JsonValue]:
    """The items of a context, {} for None; ``name`` is its name in error messages. Raises
    ``ContextTypeError`` if it is not a mapping or has a type without a JSON form,
    ``ContextValueError`` if it has a value that JSON cannot hold.
    """
    if context is None:
        return {}
    if isinstance(context, Context):
        return dict(context._data)
    if type(context) is not dict and not isinstance(context, Mapping):
        raise ContextTypeError(
            f"{name} must be a Context, a mapping or None, not {type(context).__name__}"
            f"{mapping_hint(context)}"
        )
    return normal_items(context, "data")


def input_text(items: dict[str, JsonValue], max_bytes: int, name: str = "context") -> str:
    """Encode the items for storage; ``ContextValueError`` when over ``max_bytes`` long."""
    text = encode(items)
    if (size := len(text.encode())) > max_bytes:
        raise ContextValueError(f"{name} is {size} bytes long; max_context_bytes is {max_bytes}")
    return text
