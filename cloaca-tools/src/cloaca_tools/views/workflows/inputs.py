"""The keys of the input that a workflow declares, as people read them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

from cloaca_core.values.payloads.json_schema import SchemaCheck
from cloaca_core.values.payloads.json_values import encode

if TYPE_CHECKING:
    from cloaca_core.values.payloads.json_values import JsonValue


class InputKey(NamedTuple):
    """A key: its type in words, and its default as JSON, None without one. It must be given if it
    is ``needed``.
    """

    key: str
    wanted: str
    default: str | None
    needed: bool

    @property
    def told(self) -> str:
        """Its type and default in one line."""
        if self.default is not None:
            return f"{self.wanted}; {self.default} by default"
        return self.wanted if self.needed else f"{self.wanted}; may be missing"


def input_keys(schema: Mapping[str, JsonValue] | None) -> tuple[InputKey, ...]:
    """The keys in the order in which the program declares them; none without an input."""
    if schema is None:
        return ()
    root = dict(schema)
    check, needed = SchemaCheck(root), cast("list[str]", root.get("required") or [])
    return tuple(
        [
            InputKey(key, check.wanted(form), _default(form), key in needed)
            for key, form in cast("Mapping[str, JsonValue]", root.get("properties") or {}).items()
        ]
    )


def _default(form: JsonValue) -> str | None:
    return encode(form["default"]) if isinstance(form, dict) and "default" in form else None
