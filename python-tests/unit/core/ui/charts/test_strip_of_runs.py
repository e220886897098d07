"""The last runs as columns."""

from __future__ import annotations

from cloaca_core.ui.charts.strip_of_runs import strip


def test_a_failure_is_a_taller_column() -> None:
    found = strip(["Completed", "Failed", "Completed"])

    assert found.width == 24
    assert dict(found.paths) == {
        "completed": "M0 5h6v9h-6zM16 5h6v9h-6z",
        "failed": "M8 1h6v13h-6z",
    }
    assert found.words == "Last runs: 2 completed, 1 failed"


def test_no_run_is_an_empty_strip() -> None:
    assert (strip([]).width, strip([]).paths) == (1, ())
