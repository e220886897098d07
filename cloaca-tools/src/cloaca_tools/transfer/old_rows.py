"""Makes rows of this version out of the work of cloaca 0.2 or 0.12. Pure.

0.x kept the whole output of each task, and no dependencies: a change is what differs from the input
of the run. It kept the input of a run only until the run ended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple, cast

from cloaca_core.features.schedules.records import ScheduleRow
from cloaca_core.features.transfer.old_work import OldRun, OldSchedule, OldTask, Release
from cloaca_core.run.rows import THE_TASK
from cloaca_core.store.tables import BY_NAME, Table
from cloaca_core.values.payloads.json_values import decode, encode, normalise
from cloaca_core.values.queue_names import DEFAULT_QUEUE
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus
from cloaca_core.values.text import storable_text
from cloaca_core.values.times.instants import Instant

RELEASE_TAG: Final = "imported_from"
ID_TAG: Final = "imported_id"
_ENDED: Final = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)
_FINAL: Final = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED)
_DEFAULT_PREFIX: Final = "public::embedded"
_PYTHON_ERROR: Final = re.compile(
    r"Python task execution failed: (?P<type>\w+): (?P<text>.*)", re.DOTALL
)


class NewRows(NamedTuple):
    """The rows of one run."""

    id: str
    status: str
    run: tuple[Any, ...]
    attempts: Sequence[tuple[Any, ...]]
    tags: Sequence[tuple[Any, ...]]


def rows_of(old: OldRun, release: Release) -> NewRows:
    """The rows of a run. One that goes on is Pending, or Paused; what it has done counts."""
    run_id, ended = new_id(old.id, old.created_at), old.status in _ENDED
    given = _object(old.context)
    status = _status(old, ended=ended)
    tags = {RELEASE_TAG: release, ID_TAG: old.id}
    row = _row(
        BY_NAME["run"],
        id=run_id,
        workflow=workflow_of(old),
        version=old.version,
        status=status,
        epoch=1,
        recoveries=0,
        created_at=old.created_at,
        started_at=old.started_at if ended else None,
        ended_at=(old.ended_at or old.created_at) if ended else None,
        tags=encode(cast("dict[str, Any]", tags)),
        input=encode(given),
        final_context=None,  # of one that has ended: its input
        error_message=_text(old.error),
        reason_code=ReasonCode.TASK_FAILED if status == RunStatus.FAILED else None,
        claimable_at=old.created_at,
        paused_at=old.paused_at if status == RunStatus.PAUSED else None,
        steer_reason=_text(old.pause_reason) if status == RunStatus.PAUSED else None,
        round=1,
        **dict.fromkeys(("priority", "came_due", "stood_still", "detached"), 0),
        **dict.fromkeys(("replacements", "messages"), 0),
        queue=DEFAULT_QUEUE,
    )
    attempts = [each for task in old.tasks for each in _attempts(run_id, task, given)]
    indexed = [(run_id, tag, content) for tag, content in tags.items()]
    return NewRows(run_id, status, row, attempts, indexed)


def schedule_of(old: OldSchedule, workflow: str, now: Instant) -> ScheduleRow:
    """A schedule whose ticks before ``now`` were decided by 0.x; its next one is not known yet."""
    return ScheduleRow(
        id=new_id(old.id, old.created_at),
        name=old.name,
        workflow=workflow,
        cron_expression=old.cron_expression,
        timezone=old.timezone,
        enabled=old.enabled,
        catchup_policy=old.catchup_policy,
        overlap_policy="allow",
        jitter_seconds=0,
        start_date=old.start_date,
        end_date=old.end_date,
        params=encode(_object(old.params)),
        decided_until=now,
        next_tick=None,
        due_at=None,
        last_tick=old.last_run_at,
        generation=0,
        created_at=old.created_at,
        updated_at=now,
    )


def new_id(old_id: str, created_at: Instant) -> str:
    """The id here of a run there: always the same, and in the order of instants, as lists need."""
    milliseconds = max(created_at // 1000, 0) & ((1 << 48) - 1)
    digest = int.from_bytes(blake2b(old_id.encode(), digest_size=10).digest())
    random, rest = digest >> 68, digest & ((1 << 62) - 1)
    text = f"{milliseconds << 80 | 7 << 76 | random << 64 | 2 << 62 | rest:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def workflow_of(old: OldRun) -> str:
    """The full name of a run's workflow, which 0.x wrote into the names of its tasks only."""
    for task in old.tasks:
        return task.name.rpartition("::")[0]
    return full_name(old.workflow)


def full_name(name: str) -> str:
    """The full name of a workflow in the default namespace."""
    return name if "::" in name else f"{_DEFAULT_PREFIX}::{name}"


# -- parts ---------------------------------------------------------------------------------------


def _status(old: OldRun, *, ended: bool) -> str:
    if ended:
        return old.status
    is_paused = old.status == RunStatus.PAUSED
    return (RunStatus.PAUSED if is_paused else RunStatus.PENDING).value


def _attempts(run_id: str, task: OldTask, given: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
    """The attempt that a task ended with; or, of one that is to be tried again, the one before."""
    if task.status in _FINAL:
        return [_attempt(run_id, task, task.attempt, task.status, given)]
    if task.attempt > 1:
        return [_attempt(run_id, task, task.attempt - 1, TaskStatus.FAILED, given, again=True)]
    return []


def _attempt(
    run_id: str,
    task: OldTask,
    number: int,
    status: str,
    given: Mapping[str, Any],
    *,
    again: bool = False,
) -> tuple[Any, ...]:
    skipped = status == TaskStatus.SKIPPED
    failed = status == TaskStatus.FAILED
    kind, message = _error(task.error) if failed else (None, None)
    return _row(
        BY_NAME["attempt"],
        run_id=run_id,
        task_id=task.name.rpartition("::")[2],
        attempt=0 if skipped else number,
        epoch=1,
        status=status,
        started_at=task.started_at,
        ended_at=task.ended_at or task.started_at,
        retry_at=(task.retry_at or task.started_at or 0) if again else None,
        crashes=0,
        error_type=kind,
        error_message=message,
        skip_reason=(_text(task.error) or "skipped") if skipped else None,
        reason_code=ReasonCode.TRIGGER_RULE if skipped else None,
        change=_change(task.context, given) if status == TaskStatus.COMPLETED else None,
        replacements=0,
        item=THE_TASK,
    )


def _change(context: str | None, given: Mapping[str, Any]) -> str:
    after = given if context is None else _object(context)
    changed = {
        key: value for key, value in after.items() if key not in given or given[key] != value
    }
    removed = [key for key in given if key not in after]
    return encode({"set": changed, "removed": cast("Any", removed)})


def _error(text: str | None) -> tuple[str, str | None]:
    found = _PYTHON_ERROR.search(text or "")
    if found is None:
        return "Exception", _text(text)
    return found["type"], _text(found["text"])


def _object(text: str | None) -> dict[str, Any]:
    """A context; what is none is kept beside a key that says so."""
    value = normalise(decode(text)) if text else {}
    return value if isinstance(value, dict) else {"value": value}


def _text(text: str | None) -> str | None:
    return None if text is None else storable_text(text)


def _row(table: Table, **values: Any) -> tuple[Any, ...]:
    """A row with these values; the others are None."""
    assert values.keys() <= set(table.columns)
    return tuple([values.get(name) for name in table.columns])
