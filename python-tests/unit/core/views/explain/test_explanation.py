"""An explanation prints on one screen, also that of a run of many tasks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cloaca_core.views.explain.explanation import (
    LINES,
    Explanation,
    RunnerExplanation,
    TaskExplanation,
)

DONE = TaskExplanation("fetch", "Completed", "completed", "completed")
LOAD = TaskExplanation("load", "Waiting", "retry", "attempt 1 of 3 failed")
AFTER = TaskExplanation("report", "NotStarted", "dependencies", "waits for load")


def of(tasks: Iterable[TaskExplanation] = (), notes: tuple[str, ...] = ()) -> Explanation:
    return Explanation(
        run_id="r",
        workflow_name="flow",
        status="Waiting",
        code="retry",
        why="task load waits",
        waits_for=None,
        tasks=tuple(tasks),
        runners=(),
        notes=notes,
        at="2023-11-14T22:13:20.000000+00:00",
    )


def test_a_small_run_has_a_line_for_each_task() -> None:
    assert str(of([DONE, LOAD, AFTER])).splitlines() == [
        "run r of flow is Waiting: task load waits",
        "tasks:",
        "  fetch   Completed",
        "  load    Waiting     attempt 1 of 3 failed",
        "  report  NotStarted  waits for load",
    ]


def test_runners_and_notes_follow() -> None:
    ours = RunnerExplanation("r1", True, True, "has this workflow", 3, True)
    gone = RunnerExplanation("r22", False, False, "its process has ended", 0, False)
    text = str(replace(of(notes=("it is so",)), runners=(ours, gone)))
    assert text.splitlines() == [
        "run r of flow is Waiting: task load waits",
        "runners:",
        "  r1 (this one)  alive  has this workflow",
        "  r22            gone   its process has ended",
        "note: it is so",
    ]


def test_many_tasks_of_one_kind_share_a_line() -> None:
    many = [replace(DONE, task_id=f"t{number}") for number in range(10_000)]
    waiting = [
        replace(AFTER, task_id=f"w{number}", why=f"waits for t{number}") for number in range(30)
    ]
    assert str(of([*many, LOAD, *waiting])).splitlines()[1:] == [
        "tasks:",
        "  10,000 tasks (t0, t1, t2 and 9,997 more)  Completed",
        "  load                                      Waiting     attempt 1 of 3 failed",
        "  30 tasks (w0, w1, w2 and 27 more)         NotStarted  w0: waits for t0",
    ]


def test_equal_reasons_are_said_once() -> None:
    many = [replace(AFTER, task_id=f"w{number}") for number in range(LINES + 1)]
    assert str(of(many)).splitlines()[2:] == [
        "  21 tasks (w0, w1, w2 and 18 more)  NotStarted  waits for load"
    ]


def test_as_many_tasks_as_fit_have_lines_of_their_own() -> None:
    many = [replace(DONE, task_id=f"t{number}") for number in range(LINES)]
    assert len(str(of(many)).splitlines()) == 2 + LINES


def test_equal_explanations_are_equal() -> None:
    assert of([DONE]) == of([DONE])
    assert hash(of([DONE])) == hash(of([DONE]))
