"""The last runs as small bars."""

from __future__ import annotations

from cloaca_core.ui.charts.last_runs import Strip, strip


def test_runs_stand_at_the_right_by_state_and_a_failed_one_is_higher() -> None:
    assert strip(["Completed", "Failed"], 3) == Strip(
        width=24,
        bars=(("is-completed", "M8 5h6v9h-6z"), ("is-failed", "M16 1h6v13h-6z")),
        hatched="",
        dashes="",
        label="Last 2: 1 completed, 1 failed",
    )


def test_waiting_runs_are_hatched_and_ticks_without_a_run_are_dashes() -> None:
    found = strip(["Waiting", None, "Cancelled", "Running"], 0)

    assert found.hatched == "M0 5h6v9h-6z"
    assert found.dashes == "M8 12h6M16 12h6"
    assert found.bars == (("is-running", "M24 9h6v5h-6z"),)
    assert found.label == "Last 4: 1 waiting, 1 no run, 1 cancelled, 1 running"


def test_without_runs_there_is_room_for_them() -> None:
    assert strip([], 20) == Strip(160, (), "", "", "No runs yet")
