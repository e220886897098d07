"""A run's input: the user's context, checked and encoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from cloaca_core.definition.context import Context, normal_items
from cloaca_core.errors import ContextTypeError, ContextValueError
from cloaca_core.values.payloads.json_values import JsonValue, encode, mapping_hint

ContextLike: TypeAlias = Context | Mapping[str, Any] | None


def items_of(context: ContextLike, name: str = "context") -> dict[str, JsonValue]:
    """The items of a context, {} for None; ``name`` stands for it in error messages.

    ``ContextTypeError`` when it is not a mapping or has a type without a JSON form,
    ``ContextValueError`` when it has a value that JSON cannot hold.
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
