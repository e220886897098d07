"""The handle tells a body of its attempt as it is now, never from an outdated copy."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from model.runs import NoSteps
from tables import each_row

from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.handles.task_handle import TaskHandle


def attempt(**fields: object) -> SimpleNamespace:
    plain = {
        "run_id": "run",
        "epoch": 2,
        "task_id": "load",
        "number": 3,
        "holds_slot": True,
        "abandoned": False,
        "item": None,
    }
    return SimpleNamespace(**{**plain, **fields})


def handle_of(attempt: SimpleNamespace) -> TaskHandle:
    return TaskHandle(attempt, NoSteps())


def test_it_says_which_attempt_of_what_it_is() -> None:
    handle = handle_of(attempt())

    assert (handle.run_id, handle.task_id) == ("run", "load")
    assert (handle.attempt, handle.epoch) == (3, 2)
    assert repr(handle) == "TaskHandle(run_id='run', task_id='load')"
    other = AsyncTaskHandle(attempt(), NoSteps())
    assert repr(other) == "AsyncTaskHandle(run_id='run', task_id='load')"


@each_row(
    ("fields", "expected"),
    [
        ({"number": 1}, "run:load"),
        ({"number": 2}, "run:load"),
        ({"epoch": 9}, "run:load"),
        ({"run_id": "other"}, "other:load"),
        ({"task_id": "save"}, "run:save"),
    ],
)
def test_the_idempotency_key_is_that_of_the_task_in_the_run(
    fields: dict[str, object], expected: str
) -> None:
    assert handle_of(attempt(**fields)).idempotency_key == expected


@each_row(
    ("holds_slot", "abandoned", "expected"),
    [
        (True, False, True),
        # It waits for another run.
        (False, False, False),
        # It was given up: its thread has been replaced.
        (True, True, False),
    ],
)
def test_the_slot_is_held_by_a_body_that_runs_and_is_wanted(
    holds_slot: bool, abandoned: bool, expected: bool
) -> None:
    handle = handle_of(attempt(holds_slot=holds_slot, abandoned=abandoned))

    assert handle.is_slot_held() is expected


def test_it_follows_what_becomes_of_its_attempt() -> None:
    of = attempt()
    handle = handle_of(of)
    of.abandoned = True

    assert not handle.is_slot_held()


def test_it_carries_no_state_of_a_bodys_own() -> None:
    with pytest.raises(AttributeError):
        handle_of(attempt()).note = "x"  # type: ignore[attr-defined]  # that is what is tested
