"""Many runs are copied from SQLite to PostgreSQL by a process that is killed, and another one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from copied import fill

from cloaca import databases
from cloaca_core.store.tables import BY_NAME
from process import copying

RUNS = int(os.environ.get("CLOACA_TEST_COPIED_RUNS", "10000"))
"""The long form is for 100,000, which takes a minute."""
TABLES = [BY_NAME[name] for name in ("definition", "run", "run_tag", "attempt", "schedule")]


@pytest.mark.timeout(300)
def test_a_copy_to_another_backend_that_is_killed_goes_on(
    tmp_path: Path, postgres_url: str
) -> None:
    source = f"sqlite:///{tmp_path / 'work.db'}"
    asyncio.run(fill(source, range(RUNS), TABLES))
    command = [sys.executable, "-W", "error", copying.__file__, source, postgres_url]

    killed = subprocess.run([*command, "run", str(RUNS // 2)], timeout=120, check=False)
    report = databases.copy(source, postgres_url)

    assert killed.returncode == -signal.SIGKILL
    copied = {each.table: each for each in report.tables}
    assert copied["run"].rows == RUNS
    assert 0 < copied["run"].copied <= RUNS // 2
    assert copied["attempt"].copied == RUNS
