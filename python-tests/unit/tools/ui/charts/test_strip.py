"""The last runs as small bars."""

from __future__ import annotations

from cloaca_tools.ui.charts.strip import Strip, strip


def test_runs_stand_at_the_right_by_state_and_a_failed_one_is_higher() -> None:
    assert strip(["Completed", "Failed"], 3) == Strip(
        width=24,
        bars=(("completed", "M8 5h6v9h-6z"), ("failed", "M16 1h6v13h-6z")),
        hatched="",
        dashes="",
        label="Last 2 runs: 1 completed, 1 failed",
    )


def test_waiting_runs_are_hatched_and_ticks_without_a_run_are_dashes() -> None:
    found = strip(["Waiting", None, "Cancelled", "Running"], 0, "tick")

    assert found.hatched == "M0 5h6v9h-6z"
    assert found.dashes == "M8 12h6M16 12h6"
    assert found.bars == (("running", "M24 9h6v5h-6z"),)
    assert found.label == "Last 4 ticks: 1 waiting, 1 no run, 1 cancelled, 1 running"


def test_without_runs_there_is_room_for_them() -> None:
    assert strip([], 20) == Strip(160, (), "", "", "No runs yet")
    assert strip([]) == Strip(8, (), "", "", "No runs yet")


def test_runs_of_one_state_are_one_path_and_the_most_frequent_state_is_told_first() -> None:
    found = strip(["Failed", "Completed", "Completed"])

    assert dict(found.bars) == {
        "failed": "M0 1h6v13h-6z",
        "completed": "M8 5h6v9h-6zM16 5h6v9h-6z",
    }
    assert found.label == "Last 3 runs: 2 completed, 1 failed"
    assert strip(["Cancelling"]).bars == (("cancelling", "M0 5h6v9h-6z"),)
