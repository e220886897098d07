"""Operations that read a run and wait for its end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from cloaca_core.engine.calls.arguments import Selection, checked_run_id
from cloaca_core.engine.calls.call import Call, unchanged
from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.calls.waiting import checked_timeout
from cloaca_core.features.definitions.names import FilterByName
from cloaca_core.views.results import (
    PipelineResult,
    RunInfo,
    RunSnapshot,
    info_alone,
    run_info,
    run_status_name,
)
from cloaca_core.views.task_results import TaskResult, task_results

if TYPE_CHECKING:
    import concurrent.futures

    from cloaca_core.assembly.caller import Caller
    from cloaca_core.assembly.host import EngineHost
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.engine.observe.completion import Ended
    from cloaca_core.features.explain.facts import RunFacts
    from cloaca_core.features.task_logs.records import ProgressRow
    from cloaca_core.operations.watch import Watch
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.values.option_names import RunStatus
    from cloaca_core.values.times.instants import Instant
    from cloaca_core.views.run_past import Awaited

A = TypeVar("A")


# -- look ----------------------------------------------------------------------------------------


class GetRun(NamedTuple):
    """The id of a run that is in the database."""

    run_id: str

    def call(self, caller: Caller) -> Call[str]:
        """See ``Operation``."""
        checked = checked_run_id(self.run_id)
        return caller.look(lambda engine: engine.reader.get_run(checked), lambda row: row.id)


class ListRuns(NamedTuple):
    """The runs that match, newest first."""

    selection: Selection
    limit: int
    before: str | None = None

    def call(self, caller: Caller) -> Call[list[RunInfo]]:
        """See ``Operation``."""
        run_filter = caller.requests().run_filter(self.selection, self.limit, self.before)
        wanted = FilterByName.of(caller.host, run_filter, self.selection.workflow_name)
        return caller.look(lambda engine: _listed(engine, wanted), _listing)


class CountRuns(NamedTuple):
    """How many runs match."""

    selection: Selection

    def call(self, caller: Caller) -> Call[int]:
        """See ``Operation``."""
        run_filter = caller.requests().run_filter(self.selection)
        wanted = FilterByName.of(caller.host, run_filter, self.selection.workflow_name)
        return caller.look(lambda engine: _counted(engine, wanted), unchanged)


class Status(NamedTuple):
    """The state of a run."""

    run_id: str

    def call(self, caller: Caller) -> Call[RunStatus]:
        """See ``Operation``."""
        return caller.look(lambda engine: engine.reader.get_run(self.run_id), run_status_name)


class Tasks(NamedTuple):
    """The state of each task of a run."""

    run_id: str

    def call(self, caller: Caller) -> Call[dict[str, TaskResult]]:
        """See ``Operation``."""
        return caller.look(lambda engine: read_tasks(engine, self.run_id), task_results_of)


class Info(NamedTuple):
    """A run as it is now."""

    run_id: str

    def call(self, caller: Caller) -> Call[RunInfo]:
        """See ``Operation``."""
        from cloaca_core.views.run_past import facts_of  # here: a list of runs reads less

        return caller.look(lambda engine: facts_of(engine, self.run_id), info_alone)


def watch(host: EngineHost, run_id: str) -> Watch[RunSnapshot]:
    """The run now and after each change, until it has ended."""
    from cloaca_core.operations.watch import Watch

    host.refuse_closed()
    return Watch(host, lambda engine: _seen(engine, run_id), _told, _snapshot, _is_over)


# -- wait ----------------------------------------------------------------------------------------


class Result(NamedTuple):
    """The result of a run when it has ended. A recent one needs no hop to the engine's loop."""

    run_id: str
    timeout: float | None = None

    def call(self, caller: Caller) -> Call[PipelineResult]:
        """See ``Operation``."""
        host, run_id = caller.host, self.run_id
        return Call(
            partial(_asked_end, host, run_id),
            lambda ended: PipelineResult(*ended),
            timeout=None if self.timeout is None else checked_timeout(self.timeout),
            run=(run_id,),
            at_hand=partial(_known_result, host, run_id),
        )


class End(NamedTuple):
    """The id of a run when it has ended. A recent one needs no hop to the engine's loop."""

    run_id: str
    timeout: float | None = None

    def call(self, caller: Caller) -> Call[str]:
        """See ``Operation``."""
        host, run_id = caller.host, self.run_id
        return Call(
            partial(_asked_end, host, run_id),
            lambda _: run_id,
            timeout=None if self.timeout is None else checked_timeout(self.timeout),
            run=(run_id,),
            at_hand=lambda: run_id if host.engine.recent.has_completed(run_id) else None,
        )


def _asked_end(host: EngineHost, run_id: str) -> concurrent.futures.Future[Ended]:
    work = calling_work()
    return host.send(lambda engine: engine.wait(run_id, work))


def _known_result(host: EngineHost, run_id: str) -> PipelineResult | None:
    """The result of a run that has completed here, which is final. Another end may belong to an
    earlier round by now.
    """
    recent = host.engine.recent
    end = recent.get(run_id) if recent.has_completed(run_id) else None
    return None if end is None else PipelineResult(*end)


# -- on the engine's loop ------------------------------------------------------------------------


class _Tasks(NamedTuple):
    """The rows of a run, the tasks of its definition, and the ends for which they may wait."""

    row: RunRow
    attempts: list[AttemptRow]
    task_ids: list[str]
    awaited: Awaited
    progress: list[ProgressRow]


async def read_tasks(engine: Looks, run_id: str) -> _Tasks:
    """All that is known of the tasks of a run; runs on the engine's loop."""
    from cloaca_core.views.run_past import awaited_by  # as above

    reader = engine.reader
    row, attempts = await reader.current_attempts(run_id)
    task_ids, awaited = await reader.task_ids(row), await awaited_by(engine.store, row, attempts)
    return _Tasks(row, attempts, task_ids, awaited, await engine.store.progress([run_id]))


class _Seen(NamedTuple):
    """A run alone, and what is known of its tasks."""

    facts: RunFacts
    tasks: _Tasks


async def _seen(engine: Looks, run_id: str) -> _Seen:
    """All that a snapshot shows; runs on the engine's loop. The tasks are read last: if the run is
    seen to have ended, they are final.
    """
    from cloaca_core.views.run_past import facts_of  # as above

    facts = await facts_of(engine, run_id)
    return _Seen(facts, await read_tasks(engine, run_id))


async def _listed(engine: Looks, wanted: FilterByName) -> tuple[list[RunRow], Instant]:
    """The runs that match, and when they did; runs on the engine's loop."""
    rows = await engine.store.list_runs(await wanted.resolved(engine))
    return rows, engine.store.wall()


async def _counted(engine: Looks, wanted: FilterByName) -> int:
    """How many runs match; runs on the engine's loop."""
    return await engine.store.count_runs(await wanted.resolved(engine))


# -- how answers are read ------------------------------------------------------------------------


def _listing(found: tuple[list[RunRow], Instant]) -> list[RunInfo]:
    rows, now = found
    return [run_info(row, now) for row in rows]


def task_results_of(found: _Tasks) -> dict[str, TaskResult]:
    """The state of each task, of these rows."""
    return task_results(
        found.attempts,
        found.task_ids,
        run=found.row,
        children=found.awaited.children,
        waits=found.awaited.waits,
        progress=found.progress,
    )


def _snapshot(seen: _Seen) -> RunSnapshot:
    return RunSnapshot(info_alone(seen.facts), task_results_of(seen.tasks))


def _told(seen: _Seen) -> object:
    """All but the time at which it was read."""
    return seen._replace(facts=seen.facts._replace(now=0))


def _is_over(seen: _Seen) -> bool:
    return seen.facts.row.ended_at is not None
