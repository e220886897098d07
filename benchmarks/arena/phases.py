"""What happens to the processes and their server in each phase of a scenario of the arena."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final, NamedTuple

import psycopg
from psycopg import sql

from benchmarks.arena.replicas import Replicas
from dev.databases.cluster import CONNECTIONS, Cluster

HIGH_LOAD: Final = 1.5
"""Times the rate."""
READERS: Final = 4
HELD: Final = CONNECTIONS * 3 // 4
"""Idle connections of ``pool-exhaustion``."""
KILLED_A_SECOND: Final = 2
"""Sessions of the database that ``pg-backend-kill`` ends."""
KILLS: Final = 3
"""Of a process, in ``repeated-kill``."""


TABLES: Final = ("cloaca_run", "cloaca_attempt")
"""That ``active-readers`` read."""


class Phase(NamedTuple):
    """What happens, and how many units of time it takes."""

    kind: str
    units: float = 1


class Place(NamedTuple):
    """Where the phases happen."""

    cluster: Cluster
    port: int
    url: str
    replicas: Replicas

    def connect(self) -> psycopg.Connection:
        """A session of this program."""
        return psycopg.connect(self.url, autocommit=True, application_name="arena")


def run(phase: Phase, place: Place, seconds: float) -> None:
    """Let a phase happen for so long."""
    _KINDS[phase.kind](place, seconds)


def _clean(_: Place, seconds: float) -> None:
    time.sleep(seconds)


def _high_load(place: Place, seconds: float) -> None:
    place.replicas.set_rate(HIGH_LOAD)
    time.sleep(seconds)
    place.replicas.set_rate(1)


def _idle_in_tx(place: Place, seconds: float) -> None:
    with place.connect() as connection, connection.transaction():
        connection.execute("SELECT txid_current()")
        time.sleep(seconds)


def _snapshot(place: Place, seconds: float) -> None:
    with place.connect() as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM cloaca_run")
        time.sleep(seconds)


def _active_readers(place: Place, seconds: float) -> None:
    ended = threading.Event()
    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(_read, place, ended) for _ in range(READERS)]
        time.sleep(seconds)
        ended.set()
    for each in readers:
        each.result()


def _read(place: Place, ended: threading.Event) -> None:
    with place.connect() as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        while not ended.wait(0.1):
            for table in TABLES:
                connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))


def _kill_worker(place: Place, seconds: float) -> None:
    place.replicas.kill(0)
    time.sleep(seconds)


def _start_worker(place: Place, seconds: float) -> None:
    place.replicas.start(0)
    time.sleep(seconds)


def _repeated_kill(place: Place, seconds: float) -> None:
    for _ in range(KILLS):
        place.replicas.kill(0)
        time.sleep(seconds / KILLS / 2)
        place.replicas.start(0)
        time.sleep(seconds / KILLS / 2)


def _postgres_restart(place: Place, seconds: float) -> None:
    place.cluster.stop()
    time.sleep(seconds / 2)
    place.cluster.start(durable=True, port=place.port)
    time.sleep(seconds / 2)


def _backend_kill(place: Place, seconds: float) -> None:
    until = time.monotonic() + seconds
    with place.connect() as connection:
        while time.monotonic() < until:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                " datname = current_database() AND application_name <> 'arena'"
                " ORDER BY random() LIMIT 1"
            )
            time.sleep(1 / KILLED_A_SECOND)


def _pool_exhaustion(place: Place, seconds: float) -> None:
    with ExitStack() as stack:
        for _ in range(HELD):
            stack.enter_context(place.connect())
        time.sleep(seconds)


_KINDS: Final[Mapping[str, Callable[[Place, float], None]]] = {
    "clean": _clean,
    "recovery": _clean,
    "high-load": _high_load,
    "idle-in-tx": _idle_in_tx,
    "snapshot": _snapshot,
    "active-readers": _active_readers,
    "kill-worker": _kill_worker,
    "start-worker": _start_worker,
    "repeated-kill": _repeated_kill,
    "postgres-restart": _postgres_restart,
    "pg-backend-kill": _backend_kill,
    "pool-exhaustion": _pool_exhaustion,
}
