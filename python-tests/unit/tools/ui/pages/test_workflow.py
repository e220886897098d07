"""What a workflow's page makes of its statistics."""

from __future__ import annotations

from datetime import UTC, datetime

from model.families import FLOW, LATE, at, run

from cloaca_core.views.results import run_info
from cloaca_tools.ui.pages.workflow import approval, parts_of
from cloaca_tools.ui.words.clock import Clock
from cloaca_tools.views.run.graph import Graph, GraphNode
from cloaca_tools.views.workflows.statistics import GridRow, TaskStatistics, WorkflowStatistics

CLOCK = Clock(UTC, datetime(2023, 11, 15, tzinfo=UTC))


def made(*seconds: float) -> list[GridRow]:
    """Runs that were made so many seconds after ``START``."""
    return [GridRow(run_info(run(created_at=at(each)), LATE), ()) for each in seconds]


def test_runs_of_several_days_are_sorted_by_day() -> None:
    assert parts_of(made(90_000, 0), CLOCK) == ["15 Nov", "14 Nov"]


def test_runs_of_one_day_are_sorted_by_hour() -> None:
    assert parts_of(made(3_600, 0), CLOCK) == ["23:00", "22:00"]


def statistics(*tasks: TaskStatistics) -> WorkflowStatistics:
    return WorkflowStatistics("flow", FLOW, "v", ("v",), {}, None, None, (), tasks, ())


def graph(**kinds: str) -> Graph:
    nodes = [GraphNode(task, kind, None, 0, None, None, 0) for task, kind in kinds.items()]
    return Graph("flow", FLOW, "v", None, tuple(nodes), ())


def task(name: str, p50: float | None) -> TaskStatistics:
    return TaskStatistics(name, 1, 0, 0, 1, p50, p50)


def test_the_first_approval_that_was_given_is_shown() -> None:
    found = statistics(task("load", 1.0), task("sign", None), task("ship", 60.0))
    assert approval(found, graph(load="task", sign="approval", ship="approval")) == 60.0
    assert approval(found, graph(load="task", sign="approval")) is None
    assert approval(found, graph(load="task")) is None
