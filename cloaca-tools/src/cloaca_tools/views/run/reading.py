"""Reads runs with their tasks and children through the engine, several at a time.

Takes two transactions, however large a family is: its runs, then their rows. Runs on the engine's
loop. Decides nothing: the modules of each view shape what is read here.
"""

from __future__ import annotations

from asyncio import gather
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

from cloaca_core.engine.observe.run_reader import with_begun
from cloaca_core.errors import RunNotFoundError
from cloaca_core.features.explain.records import UnendedChild
from cloaca_core.run.counting import counted_attempts
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.assembly.store import Store
    from cloaca_core.definition.recorded import RecordedTask, RecordedWorkflow
    from cloaca_core.definition.task import Task
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.features.search.records import Kin
    from cloaca_core.features.steering.records import ChildRow
    from cloaca_core.features.task_logs.records import ProgressRow
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.run.rows import AttemptRow, RestartRow, RoundRow, RunRow
    from cloaca_core.values.times.instants import Instant

MOST_RUNS: Final = 200
"""How many runs below the first one are read; the others are counted."""
MOST_COUNTED: Final = 1_000
"""Children of each run that are counted."""

_ENDED: Final = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class RunView(NamedTuple):
    """A run without payloads. ``attempts`` are all of them, those of bodies that run here included;
    ``restarts`` say which of them count. ``tasks`` are those of the definition, in its order; none
    where that is not known. ``rounds`` are there once it was retried.
    """

    row: RunRow
    attempts: Sequence[AttemptRow]
    restarts: Sequence[RestartRow]
    waits: Sequence[WaitRow]
    definition: Workflow | RecordedWorkflow | None
    tasks: Mapping[str, Task | RecordedTask]
    progress: Sequence[ProgressRow] = ()
    rounds: Sequence[RoundRow] = ()

    @property
    def counted_attempts(self) -> list[AttemptRow]:
        """The attempts that count: of a task that was restarted those since then."""
        return counted_attempts(self.attempts, self.restarts)


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
    kin = await read_kin(engine, run_id, depth)
    return family_of(engine, kin, await read_views(engine, kin.rows))


def family_of(engine: Looks, kin: Kin, views: Mapping[str, RunView]) -> Family:
    """A family whose rows were just read."""
    return Family(engine.store.wall(), kin.rows[0].id, views, children_by_parent(kin))


def children_by_parent(kin: Kin) -> dict[str, list[ChildRow]]:
    """The children of a family by the run that has submitted them."""
    children: dict[str, list[ChildRow]] = {}
    for child in kin.children:
        children.setdefault(child.parent_id, []).append(child)
    return children


async def read_kin(engine: Looks, run_id: str, depth: int) -> Kin:
    """The rows of a family, without what its runs have done; the run is the first of them."""
    kin = await engine.store.family(run_id, depth, MOST_RUNS, MOST_COUNTED)
    if not kin.rows:
        raise RunNotFoundError(f"no run with id {run_id!r}", run_id=run_id)
    return kin


async def read_views(
    engine: Looks, rows: Collection[RunRow], store: Store | None = None
) -> dict[str, RunView]:
    """These runs with their attempts, by id; of one transaction, which a ``store`` shares."""
    store = engine.store.together() if store is None else store
    ids = [row.id for row in rows]
    again = [row.id for row in rows if row.round > 1]
    begun = {run_id: engine.reader.begun(run_id) for run_id in ids}
    attempts, restarts, waits, progress, rounds, definitions = await gather(
        store.outcomes(ids),
        store.restarts(again),
        store.waits([row.id for row in rows if row.ended_at is None]),
        store.progress(ids),
        gather(*[store.rounds(run_id) for run_id in again]),
        _definitions(engine, rows, store),
    )
    of_attempts, of_restarts = _by_run(attempts), _by_run(restarts)
    of_waits, of_progress = _by_run(waits), _by_run(progress)
    earlier = dict(zip(again, rounds, strict=True))
    views = {}
    for row in rows:
        definition = definitions[row.workflow, row.version]
        views[row.id] = RunView(
            row=row,
            attempts=with_begun(of_attempts.get(row.id, []), begun[row.id]),
            restarts=of_restarts.get(row.id, []),
            waits=of_waits.get(row.id, []),
            definition=definition,
            tasks={} if definition is None else {task.id: task for task in definition.tasks},
            progress=of_progress.get(row.id, []),
            rounds=earlier.get(row.id, []),
        )
    return views


async def _definitions(
    engine: Looks, rows: Collection[RunRow], store: Store
) -> dict[tuple[str, str], Workflow | RecordedWorkflow | None]:
    """The definition of each version that one of these runs has."""
    versions = {(row.workflow, row.version): row for row in rows}
    found = await gather(*[engine.definitions.of_run(row, store) for row in versions.values()])
    return dict(zip(versions, found, strict=True))


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
