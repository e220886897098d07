"""The strip of a workflow's last runs."""

from __future__ import annotations

from cloaca_core.ui.charts.grid import Mark
from cloaca_core.ui.charts.strip import strip


def test_the_newest_is_at_the_right_and_failures_are_higher() -> None:
    found = strip(["Failed", "Completed", "Running"], 4)
    assert found.width == 32
    assert found.bars == (
        Mark("Failed", "M24 1h6v13h-6z"),
        Mark("Completed", "M16 5h6v9h-6z"),
        Mark("Running", "M8 9h6v5h-6z"),
    )
    assert found.words == "Last 3 runs: 1 failed, 1 completed, 1 running"


def test_a_workflow_without_a_run_says_so() -> None:
    assert strip([], 2).words == "No runs"
    assert strip([], 2).bars == ()
