"""Writes out the lists of a statement, which ``queries.py`` describes: of columns, and of rows.

Works on the text of a statement before its parameters are worded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from cloaca_core.store.tables import BY_NAME, TABLES, Kind, Table


class Arrays(NamedTuple):
    """How a database that writes many rows by one statement words them: each parameter is an array
    of the values of one field.
    """

    text: str
    """The array of a field that holds texts, for ``{}``."""
    int: str
    real: str
    rows: str
    """The rows of the arrays ``{}``."""

    def of(self, kinds: Iterable[tuple[str, Kind]]) -> str:
        """The rows that have these fields."""
        arrays = [getattr(self, kind).format(f":{field}") for field, kind in kinds]
        return self.rows.format(", ".join(arrays))


_LIST: Final = re.compile(r":(?P<list>columns|key|key_values)\(")
_OF: Final = re.compile(r"(?P<table>\w+)(?: AS (?P<alias>\w+))?(?P<suffix> DESC)?")
_ROWS: Final = re.compile(
    r"(?P<word>\b(?:FROM|USING)\s+)?:rows\b(?:\((?P<fields>[^()]*)\))?"
    r"(?:\s+AS\s+(?P<alias>\w+)(?P<comma>,\s*)?)?"
)
_LOOK_UP: Final = re.compile(r"\bIN \[(?P<value>[^\]]+)\]")
_GUARD: Final[dict[str, Kind]] = {"runner_id": "text", "fence": "int"}
"""The owner of a run and its epoch, which guard each row that a journal writes."""


def with_columns(name: str, text: str) -> str:
    """The statement with its lists of columns written out."""
    while (found := _LIST.search(text)) is not None:
        end = _closing(name, text, found.end())
        written = _columns(name, found["list"], text[found.end() : end])
        text = text[: found.start()] + written + text[end + 1 :]
    return text


def _columns(name: str, kind_of_list: str, inside: str) -> str:
    of, *replaced = _parts(inside)
    if (match := _OF.fullmatch(of)) is None or (table := BY_NAME.get(match["table"])) is None:
        raise ValueError(f"statement {name} has a list of columns of an unknown table: {of!r}")
    values = dict([_replacement(name, table, each) for each in replaced])
    if kind_of_list == "key_values":
        return ", ".join([_key_value(table, column) for column in table.key])
    columns = table.columns if kind_of_list == "columns" else table.key
    before, after = f"{match['alias']}." if match["alias"] else "", match["suffix"] or ""
    return ", ".join([values.get(each, f"{before}{each}{after}") for each in columns])


def _replacement(name: str, table: Table, part: str) -> tuple[str, str]:
    column, equals, value = part.partition(" = ")
    if not equals or column not in table.columns:
        raise ValueError(f"statement {name} replaces no column of {table.name}: {part!r}")
    return column, value


def _key_value(table: Table, column: str) -> str:
    """A cast, since the least number is beyond the numbers of a short column."""
    return f":{column}" if table.kinds[column] == "text" else f"CAST(:{column} AS BIGINT)"


def _closing(name: str, text: str, start: int) -> int:
    """The place of the parenthesis that closes the one before ``start``."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise ValueError(f"statement {name} has a list that is not closed")


def _parts(inside: str) -> list[str]:
    """The parts of a list between its commas, except those in parentheses."""
    parts, depth = [""], 0
    for sign in inside:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [" ".join(part.split()) for part in parts]


def with_look_ups(text: str, look_up: str) -> str:
    """The statement with its look-ups written out; see ``Wording.look_up``."""
    return _LOOK_UP.sub(lambda found: look_up.format(found["value"]), text)


def with_rows(name: str, text: str, arrays: Arrays | None) -> tuple[str, Sequence[str]]:
    """The statement with its rows written out, as arrays or for one row at a time; their fields."""
    if (found := _ROWS.search(text)) is None:
        raise ValueError(f"statement {name} has rows in an unknown form")
    alias, listed = found["alias"], _parts(found["fields"] or "")
    if alias is None:
        return text.replace(found[0], _values(name, listed, arrays)), listed
    field = re.compile(rf":{alias}\.(\w+)")
    fields = list(dict.fromkeys(field.findall(text)))
    if arrays is None:
        text = text.replace(found[0], (found["word"] or "") if found["comma"] else "")
        return field.sub(r":\1", text), fields
    rows = arrays.of(_kinds(name, fields, listed))
    before, after = found["word"] or "", found["comma"] or ""
    text = text.replace(found[0], f"{before}{rows} AS {alias} ({', '.join(fields)}){after}")
    return field.sub(rf"{alias}.\1", text), fields


def _values(name: str, fields: list[str], arrays: Arrays | None) -> str:
    """Rows that are inserted as they are, after the list of their columns."""
    columns = f"({', '.join(fields)})"
    if arrays is None:
        return f"{columns} VALUES ({', '.join([f':{field}' for field in fields])})"
    rows = arrays.of(_kinds(name, fields, []))
    return f"{columns} SELECT * FROM {rows}"  # noqa: S608 - of a file, as are its fields


def _kinds(name: str, fields: Iterable[str], told: Iterable[str]) -> list[tuple[str, Kind]]:
    """The kinds of fields, by the columns of their names or as told, ``name:kind``."""
    known: dict[str, Any] = {**_kinds_of_columns()}
    known |= [(field, kind) for field, _, kind in [each.partition(":") for each in told]]
    if unknown := [field for field in fields if not known.get(field)]:
        raise ValueError(f"statement {name} has fields of no known column: {', '.join(unknown)}")
    return [(field, known[field]) for field in fields]


@cache
def _kinds_of_columns() -> dict[str, Kind]:
    """The kinds of columns by their names, which mean the same in all tables."""
    return {column: kind for table in TABLES for column, kind in table.kinds.items()} | _GUARD
