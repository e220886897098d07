"""The names of states are what users see and what is stored."""

from __future__ import annotations

from tables import each_row

from cloaca_core.values.states import RunStatus, TaskStatus


@each_row(
    ("kind", "names"),
    [
        (
            RunStatus,
            {
                *("Pending", "Running", "Waiting", "Paused", "Cancelling"),
                *("Completed", "Failed", "Cancelled"),
            },
        ),
        (
            TaskStatus,
            {
                *("NotStarted", "Ready", "Running", "Waiting"),
                *("Completed", "Failed", "Skipped", "Cancelled"),
            },
        ),
    ],
)
def test_the_states_are_those_of_the_contract(
    kind: type[RunStatus | TaskStatus], names: set[str]
) -> None:
    assert {state.value for state in kind} == names


@each_row("state", [*RunStatus, *TaskStatus])
def test_a_state_is_its_name(state: RunStatus | TaskStatus) -> None:
    assert state == state.value == str(state)
