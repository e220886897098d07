"""Writes out the lists of a statement, which ``queries.py`` describes: lists of columns, and of
rows.

Works on the text of a statement before its parameters are worded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from cloaca_core.run.rows import AttemptRow, RunRow
from cloaca_core.store.tables import BY_NAME, TABLES, Kind, Table


class Arrays(NamedTuple):
    """How a database with many writers words rows that one statement writes: each parameter is an
    array of the values of one field. Also its look-ups, whose plans are made before tables are
    full.
    """

    text: str
    """The array of a field that holds texts, for ``{}``."""
    int: str
    real: str
    rows: str
    """The rows of the arrays ``{}``."""
    look_up: str
    """For ``IN [value]``."""
    among: str
    """For ``IN [SELECT …]``."""

    def of(self, kinds: Iterable[tuple[str, Kind]]) -> str:
        """The rows that have these fields."""
        arrays = [getattr(self, kind).format(f":{field}") for field, kind in kinds]
        return self.rows.format(", ".join(arrays))


_RECORDS: Final = {each.__name__: each for each in (RunRow, AttemptRow)}
"""The rows that statements read by the names of their fields."""
# Few regular expressions: to compile one takes longer than to load a file of statements.
_LIST: Final = re.compile(r":(columns|key|key_values)\(")
_ROWS: Final = re.compile(
    r":rows\b(?:\(([^()]*)\))?( WITH ORDINALITY)?(?:\s+AS\s+(\w+)(,\s*)?)?",
)
_GUARD: Final[dict[str, Kind]] = {"runner_id": "text", "fence": "int"}
"""The owner of a run and its epoch, which guard each row that a journal writes."""


def with_columns(text: str) -> str:
    """The statement with its lists of columns written out."""
    while (found := _LIST.search(text)) is not None:
        end = _closing(text, found.end())
        written = _columns(found[1], text[found.end() : end])
        text = text[: found.start()] + written + text[end + 1 :]
    return text


@cache  # many statements have the same lists
def _columns(kind_of_list: str, inside: str) -> str:
    of, *replaced = _parts(inside)
    table, _, alias = of.removesuffix(" DESC").partition(" AS ")
    if (columns := _listed(kind_of_list, table)) is None:
        raise ValueError(f"a list of columns of an unknown table: {of!r}")
    values = dict([_replacement(columns, each) for each in replaced])
    if kind_of_list == "key_values":
        return ", ".join([_key_value(BY_NAME[table], column) for column in columns])
    before, after = f"{alias}." if alias else "", " DESC" if of.endswith(" DESC") else ""
    return ", ".join([values.get(each, f"{before}{each}{after}") for each in columns])


def _listed(kind_of_list: str, of: str) -> Sequence[str] | None:
    if kind_of_list == "columns" and (record := _RECORDS.get(of)) is not None:
        return record._fields
    if (table := BY_NAME.get(of)) is None:
        return None
    return table.columns if kind_of_list == "columns" else table.key


def _replacement(columns: Sequence[str], part: str) -> tuple[str, str]:
    column, equals, value = part.partition(" = ")
    if not equals or column not in columns:
        raise ValueError(f"a value for no column of its list: {part!r}")
    return column, f"{value} AS {column}"


def _key_value(table: Table, column: str) -> str:
    """A cast, since the least number does not fit into a short column."""
    return f":{column}" if table.kinds[column] == "text" else f"CAST(:{column} AS BIGINT)"


def _closing(text: str, start: int) -> int:
    """The place of the parenthesis that closes the one before ``start``."""
    end = text.find(")", start)
    while text.count("(", start, end) > text.count(")", start, end) and end >= 0:
        end = text.find(")", end + 1)
    if end < 0:
        raise ValueError("a list that is not closed")
    return end


def _parts(inside: str) -> list[str]:
    """The parts of a list between its commas, except those in parentheses."""
    parts: list[str] = []
    for piece in inside.split(","):
        if parts and parts[-1].count("(") > parts[-1].count(")"):
            parts[-1] += f",{piece}"
        else:
            parts.append(piece)
    return [" ".join(part.split()) for part in parts]


def with_rows(text: str, arrays: Arrays | None) -> str:
    """The statement with its rows written out, as arrays or for one row at a time."""
    found = _ROWS.search(text)
    if found is None or (found[1] is None and found[3] is None):
        raise ValueError("rows in an unknown form")
    before, after = text[: found.start()], text[found.end() :]
    listed, places, alias, comma = found.groups()
    told = [] if listed is None else _parts(listed)
    if alias is None:
        return before + _values(told, arrays) + after
    if arrays is None:
        if comma is None:
            before = before.rstrip().removesuffix("FROM").removesuffix("USING")
        return (before + after).replace(f":{alias}.", ":")
    named = [field for name, field in re.findall(r":(\w+)\.(\w+)", text) if name == alias]
    fields = list(dict.fromkeys(named))
    rows = arrays.of(_kinds(fields, told))
    if places is not None:
        rows, fields = f"{rows} WITH ORDINALITY", [*fields, "place"]
    rows = f"{rows} AS {alias} ({', '.join(fields)}){comma or ''}"
    old, new = f":{alias}.", f"{alias}."
    return before.replace(old, new) + rows + after.replace(old, new)


def with_look_ups(text: str, arrays: Arrays | None) -> str:
    """The statement with its look-ups written out."""
    written, *rest = text.split("IN [")
    for each in rest:
        inside, _, after = each.partition("]")
        written += _look_up(inside.strip(), arrays) + after
    return written


def _look_up(value: str, arrays: Arrays | None) -> str:
    if value.startswith("SELECT "):
        return f"IN ({value})" if arrays is None else arrays.among.format(value)
    return f"= {value}" if arrays is None else arrays.look_up.format(value)


def without_lock(text: str) -> str:
    """The statement without its last line, if that locks rows."""
    before, _, last = text.rpartition("\nFOR ")
    locks = last.startswith(("UPDATE", "NO KEY UPDATE", "KEY SHARE", "SHARE"))
    return before if locks and "\n" not in last.strip() and ")" not in last else text


def _values(fields: list[str], arrays: Arrays | None) -> str:
    """Rows that are inserted unchanged, after the list of their columns."""
    told = [each for each in fields if ":" in each]
    fields = [each.partition(":")[0] for each in fields]
    columns = f"({', '.join(fields)})"
    if arrays is None:
        return f"{columns} VALUES ({', '.join([f':{field}' for field in fields])})"
    rows = arrays.of(_kinds(fields, told))
    return f"{columns} SELECT * FROM {rows}"  # noqa: S608 - of a file, as are its fields


def _kinds(fields: Iterable[str], told: Iterable[str]) -> list[tuple[str, Kind]]:
    """The kinds of fields: as given (``name:kind``), otherwise the kind of the column of that
    name.
    """
    known: dict[str, Any] = dict([each.split(":") for each in told])
    kinds = [(field, known.get(field) or _kinds_of_columns().get(field)) for field in fields]
    if unknown := [field for field, kind in kinds if kind is None]:
        raise ValueError(f"fields of no known column: {', '.join(unknown)}")
    return [(field, kind) for field, kind in kinds if kind is not None]


@cache
def _kinds_of_columns() -> dict[str, Kind]:
    """The kinds of columns by their names, which mean the same in all tables."""
    return {column: kind for table in TABLES for column, kind in table.kinds.items()} | _GUARD
