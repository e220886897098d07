"""Wakes callers that wait for the end of a run, on this runner or another. A caller may be a thread
that has submitted the run and only waits. Caches results: a wait for a run that has ended here
needs no thread hop and no read.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Container
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from cloaca_core.engine.runtime import failpoints
from cloaca_core.logs import SafeLogger
from cloaca_core.run.rows import AttemptRow, RunEnd, RunRow
from cloaca_core.values.events import RUN_ENDED
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from cloaca_core.engine.observe.run_reader import RunReader
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.engine.runtime.thread_calls import ParkedCall
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.engine.submit.submitter import Accepted
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.store.protocol import KernelStore

log = SafeLogger("cloaca.engine")

RECENT_RUNS: Final = 12_000
RECENT_BYTES: Final = 32 << 20

_Plain: TypeAlias = tuple[object, ...]
_STATUS: Final = RunRow._fields.index("status")


class Ended(NamedTuple):
    """A run that has ended, with the latest attempt of each of its tasks."""

    row: RunRow
    attempts: tuple[AttemptRow, ...]


class RecentRuns:
    """The last runs that ended here. Any thread reads it; the engine's loop writes it.

    Kept as plain tuples: the garbage collector stops looking at those, and it would spend more time
    on thousands of rows than they save.
    """

    def __init__(self) -> None:
        self._runs: OrderedDict[str, tuple[int, _Plain, tuple[_Plain, ...]]] = OrderedDict()
        self._bytes = 0

    def add(self, ended: Ended) -> None:
        """Keep a run, in place of an earlier round of it, and evict the oldest beyond the
        bounds.
        """
        if (earlier := self._runs.pop(ended.row.id, None)) is not None:
            self._bytes -= earlier[0]
        weight = _weight(ended)
        rows = tuple([tuple(row) for row in ended.attempts])
        self._runs[ended.row.id] = (weight, tuple(ended.row), rows)
        self._bytes += weight
        while len(self._runs) > RECENT_RUNS or self._bytes > RECENT_BYTES:
            _, (oldest, _, _) = self._runs.popitem(last=False)
            self._bytes -= oldest

    def has_completed(self, run_id: str) -> bool:
        """Whether the run is cached and has completed: then no retry can have begun another round
        of it.
        """
        found = self._runs.get(run_id)
        return found is not None and found[1][_STATUS] == RunStatus.COMPLETED

    def get(self, run_id: str) -> Ended | None:
        """The run, if it is still cached."""
        if (found := self._runs.get(run_id)) is None:
            return None
        _, row, attempts = found
        return Ended(RunRow._make(row), tuple(map(AttemptRow._make, attempts)))


def _weight(ended: Ended) -> int:
    row = ended.row
    weight = len(row.final_context or "") + len(row.error_message or "") + len(row.tags)
    return weight + sum([attempt.weight for attempt in ended.attempts])


class Waiter(Protocol):
    """A future, or an object with its methods."""

    def done(self) -> bool:
        """Whether the caller no longer waits."""

    def set_result(self, ended: Ended, /) -> None:
        """The run has ended."""

    def set_exception(self, error: Exception, /) -> None:
        """The end will not become known."""


class Waiters:
    """Futures of callers, by run. Belongs to the engine's loop."""

    def __init__(self) -> None:
        self._futures: dict[str, list[Waiter]] = {}

    def add(self, run_id: str) -> asyncio.Future[Ended]:
        """A future that is done when the run has ended."""
        future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self.append(run_id, future)
        return future

    def append(self, run_id: str, waiter: Waiter) -> None:
        """Notify this waiter of the end of the run."""
        self._futures.setdefault(run_id, []).append(waiter)

    def discard(self, run_id: str, future: Waiter) -> None:
        """The caller has stopped waiting for this future."""
        futures = self._futures.get(run_id, [])
        if future in futures:
            futures.remove(future)
            if not futures:
                del self._futures[run_id]

    def wake(self, run_id: str, ended: Ended) -> None:
        """The run has ended."""
        for future in self._futures.pop(run_id, ()):
            if not future.done():
                future.set_result(ended)

    def fail_all(self, error: Exception) -> None:
        """Fail all futures: the runner ends."""
        for futures in self._futures.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        self._futures.clear()

    def elsewhere(self, local: Container[str]) -> list[str]:
        """The runs that callers wait for and that are not in ``local``."""
        return [run_id for run_id in self._futures if run_id not in local]


class Completion:
    """Belongs to the engine's loop, but for ``recent``, which any thread may read. ``drop`` is
    called with a run that this engine took for its own and that has ended elsewhere.
    """

    def __init__(
        self,
        store: KernelStore,
        runs: ActiveRuns,
        reader: RunReader,
        drop: Callable[[ActiveRun], None],
        subjects: Subjects,
    ) -> None:
        self.recent: RecentRuns = RecentRuns()
        self._store = store
        self._runs = runs
        self._reader = reader
        self._drop = drop
        self._subjects = subjects
        subjects.ended.subscribe(self._ended)
        self._waiters = Waiters()
        self._failure: Exception | None = None

    async def of(self, run_id: str) -> Ended:
        """Wait for the end of the run's present round, on this runner or another."""
        if self.recent.has_completed(run_id) and (known := self.recent.get(run_id)) is not None:
            return known
        if self._failure is not None:
            raise self._failure
        future = self._waiters.add(run_id)
        try:
            if (ours := self._runs.get(run_id)) is not None:
                return await self.in_round(ours.row.round, await future)
            row = await self._reader.get_run(run_id)
            if row.ended_at is not None:
                return await self._with_attempts(row)
            return await self.in_round(row.round, await future)
        finally:
            self._waiters.discard(run_id, future)

    def park(self, run_id: str, call: ParkedCall[Ended]) -> bool:
        """Answer a call with the end of a run of ours. False if this runner does not own the
        run.
        """
        if self._failure is not None:
            call.fail(self._failure)
        elif (ours := self._runs.get(run_id)) is None:
            return False
        else:
            waiter = _ParkedEnd(call, ours.row.round, self)
            call.leave = partial(self._waiters.discard, run_id, waiter)
            self._waiters.append(run_id, waiter)
        return True

    def _ended(self, run: ActiveRun, end: RunEnd | None) -> None:
        """The end of a run of ours is durable."""
        if end is None:
            self._subjects.ended_elsewhere.publish()
            return
        row = _row_of_end(run.row, end)
        ended = Ended(row, tuple([run.latest[task] for task in sorted(run.latest)]))
        self.recent.add(ended)
        self._waiters.wake(run.id, ended)
        _tell_of_end(row)
        if row.child_kind is not None:
            if failpoints.watches:
                failpoints.hit("child.after_end")
            self._subjects.child_ended.publish(row)
        if run.awaits_children and row.status == RunStatus.FAILED:
            self._subjects.steered.publish()  # its children are cancelled

    def fail_all(self, error: Exception) -> None:
        """Fail all waits, now and from now on: the runner ends."""
        self._failure = error
        self._waiters.fail_all(error)

    async def notice_ends_elsewhere(self) -> None:
        """Wake callers that wait for runs which have ended elsewhere, and stop runs of ours that a
        tick has cancelled.
        """
        awaited = self._waiters.elsewhere(self._runs)
        if asked := awaited + self._runs.scheduled():
            ended = [row for row in await self._store.ended(asked) if self._is_elsewhere(row)]
            for row in ended:
                self._drop_if_ours(row)
            for row in ended:
                self._waiters.wake(row.id, await self._with_attempts(row))

    def _is_elsewhere(self, row: RunRow) -> bool:
        """Whether the run has ended elsewhere. An end written here is published when the journal
        has committed it.
        """
        run = self._runs.get(row.id)
        return run is None or run.epoch != row.epoch

    def _drop_if_ours(self, row: RunRow) -> None:
        """Drop a run that this engine took for its own although it has ended elsewhere."""
        if (run := self._runs.get(row.id)) is not None:
            told = (row.id, row.workflow, row.status)
            log.info("run %s of %s: %s", *told, extra=_ids_of_end(row))
            self._drop(run)

    async def in_round(self, number: int, ended: Ended) -> Ended:
        """The end of the round that the caller waits for. It may have been missed, if the run was
        restarted at once or while this process stood still.
        """
        if ended.row.round <= number:
            return ended
        earlier = await self._reader.of_round(ended.row, number)
        return ended if earlier is None else await self._in_order(*earlier)

    async def _with_attempts(self, row: RunRow) -> Ended:
        """The end of another runner's run."""
        attempts = await self._store.load_attempts([row.id])
        return await self._in_order(row, await self._reader.counted_attempts(row, attempts))

    async def _in_order(self, row: RunRow, attempts: list[AttemptRow]) -> Ended:
        """An end with its tasks in definition order, as for runs of this runner."""
        task_ids = await self._reader.task_ids(row)
        position = {task_id: index for index, task_id in enumerate(task_ids)}
        attempts.sort(key=lambda attempt: position.get(attempt.task_id, len(position)))
        return Ended(row._replace(input=""), tuple(attempts))


class _ParkedEnd:
    """Waits like a future for the end of a run of ours, in its present round."""

    __slots__ = ("_call", "_completion", "_round")

    def __init__(self, call: ParkedCall[Ended], round_: int, completion: Completion) -> None:
        self._call = call
        self._round = round_
        self._completion = completion

    def done(self) -> bool:
        """Whether the caller has stopped waiting."""
        return self._call.is_withdrawn

    def set_exception(self, error: BaseException) -> None:
        """The end will not become known."""
        self._call.fail(error)

    def set_result(self, ended: Ended) -> None:
        """The run has ended, perhaps in a later round than the one that the caller waits for."""
        if ended.row.round <= self._round:
            self._call.answer(ended)
        else:
            end = self._completion.in_round(self._round, ended)
            self._call.follow(asyncio.get_running_loop().create_task(end))


def _row_of_end(row: RunRow, end: RunEnd) -> RunRow:
    """The row after its end, without the input. ``_replace`` would take three times as long."""
    return RunRow(
        row.id,
        row.workflow,
        row.version,
        end.status,
        row.owner,
        row.epoch,
        row.recoveries,
        "",  # input
        row.tags,
        row.parent_id,
        row.input if end.final_context is None else end.final_context,
        end.error_message,
        row.created_at,
        row.started_at,
        end.ended_at,
        row.schedule_id,
        end.reason_code,
        end.limit_seconds,
        row.round,
        row.priority,
        row.due_at,
        row.steer_reason,
        row.stood_still,
        row.time_limit,
        row.deadline_at,
        end.reason_tasks,
        row.came_due,
        row.messages,
        row.claimable_at,
        row.trace,
        row.ran_version,
        row.queue,
        row.child_kind,
        row.asked_queue,
        row.singleton_key,
    )


def _ids_of_end(row: RunRow) -> dict[str, str]:
    """The fields of the log record of an end."""
    return {
        "event": RUN_ENDED,
        "run_id": row.id,
        "workflow": row.workflow,
        "status": str(row.status),
    }


def _tell_of_end(row: RunRow) -> None:
    if row.error_message is None and not log.answers.get(logging.INFO, True):
        return
    ids = _ids_of_end(row)
    told = (row.id, row.workflow, row.status)
    if row.error_message is not None:
        log.warning("run %s of %s: %s: %.500s", *told, row.error_message, extra=ids)
    else:
        log.info("run %s of %s: %s", *told, extra=ids)


class AnswerAtEnd:
    """The answer to a submission whose caller, a thread, waits for the end of the run."""

    __slots__ = ("_call", "_completion")

    def __init__(self, call: ParkedCall[Ended], completion: Completion) -> None:
        self._call = call
        self._completion = completion

    def done(self) -> bool:
        """Whether the caller has stopped waiting."""
        return self._call.is_withdrawn

    def set_exception(self, error: BaseException) -> None:
        """The run was not accepted."""
        self._call.fail(error)

    def set_result(self, found: Accepted | None) -> None:
        """The run is durable, and has begun if this runner owns it."""
        assert found is not None, "only a run with a key is held back"
        (run_id,), _ = found
        self._call.run = (run_id,)  # as by ``accept``
        if not self._completion.park(run_id, self._call):
            end = self._completion.of(run_id)
            self._call.follow(asyncio.get_running_loop().create_task(end))
