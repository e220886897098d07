"""The JSON forms of objects that stand in an input as defaults. They are the same as the schema of
their types describes.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from cloaca_core.values.payloads.json_values import JsonValue, normalise


def encoded(value: Any) -> JsonValue:
    """The JSON form of a value; ``ContextError`` if it has none."""
    return normalise(_plain(value))


def _plain(value: Any) -> object:
    match value:
        case Enum():  # before the others: a member may be a text or a number as well
            return value.value
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case bytes():
            return base64.b64encode(value).decode()
        case list() | tuple():
            return [_plain(each) for each in value]
        case Mapping():
            return {key: _plain(each) for key, each in value.items()}
        case _:
            return _of_object(value)


def _of_object(value: Any) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [each.name for each in dataclasses.fields(value) if each.init]
        return {name: _plain(getattr(value, name)) for name in fields}
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return value
