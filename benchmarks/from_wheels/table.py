"""The table of README's comparison, in Markdown; a dash stands for a missing measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Pair: TypeAlias = tuple[float | None, float | None]
"""Times in ms, on SQLite and on PostgreSQL; None where there is none."""


@dataclass(frozen=True, slots=True)
class Row:
    """Measurements of one engine, in ms on SQLite and on PostgreSQL; None where it does not work
    there or failed. ``start`` is the time from the start of a process to its first result, on an
    empty database.
    """

    name: str
    megabytes: float
    import_ms: float
    start: Pair
    run: Pair


def table(rows: Sequence[Row]) -> str:
    """Write the table in Markdown, as README has it."""
    columns = ["", "installed", "import"]
    columns += [f"process start to first result, {each}" for each in ("SQLite", "PostgreSQL")]
    columns += [f"one-step run, {each}" for each in ("SQLite", "PostgreSQL")]
    head = [f"|{' |'.join(f' {each}'.rstrip() for each in columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*head, *(_line(row) for row in rows)])


def _line(row: Row) -> str:
    times = " | ".join(_milliseconds(each) for each in (*row.start, *row.run))
    return f"| {row.name} | {_size(row.megabytes)} | {row.import_ms:.0f} ms | {times} |"


def _size(megabytes: float) -> str:
    return f"{megabytes:.1f} MB" if megabytes < 10 else f"{megabytes:.0f} MB"


def _milliseconds(found: float | None) -> str:
    if found is None:
        return "-"
    return f"{found:.1f} ms" if found < 10 else f"{found:.0f} ms"
