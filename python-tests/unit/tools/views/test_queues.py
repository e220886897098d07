"""Queues, shaped from rows."""

from __future__ import annotations

from cloaca_core.features.explain.facts import RunnerState
from cloaca_core.features.explain.records import RunnerLoad
from cloaca_core.features.queues.records import QueueLoad
from cloaca_testing.conformance.rows import NOW, runner
from cloaca_tools.views.queues import QueueFacts, queue_lines


def state(
    runner_id: str, queues: str | None, *, lease: int = 1, draining: bool = False
) -> RunnerState:
    row = runner(runner_id, queues=queues)._replace(draining_since=NOW if draining else None)
    return RunnerState(RunnerLoad(row, 0, owns_workflow=False), NOW + lease)


def test_queues_that_have_runs_or_that_a_living_runner_names_are_shown() -> None:
    loads = [QueueLoad("default", 0, 2, None), QueueLoad("gpu", 3, 0, NOW)]
    runners = [
        state("a", '["default","tape"]'),
        state("gone", '["gpu"]', lease=-1),
        state("leaves", '["gpu"]', draining=True),
    ]

    lines = queue_lines(QueueFacts(loads, runners, NOW))

    assert [(each.name, each.waiting, each.running, each.runners) for each in lines] == [
        ("default", 0, 2, ("a",)),
        ("gpu", 3, 0, ()),
        ("tape", 0, 0, ("a",)),
    ]
    assert [each.is_unserved for each in lines] == [False, True, False]
    assert lines[1].oldest is not None


def test_a_runner_without_queues_serves_all() -> None:
    loads = [QueueLoad("gpu", 1, 0, NOW)]
    (line,) = queue_lines(QueueFacts(loads, [state("all", None)], NOW))
    assert line.runners == ("all",)
