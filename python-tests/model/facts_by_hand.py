"""Facts about a run, made by hand: a run of three tasks in a row, with what a test replaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloaca_core.definition.rules import Rule
from cloaca_core.features.explain.facts import Active, Facts, Here, RunnerState
from cloaca_core.features.explain.records import (
    Holds,
    RecordedRun,
    RunnerLoad,
    Suspect,
    UnendedChild,
    Unread,
    WorkflowPause,
)
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import AttemptRow, RestartRow, RunRow
from cloaca_core.values.states import TaskStatus
from cloaca_core.values.times.instants import SECOND
from cloaca_testing.conformance.rows import attempt, runner, wait

START = 1_700_000_000 * SECOND
"""2023-11-14T22:13:20Z."""
NOW = START + 60 * SECOND
"""2023-11-14T22:14:20Z."""
VERSION = "aaaaaaaaaaaaaaaa"


@dataclass(frozen=True)
class Retry:
    max_attempts: int = 3


@dataclass(frozen=True)
class Shape:
    """A task of a definition."""

    id: str
    dependencies: tuple[str, ...] = ()
    retry: Retry = Retry()
    rule: Rule | None = None
    executor: str | None = None
    limits: tuple[object, ...] = ()


CHAIN = (Shape("fetch"), Shape("load", ("fetch",)), Shape("report", ("load",)))
"""Three tasks in a row."""


def run_row(status: str = "Running", **fields: object) -> RunRow:
    """A run that began at ``START``; it is not owned unless a test says so."""
    row = RunRow(
        id="r",
        workflow="public::embedded::flow",
        version=VERSION,
        status=status,
        owner=None,
        epoch=1,
        recoveries=0,
        input="",
        tags="{}",
        parent_id=None,
        final_context="",
        error_message=None,
        created_at=START,
        started_at=START,
        ended_at=None,
    )
    return row._replace(**fields)  # type: ignore[arg-type]  # names are checked by _replace


def attempted(task_id: str, status: str, number: int = 1, **fields: object) -> AttemptRow:
    """An attempt that began at ``START``."""
    ended = None if status in (TaskStatus.RUNNING, TaskStatus.WAITING) else START + SECOND
    row = attempt("r", task_id, number, status=status)._replace(started_at=START, ended_at=ended)
    return row._replace(**fields)  # type: ignore[arg-type]  # names are checked by _replace


def failed(task_id: str, number: int = 1, **fields: object) -> AttemptRow:
    """An attempt that failed."""
    error = {"error_type": "OSError", "error_message": "no disk"}
    return attempted(task_id, TaskStatus.FAILED, number, **{**error, **fields})


def skipped(task_id: str, code: str, text: str = "why it did not run") -> AttemptRow:
    """A task that was skipped."""
    row = attempted(task_id, TaskStatus.SKIPPED, 0, started_at=None)
    return row._replace(reason_code=code, skip_reason=text)


def node(task_id: str, kind: str, **fields: object) -> WaitRow:
    """The wait of a node, open since ``START``, for an event of the node's name."""
    name = "" if kind == "sleep" else task_id
    row = wait("r", name, kind=kind, task_id=task_id, opened_at=START)
    return row._replace(**fields)  # type: ignore[arg-type]  # names are checked by _replace


def of_body(task_id: str, kind: str, name: str = "", **fields: object) -> WaitRow:
    """The first wait of a body of its kind and name, open since ``START``."""
    return node(task_id, kind, **{"name": name, "number": 1, **fields})


def state(
    runner_id: str = "r1",
    *,
    owned: int = 0,
    owns_workflow: bool = False,
    is_here: bool = False,
    fenced: bool = False,
    process_ended: bool = False,
    lease_until: int = NOW + 3600 * SECOND,
    queues: str | None = None,
) -> RunnerState:
    """A runner that is alive and owns nothing."""
    row = runner(runner_id, queues=queues)._replace(fenced=fenced)
    load = RunnerLoad(row, owned, owns_workflow)
    return RunnerState(load, lease_until, is_here, process_ended)


def here(
    *,
    claims: bool = True,
    free: int = 10,
    recovers: bool = True,
    version: str | None = VERSION,
    tasks: tuple[str, ...] = ("fetch", "load", "report"),
    refuses: bool = False,
    near: str | None = None,
    lacks: tuple[str, ...] = (),
    is_older: bool = False,
    has_same_tasks: bool = False,
) -> Here:
    """The runner of this process, which has the workflow and ten places."""
    known = () if version is None else tasks
    of_version = (version, known, refuses, near, lacks, is_older, has_same_tasks)
    return Here(claims, 10, free, recovers, *of_version)


def facts(
    row: RunRow | None = None,
    *attempts: AttemptRow,
    tasks: Sequence[Shape] | None = CHAIN,
    known_version: str | None = VERSION,
    newest: tuple[str, tuple[str, ...]] | None = None,
    runners: Sequence[RunnerState] = (),
    here: Here | None = None,
    active: Active | None = None,
    holds: Holds | None = None,
    paused: WorkflowPause | None = None,
    ahead: int = 0,
    restarts: Sequence[RestartRow] = (),
    children: Sequence[UnendedChild] = (),
    lacking: Mapping[str, tuple[str, ...]] | None = None,
    waits: Sequence[WaitRow] = (),
    unread: Sequence[Unread] = (),
    steps: Mapping[str, int] | None = None,
    suspect: Suspect | None = None,
    queues: Mapping[str, str] | None = None,
) -> Facts:
    """What is known of a run at ``NOW``."""
    recorded = RecordedRun(
        row=run_row() if row is None else row,
        holds=Holds() if holds is None else holds,
        paused=paused,
        ahead=ahead,
        attempts=attempts,
        restarts=restarts,
        children=children,
        runners=[each.load for each in runners],
        lacking=lacking or {},
        waits=waits,
        unread=unread,
        steps=steps or {},
        suspect=suspect,
    )
    known = (tasks, known_version, newest, here, active, queues or {})
    return Facts(NOW, recorded, runners, *known)
