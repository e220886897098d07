"""Writes out the lists of a statement, which ``queries.py`` describes: of columns, and of rows.

Works on the text of a statement before its parameters are worded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple

from cloaca_core.records.transfer import BY_NAME, TABLES, Kind, Table


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
_ROWS: Final = re.compile(r":rows\((?P<fields>[^()]*)\)")


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


def with_rows(name: str, text: str, arrays: Arrays | None) -> str:
    """The statement with its rows written out: as arrays, or as the values of one."""
    return _ROWS.sub(lambda found: _values(name, _parts(found["fields"]), arrays), text)


def _values(name: str, fields: list[str], arrays: Arrays | None) -> str:
    """Rows that are inserted as they are, after the list of their columns."""
    columns = f"({', '.join(fields)})"
    if arrays is None:
        return f"{columns} VALUES ({', '.join([f':{field}' for field in fields])})"
    rows = arrays.of(_kinds(name, fields))
    return f"{columns} SELECT * FROM {rows}"  # noqa: S608 - of a file, as are its fields


def _kinds(name: str, fields: Iterable[str]) -> list[tuple[str, Kind]]:
    """The kinds of fields, by the columns of their names."""
    known = _kinds_of_columns()
    if unknown := [field for field in fields if field not in known]:
        raise ValueError(f"statement {name} has fields of no known column: {', '.join(unknown)}")
    return [(field, known[field]) for field in fields]


@cache
def _kinds_of_columns() -> dict[str, Kind]:
    """The kinds of columns by their names, which mean the same in all tables."""
    return {column: kind for table in TABLES for column, kind in table.kinds.items()}
