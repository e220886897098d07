"""Reads runs with their tasks and children through the engine, several at a time.

Runs on the engine's loop. Decides nothing: the modules of each view shape what is read here.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

from cloaca_core._engine.observe.run_reader import with_begun
from cloaca_core._engine.plan.counting import first_attempts
from cloaca_core.records.standing import UnendedChild
from cloaca_core.records.states import RunStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cloaca_core._engine.observe.onlooker import Looks
    from cloaca_core.definition.recorded import RecordedTask, RecordedWorkflow
    from cloaca_core.definition.task import Task
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.records.runs import AttemptRow, RunRow
    from cloaca_core.records.steering import ChildRow, RestartRow
    from cloaca_core.records.task_logs import ProgressRow
    from cloaca_core.records.waits import WaitRow
    from cloaca_core.values.instants import Instant

MOST_RUNS: Final = 200
"""Runs below the first one that are read; the others are counted."""
MOST_COUNTED: Final = 1_000
"""Children of each run that are counted."""

_ENDED: Final = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class RunView(NamedTuple):
    """A run without payloads. ``attempts`` are all of them, those of bodies that run here included;
    ``restarts`` say which of them count. ``tasks`` are those of the definition, in its order; none
    where that is not known.
    """

    row: RunRow
    attempts: Sequence[AttemptRow]
    restarts: Sequence[RestartRow]
    waits: Sequence[WaitRow]
    definition: Workflow | RecordedWorkflow | None
    tasks: Mapping[str, Task | RecordedTask]
    progress: Sequence[ProgressRow] = ()

    @property
    def that_count(self) -> list[AttemptRow]:
        """The attempts that count: of a task that was restarted those since then."""
        first = first_attempts(self.restarts)
        return [each for each in self.attempts if each.attempt >= first.get(each.task_id, 0)]


class Kin(NamedTuple):
    """The rows of a run and of those below it, at the instant ``now``. ``children`` are by parent,
    detached ones aside; those that are not in ``rows`` are only counted.
    """

    now: Instant
    rows: Mapping[str, RunRow]
    children: Mapping[str, Sequence[ChildRow]]


class Family(NamedTuple):
    """A run and those below it, at the instant ``now``. ``children`` are by parent, detached ones
    aside; of those that are not in ``views`` only this is known.
    """

    now: Instant
    top: str
    views: Mapping[str, RunView]
    children: Mapping[str, Sequence[ChildRow]]

    def unended(self, run_id: str) -> list[UnendedChild]:
        """The children of a run that have not ended."""
        return [
            UnendedChild(each.id, each.workflow, each.status, each.idempotency_key)
            for each in self.children.get(run_id, ())
            if each.status not in _ENDED
        ]


async def read_family(engine: Looks, run_id: str, depth: int) -> Family:
    """A run and up to ``depth`` levels of runs below it, ``MOST_RUNS`` at most."""
    now, rows, children = await read_kin(engine, run_id, depth)
    return Family(now, run_id, await read_views(engine, rows.values()), children)


async def read_kin(engine: Looks, run_id: str, depth: int) -> Kin:
    """The rows of a family, without what its runs have done."""
    now = await engine.store.now()
    level = [await engine.reader.get_run(run_id)]
    rows: dict[str, RunRow] = {}
    children: dict[str, list[ChildRow]] = defaultdict(list)
    while level:
        rows |= {row.id: row for row in level}
        for child in await engine.store.children_of([row.id for row in level], MOST_COUNTED):
            children[child.parent_id].append(child)
        depth -= 1
        level = [] if depth < 0 else await _below(engine, level, children, MOST_RUNS - len(rows))
    return Kin(now, rows, children)


async def _below(
    engine: Looks, level: Sequence[RunRow], children: Mapping[str, list[ChildRow]], most: int
) -> list[RunRow]:
    """The rows of the next level, the newest of each parent first to be left out."""
    ids = [child.id for parent in level for child in children.get(parent.id, ())]
    return await engine.store.runs_of(ids[: max(most, 0)])


async def read_views(engine: Looks, rows: Collection[RunRow]) -> dict[str, RunView]:
    """These runs with their attempts, by id."""
    store, reader = engine.store, engine.reader
    ids = [row.id for row in rows]
    begun = {run_id: reader.begun(run_id) for run_id in ids}
    attempts = _by_run(await store.outcomes(ids))
    retried = [row.id for row in rows if row.round > 1]
    restarts = _by_run(await store.restarts(retried)) if retried else {}
    waiting = [row.id for row in rows if row.ended_at is None]
    waits = _by_run(await store.waits(waiting)) if waiting else {}
    progress = _by_run(await store.progress(ids))
    views = {}
    for row in rows:
        own = with_begun(attempts.get(row.id, []), begun[row.id])
        definition = await reader.definition(row)
        tasks = {} if definition is None else {task.id: task for task in definition.tasks}
        views[row.id] = RunView(
            row,
            own,
            restarts.get(row.id, []),
            waits.get(row.id, []),
            definition,
            tasks,
            progress.get(row.id, []),
        )
    return views


class _OfRun(Protocol):
    @property
    def run_id(self) -> str:
        """The run that the row belongs to."""


_RowT = TypeVar("_RowT", bound=_OfRun)


def _by_run(rows: Iterable[_RowT]) -> dict[str, list[_RowT]]:
    found: dict[str, list[_RowT]] = {}
    for row in rows:
        found.setdefault(row.run_id, []).append(row)
    return found
