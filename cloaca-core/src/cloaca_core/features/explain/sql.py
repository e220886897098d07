"""The recorded facts about a run, in SQL."""

from __future__ import annotations

import json
from typing import Final

from cloaca_core.features.explain.records import (
    Holds,
    RecordedRun,
    RunnerLoad,
    Suspect,
    UnendedChild,
    Unread,
    WorkflowPause,
)
from cloaca_core.features.task_logs.records import ProgressRow
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.features.waits.sql import WaitQueries
from cloaca_core.run.rows import AttemptRow, RestartRow, RunRow
from cloaca_core.store.runner_rows import RunnerRow
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Dialect, steps_of
from cloaca_core.store.sql.queries import Row, Statement
from cloaca_core.values.states import SUSPECT_AFTER

_RUN: Final = len(RunRow._fields)
_RUNNER: Final = len(RunnerRow._fields)


class RecordedRunQueries(Statements, file="recorded_run.sql"):
    """The rows that ``explain`` reads of a run, in the order in which they are read."""

    run_as_it_stands: Statement
    pause_of_workflow: Statement
    claimable_ahead: Statement
    outline_attempts: Statement
    restarts_of_run: Statement
    unended_children: Statement
    runner_loads: Statement
    suspect_before: Statement
    runners_without_tasks: Statement
    unread_of_run: Statement
    kept_steps: Statement
    progress_of_run: Statement


class SqlRecordedRuns(SqlPart):
    """Contract: see ``RecordedRunStore.recorded_run``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._recorded = [*queries.of(RecordedRunQueries), queries.of(WaitQueries).list_waits]

    async def recorded_run(self, run_id: str, most: int) -> RecordedRun | None:
        ids = self._dialect.array([run_id])
        known = {"run_id": run_id, "ids": ids, "most": most, "suspect_after": SUSPECT_AFTER}
        answers = await self._dialect.read(steps_of(self._recorded, known))
        runs, pauses, aheads, attempts, restarts, children, runners, *others = answers
        if not runs:
            return None
        ((ahead,),) = aheads
        suspects, left, unread, steps, progress, waits = others
        return RecordedRun(
            row=RunRow._make(runs[0][:_RUN]),
            holds=Holds._make(runs[0][_RUN:]),
            paused=WorkflowPause._make(pauses[0]) if pauses else None,
            ahead=min(ahead, most),
            attempts=list(map(AttemptRow._make, attempts)),
            restarts=list(map(RestartRow._make, restarts)),
            children=list(map(UnendedChild._make, children)),
            runners=list(map(_load, runners)),
            lacking={runner_id: tuple(json.loads(tasks)) for runner_id, tasks in left},
            waits=list(map(WaitRow._make, waits)),
            unread=list(map(Unread._make, unread)),
            steps=dict(steps),
            progress=list(map(ProgressRow._make, progress)),
            suspect=Suspect._make(suspects[0]) if suspects else None,
        )


def _load(row: Row) -> RunnerLoad:
    runner = RunnerRow._make(row[:_RUNNER])
    owned, owns_workflow = row[_RUNNER:]
    runner = runner._replace(fenced=bool(runner.fenced))
    return RunnerLoad(runner, owned, bool(owns_workflow))
