"""The summary of a run that has ended."""

from __future__ import annotations

from pathlib import Path

from dev.environments.interpreters import Interpreter
from dev.testing import results
from dev.testing.jobs import Wanted, plan
from dev.testing.junit import Counts

OLD = Interpreter((3, 11, 7), Path("python3.11"))


def test_the_table_has_a_row_per_process() -> None:
    job = plan(Wanted(backend="sqlite", file="scenarios/test_01_installed.py"), [OLD])[0]
    outcome = results.Outcome(job, Counts(3), 1.25, "0.8", Path("report"), "", "")
    head, row = results.table([outcome]).splitlines()
    titles = ["environment", "tests", "passed", "failed", "skipped", "seconds", "cpu"]
    name = "scenarios/test_01_installed.py"
    assert head.split() == titles
    assert row.split() == ["py311-sqlite", name, "3", "0", "0", "1.2", "0.8"]
