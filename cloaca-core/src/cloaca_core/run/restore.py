"""Reads the past of a run that another runner has begun: facts for the plan, and tasks to resume.

Pure. An attempt that failed for good, succeeded or was skipped is a fact. An attempt that is to be
tried again keeps its number and its due time, so a new owner keeps the back-off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set as AbstractSet
from typing import NamedTuple, cast

from cloaca_core.run.counting import first_attempts
from cloaca_core.run.graph import Node, NodeGraph
from cloaca_core.run.merge import Change
from cloaca_core.run.planner import Completed, Failed, Known, Skipped
from cloaca_core.run.reasons import skip_reason
from cloaca_core.run.rows import CHILDREN_LATER, AttemptRow, RestartRow, RunRow
from cloaca_core.values.payloads.json_values import JsonValue, decode
from cloaca_core.values.states import LOST, UNCOUNTED, ReasonCode, TaskStatus


class Resume(NamedTuple):
    """How a task that is not final continues: its next attempt.

    ``retry_at`` is its earliest start in µs; ``delay`` the whole time in µs from the end of the
    last attempt to ``retry_at``. ``crashes`` is the number of processes that died in this attempt,
    on an executor the number of workers; ``shared`` if other bodies died with them. ``uncounted``
    is the number of attempts before it that used up none of the task's. ``children_restarted``: the
    failed runs that its calls had submitted were restarted before it; with ``restarts_children``
    they are as it comes to them, and so are those of a node. ``was_suspended``: its body was
    suspended in a wait, and must come to the same wait when it runs again. So it needs the same
    input, with the first ``seen`` replacements of keys (otherwise None). So does an open map.
    """

    attempt: int = 1
    retry_at: int | None = None
    crashes: int = 0
    delay: int = 0
    uncounted: int = 0
    children_restarted: bool = False
    was_suspended: bool = False
    seen: int | None = None
    shared: bool = False
    restarts_children: bool = False


FRESH = Resume()


class Restored(NamedTuple):
    """The past of a run: facts and resumptions by task index, and each task's latest row.
    ``exhausted`` are tasks that have used up their attempts, and have not begun again.
    """

    known: dict[int, Known]
    resume: dict[int, Resume]
    latest: dict[int, AttemptRow]
    exhausted: AbstractSet[int] = frozenset()


def restore(
    graph: NodeGraph[Node], rows: Iterable[AttemptRow], restarts: Collection[RestartRow] = ()
) -> Restored:
    """Sort the attempts of a run. Tasks that the workflow no longer has are ignored. Of a restarted
    task, the attempts before the restart do not count. Attempts up to one that paused the run do
    not count either: the run is claimed only after a person has resumed it.
    """
    rows = list(rows)
    latest: dict[int, AttemptRow] = {}
    first = first_attempts(restarts)
    exhausted = _count_exhausted(graph, rows, first)
    uncounted: Counter[int] = Counter()
    for task_id, number in first.items():
        if (index := graph.position.get(task_id)) is not None:
            uncounted[index] = number - 1
    for row in rows:
        index = graph.position.get(row.task_id)
        if index is None or row.attempt < first.get(row.task_id, 0):
            continue
        uncounted[index] += row.reason_code in UNCOUNTED
        if index not in latest or latest[index].attempt < row.attempt:
            latest[index] = row
    broke = {row.task_id for row in rows if row.reason_code == ReasonCode.POOL_BROKE}
    restored = Restored({}, {}, latest, exhausted - latest.keys())
    for index, row in latest.items():
        if (fact := _fact(row)) is not None:
            restored.known[index] = fact
        else:
            shared = row.task_id in broke
            restored.resume[index] = resumption(row, uncounted[index])._replace(shared=shared)
    for index, before in uncounted.items():
        if index not in latest:
            restored.resume[index] = Resume(before + 1, uncounted=before)
    _find_children(graph, restored.resume, restarts)
    return restored


def _find_children(
    graph: NodeGraph[Node], resume: dict[int, Resume], restarts: Iterable[RestartRow]
) -> None:
    """Note which attempts are the first ones of tasks whose children were restarted."""
    firsts = {
        (each.task_id, each.first_attempt): each.with_children
        for each in restarts
        if each.with_children
    }
    for index, each in resume.items():
        if with_children := firsts.get((graph.tasks[index].id, each.attempt)):
            later = with_children == CHILDREN_LATER
            resume[index] = each._replace(children_restarted=True, restarts_children=later)


def _count_exhausted(
    graph: NodeGraph[Node], rows: Iterable[AttemptRow], first: dict[str, int]
) -> set[int]:
    """Move the first counting attempts in ``first`` behind attempts that paused the run. Returns
    the tasks of those.
    """
    tasks: set[int] = set()
    for row in rows:
        if row.reason_code == ReasonCode.EXHAUSTED and row.attempt >= first.get(row.task_id, 0):
            first[row.task_id] = row.attempt + 1
            if (index := graph.position.get(row.task_id)) is not None:
                tasks.add(index)
    return tasks


def anew(row: AttemptRow) -> Resume:
    """How a task continues after ``row``, which used up its attempts: with all attempts again."""
    return Resume(row.attempt + 1, uncounted=row.attempt)


def first_due(past: Restored, others: Iterable[int]) -> int | None:
    """The instant for which a run was claimable, if that was because its time had come: the first
    at which a retry is due, or something else of it, at ``others``.
    """
    retries = [each.retry_at for each in past.resume.values() if each.retry_at is not None]
    return min([*retries, *others], default=None)


def shifted(resume: Mapping[int, Resume], late: int) -> dict[int, Resume]:
    """These retries so many µs later: the instant that is first due is now, by the clock of any
    machine, and the others are as much later as planned.
    """
    return {
        unit: each if each.retry_at is None else each._replace(retry_at=each.retry_at + late)
        for unit, each in resume.items()
    }


def _fact(row: AttemptRow) -> Known | None:
    match row.status:
        case TaskStatus.COMPLETED:
            return Completed(change_from_json(row.change or "{}"), row.replacements)
        case TaskStatus.SKIPPED:
            return Skipped(skip_reason(row), row.replacements)
        case TaskStatus.FAILED if row.retry_at is None:
            return Failed(str(row.error), row.replacements)
        case _:
            return None


def resumption(row: AttemptRow, uncounted: int) -> Resume:
    """How a task continues after ``row``, its latest attempt. ``uncounted`` is the number of its
    attempts so far, this one included, that used up none of the task's.
    """
    if row.status != TaskStatus.FAILED:
        was_suspended = row.reason_code == ReasonCode.HAS_LEFT
        goes_on = was_suspended or row.reason_code == ReasonCode.MAP
        return Resume(
            row.attempt,
            crashes=row.crashes,
            uncounted=uncounted,
            was_suspended=was_suspended,
            seen=row.replacements if goes_on else None,
        )
    assert row.retry_at is not None, "an attempt that failed for good is not gone on with"
    delay = 0 if row.ended_at is None else row.retry_at - row.ended_at
    crashes = row.crashes if row.reason_code in LOST else 0
    shared = row.reason_code == ReasonCode.POOL_BROKE
    return Resume(row.attempt + 1, row.retry_at, crashes, delay, uncounted, shared=shared)


def change_from_json(text: str) -> Change:
    """The inverse of ``Change.to_json``."""
    stored = cast("dict[str, JsonValue]", decode(text))
    new = cast("dict[str, JsonValue]", stored.get("set", {}))
    return Change(new, cast("list[str]", stored.get("removed", [])))


def has_begun(row: RunRow, attempts: Sequence[AttemptRow]) -> bool:
    """Whether a body may have begun in this round of the run. A process that died may have begun
    one without a trace.
    """
    if row.recoveries:
        return True
    if row.round == 1 or row.started_at is None:
        return bool(attempts)
    return any((each.ended_at or each.started_at or 0) >= row.started_at for each in attempts)
