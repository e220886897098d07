"""The names of states are what users see and what is stored; final ones never change again."""

from __future__ import annotations

import pytest

from cloaca_core.store.states import RunStatus, TaskStatus


@pytest.mark.parametrize(
    ("kind", "final", "others"),
    [
        (RunStatus, {"Completed", "Failed", "Cancelled"}, {"Pending", "Running"}),
        (
            TaskStatus,
            {"Completed", "Failed", "Skipped", "Cancelled"},
            {"NotStarted", "Ready", "Running", "Waiting"},
        ),
    ],
)
def test_every_state_is_final_or_not(
    kind: type[RunStatus | TaskStatus], final: set[str], others: set[str]
) -> None:
    assert {state.value for state in kind} == final | others
    assert {state.value for state in kind if state.is_final} == final


@pytest.mark.parametrize("state", [*RunStatus, *TaskStatus])
def test_a_state_is_its_name(state: RunStatus | TaskStatus) -> None:
    assert state == state.value == str(state)
