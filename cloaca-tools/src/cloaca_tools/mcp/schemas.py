"""JSON schemas of the arguments of tools; descriptions say which arguments are optional."""

from __future__ import annotations

from cloaca_core.values.payloads.json_schema import Schema


def text(description: str) -> Schema:
    """A text."""
    return {"type": "string", "description": description}


def whole(description: str, least: int, most: int) -> Schema:
    """An integer within these bounds."""
    return {"type": "integer", "minimum": least, "maximum": most, "description": description}


def seconds(description: str) -> Schema:
    """A number of seconds."""
    return {"type": "number", "minimum": 0, "description": description}


def flag(description: str) -> Schema:
    """True or false."""
    return {"type": "boolean", "description": description}


def texts(description: str) -> Schema:
    """A list of texts."""
    return {"type": "array", "items": {"type": "string"}, "description": description}


def text_by_name(description: str) -> Schema:
    """An object whose values are texts."""
    return {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": description,
    }


def values_by_name(description: str) -> Schema:
    """An object."""
    return {"type": "object", "description": description}


def anything(description: str) -> Schema:
    """Any JSON value."""
    return {"description": description}
