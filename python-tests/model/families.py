"""Runs as the observe layer reads them, made by hand; instants are in seconds after ``START``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model.runs import graph_of

from cloaca_core.definition.recorded import RecordedWorkflow
from cloaca_core.definition.task import Task
from cloaca_core.features.steering.records import ChildRow
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import AttemptRow, RestartRow, RunRow
from cloaca_core.values.times.instants import SECOND
from cloaca_tools.views.run.reading import Family, RunView

START = 1_700_000_000 * SECOND
"""2023-11-14T22:13:20Z."""
FLOW = "public::embedded::flow"
LATE = START + 100 * SECOND
"""When a family is read."""


def at(seconds: float | None) -> int | None:
    """So many seconds after ``START``."""
    return None if seconds is None else START + round(seconds * SECOND)


def run(run_id: str = "r", status: str = "Completed", **fields: object) -> RunRow:
    """A run from second 1 to second 50; one that has not ended is still there."""
    over = status in ("Completed", "Failed", "Cancelled")
    row = RunRow(
        id=run_id,
        workflow=FLOW,
        version="0123456789abcdef",
        status=status,
        owner=None,
        epoch=1,
        recoveries=0,
        input="",
        tags="{}",
        parent_id=None,
        final_context="",
        error_message=None if status in ("Completed", "Running") else "it broke",
        created_at=START,
        started_at=at(1),
        ended_at=at(50) if over else None,
    )
    return row._replace(**fields)  # type: ignore[arg-type]  # names are checked by _replace


def attempt(
    task: str,
    number: int = 1,
    begins: float | None = 1,
    ends: float | None = 2,
    status: str = "Completed",
    *,
    run_id: str = "r",
    retry: float | None = None,
    change: str | None = None,
) -> AttemptRow:
    """An attempt between two seconds."""
    failed = status == "Failed"
    return AttemptRow(
        run_id=run_id,
        task_id=task,
        attempt=number,
        epoch=1,
        status=status,
        change=change,
        error_type="ValueError" if failed else None,
        error_message="it broke" if failed else None,
        error_traceback=None,
        skip_reason=None,
        started_at=at(begins),
        ended_at=at(ends),
        retry_at=at(retry),
        crashes=0,
    )


def tasks(**dependencies: Sequence[str]) -> dict[str, Task]:
    """The tasks of a workflow: each name with those that it depends on."""
    graph = graph_of(**{name: {"dependencies": list(d)} for name, d in dependencies.items()})
    return {task.id: task for task in graph.tasks}


def view(
    row: RunRow,
    *attempts: AttemptRow,
    of: Mapping[str, Task] | None = None,
    restarts: Sequence[RestartRow] = (),
    waits: Sequence[WaitRow] = (),
) -> RunView:
    """A run with its attempts and the tasks of its definition."""
    definition: RecordedWorkflow | None = None
    return RunView(row, attempts, restarts, waits, definition, of or {})


def child(run_id: str, parent: str = "r", key: str | None = None, status: str = "") -> ChildRow:
    """A run that a body of ``parent`` has submitted."""
    return ChildRow(parent, run_id, status or "Completed", key, FLOW, 1)


def wait(task: str, kind: str, name: str, since: int, until: int | None = None) -> WaitRow:
    """An open wait of the first attempt of a task; its times are instants."""
    return WaitRow("r", task, kind, name, 0, 1, "", since, until)


def family(*views: RunView, children: Sequence[ChildRow] = ()) -> Family:
    """Runs of which the first is at the top."""
    by_parent: dict[str, list[ChildRow]] = {}
    for each in children:
        by_parent.setdefault(each.parent_id, []).append(each)
    return Family(LATE, views[0].row.id, {each.row.id: each for each in views}, by_parent)
