"""Encodes parameters as PostgreSQL's text format. A column of a batch becomes one array."""

from __future__ import annotations

from collections.abc import Sequence

from cloaca_core.errors import StoreDataError

_NUL = "\0"


def text_of(value: object) -> bytes | None:
    """Encode one parameter: a text, a whole number, a list, or None."""
    if value is None:
        return None
    if isinstance(value, str):
        if _NUL in value:
            raise _refused("NUL")
        return _encoded(value)
    if isinstance(value, list):
        return array_of(value)
    if isinstance(value, int):
        return b"%d" % value
    raise TypeError(f"no form for a parameter of type {type(value).__name__}")


def array_of(values: Sequence[object]) -> bytes:
    """Encode a list as an array literal. Its items are of one type, or None."""
    nulls = values.count(None)
    if nulls == len(values):  # most columns of attempts that did not fail
        return b"{%b}" % b",".join([b"NULL"] * nulls)
    if nulls:
        return _encoded("{" + ",".join([_item(value) for value in values]) + "}")
    if isinstance(values[0], str):
        return _texts(values)  # type: ignore[arg-type] # of one type
    return b"{%b}" % ",".join(map(str, values)).encode()


def _texts(values: Sequence[str]) -> bytes:
    """Escape all items at once, joined by a character that none of them may contain."""
    joined = _NUL.join(values)
    if joined.count(_NUL) != len(values) - 1:
        raise _refused("NUL")
    escaped = joined.replace("\\", "\\\\").replace('"', '\\"').replace(_NUL, '","')
    return _encoded('{"' + escaped + '"}')


def _item(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        if _NUL in value:
            raise _refused("NUL")
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _refused("a lone surrogate") from error


def _refused(what: str) -> StoreDataError:
    return StoreDataError(f"a value cannot be stored: PostgreSQL's texts cannot contain {what}")
