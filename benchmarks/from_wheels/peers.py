"""The engines that README compares: their installation and the databases they support.

The program of each is a module of ``benchmarks/peers``, which knows only its engine.
"""

from __future__ import annotations

from dataclasses import dataclass

from dev.project import POSTGRES, SQLITE


@dataclass(frozen=True, slots=True)
class Peer:
    """An engine, on one kind of database or on both.

    ``install`` is a backend of ours, or requirements from the index. ``sqlite`` and ``postgres``
    say whether it supports them, the former with its prefix of an absolute path. ``imports`` is the
    name that a program needs to run something; several packages load the rest only then.
    ``python`` is the oldest version it works with, if that is newer than ours.
    """

    name: str
    module: str
    imports: str
    install: str | tuple[str, ...]
    sqlite: str = ""
    postgres: bool = False
    python: tuple[int, int] = (3, 11)


PEERS = (
    Peer(
        "cloaca, SQLite",
        "cloaca_engine",
        "cloaca.DefaultRunner",
        SQLITE.backend,
        sqlite="sqlite://",
    ),
    Peer(
        "cloaca, PostgreSQL",
        "cloaca_engine",
        "cloaca.DefaultRunner",
        POSTGRES.backend,
        postgres=True,
    ),
    Peer(
        "cloaca 0.12",
        "cloaca_engine",
        "cloaca.DefaultRunner",
        ("cloaca==0.12.0",),
        "sqlite://",
        postgres=True,
    ),
    Peer("DBOS", "dbos_engine", "dbos.DBOS", ("dbos==3.4.0",), sqlite="sqlite:///", postgres=True),
    Peer(
        "Procrastinate",
        "procrastinate_engine",
        "procrastinate.App",
        ("procrastinate==3.10.0", "psycopg[binary]"),
        postgres=True,
    ),
    Peer("Huey", "huey_engine", "huey.SqliteHuey", ("huey==3.5.4",), sqlite="sqlite://"),
    Peer(
        "Oban for Python",
        "oban_engine",
        "oban.Oban",
        ("oban==0.7.0",),
        postgres=True,
        python=(3, 12),
    ),
    Peer(
        "Prefect",
        "prefect_engine",
        "prefect.flow",
        ("prefect==3.9.1",),
        "sqlite:///",
        postgres=True,
    ),
)
