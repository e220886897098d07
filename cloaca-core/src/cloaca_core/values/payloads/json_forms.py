"""The JSON form of views: the same for the command line, the page and MCP.

Instants are RFC 3339 text already, durations are seconds as numbers. Keys are the field names of
the dataclasses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar


class Shown:
    """Base of the frozen dataclasses of this package."""

    __slots__ = ()
    FORM: ClassVar[str] = ""
    """The names in its form, in their order, where these are not all fields in their order."""

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name, as JSON takes them: nested objects are dicts, tuples are lists."""
        form: dict[str, Any] = json_form(self)
        return form


def json_form(value: Any) -> Any:
    """A dataclass, a mapping or a tuple as JSON takes it, down to its leaves."""
    if is_dataclass(value):
        names = getattr(value, "FORM", "").split() or [each.name for each in fields(value)]
        return {name: json_form(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): json_form(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [json_form(each) for each in value]
    return value
