"""A process dies in the middle of a copy, twice: the copy is taken up where it stopped."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from copied import fill, rows_of

from cloaca import databases
from cloaca_core.store.tables import BY_NAME
from process import copying

WAIT = 60
RUNS = 2_000
TABLES = [BY_NAME[name] for name in ("run", "run_tag", "attempt", "schedule")]


def dies(source: str, target: str, table: str, rows: int) -> bool:
    """Copy in a process that dies; whether it did."""
    arguments = [source, target, table, str(rows)]
    command = [sys.executable, "-W", "error", copying.__file__, *arguments]
    ended = subprocess.run(command, timeout=WAIT, check=False)
    return ended.returncode == -signal.SIGKILL


@pytest.mark.parametrize("first", [100, 1_500])
def test_a_copy_that_is_killed_goes_on(new_database_url: Callable[[], str], first: int) -> None:
    source, target = new_database_url(), new_database_url()
    asyncio.run(fill(source, range(RUNS), TABLES))

    assert dies(source, target, "run", first)
    assert dies(source, target, "attempt", 100)
    report = databases.copy(source, target)

    assert asyncio.run(rows_of(target)) == asyncio.run(rows_of(source))
    copied = {each.table: (each.rows, each.copied) for each in report.tables if each.rows}
    assert copied["run"] == (RUNS, 0)
    assert copied["schedule"] == (RUNS, RUNS)
    rows, left = copied["attempt"]
    assert rows == RUNS
    assert 0 < left < RUNS
