"""Opens a database as a version with one more migration would, once a line comes on stdin.

``python migrating.py URL [PLACE]``; with a place it dies before that statement of the migration.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import cloaca
from cloaca_core.store.migrate import Migration, load_migrations, parse_migration

STATEMENTS = (
    "ALTER TABLE cloaca_run ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';",
    "CREATE TABLE cloaca_colour (run_id TEXT NOT NULL);",
    "INSERT INTO cloaca_colour SELECT id FROM cloaca_run;",
    "CREATE INDEX cloaca_run_colour ON cloaca_run (colour);",
    "DROP VIEW cloaca_run_readable;",
)
"""Of a migration that some day may be the next one: it touches what is there, and more."""


def one_more(backend: str, statements: Sequence[str] = STATEMENTS) -> list[Migration]:
    """The migrations of a backend, and one after them."""
    known = load_migrations(f"cloaca_{backend}")
    number = len(known) + 1
    return [*known, parse_migration(f"{number:04}_some_day.sql", "\n".join(statements) + "\n")]


def _dies(split: Callable[[str], Iterator[str]], place: int) -> Callable[[str], Iterator[str]]:
    def statements(script: str) -> Iterator[str]:
        for number, text in enumerate(split(script)):
            if number == place:
                os._exit(9)
            yield text
        os._exit(9)

    return statements


def main() -> None:
    url, *places = sys.argv[1:]
    backend = "sqlite" if url.startswith("sqlite:") else "postgres"
    known = one_more(backend)
    opening: Any = import_module(f"cloaca_{backend}.opening")
    opening.load_migrations = lambda _: known
    for place in places:
        migrator: Any = import_module(f"cloaca_{backend}.migrator")
        migrator.split_statements = _dies(migrator.split_statements, int(place))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    cloaca.DefaultRunner(url).shutdown()


if __name__ == "__main__":
    main()
