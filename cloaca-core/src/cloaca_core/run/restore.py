"""Reads the past of a run that another runner has begun: facts for the plan, and tasks to redo.

Pure. An attempt that failed for good, succeeded or was skipped is a fact; one that is to be tried
again keeps its number and its due time, so a new owner keeps the back-off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence, Set as AbstractSet
from typing import NamedTuple, cast

from cloaca_core.run.counting import first_attempts
from cloaca_core.run.graph import Node, NodeGraph
from cloaca_core.run.merge import Change
from cloaca_core.run.planner import Completed, Failed, Known, Skipped
from cloaca_core.run.reasons import skip_reason
from cloaca_core.run.rows import AttemptRow, RestartRow, RunRow
from cloaca_core.values.payloads.json_values import JsonValue, decode
from cloaca_core.values.states import LOST, UNCOUNTED, ReasonCode, TaskStatus


class Resume(NamedTuple):
    """How to go on with a task that is not final.

    ``retry_at`` is the earliest start in µs; ``crashes`` how many processes died in this attempt,
    on an executor how many times it lost its worker: ``shared`` if that took other bodies with it.
    ``delay`` is the whole time in µs between the last attempt and ``retry_at``. ``uncounted`` is
    how many attempts before this one used up none of the task's. ``finds_children`` says that the
    failed runs that its calls had submitted were begun again before it. ``has_left`` says that its
    body has left in a wait, and comes to the same place again when it runs anew: with the same
    input, which has ``seen`` so many replacements of keys (else None).
    """

    attempt: int = 1
    retry_at: int | None = None
    crashes: int = 0
    delay: int = 0
    uncounted: int = 0
    finds_children: bool = False
    has_left: bool = False
    seen: int | None = None
    shared: bool = False


FRESH = Resume()


class Restored(NamedTuple):
    """The past of a run: facts and resumptions by task index, and each task's latest row.
    ``exhausted`` are tasks that have used up their attempts and have not begun anew.
    """

    known: dict[int, Known]
    resume: dict[int, Resume]
    latest: dict[int, AttemptRow]
    exhausted: AbstractSet[int] = frozenset()


def restore(
    graph: NodeGraph[Node], rows: Iterable[AttemptRow], restarts: Collection[RestartRow] = ()
) -> Restored:
    """Sort the attempts of a run; tasks that the workflow no longer has are ignored. Of a task that
    was restarted, attempts before that count as none; nor do those up to one that has paused the
    run: who goes on with it was told to resume it.
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
    """Note which attempts are the first ones of tasks whose children were begun again."""
    firsts = {(each.task_id, each.first_attempt) for each in restarts if each.with_children}
    for index, each in resume.items():
        if (graph.tasks[index].id, each.attempt) in firsts:
            resume[index] = each._replace(finds_children=True)


def _count_exhausted(
    graph: NodeGraph[Node], rows: Iterable[AttemptRow], first: dict[str, int]
) -> set[int]:
    """Let ``first``, the first attempts of tasks that count, come after those that have paused the
    run; the tasks of which that is so.
    """
    tasks: set[int] = set()
    for row in rows:
        if row.reason_code == ReasonCode.EXHAUSTED and row.attempt >= first.get(row.task_id, 0):
            first[row.task_id] = row.attempt + 1
            if (index := graph.position.get(row.task_id)) is not None:
                tasks.add(index)
    return tasks


def anew(row: AttemptRow) -> Resume:
    """How to go on after ``row``, with which its task has used up its attempts: with all anew."""
    return Resume(row.attempt + 1, uncounted=row.attempt)


def come_due(past: Restored, now: int) -> Restored:
    """The past of a run that the database has let go because its time had come: the first of its
    retries is due now, by any machine's clock, and the others as much later as they
    were meant to be.
    """
    instants = [each.retry_at for each in past.resume.values() if each.retry_at is not None]
    if not instants:
        return past
    late = now - min(instants)
    resume = {
        task: each if each.retry_at is None else each._replace(retry_at=each.retry_at + late)
        for task, each in past.resume.items()
    }
    return past._replace(resume=resume)


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
    """How to go on after ``row``, the latest attempt of a task. ``uncounted`` is the number of its
    attempts so far, this one included, that used up none of the task's.
    """
    if row.status != TaskStatus.FAILED:
        has_left = row.reason_code == ReasonCode.HAS_LEFT
        return Resume(
            row.attempt,
            crashes=row.crashes,
            uncounted=uncounted,
            has_left=has_left,
            seen=row.replacements if has_left else None,
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
